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

from emotion.datasets.folder_layout import is_image, iter_image_files, parse_layout, relative_posix_path
from emotion.errors import DataError, ImageError
from emotion.expressions import normalize_label
from emotion.media.image_safety import DEFAULT_LIMITS

MAX_PHOTOS: Final = 100_000
_MAX_ZIP_BYTES: Final = 20 * 2**30  # of a whole ZIP, unpacked
_MAX_COMPRESSION_RATIO: Final = 200  # no photo is packed to so small a part of itself, but a bomb is
_MIN_BOMB_BYTES: Final = 10_000_000  # bytes up to which that does not matter
_MAX_LABEL_LENGTH: Final = 60


@dataclass(frozen=True)
class SourcePhoto:
    """A photo as it lies in a source: `name` its path there, `label` "" where no folder tells it, `skip_reason` why it is
    not even opened, "" for most; `read` gives its bytes and raises `ImageError`."""

    name: str
    label: str
    skip_reason: str
    read: Callable[[], bytes]


@contextmanager
def open_source(path: Path, should_stop: Callable[[], bool] = lambda: False) -> Iterator[list[SourcePhoto]]:
    """The photos of a folder or a ZIP in the order of their names, labelled by their folders as `layout` has it; the
    split is not kept. Links, hidden files and what is no image are left out. `should_stop` ends the looking early.

    Raises `DataError` where there is no such source, no photo in it, or too many.
    """
    if not path.exists():
        raise DataError(f"There is no {path}; give a folder or a ZIP of photos sorted by label.")
    if path.is_dir():
        yield _list_photos(path, lambda: _iter_folder(path, should_stop))
        return
    with _open_zip(path) as archive:
        yield _list_photos(path, lambda: _iter_zip(archive, path.name))


def _list_photos(path: Path, iter_photos: Callable[[], Iterator[SourcePhoto]]) -> list[SourcePhoto]:
    try:
        return _label_photos(iter_photos(), path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the disk and the rights.") from error


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except Exception as error:
        # No list of types: damaged bytes bring out BadZipFile, struct.error, UnicodeDecodeError and more.
        raise DataError(f"{path.name} is no ZIP that can be read; give a folder or a ZIP of photos.") from error


def _iter_folder(folder: Path, should_stop: Callable[[], bool]) -> Iterator[SourcePhoto]:
    for path in iter_image_files(folder, follow_links=False):
        if should_stop():
            return
        yield SourcePhoto(
            relative_posix_path(path, folder), "", _explain_file_skip(path), lambda path=path: _read_bytes(path)
        )


def _explain_file_skip(path: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "it is a link to somewhere else"
    return "" if stat.S_ISREG(mode) else "it is no plain file"


def _read_bytes(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(DEFAULT_LIMITS.max_bytes + 1)
    except OSError as error:
        raise ImageError(f"{path.name} cannot be read ({error.strerror}); check its rights.") from error


def _iter_zip(archive: zipfile.ZipFile, name: str) -> Iterator[SourcePhoto]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir() and is_image(_decode_path(entry))]
    if sum(entry.file_size for entry in entries) > _MAX_ZIP_BYTES:
        raise DataError(
            f"{name} is over {_MAX_ZIP_BYTES / 2**30:.0f} GB when unpacked; give a smaller one or a folder."
        )
    for entry in entries:
        path = _decode_path(entry)
        yield SourcePhoto(path, "", _explain_entry_skip(entry, path), lambda entry=entry: _read_entry(archive, entry))


def _decode_path(entry: zipfile.ZipInfo) -> str:
    """Some programs write paths as Windows does."""
    return entry.filename.replace("\\", "/").encode(errors="replace").decode()


def _explain_entry_skip(entry: zipfile.ZipInfo, path: str) -> str:
    """Why an entry of a ZIP is not opened. The attributes of Unix stand in the upper half of a word."""
    if ".." in PurePosixPath(path).parts or path.startswith("/") or path[1:2] == ":":
        return "its path leads out of the ZIP"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "it is a link to somewhere else"
    if entry.flag_bits & 1:
        return "it is locked by a password"
    if entry.file_size > DEFAULT_LIMITS.max_bytes:
        return f"it has more than {DEFAULT_LIMITS.max_bytes / 2**20:.0f} MB"
    if entry.file_size > _MIN_BOMB_BYTES and entry.file_size > _MAX_COMPRESSION_RATIO * max(1, entry.compress_size):
        return "it is packed as tightly as no photo is"
    return ""


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Not more than the entry says that it has, which was looked at before."""
    try:
        with archive.open(entry) as file:
            return file.read(entry.file_size)
    except Exception as error:
        # No list of types: damaged entries bring out zlib.error, EOFError, NotImplementedError and more.
        raise ImageError(f"{PurePosixPath(entry.filename).name} is damaged in the ZIP; pack it again.") from error


# ------------------------------------------------------------------ labels


def _label_photos(photos: Iterable[SourcePhoto], path: Path) -> list[SourcePhoto]:
    found = []
    for photo in photos:
        found.append(photo)
        if len(found) > MAX_PHOTOS:
            raise DataError(f"{path.name} holds more than {MAX_PHOTOS:,} photos; give a part of it.")
    if not found:
        raise DataError(f"No photo is in {path.name}; expected a folder for each label with photos in it.")
    found.sort(key=lambda photo: photo.name)
    places = parse_layout([photo.name for photo in found], path).placements
    return [replace(photo, label=sanitize_label(placed.label)) for photo, placed in zip(found, places, strict=True)]


def sanitize_label(name: str) -> str:
    """The label of a folder's name, in such letters that a folder can be called by it anywhere; "" for none."""
    label = re.sub(r"[^\w .,()+-]", "-", normalize_label(name))[:_MAX_LABEL_LENGTH]
    return normalize_label(label.strip("._ "))
