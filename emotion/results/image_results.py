"""The results of a batch of images in a folder, written after each image, so that a batch can be stopped and continued.

    NAME.png       the image with its labels           faces.csv    a row for each face
    faces/NAME/    its faces                           faces.json   a record for each image
    .images.jsonl  a line for each image that is done  .unfinished/ files of the image in work

An image is done as soon as its line is written; its files are moved to their places after that, and once more where
that was interrupted. Both tables are extended by each image, and made anew of the lines at the start of a call.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from emotion.errors import ResultFolderError
from emotion.jobs.result_folder import check_result_folder, check_staging_folder, complete_result, start_result
from emotion.jobs.result_manifest import ANALYSIS, ResultManifest
from emotion.jobs.result_replacement import (
    check_movable,
    check_replaceable,
    remove_result,
    replace_result,
    staging_folder,
)
from emotion.model_store.store import compute_sha256
from emotion.results import tables
from emotion.results.photos import Photo, iter_crop_files, make_annotated_png
from emotion.storage import atomic_path, write_atomic

_INDEX_FILE: Final = ".images.jsonl"
_PARTIAL_FOLDER: Final = ".unfinished"
_FACES_FOLDER: Final = "faces"
_CSV_FILE: Final = "faces.csv"
_JSON_FILE: Final = "faces.json"


class InputImage(NamedTuple):
    """An image that is to be analyzed: its real path, and which of the times it is that a call names it, from 1."""

    path: str
    occurrence: int

    @classmethod
    def from_paths(cls, paths: Iterable[Path]) -> list[InputImage]:
        """The sources of the images that a call names."""
        seen: Counter[str] = Counter()
        sources = []
        for path in map(os.path.realpath, paths):
            seen[path] += 1
            sources.append(cls(path, seen[path]))
        return sources


@dataclass(frozen=True)
class CompletedImage:
    """What is kept of an image that is done: the sentence that was said of it, and its record in faces.json."""

    message: str
    record: Mapping[str, Any]


class _IndexEntry(NamedTuple):
    """Where the line of an image is in the index, and what tells whether the image is still the same."""

    offset: int
    stem: str
    size_bytes: int
    mtime_ns: int
    sha256: str


class ImageResults:
    """Results in `folder`, or with `overwrite` in a sibling that takes its place when `finish` is called.

    Raises `ResultFolderError`, and touches nothing, where `folder` may not be used, see `jobs.result_folder`, where it
    holds results that were made with other `settings`, or where one of the images was changed since it was analyzed.
    `settings`: what the results depend on, as plain JSON values, {} if there are only videos; `inputs`: all files that
    the call names; `labels`: those of the model.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        inputs: Sequence[Path],
        *,
        labels: Sequence[str] = (),
        overwrite: bool = False,
    ) -> None:
        self.folder = Path(os.path.realpath(folder))
        self._settings, self._labels = settings, labels
        found = check_result_folder(self.folder, ANALYSIS, inputs=inputs)
        self._is_staged = overwrite and found is not None
        if found is not None and overwrite:
            check_replaceable(self.folder, found, overwrite=True, own_files=_list_files(self.folder))
            check_movable(self.folder)
            found = self._resume_staging(InputImage.from_paths(inputs))
        elif found is not None:
            self._check_settings(found)
        self.output_folder = staging_folder(self.folder) if self._is_staged else self.folder
        self._entries = dict(_iter_entries(self.output_folder)) if found is not None else {}
        for source in set(InputImage.from_paths(inputs)) & self._entries.keys():
            self._check_unchanged(source)
        self._has_begun, self._mark = False, ResultManifest(ANALYSIS)
        self._used_stems = set[str]()  # names that cannot be given to an image any more

    @property
    def num_completed(self) -> int:
        """How many images are done."""
        return len(self._entries)

    def get_completed(self, source: InputImage) -> CompletedImage | None:
        """What is kept of an image; None where it is not done yet."""
        entry = self._entries.get(source)
        if entry is None:
            return None
        with open(self.output_folder / _INDEX_FILE, "rb") as file:
            file.seek(entry.offset)
            line = json.loads(file.readline())
        return CompletedImage(line["message"], line["record"])

    def begin(self) -> None:
        """Make the folder, and bring what an earlier call left there in order."""
        if self._has_begun:
            return
        before = check_result_folder(self.output_folder, ANALYSIS)
        self._mark = ResultManifest(ANALYSIS, settings=self._settings or (before.settings if before else {}))
        start_result(self.output_folder, self._mark)
        self._truncate_index()
        self._commit_files()
        self._write_tables()
        inside = [folder for folder in (self.output_folder, self.output_folder / _FACES_FOLDER) if folder.is_dir()]
        self._used_stems = {name.casefold().removesuffix(".png") for folder in inside for name in os.listdir(folder)}
        self._has_begun = True

    def add(self, source: InputImage, photo: Photo, message: str, *, anonymize: bool) -> None:
        """Write everything of an image. Raises `ResultFolderError` where the folder cannot be written to."""
        self.begin()
        try:
            self._write_image(source, photo, message, anonymize)
        except OSError as error:
            raise ResultFolderError(
                f"{self.output_folder} cannot be written to ({error.strerror}): make room or choose another folder."
            ) from error

    def finish(self) -> None:
        """The call did all that it was asked for: the result is complete, and replaces another one if it shall."""
        if self._has_begun or (self._is_staged and self._entries):
            self.begin()
            complete_result(self.output_folder, self._mark, _list_files(self.output_folder))
            if self._is_staged:
                replace_result(self.folder)

    def _write_image(self, source: InputImage, photo: Photo, message: str, anonymize: bool) -> None:
        stem = self._make_unique_stem(photo.stem)
        files = [f"{stem}.png"]
        self._write_partial(files[0], make_annotated_png(photo, anonymize=anonymize))
        for name, png in iter_crop_files(photo, anonymize=anonymize):
            files.append(f"{_FACES_FOLDER}/{stem}/{name}")
            self._write_partial(files[-1], png)
        is_file = os.path.isfile(source.path)
        facts = os.stat(source.path)
        line = {
            **source._asdict(),
            "stem": stem,
            "size_bytes": facts.st_size,
            "mtime_ns": facts.st_mtime_ns,
            "sha256": compute_sha256(Path(source.path)) if is_file else "",
            "files": files,
            "message": message,
            "record": photo.to_dict(),
            "rows": self._format_csv([photo])[1],
        }
        with open(self.output_folder / _INDEX_FILE, "ab") as file:
            offset = file.tell()
            file.write((json.dumps(line) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())
        self._commit_files(line)
        self._extend_tables(line)
        self._entries[source] = _IndexEntry(offset, stem, line["size_bytes"], line["mtime_ns"], line["sha256"])
        self._used_stems.add(stem.casefold())

    def _make_unique_stem(self, stem: str) -> str:
        new, number = stem, 1
        while new.casefold() in self._used_stems or new.casefold() == _FACES_FOLDER:
            number += 1
            new = f"{stem}-{number}"
        return new

    def _write_partial(self, name: str, data: bytes) -> None:
        path = self.output_folder / _PARTIAL_FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)

    def _truncate_index(self) -> None:
        """Remove half a line at the end of the index."""
        path = self.output_folder / _INDEX_FILE
        if path.is_file():
            with open(path, "rb") as file:
                whole = sum(len(text) for text in file if text.endswith(b"\n"))
            os.truncate(path, whole)

    def _commit_files(self, line: Mapping[str, Any] | None = None) -> None:
        """Move the files of the image that was done last (`line`, None: the last one of the index) to their places,
        and remove those of one that was not done."""
        if not (self.output_folder / _PARTIAL_FOLDER).is_dir():
            return
        if line is None:
            line = next(iter(deque(_iter_lines(self.output_folder), maxlen=1)), None)
        for name in line["files"] if line else ():
            if (self.output_folder / _PARTIAL_FOLDER / name).exists():
                (self.output_folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(self.output_folder / _PARTIAL_FOLDER / name, self.output_folder / name)
        shutil.rmtree(self.output_folder / _PARTIAL_FOLDER)

    # -------------------------------------------------------------- tables

    def _format_csv(self, photos: Sequence[Photo]) -> tuple[str, str]:
        """The header of the table, and its rows."""
        text = tables.to_csv(tables.faces_table([(photo.name, photo.faces) for photo in photos], self._labels))
        header, _, rows = text.partition("\n")
        return header + "\n", rows

    def _write_tables(self) -> None:
        """Write both tables anew, a line at a time. A call without images has no labels, and leaves them."""
        if not self._settings:
            return
        with atomic_path(self.output_folder / _CSV_FILE) as path, path.open("w", encoding="utf-8", newline="") as file:
            file.write(self._format_csv([])[0])
            file.writelines(line["rows"] for line in _iter_lines(self.output_folder))
        with atomic_path(self.output_folder / _JSON_FILE) as path, path.open("w", encoding="utf-8", newline="") as file:
            file.write("[\n")
            for number, line in enumerate(_iter_lines(self.output_folder)):
                file.write((",\n" if number else "") + _dump_record(line))
            file.write("\n]\n" if self._entries else "]\n")

    def _extend_tables(self, line: Mapping[str, Any]) -> None:
        with open(self.output_folder / _CSV_FILE, "a", encoding="utf-8", newline="") as file:
            file.write(line["rows"])
        with open(self.output_folder / _JSON_FILE, "rb+") as file:
            end = b"\n]\n" if self._entries else b"]\n"
            file.seek(-len(end), os.SEEK_END)
            file.write(((",\n" if self._entries else "") + _dump_record(line) + "\n]\n").encode())

    # -------------------------------------------------------------- what is refused

    def _resume_staging(self, sources: Collection[InputImage]) -> ResultManifest | None:
        """The mark of an attempt to replace the folder that is to be continued; any other one is removed."""
        stage = staging_folder(self.folder)
        files = _list_files(stage)
        mark = check_staging_folder(self.folder, ANALYSIS, own_files=files)
        if mark is None:
            return None
        if mark.settings == self._settings and {source for source, _ in _iter_entries(stage)} <= set(sources):
            return mark
        remove_result(stage)  # `check_staging_folder` found nothing in it that is not its own
        return None

    def _check_settings(self, mark: ResultManifest) -> None:
        names = [name for name in self._settings if mark.settings and mark.settings.get(name) != self._settings[name]]
        if names:
            raise ResultFolderError(
                f"{self.folder} holds results with other settings ({', '.join(names)}); choose another folder, or "
                "replace it with --overwrite."
            )

    def _check_unchanged(self, source: InputImage) -> None:
        entry = self._entries[source]
        if not os.path.isfile(source.path):
            return  # it is said to be missing when it is to be read
        facts = os.stat(source.path)
        if (facts.st_size, facts.st_mtime_ns) != (entry.size_bytes, entry.mtime_ns) and compute_sha256(
            Path(source.path)
        ) != entry.sha256:
            raise ResultFolderError(
                f"{source.path} is not what it was when its results were written into {self.folder}; choose another "
                "folder, or replace it with --overwrite."
            )


def _dump_record(line: Mapping[str, Any]) -> str:
    return json.dumps(line["record"], ensure_ascii=False)


def _iter_lines(folder: Path) -> Iterator[dict[str, Any]]:
    return (line for _, line in _iter_index(folder))


def _iter_index(folder: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The whole lines of the index with their offsets; a last one without its line break is not whole."""
    path = folder / _INDEX_FILE
    if not path.is_file():
        return
    with open(path, "rb") as file:
        offset = 0
        for text in file:
            if text.endswith(b"\n"):
                try:
                    yield offset, json.loads(text)
                except ValueError as error:
                    raise ResultFolderError(f"{path} is damaged; choose another folder.") from error
            offset += len(text)


def _iter_entries(folder: Path) -> Iterator[tuple[InputImage, _IndexEntry]]:
    for offset, line in _iter_index(folder):
        yield (
            InputImage(line["path"], line["occurrence"]),
            _IndexEntry(offset, line["stem"], line["size_bytes"], line["mtime_ns"], line["sha256"]),
        )


def _list_files(folder: Path) -> set[str]:
    """All files of the images that are done, relative to `folder`."""
    return {name for line in _iter_lines(folder) for name in line["files"]}
