"""When a photo was taken, as its EXIF states it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from PIL import ExifTags, Image

from emotion.media.heif_reader import is_heif
from emotion.media.image_safety import MAX_EXIF_BYTES, BudgetedReader

_FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF")  # of Pillow, those that hold EXIF
_EXIF_TIME: Final = "%Y:%m:%d %H:%M:%S"


def read_capture_time(data: bytes) -> datetime | None:
    """Return when a photo was taken.

    Args:
        data: The bytes of an image that `decode_image` has read.

    Returns:
        The local time of the camera without a time zone; None where the file states none.
    """
    try:
        exif = _read_exif(data)
        stated = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
        return datetime.strptime(str(stated).strip("\0 "), _EXIF_TIME) if stated else None
    except Exception:
        # Pillow documents no list of types: damaged EXIF raises struct.error, SyntaxError, KeyError and others, and
        # the photo itself is intact.
        return None


def _read_exif(data: bytes) -> Image.Exif:
    if is_heif(data):
        from pillow_heif import open_heif  # optional, and loaded for this format only

        file = open_heif(data)
        exif = Image.Exif()
        exif.load(bytes(file[file.primary_index].info.get("exif") or b"")[:MAX_EXIF_BYTES])
        return exif
    with Image.open(BudgetedReader(data, "The image"), formats=_FORMATS) as image:
        return image.getexif()
