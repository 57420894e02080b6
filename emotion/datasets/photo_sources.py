"""Photos sorted by label, in a folder or a ZIP, one after the other; nothing of a ZIP is ever unpacked to the disk."""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from emotion.datasets.folder_layout import image_files, is_image, read_layout, relative_name
from emotion.errors import DataError, ImageError
from emotion.expressions import label_name
from emotion.media.image_safety import DEFAULT_LIMITS

MOST_PHOTOS: Final = 100_000
_MOST_BYTES: Final = 20 * 2**30  # of a whole ZIP, unpacked
_PACKED: Final = 200  # no photo is packed to so small a part of itself, but a bomb is
_SMALL: Final = 10_000_000  # bytes up to which that does not matter
_LONGEST_LABEL: Final = 60


@dataclass(frozen=True)
class SourcePhoto:
    """A photo as it lies in a source: `name` its path there, `label` "" where no folder tells it, `refused` why it is
    not even opened, "" for most; `read` gives its bytes and raises `ImageError`."""

    name: str
    label: str
    refused: str
    read: Callable[[], bytes]


@contextmanager
def open_source(path: Path, stopping: Callable[[], bool] = lambda: False) -> Iterator[list[SourcePhoto]]:
    """The photos of a folder or a ZIP in the order of their names, labelled by their folders as `layout` has it; the
    split is not kept. Links, hidden files and what is no image are left out. `stopping` ends the looking early.

    Raises `DataError` where there is no such source, no photo in it, or too many.
    """
    if not path.exists():
        raise DataError(f"There is no {path}; give a folder or a ZIP of photos sorted by label.")
    if path.is_dir():
        yield _listed(path, lambda: _of_folder(path, stopping))
        return
    with _opened(path) as archive:
        yield _listed(path, lambda: _of_zip(archive, path.name))


def _listed(path: Path, look: Callable[[], Iterator[SourcePhoto]]) -> list[SourcePhoto]:
    try:
        return _labelled(look(), path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the disk and the rights.") from error


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except Exception as error:
        # No list of types: damaged bytes bring out BadZipFile, struct.error, UnicodeDecodeError and more.
        raise DataError(f"{path.name} is no ZIP that can be read; give a folder or a ZIP of photos.") from error


def _of_folder(folder: Path, stopping: Callable[[], bool]) -> Iterator[SourcePhoto]:
    for path in image_files(folder, follow_links=False):
        if stopping():
            return
        yield SourcePhoto(relative_name(path, folder), "", _unfit(path), lambda path=path: _bytes_of(path))


def _unfit(path: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "it is a link to somewhere else"
    return "" if stat.S_ISREG(mode) else "it is no plain file"


def _bytes_of(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(DEFAULT_LIMITS.bytes + 1)
    except OSError as error:
        raise ImageError(f"{path.name} cannot be read ({error.strerror}); check its rights.") from error


def _of_zip(archive: zipfile.ZipFile, name: str) -> Iterator[SourcePhoto]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir() and is_image(_path_of(entry))]
    if sum(entry.file_size for entry in entries) > _MOST_BYTES:
        raise DataError(f"{name} is over {_MOST_BYTES / 2**30:.0f} GB when unpacked; give a smaller one or a folder.")
    for entry in entries:
        path = _path_of(entry)
        yield SourcePhoto(path, "", _suspect(entry, path), lambda entry=entry: _unpacked(archive, entry))


def _path_of(entry: zipfile.ZipInfo) -> str:
    """Some programs write paths as Windows does."""
    return entry.filename.replace("\\", "/").encode(errors="replace").decode()


def _suspect(entry: zipfile.ZipInfo, path: str) -> str:
    """Why an entry of a ZIP is not opened. The attributes of Unix stand in the upper half of a word."""
    if ".." in PurePosixPath(path).parts or path.startswith("/") or path[1:2] == ":":
        return "its path leads out of the ZIP"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "it is a link to somewhere else"
    if entry.flag_bits & 1:
        return "it is locked by a password"
    if entry.file_size > DEFAULT_LIMITS.bytes:
        return f"it has more than {DEFAULT_LIMITS.bytes / 2**20:.0f} MB"
    if entry.file_size > _SMALL and entry.file_size > _PACKED * max(1, entry.compress_size):
        return "it is packed as tightly as no photo is"
    return ""


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Not more than the entry says that it has, which was looked at before."""
    try:
        with archive.open(entry) as file:
            return file.read(entry.file_size)
    except Exception as error:
        # No list of types: damaged entries bring out zlib.error, EOFError, NotImplementedError and more.
        raise ImageError(f"{PurePosixPath(entry.filename).name} is damaged in the ZIP; pack it again.") from error


# ------------------------------------------------------------------ labels


def _labelled(photos: Iterable[SourcePhoto], path: Path) -> list[SourcePhoto]:
    found = []
    for photo in photos:
        found.append(photo)
        if len(found) > MOST_PHOTOS:
            raise DataError(f"{path.name} holds more than {MOST_PHOTOS:,} photos; give a part of it.")
    if not found:
        raise DataError(f"No photo is in {path.name}; expected a folder for each label with photos in it.")
    found.sort(key=lambda photo: photo.name)
    places = read_layout([photo.name for photo in found], path).places
    return [replace(photo, label=safe_label(placed.label)) for photo, placed in zip(found, places, strict=True)]


def safe_label(word: str) -> str:
    """The label of a folder's name, in such letters that a folder can be called by it anywhere; "" for none."""
    label = re.sub(r"[^\w .,()+-]", "-", label_name(word))[:_LONGEST_LABEL]
    return label_name(label.strip("._ "))
