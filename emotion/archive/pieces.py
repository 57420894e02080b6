"""A piece of an archive: the files that a worker analyzes in one go, and the Parquet files that come of it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from emotion.archive.schemas import ERRORS, FACES, VIDEOS, make_schemas
from emotion.archive.source_files import SourceFile

COMPRESSION: Final = "zstd"
_ROWS_PER_FLUSH: Final = 2000  # kept as Python values; a long video has a hundred thousand rows

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Piece:
    """Files that are analyzed together.

    Attributes:
        number: From 0, in the order of the sources.
        first_file_id: The `file_id` of the first file; the others follow.
        files: The files.
    """

    number: int
    first_file_id: int
    files: tuple[SourceFile, ...]

    def split(self) -> list[Piece]:
        """Return a piece for each file, all with the number of this one."""
        return [Piece(self.number, self.first_file_id + i, (file,)) for i, file in enumerate(self.files)]


@dataclass(frozen=True)
class PieceResult:
    """The results of a piece.

    Attributes:
        number: Of the piece.
        first_file_id: Of the piece.
        num_files: All files, also those with errors.
        num_rows: The rows of each table that has some.
        tables: The Parquet file of each table that has rows.
    """

    number: int
    first_file_id: int
    num_files: int
    num_rows: Mapping[str, int]
    tables: Mapping[str, bytes] = field(repr=False)

    @property
    def num_faces(self) -> int:
        """The faces of images and of frames of videos."""
        return self.num_rows.get(FACES, 0) + self.num_rows.get(VIDEOS, 0)

    @property
    def num_errors(self) -> int:
        """The files with a problem."""
        return self.num_rows.get(ERRORS, 0)


class PieceWriter:
    """Collects rows and encodes them as one Parquet file for each table, in memory.

    Args:
        labels: See `make_schemas`.
        with_features: See `make_schemas`.
    """

    def __init__(self, labels: Sequence[str], *, with_features: bool = False) -> None:
        self._schemas = make_schemas(labels, with_features=with_features)
        self._rows: dict[str, list[Row]] = {name: [] for name in self._schemas}
        self._num_rows: dict[str, int] = {}
        self._buffers: dict[str, io.BytesIO] = {}
        self._writers: dict[str, pq.ParquetWriter] = {}

    def add(self, table: str, row: Row) -> None:
        """Add a row to one of `TABLES`."""
        self._rows[table].append(row)
        self._num_rows[table] = self._num_rows.get(table, 0) + 1
        if len(self._rows[table]) >= _ROWS_PER_FLUSH:
            self._flush(table)

    def finish(self, piece: Piece) -> PieceResult:
        """Return all rows; nothing may be added afterwards."""
        for table in self._rows:
            self._flush(table)
        for writer in self._writers.values():
            writer.close()
        data = {table: buffer.getvalue() for table, buffer in self._buffers.items()}
        return PieceResult(piece.number, piece.first_file_id, len(piece.files), self._num_rows, data)

    def _flush(self, table: str) -> None:
        if not self._rows[table]:
            return
        if table not in self._writers:
            self._buffers[table] = io.BytesIO()
            self._writers[table] = pq.ParquetWriter(self._buffers[table], self._schemas[table], compression=COMPRESSION)
        self._writers[table].write_table(pa.Table.from_pylist(list(self._rows[table]), self._schemas[table]))
        self._rows[table].clear()


def merge_results(results: Sequence[PieceResult]) -> PieceResult:
    """Join the results of `Piece.split` to those of the whole piece."""
    ordered = sorted(results, key=lambda result: result.first_file_id)
    tables: dict[str, bytes] = {}
    num_rows: dict[str, int] = {}
    for name in dict.fromkeys(name for result in ordered for name in result.tables):
        parts = [pq.read_table(io.BytesIO(result.tables[name])) for result in ordered if name in result.tables]
        joined, buffer = pa.concat_tables(parts), io.BytesIO()
        pq.write_table(joined, buffer, compression=COMPRESSION)
        tables[name], num_rows[name] = buffer.getvalue(), joined.num_rows
    first = ordered[0]
    return PieceResult(first.number, first.first_file_id, sum(r.num_files for r in ordered), num_rows, tables)
