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
from emotion.jobs.result_folder import (  # fmt: skip
    ANALYSIS,
    Mark,
    begin,
    check,
    check_movable,
    check_replaceable,
    check_stage,
    complete,
    put_in_place,
    remove,
    staging,
)
from emotion.model_store.store import sha256_of
from emotion.results import tables
from emotion.results.photos import Photo, annotated_png, crop_files
from emotion.storage import replacing, write_atomic

_INDEX: Final = ".images.jsonl"
_PART: Final = ".unfinished"
_FACES: Final = "faces"
_CSV: Final = "faces.csv"
_JSON: Final = "faces.json"


class Source(NamedTuple):
    """An image that is to be analyzed: its real path, and which of the times it is that a call names it, from 1."""

    path: str
    number: int

    @classmethod
    def of(cls, paths: Iterable[Path]) -> list[Source]:
        """The sources of the images that a call names."""
        seen: Counter[str] = Counter()
        sources = []
        for path in map(os.path.realpath, paths):
            seen[path] += 1
            sources.append(cls(path, seen[path]))
        return sources


@dataclass(frozen=True)
class Done:
    """What is kept of an image that is done: the sentence that was said of it, and its record in faces.json."""

    sentence: str
    record: Mapping[str, Any]


class _Entry(NamedTuple):
    """Where the line of an image is in the index, and what tells whether the image is still the same."""

    offset: int
    stem: str
    bytes: int
    modified: int
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
        found = check(self.folder, ANALYSIS, inputs=inputs)
        self._staged = overwrite and found is not None
        if found is not None and overwrite:
            check_replaceable(self.folder, found, overwrite=True, own=_files(self.folder))
            check_movable(self.folder)
            found = self._checked_stage(Source.of(inputs))
        elif found is not None:
            self._check_settings(found)
        self.place = staging(self.folder) if self._staged else self.folder
        self._entries = dict(_entries(self.place)) if found is not None else {}
        for source in set(Source.of(inputs)) & self._entries.keys():
            self._check_unchanged(source)
        self._begun, self._mark = False, Mark(ANALYSIS)
        self._taken = set[str]()  # names that cannot be given to an image any more

    @property
    def count(self) -> int:
        """How many images are done."""
        return len(self._entries)

    def done(self, source: Source) -> Done | None:
        """What is kept of an image; None where it is not done yet."""
        entry = self._entries.get(source)
        if entry is None:
            return None
        with open(self.place / _INDEX, "rb") as file:
            file.seek(entry.offset)
            line = json.loads(file.readline())
        return Done(line["sentence"], line["record"])

    def begin(self) -> None:
        """Make the folder, and bring what an earlier call left there in order."""
        if self._begun:
            return
        before = check(self.place, ANALYSIS)
        self._mark = Mark(ANALYSIS, settings=self._settings or (before.settings if before else {}))
        begin(self.place, self._mark)
        self._trim()
        self._settle()
        self._write_tables()
        inside = [folder for folder in (self.place, self.place / _FACES) if folder.is_dir()]
        self._taken = {name.casefold().removesuffix(".png") for folder in inside for name in os.listdir(folder)}
        self._begun = True

    def add(self, source: Source, photo: Photo, sentence: str, *, blur: bool) -> None:
        """Write everything of an image. Raises `ResultFolderError` where the folder cannot be written to."""
        self.begin()
        try:
            self._add(source, photo, sentence, blur)
        except OSError as error:
            raise ResultFolderError(
                f"{self.place} cannot be written to ({error.strerror}): make room or choose another folder."
            ) from error

    def finish(self) -> None:
        """The call did all that it was asked for: the result is complete, and replaces another one if it shall."""
        if self._begun or (self._staged and self._entries):
            self.begin()
            complete(self.place, self._mark, _files(self.place))
            if self._staged:
                put_in_place(self.folder)

    def _add(self, source: Source, photo: Photo, sentence: str, blur: bool) -> None:
        stem = self._free(photo.stem)
        files = [f"{stem}.png"]
        self._write_part(files[0], annotated_png(photo, blur=blur))
        for name, png in crop_files(photo, blur=blur):
            files.append(f"{_FACES}/{stem}/{name}")
            self._write_part(files[-1], png)
        is_file = os.path.isfile(source.path)
        facts = os.stat(source.path)
        line = {
            **source._asdict(),
            "stem": stem,
            "bytes": facts.st_size,
            "modified": facts.st_mtime_ns,
            "sha256": sha256_of(Path(source.path)) if is_file else "",
            "files": files,
            "sentence": sentence,
            "record": photo.as_json(),
            "rows": self._csv([photo])[1],
        }
        with open(self.place / _INDEX, "ab") as file:
            offset = file.tell()
            file.write((json.dumps(line) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())
        self._settle(line)
        self._extend_tables(line)
        self._entries[source] = _Entry(offset, stem, line["bytes"], line["modified"], line["sha256"])
        self._taken.add(stem.casefold())

    def _free(self, stem: str) -> str:
        new, number = stem, 1
        while new.casefold() in self._taken or new.casefold() == _FACES:
            number += 1
            new = f"{stem}-{number}"
        return new

    def _write_part(self, name: str, data: bytes) -> None:
        path = self.place / _PART / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)

    def _trim(self) -> None:
        """Remove half a line at the end of the index."""
        path = self.place / _INDEX
        if path.is_file():
            with open(path, "rb") as file:
                whole = sum(len(text) for text in file if text.endswith(b"\n"))
            os.truncate(path, whole)

    def _settle(self, line: Mapping[str, Any] | None = None) -> None:
        """Move the files of the image that was done last (`line`, None: the last one of the index) to their places,
        and remove those of one that was not done."""
        if not (self.place / _PART).is_dir():
            return
        if line is None:
            line = next(iter(deque(_lines(self.place), maxlen=1)), None)
        for name in line["files"] if line else ():
            if (self.place / _PART / name).exists():
                (self.place / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(self.place / _PART / name, self.place / name)
        shutil.rmtree(self.place / _PART)

    # -------------------------------------------------------------- tables

    def _csv(self, photos: Sequence[Photo]) -> tuple[str, str]:
        """The header of the table, and its rows."""
        text = tables.to_csv(tables.faces_table([(photo.name, photo.faces) for photo in photos], self._labels))
        header, _, rows = text.partition("\n")
        return header + "\n", rows

    def _write_tables(self) -> None:
        """Write both tables anew, a line at a time. A call without images has no labels, and leaves them."""
        if not self._settings:
            return
        with replacing(self.place / _CSV) as path, path.open("w", encoding="utf-8", newline="") as file:
            file.write(self._csv([])[0])
            file.writelines(line["rows"] for line in _lines(self.place))
        with replacing(self.place / _JSON) as path, path.open("w", encoding="utf-8", newline="") as file:
            file.write("[\n")
            for number, line in enumerate(_lines(self.place)):
                file.write((",\n" if number else "") + _record(line))
            file.write("\n]\n" if self._entries else "]\n")

    def _extend_tables(self, line: Mapping[str, Any]) -> None:
        with open(self.place / _CSV, "a", encoding="utf-8", newline="") as file:
            file.write(line["rows"])
        with open(self.place / _JSON, "rb+") as file:
            end = b"\n]\n" if self._entries else b"]\n"
            file.seek(-len(end), os.SEEK_END)
            file.write(((",\n" if self._entries else "") + _record(line) + "\n]\n").encode())

    # -------------------------------------------------------------- what is refused

    def _checked_stage(self, sources: Collection[Source]) -> Mark | None:
        """The mark of an attempt to replace the folder that is to be continued; any other one is removed."""
        stage = staging(self.folder)
        files = _files(stage)
        mark = check_stage(self.folder, ANALYSIS, own=files)
        if mark is None:
            return None
        if mark.settings == self._settings and {source for source, _ in _entries(stage)} <= set(sources):
            return mark
        remove(stage)  # `check_stage` found nothing in it that is not its own
        return None

    def _check_settings(self, found: Mark) -> None:
        names = [name for name in self._settings if found.settings and found.settings.get(name) != self._settings[name]]
        if names:
            raise ResultFolderError(
                f"{self.folder} holds results with other settings ({', '.join(names)}); choose another folder, or "
                "replace it with --overwrite."
            )

    def _check_unchanged(self, source: Source) -> None:
        entry = self._entries[source]
        if not os.path.isfile(source.path):
            return  # it is said to be missing when it is to be read
        facts = os.stat(source.path)
        if (facts.st_size, facts.st_mtime_ns) != (entry.bytes, entry.modified) and sha256_of(
            Path(source.path)
        ) != entry.sha256:
            raise ResultFolderError(
                f"{source.path} is not what it was when its results were written into {self.folder}; choose another "
                "folder, or replace it with --overwrite."
            )


def _record(line: Mapping[str, Any]) -> str:
    return json.dumps(line["record"], ensure_ascii=False)


def _lines(folder: Path) -> Iterator[dict[str, Any]]:
    return (line for _, line in _indexed(folder))


def _indexed(folder: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The whole lines of the index with their offsets; a last one without its line break is not whole."""
    path = folder / _INDEX
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


def _entries(folder: Path) -> Iterator[tuple[Source, _Entry]]:
    for offset, line in _indexed(folder):
        yield (
            Source(line["path"], line["number"]),
            _Entry(offset, line["stem"], line["bytes"], line["modified"], line["sha256"]),
        )


def _files(folder: Path) -> set[str]:
    """All files of the images that are done, relative to `folder`."""
    return {name for line in _lines(folder) for name in line["files"]}
