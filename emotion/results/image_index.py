"""The index of an image batch: a JSON line for each completed image, from which everything else can be written."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypedDict

from emotion.errors import ResultFolderError
from emotion.results.records import PhotoRecord

INDEX_FILE: Final = ".images.jsonl"


class InputImage(NamedTuple):
    """An image of a batch: its real path, and its number among equal paths, from 1."""

    path: str
    occurrence: int

    @classmethod
    def from_paths(cls, paths: Iterable[Path]) -> list[InputImage]:
        """Return the images of a batch in the order of their paths."""
        seen: Counter[str] = Counter()
        images = []
        for path in map(os.path.realpath, paths):
            seen[path] += 1
            images.append(cls(path, seen[path]))
        return images


class IndexLine(TypedDict):
    """A line of the index.

    `size_bytes`, `mtime_ns`, `sha256`: of the image file ("" for none). `files`: written for the image, relative to
    the folder. `message`: printed for it. `record`, `rows`: its part of faces.json and faces.csv.
    """

    path: str
    occurrence: int
    stem: str
    size_bytes: int
    mtime_ns: int
    sha256: str
    files: list[str]
    message: str
    record: PhotoRecord
    rows: str


class IndexEntry(NamedTuple):
    """The offset of a line in bytes, and what identifies the content of its image."""

    offset: int
    size_bytes: int
    mtime_ns: int
    sha256: str


class ImageIndex:
    """Reads and extends the index in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / INDEX_FILE

    def append(self, line: IndexLine) -> IndexEntry:
        """Write a line and wait until it is on the disk."""
        with open(self._path, "ab") as file:
            offset = file.tell()
            file.write((json.dumps(line) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())
        return IndexEntry(offset, line["size_bytes"], line["mtime_ns"], line["sha256"])

    def truncate(self) -> None:
        """Remove an incomplete last line."""
        if self._path.is_file():
            with open(self._path, "rb") as file:
                size = sum(len(text) for text in file if text.endswith(b"\n"))
            os.truncate(self._path, size)

    def read_line(self, entry: IndexEntry) -> IndexLine:
        """Return the line of an entry."""
        with open(self._path, "rb") as file:
            file.seek(entry.offset)
            return json.loads(file.readline())

    def iter_lines(self) -> Iterator[IndexLine]:
        """Iterate over the complete lines; none without a file."""
        return (line for _, line in self._iter_lines())

    def read_entries(self) -> dict[InputImage, IndexEntry]:
        """Return the entries of all complete lines."""
        return {
            InputImage(line["path"], line["occurrence"]): IndexEntry(
                offset, line["size_bytes"], line["mtime_ns"], line["sha256"]
            )
            for offset, line in self._iter_lines()
        }

    def list_files(self) -> set[str]:
        """Return the files of all completed images, relative to the folder."""
        return {name for line in self.iter_lines() for name in line["files"]}

    def _iter_lines(self) -> Iterator[tuple[int, IndexLine]]:
        if not self._path.is_file():
            return
        with open(self._path, "rb") as file:
            offset = 0
            for text in file:
                if text.endswith(b"\n"):
                    try:
                        yield offset, json.loads(text)
                    except ValueError as error:
                        raise ResultFolderError(f"{self._path} is damaged; choose another folder.") from error
                offset += len(text)
