"""Open HEIC and HEIF files, the format of the photos of most phones, by pillow-heif."""

from __future__ import annotations

import re
from typing import Any, Final

from emotion.media.image_safety import ImageLimits, choose_reduction, image_error, too_large_error

_BRAND: Final = re.compile(rb"he[iv][cxms]|mif1|msf1")
_INSTALL_ADVICE: Final = "install it with `pip install pillow-heif`, or save the image as JPEG"


def is_heif(data: bytes) -> bool:
    """Whether the bytes begin a HEIC or HEIF file; AVIF, which shares the container, is none."""
    if data[4:8] != b"ftyp":
        return False
    brands = {data[i : i + 4] for i in range(8, min(int.from_bytes(data[:4], "big"), 256), 4)}
    return not brands & {b"avif", b"avis"} and any(map(_BRAND.fullmatch, brands))


def open_heif(data: bytes, limits: ImageLimits, label: str) -> tuple[Any, int]:
    """The primary image of a HEIC or HEIF file as a Pillow image, and by how much its width and height are to be
    divided.

    The size is checked against `limits` before anything is decoded. Values of 10 and 12 bits become 8 bits. The
    rotation that the file states is applied; the orientation in its EXIF, which repeats it, is not. Raises ImageError
    where the size is over the limits or pillow-heif is not installed, and what pillow-heif raises for a damaged file.
    """
    try:
        from pillow_heif import open_heif as open_file  # not needed, and not loaded, for other formats
    except ImportError as error:
        raise image_error(label, "is a HEIC image, which needs the package pillow-heif", _INSTALL_ADVICE) from error
    file = open_file(data)
    image = file[file.primary_index]
    width, height = image.size
    reduction = choose_reduction(width, height, limits)
    if reduction is None or width * height > limits.max_heif_pixels:
        raise too_large_error(label, f"{width} x {height} pixels", limits.max_heif_pixels)
    return image.to_pillow(), reduction
