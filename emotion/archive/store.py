"""The result folder of an archive analysis: what is to do, what is done, and the tables.

    .emotion-result.json  settings, versions and sha256 of what makes the results; whether they are complete
    sources.parquet       the list of files, split into pieces; written once
    pieces/               a Parquet file for each table and piece, while the analysis runs
    pieces.jsonl          one line for each piece whose files are on the disk
    files/, faces/, videos/, errors/   the complete tables, in the order of the list

Only the process that runs the analysis writes: a worker that is lost leaves nothing behind.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from emotion.archive.pieces import Piece, PieceResult
from emotion.archive.schemas import TABLES
from emotion.archive.source_files import VIDEO, SourceFile
from emotion.errors import DataError, ResultFolderError
from emotion.jobs.result_manifest import PARTIAL_PATTERN
from emotion.storage import atomic_path, write_atomic
from emotion.translation.messages import gettext as _

SOURCES_FILE: Final = "sources.parquet"
PIECES_FILE: Final = "pieces.jsonl"
PIECES_FOLDER: Final = "pieces"
IMAGES_PER_PIECE: Final = 32  # a few seconds of work, which is what a kill can cost a worker
_ROWS_PER_BATCH: Final = 4096  # of the list of sources in memory

_SOURCES_SCHEMA: Final = pa.schema(
    [
        ("piece", pa.int64()),
        ("location", pa.binary()),  # bytes, since names of files need not be valid Unicode
        ("member", pa.binary()),
        ("kind", pa.string()),
        ("size_bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("offset", pa.int64()),
        ("archive_mtime_ns", pa.int64()),
    ]
)


@dataclass
class Totals:
    """Counts of pieces, files, faces and files with a problem."""

    pieces: int = 0
    files: int = 0
    faces: int = 0
    errors: int = 0

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a line of `pieces.jsonl`."""
        self.pieces += 1
        self.files += record["files"]
        self.faces += record["faces"]
        self.errors += record["errors"]


class ArchiveStore:
    """Reads and extends a result folder; one process at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def has_sources(self) -> bool:
        """Whether the list of files is complete."""
        return (self.folder / SOURCES_FILE).is_file()

    def write_sources(self, files: Iterable[SourceFile], images_per_piece: int = IMAGES_PER_PIECE) -> None:
        """Store the list of files, split into pieces of so many images, or of one video."""
        with atomic_path(self.folder / SOURCES_FILE) as path, pq.ParquetWriter(path, _SOURCES_SCHEMA) as writer:
            rows: list[dict[str, Any]] = []
            piece, num_images = 0, 0
            for file in files:
                is_video = file.kind == VIDEO
                if num_images and (is_video or num_images >= images_per_piece):
                    piece, num_images = piece + 1, 0
                rows.append(
                    asdict(file) | {"piece": piece, "location": _encode(file.location), "member": _encode(file.member)}
                )
                piece, num_images = (piece + 1, 0) if is_video else (piece, num_images + 1)
                if len(rows) >= _ROWS_PER_BATCH:
                    writer.write_table(pa.Table.from_pylist(rows, _SOURCES_SCHEMA))
                    rows.clear()
            if rows:
                writer.write_table(pa.Table.from_pylist(rows, _SOURCES_SCHEMA))

    def count_sources(self) -> int:
        """Return the number of files in the list."""
        return pq.read_metadata(self.folder / SOURCES_FILE).num_rows

    def iter_pieces(self) -> Iterator[Piece]:
        """Iterate over all pieces; only a few thousand files are in memory."""
        file_id = 0
        for number, rows in groupby(self._iter_source_rows(), key=lambda row: row["piece"]):
            files = tuple(map(_make_source, rows))
            yield Piece(number, file_id, files)
            file_id += len(files)

    def _iter_source_rows(self) -> Iterator[dict[str, Any]]:
        with pq.ParquetFile(self.folder / SOURCES_FILE) as file:
            for batch in file.iter_batches(_ROWS_PER_BATCH):
                yield from batch.to_pylist()

    def read_source(self, file_id: int) -> SourceFile:
        """Return a file of the list.

        Raises:
            DataError: The folder has no list, or it has no such file.
        """
        if self.has_sources:
            with pq.ParquetFile(self.folder / SOURCES_FILE) as file:
                first = 0
                for index in range(file.num_row_groups):
                    num_rows = file.metadata.row_group(index).num_rows
                    if first <= file_id < first + num_rows:
                        rows = file.read_row_group(index).slice(file_id - first, 1).to_pylist()
                        return _make_source(rows[0])
                    first += num_rows
        raise DataError(
            _("{folder} does not list where its file {file} is; open the whole result folder.").format(
                folder=self.folder, file=file_id
            )
        )

    def prepare(self) -> set[int]:
        """Remove what a killed process left, and return the numbers of the pieces that are done."""
        (self.folder / PIECES_FOLDER).mkdir(exist_ok=True)
        for folder in (self.folder, *(self.folder / name for name in (PIECES_FOLDER, *TABLES))):
            for path in folder.glob(PARTIAL_PATTERN):
                path.unlink()
        records = self.folder / PIECES_FILE
        if records.is_file():
            with open(records, "rb") as file:
                size = sum(len(line) for line in file if line.endswith(b"\n"))
            os.truncate(records, size)  # the last line may be cut off
        return {record["piece"] for record in self.iter_records()}

    def iter_records(self) -> Iterator[dict[str, Any]]:
        """Iterate over the lines of the pieces that are done, in the order in which they were done."""
        records = self.folder / PIECES_FILE
        if not records.is_file():
            return
        with open(records, encoding="utf-8") as file:
            for line in file:
                if not line.endswith("\n"):
                    return
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise ResultFolderError(f"{records} is damaged; choose another folder.") from error

    def commit(self, result: PieceResult) -> dict[str, Any]:
        """Write the tables of a piece, wait until they are on the disk, then record the piece; return its line."""
        for table, data in result.tables.items():
            write_atomic(self.piece_path(table, result.number), data)
        record = {
            "piece": result.number,
            "files": result.num_files,
            "faces": result.num_faces,
            "errors": result.num_errors,
            "tables": sorted(result.tables),
        }
        with open(self.folder / PIECES_FILE, "ab") as file:
            file.write((json.dumps(record) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())
        return record

    def piece_path(self, table: str, number: int) -> Path:
        """Return the path of the Parquet file of a table of a piece."""
        return self.folder / PIECES_FOLDER / f"{table}-{number:07d}.parquet"

    def count(self) -> Totals:
        """Return the totals of all pieces that are done."""
        totals = Totals()
        for record in self.iter_records():
            totals.add(record)
        return totals


def _make_source(row: Mapping[str, Any]) -> SourceFile:
    return SourceFile(
        _decode(row["location"]),
        _decode(row["member"]),
        row["kind"],
        row["size_bytes"],
        row["mtime_ns"],
        row["offset"],
        row["archive_mtime_ns"],
    )


def _encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
