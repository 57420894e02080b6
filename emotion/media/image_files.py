"""Read the bytes of an image file from a path, from memory or from an open file, up to a size limit."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO, Final

from emotion.media.image_safety import ImageLimits, image_error, smaller_copy_advice
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

FORMATS_ADVICE: Final = gettext_noop("choose a JPEG, HEIC, PNG, WebP, GIF, BMP, TIFF, PPM or AVIF file")

FileSource = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO


def read_bytes(source: FileSource, limits: ImageLimits, label: str) -> bytes:
    """Return the content of an image file.

    Args:
        source: A path, the content itself, or an open binary file, which is read from its beginning.
        limits: Its `max_bytes` bounds what is read.
        label: What messages call the file.

    Raises:
        ImageError: The file is missing, unreadable, no regular file or larger than `limits.max_bytes`.
    """
    try:
        if isinstance(source, (bytes, bytearray, memoryview)):
            data = source
        elif isinstance(source, (str, os.PathLike)):
            data = _read_path(source, limits, label)
        elif hasattr(source, "read"):
            data = _read_file(source, limits, label)
        else:
            raise image_error(
                label, f"has the type {type(source).__name__}", "expected is a path, bytes or an open binary file"
            )
    except FileNotFoundError as error:
        raise image_error(label, "was not found", "check the name and the folder") from error
    except (OSError, ValueError) as error:  # ValueError: a closed file, or a name with a null character
        raise image_error(label, "cannot be opened", "check that you may read it") from error
    if memoryview(data).nbytes > limits.max_bytes:
        problem = _("has more than {size:g} MB, the most that is read").format(size=limits.max_bytes / 2**20)
        raise image_error(label, problem, smaller_copy_advice())
    return bytes(data)


def _read_path(path: str | os.PathLike[str], limits: ImageLimits, label: str) -> bytes:
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise image_error(label, "is a folder", "choose an image in it")
    if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
        raise image_error(label, _("is not a regular file"), _(FORMATS_ADVICE))
    with open(path, "rb") as file:
        return file.read(min(status.st_size, limits.max_bytes) + 1)


def _read_file(file: BinaryIO, limits: ImageLimits, label: str) -> bytes:
    if file.seekable():
        file.seek(0)  # an upload is at its end when the page runs again
    data = file.read(limits.max_bytes + 1)
    if not isinstance(data, bytes):
        raise image_error(label, f"is a file of {type(data).__name__}", "open it in binary mode")
    return data
