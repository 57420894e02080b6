"""Photos sorted by label in a folder or a ZIP, read one at a time; a ZIP is never unpacked to the disk."""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from emotion.datasets.readers.folder_layout import is_image, iter_image_files, parse_layout, relative_posix_path
from emotion.errors import DataError, ImageError
from emotion.expressions import normalize_label
from emotion.media.image_safety import DEFAULT_LIMITS
from emotion.media.zip_entries import LINK_REASON, decode_zip_path, explain_zip_skip, read_zip_entry
from emotion.translation.messages import gettext as _

MAX_PHOTOS: Final = 100_000
MAX_ZIP_BYTES: Final = 20 * 2**30  # of all files of a ZIP, uncompressed
_MAX_LABEL_LENGTH: Final = 60


@dataclass(frozen=True)
class SourcePhoto:
    """A photo of a source.

    Attributes:
        name: Its path in the source.
        label: "" where no folder names one.
        skip_reason: Why it is not opened, "" for most photos.
        read: Returns its bytes; raises `ImageError`.
    """

    name: str
    label: str
    skip_reason: str
    read: Callable[[], bytes]


@contextmanager
def open_source(path: Path, should_stop: Callable[[], bool] = lambda: False) -> Iterator[list[SourcePhoto]]:
    """Open a folder or a ZIP and list its photos, sorted by name and labeled by their folders, see `folder_layout`.

    Hidden files and files that are not images are left out; splits in the tree are ignored.

    Args:
        path: Of the folder or ZIP.
        should_stop: Ends the search of a folder early.

    Raises:
        DataError: There is no such source, no photo in it, or too many.
    """
    if not path.exists():
        raise DataError(
            _("There is no {source}; give a folder or a ZIP of photos sorted by label.").format(source=path)
        )
    if path.is_dir():
        yield _list_photos(path, lambda: _iter_folder(path, should_stop))
        return
    with _open_zip(path) as archive:
        yield _list_photos(path, lambda: _iter_zip(archive, path.name))


def _list_photos(path: Path, iter_photos: Callable[[], Iterator[SourcePhoto]]) -> list[SourcePhoto]:
    try:
        return _label_photos(iter_photos(), path)
    except OSError as error:
        raise DataError(
            _("{path} cannot be read ({reason}); check the disk and the permissions.").format(
                path=path, reason=error.strerror
            )
        ) from error


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except Exception as error:
        # No list of types: damaged bytes raise BadZipFile, struct.error, UnicodeDecodeError and more.
        raise DataError(
            _("{name} is not a readable ZIP; give a folder or a ZIP of photos.").format(name=path.name)
        ) from error


def _iter_folder(folder: Path, should_stop: Callable[[], bool]) -> Iterator[SourcePhoto]:
    for path in iter_image_files(folder, follow_links=False):
        if should_stop():
            return
        name = relative_posix_path(path, folder)
        yield SourcePhoto(name, "", _explain_file_skip(path), lambda path=path: _read_bytes(path))


def _explain_file_skip(path: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return LINK_REASON
    return "" if stat.S_ISREG(mode) else "it is not a regular file"


def _read_bytes(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(DEFAULT_LIMITS.max_bytes + 1)
    except OSError as error:
        raise ImageError(f"{path.name} cannot be read ({error.strerror}); check its permissions.") from error


def _iter_zip(archive: zipfile.ZipFile, name: str) -> Iterator[SourcePhoto]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir() and is_image(decode_zip_path(entry))]
    if sum(entry.file_size for entry in entries) > MAX_ZIP_BYTES:
        raise DataError(
            _("{name} has more than {size:.0f} GB when unpacked; give a smaller one or a folder.").format(
                name=name, size=MAX_ZIP_BYTES / 2**30
            )
        )
    for entry in entries:
        path = decode_zip_path(entry)
        yield SourcePhoto(path, "", explain_zip_skip(entry), lambda entry=entry: read_zip_entry(archive, entry))


def _label_photos(photos: Iterable[SourcePhoto], path: Path) -> list[SourcePhoto]:
    found = list(islice(photos, MAX_PHOTOS + 1))
    if len(found) > MAX_PHOTOS:
        raise DataError(
            _("{name} holds more than {count:,} photos; give a part of it.").format(name=path.name, count=MAX_PHOTOS)
        )
    if not found:
        raise DataError(
            _("No photo is in {name}; expected a folder for each label with photos in it.").format(name=path.name)
        )
    found.sort(key=lambda photo: photo.name)
    placements = parse_layout([photo.name for photo in found], path).placements
    return [
        replace(photo, label=sanitize_label(placement.label))
        for photo, placement in zip(found, placements, strict=True)
    ]


def sanitize_label(name: str) -> str:
    """Turn the name of a folder into a label that is a valid folder name on every system; "" for none."""
    label = re.sub(r"[^\w .,()+-]", "-", normalize_label(name))[:_MAX_LABEL_LENGTH]
    return normalize_label(label.strip("._ "))
