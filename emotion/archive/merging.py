"""Join the tables of all pieces into few large files, in the order of the sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from emotion.archive.pieces import COMPRESSION
from emotion.archive.schemas import TABLES
from emotion.archive.store import ArchiveStore
from emotion.storage import atomic_path

_ROWS_PER_GROUP: Final = 5_000  # with thumbnails 10 MB, which a page reads to show one of them
_ROWS_PER_FILE: Final = 1_000_000


def merge_pieces(store: ArchiveStore, should_stop: Callable[[], bool] = lambda: False) -> list[str]:
    """Write the complete tables; the files of the pieces stay.

    Args:
        store: The result folder, with all pieces done.
        should_stop: Ends the work early; it starts again in the next run.

    Returns:
        The written files, relative to the folder.
    """
    records = sorted(store.iter_records(), key=lambda record: record["piece"])
    names: list[str] = []
    for table in TABLES:
        paths = [store.piece_path(table, record["piece"]) for record in records if table in record["tables"]]
        for number, groups in enumerate(_split_files(_iter_groups(paths))):
            if should_stop():
                return names
            names.append(f"{table}/part-{number:05d}.parquet")
            _write(store.folder / names[-1], groups)
    return names


def _write(path: Path, groups: Iterator[pa.Table]) -> None:
    path.parent.mkdir(exist_ok=True)
    with atomic_path(path) as temporary, ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        for group in groups:
            writer = writer or stack.enter_context(pq.ParquetWriter(temporary, group.schema, compression=COMPRESSION))
            writer.write_table(group)


def _iter_groups(paths: list[Path]) -> Iterator[pa.Table]:
    """Yield all rows of files as tables of `_ROWS_PER_GROUP` rows."""
    waiting: list[pa.Table] = []
    num_rows = 0
    for path in paths:
        waiting.append(pq.ParquetFile(path).read())
        num_rows += waiting[-1].num_rows
        while num_rows >= _ROWS_PER_GROUP:
            joined = pa.concat_tables(waiting).combine_chunks()
            yield joined.slice(0, _ROWS_PER_GROUP)
            waiting = [joined.slice(_ROWS_PER_GROUP)]
            num_rows = waiting[0].num_rows
    if num_rows:
        yield pa.concat_tables(waiting).combine_chunks()


def _split_files(groups: Iterator[pa.Table]) -> Iterator[Iterator[pa.Table]]:
    """Yield the groups of one file after the other; each must be used up before the next one."""
    for first in groups:
        yield _take_file(first, groups)


def _take_file(first: pa.Table, groups: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    for _ in range(_ROWS_PER_FILE // _ROWS_PER_GROUP - 1):
        group = next(groups, None)
        if group is None:
            return
        yield group
