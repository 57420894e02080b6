"""Open HEIC and HEIF files, the format of most phone photos, with pillow-heif."""

from __future__ import annotations

import re
from typing import Any, Final

from emotion.media.image_safety import (
    ImageLimits,
    choose_reduction,
    format_size,
    image_error,
    read_ftyp_brands,
    too_large_error,
)
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

_HEIF_BRAND: Final = re.compile(rb"he[iv][cxms]|mif1|msf1")
_AVIF_BRANDS: Final = frozenset([b"avif", b"avis"])
_INSTALL_ADVICE: Final = gettext_noop("install it with `pip install pillow-heif`, or save the image as JPEG")


def is_heif(data: bytes) -> bool:
    """Return whether the bytes begin a HEIC or HEIF file; False for AVIF, which shares the container."""
    brands = read_ftyp_brands(data)
    return not brands & _AVIF_BRANDS and any(map(_HEIF_BRAND.fullmatch, brands))


def open_heif(data: bytes, limits: ImageLimits, label: str) -> tuple[Any, int]:
    """Open the primary image of a HEIC or HEIF file.

    The size is checked before anything is decoded. Values of 10 and 12 bits become 8 bits. The rotation that the
    file states is applied; the orientation in its EXIF, which repeats it, is not.

    Returns:
        A Pillow image, and the factor by which its width and height must be divided to respect `limits`.

    Raises:
        ImageError: The size is over the limits or pillow-heif is not installed. A damaged file raises what
            pillow-heif raises.
    """
    try:
        from pillow_heif import open_heif as open_file  # optional, and loaded for this format only
    except ImportError as error:
        problem = _("is a HEIC image, which needs the package pillow-heif")
        raise image_error(label, problem, _(_INSTALL_ADVICE)) from error
    file = open_file(data)
    image = file[file.primary_index]
    width, height = image.size
    reduction = choose_reduction(width, height, limits)
    if reduction is None or width * height > limits.max_heif_pixels:
        raise too_large_error(label, format_size(width, height), limits.max_heif_pixels)
    return image.to_pillow(), reduction
