"""Entries of a ZIP that are read without unpacking it: their paths, the checks before they are read, their bytes."""

from __future__ import annotations

import stat
import zipfile
from pathlib import PurePosixPath
from typing import Final

from emotion.errors import ImageError
from emotion.media.image_safety import DEFAULT_LIMITS
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

LINK_REASON: Final = gettext_noop("it is a link to another file")
_MAX_COMPRESSION_RATIO: Final = 200  # of a photo; a ZIP bomb has a larger one
_MIN_BOMB_BYTES: Final = 10_000_000  # smaller files do no harm, whatever their ratio
_UNIX_MODE_SHIFT: Final = 16  # bits, in the external attributes of a ZIP entry
_ENCRYPTED_FLAG: Final = 1


def decode_zip_path(entry: zipfile.ZipInfo) -> str:
    """Return the path of an entry with "/" between its parts; some programs write those of Windows."""
    return entry.filename.replace("\\", "/").encode(errors="replace").decode()


def explain_zip_skip(entry: zipfile.ZipInfo, *, max_bytes: int = DEFAULT_LIMITS.max_bytes) -> str:
    """Return why an entry must not be read, such as a ZIP bomb; "" for most entries."""
    path = decode_zip_path(entry)
    if ".." in PurePosixPath(path).parts or path.startswith("/") or path[1:2] == ":":
        return _("its path leads out of the ZIP")
    if stat.S_ISLNK(entry.external_attr >> _UNIX_MODE_SHIFT):
        return _(LINK_REASON)
    if entry.flag_bits & _ENCRYPTED_FLAG:
        return _("it is encrypted")
    if entry.file_size > max_bytes:
        return _("it has more than {size:.0f} MB").format(size=max_bytes / 2**20)
    if entry.file_size > _MIN_BOMB_BYTES and entry.file_size > _MAX_COMPRESSION_RATIO * max(1, entry.compress_size):
        return _("it is compressed more than any photo")
    return ""


def read_zip_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return the bytes of an entry that `explain_zip_skip` accepts.

    Raises:
        ImageError: The entry is damaged.
    """
    # The entry may unpack to more than its declared size, which `explain_zip_skip` checked.
    try:
        with archive.open(entry) as file:
            return file.read(entry.file_size)
    except Exception as error:
        # No list of types: damaged entries raise zlib.error, EOFError, NotImplementedError and more.
        text = _("{name} is damaged in the ZIP; pack it again.")
        raise ImageError(text.format(name=PurePosixPath(entry.filename).name)) from error
