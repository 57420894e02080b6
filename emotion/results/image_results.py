"""The results of an image batch in a folder, written image by image, so that a batch can be stopped and continued.

    NAME.png       the image with its labels           faces.csv    one row per face
    faces/NAME/    its faces                           faces.json   one record per image
    .images.jsonl  one line per completed image        .unfinished/ files of the current image

An image is complete when its line is written. Its files are moved to their places after that; a move that was
interrupted is repeated by the next call. Both tables are extended with each image and rewritten from the lines at the
start of a call.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

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
from emotion.results.image_index import ImageIndex, IndexLine, InputImage
from emotion.results.photos import Photo, iter_crop_files, make_annotated_png
from emotion.storage import atomic_path, write_atomic

_PARTIAL_FOLDER: Final = ".unfinished"
_FACES_FOLDER: Final = "faces"
_CSV_FILE: Final = "faces.csv"
_JSON_FILE: Final = "faces.json"


@dataclass(frozen=True)
class CompletedImage:
    """What is saved of a completed image: the line printed for it, and its record in faces.json."""

    message: str
    record: Mapping[str, Any]


class ImageResults:
    """Results in `folder`, or with `overwrite` in a sibling folder that replaces it in `finish`.

    Args:
        folder: May be new, empty, or hold results of the same settings, see `jobs.result_folder`.
        settings: What the results depend on, as plain JSON values; {} for a batch of videos only.
        inputs: All files of the batch.
        labels: Of the classifier.
        overwrite: Replace existing results.

    Raises:
        ResultFolderError: The folder holds other files or results of other settings, or an image was changed since it
            was analyzed. Nothing is changed then.
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
        manifest = check_result_folder(self.folder, ANALYSIS, inputs=inputs)
        self._is_staged = overwrite and manifest is not None
        if self._is_staged and manifest is not None:
            own_files = ImageIndex(self.folder).list_files()
            check_replaceable(self.folder, manifest, overwrite=True, own_files=own_files)
            check_movable(self.folder)
            manifest = self._resume_staging(InputImage.from_paths(inputs))
        elif manifest is not None:
            self._check_settings(manifest)
        self.output_folder = staging_folder(self.folder) if self._is_staged else self.folder
        self._index = ImageIndex(self.output_folder)
        self._entries = self._index.read_entries() if manifest is not None else {}
        for image in set(InputImage.from_paths(inputs)) & self._entries.keys():
            self._check_unchanged(image)
        self._has_begun, self._manifest = False, ResultManifest(ANALYSIS)
        self._used_stems = set[str]()  # lower case, as some systems compare names

    @property
    def num_completed(self) -> int:
        """The number of completed images."""
        return len(self._entries)

    def get_completed(self, image: InputImage) -> CompletedImage | None:
        """Return what is saved of an image; None where it is not complete."""
        entry = self._entries.get(image)
        if entry is None:
            return None
        line = self._index.read_line(entry)
        return CompletedImage(line["message"], line["record"])

    def begin(self) -> None:
        """Create the folder, or complete what an interrupted call left in it."""
        if self._has_begun:
            return
        manifest = check_result_folder(self.output_folder, ANALYSIS)
        settings = self._settings or (manifest.settings if manifest else {})
        self._manifest = ResultManifest(ANALYSIS, settings=settings)
        start_result(self.output_folder, self._manifest)
        self._index.truncate()
        self._commit_files(next(iter(deque(self._index.iter_lines(), maxlen=1)), None))
        self._write_tables()
        folders = [folder for folder in (self.output_folder, self.output_folder / _FACES_FOLDER) if folder.is_dir()]
        self._used_stems = {name.casefold().removesuffix(".png") for folder in folders for name in os.listdir(folder)}
        self._has_begun = True

    def add(self, image: InputImage, photo: Photo, message: str, *, anonymize: bool) -> None:
        """Write all files of an image; raises `ResultFolderError` where the folder cannot be written to."""
        self.begin()
        try:
            self._write_image(image, photo, message, anonymize)
        except OSError as error:
            raise ResultFolderError(
                f"{self.output_folder} cannot be written to ({error.strerror}); free disk space or choose "
                "another folder."
            ) from error

    def finish(self) -> None:
        """Mark the results as complete; staged ones replace the previous results."""
        if self._has_begun or (self._is_staged and self._entries):
            self.begin()
            complete_result(self.output_folder, self._manifest, self._index.list_files())
            if self._is_staged:
                replace_result(self.folder)

    def _write_image(self, image: InputImage, photo: Photo, message: str, anonymize: bool) -> None:
        stem = self._make_unique_stem(photo.stem)
        files = [f"{stem}.png"]
        self._write_partial(files[0], make_annotated_png(photo, anonymize=anonymize))
        for name, png in iter_crop_files(photo, anonymize=anonymize):
            files.append(f"{_FACES_FOLDER}/{stem}/{name}")
            self._write_partial(files[-1], png)
        stat = os.stat(image.path)
        line: IndexLine = {
            "path": image.path,
            "occurrence": image.occurrence,
            "stem": stem,
            "size_bytes": stat.st_size,
            "mtime_ns": stat.st_mtime_ns,
            "sha256": compute_sha256(Path(image.path)) if os.path.isfile(image.path) else "",
            "files": files,
            "message": message,
            "record": photo.to_dict(),
            "rows": self._format_csv([photo])[1],
        }
        entry = self._index.append(line)
        self._commit_files(line)
        self._extend_tables(line)
        self._entries[image] = entry
        self._used_stems.add(stem.casefold())

    def _make_unique_stem(self, stem: str) -> str:
        unique, number = stem, 1
        while unique.casefold() in self._used_stems or unique.casefold() == _FACES_FOLDER:
            number += 1
            unique = f"{stem}-{number}"
        return unique

    def _write_partial(self, name: str, data: bytes) -> None:
        path = self.output_folder / _PARTIAL_FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)

    def _commit_files(self, line: IndexLine | None) -> None:
        """Move the files of the last completed image to their places; remove those of an incomplete one."""
        partial = self.output_folder / _PARTIAL_FOLDER
        if not partial.is_dir():
            return
        for name in line["files"] if line else ():
            if (partial / name).exists():
                (self.output_folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(partial / name, self.output_folder / name)
        shutil.rmtree(partial)

    def _format_csv(self, photos: Sequence[Photo]) -> tuple[str, str]:
        """The header of faces.csv, and the rows of some photos."""
        named_faces, with_features = (
            [(photo.name, photo.faces) for photo in photos],
            bool(self._settings.get("features")),
        )
        text = tables.to_csv(tables.faces_table(named_faces, self._labels, with_features=with_features))
        header, _, rows = text.partition("\n")
        return header + "\n", rows

    def _write_tables(self) -> None:
        """Write both tables from the index. A batch of videos has no labels and keeps the tables of an earlier one."""
        if not self._settings:
            return
        with atomic_path(self.output_folder / _CSV_FILE) as path, path.open("w", encoding="utf-8", newline="") as file:
            file.write(self._format_csv([])[0])
            file.writelines(line["rows"] for line in self._index.iter_lines())
        with atomic_path(self.output_folder / _JSON_FILE) as path, path.open("w", encoding="utf-8", newline="") as file:
            file.write("[\n")
            for number, line in enumerate(self._index.iter_lines()):
                file.write((",\n" if number else "") + _dump_record(line))
            file.write("\n]\n" if self._entries else "]\n")

    def _extend_tables(self, line: IndexLine) -> None:
        with open(self.output_folder / _CSV_FILE, "a", encoding="utf-8", newline="") as file:
            file.write(line["rows"])
        with open(self.output_folder / _JSON_FILE, "rb+") as file:
            end = b"\n]\n" if self._entries else b"]\n"
            file.seek(-len(end), os.SEEK_END)
            file.write(((",\n" if self._entries else "") + _dump_record(line) + "\n]\n").encode())

    def _resume_staging(self, images: Collection[InputImage]) -> ResultManifest | None:
        """The manifest of an interrupted replacement that fits this batch; any other one is removed."""
        staging = staging_folder(self.folder)
        index = ImageIndex(staging)
        manifest = check_staging_folder(self.folder, ANALYSIS, own_files=index.list_files())
        if manifest is None:
            return None
        if manifest.settings == self._settings and index.read_entries().keys() <= set(images):
            return manifest
        remove_result(staging)  # `check_staging_folder` found no foreign file in it
        return None

    def _check_settings(self, manifest: ResultManifest) -> None:
        settings = manifest.settings
        names = [name for name in self._settings if settings and settings.get(name) != self._settings[name]]
        if names:
            raise ResultFolderError(
                f"{self.folder} holds results with other settings ({', '.join(names)}); choose another folder, or "
                "replace it with --overwrite."
            )

    def _check_unchanged(self, image: InputImage) -> None:
        if not os.path.isfile(image.path):
            return  # reading it will report that it is missing
        entry, stat = self._entries[image], os.stat(image.path)
        if (stat.st_size, stat.st_mtime_ns) == (entry.size_bytes, entry.mtime_ns):
            return
        if compute_sha256(Path(image.path)) != entry.sha256:
            raise ResultFolderError(
                f"{image.path} was changed since its results were written into {self.folder}; choose another "
                "folder, or replace it with --overwrite."
            )


def _dump_record(line: IndexLine) -> str:
    return json.dumps(line["record"], ensure_ascii=False)
