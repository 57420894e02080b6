"""Convert Pillow images to RGB uint8: orientation, inks, bit depth and transparency."""

from __future__ import annotations

import contextlib
import re
import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps

from emotion.media.array_pixels import composite_on_white
from emotion.media.image_safety import MAX_EXIF_BYTES, UNNAMED_IMAGE, image_error

_BAND_PIXELS: Final = 2**21  # pixels converted at a time
_PILLOW_MODULES: Final = re.compile(r"PIL\.")


def mute_pillow() -> None:
    """Suppress the warnings of Pillow's modules; the ImageError carries what matters.

    `warnings.catch_warnings` is not thread-safe before Python 3.14: it swaps a list of the whole process, and threads
    that leave it in another order than they entered it lose or keep filters for good. A permanent filter that names
    the modules has no such race. It must be the first in the list, and others may insert theirs before it.
    """
    if not warnings.filters or warnings.filters[0][3] != _PILLOW_MODULES:
        warnings.filterwarnings("ignore", module=_PILLOW_MODULES.pattern)


def pillow_to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels of a caller's image, which is not modified."""
    if min(image.size) == 0:
        raise image_error(UNNAMED_IMAGE, f"has {image.width} x {image.height} pixels", "expected is at least one")
    mute_pillow()
    try:
        copy = image.copy()
        copy.format = image.format
        return loaded_to_rgb(copy)
    except Exception as error:  # as in `decode_image`
        raise image_error(UNNAMED_IMAGE, "is damaged or cut off") from error


def loaded_to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Return RGB uint8 (H, W, 3) of a loaded image, which may be modified.

    Converts bands of rows: converted as a whole, an image would be in memory three or four times.
    """
    _apply_exif_orientation(image)
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO") and "adobe" not in image.info:
        image = ImageChops.invert(image)  # only Adobe stores inverted inks, but Pillow always expects them
    extremes = image.getextrema() if image.mode in ("I", "F") else (0, 0)
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    step = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, step):
        bottom = min(top + step, image.height)
        rgb[top:bottom] = _convert_band(image.crop((0, top, image.width, bottom)), *extremes)
    return rgb


def _apply_exif_orientation(image: Image.Image) -> None:
    """Rotate the image in place by its EXIF orientation; unreadable EXIF is ignored."""
    keys = ("exif", "Raw profile type exif")
    if sum(len(image.info.get(key) or b"") for key in keys) > MAX_EXIF_BYTES:
        return
    # Any exception: a complete image is not refused for metadata that Pillow cannot parse.
    with contextlib.suppress(Exception):
        image.getexif()  # cached by the image, so the raw bytes can be removed:
        for key in keys:  # `exif_transpose` would rewrite them, which fails for one odd EXIF in six
            image.info.pop(key, None)
        ImageOps.exif_transpose(image, in_place=True)


def _convert_band(band: Image.Image, min_value: Any, max_value: Any) -> NDArray[np.uint8]:
    """Return RGB (h, w, 3) or gray (h, w, 1) uint8 of a band; the extremes are those of the whole image."""
    if band.mode[0] in "IF":
        values = np.asarray(band)
        gray = _scale_to_uint8(values, min_value, max_value)
        if "transparency" in band.info:  # of a 16-bit PNG: the one value that means transparent
            gray = np.where(values == band.info["transparency"], np.uint8(255), gray)
        return gray[..., None]
    if band.mode == "La":
        band = band.convert("LA")  # the only conversion that Pillow has from this mode
    if band.has_transparency_data:
        return composite_on_white(np.asarray(band.convert("RGBA")))
    return np.asarray(band.convert("RGB"))


def _scale_to_uint8(values: NDArray[Any], min_value: float, max_value: float) -> NDArray[np.uint8]:
    """Convert gray values of 16 or 32 bits to uint8 by the rule in `read_image`."""
    if values.dtype.kind == "u":
        return (values >> 8).astype(np.uint8)
    if not np.isfinite(values).all():
        raise ValueError("not all values are finite")
    if min_value < 0 or max_value > 65535:
        scale = 255 / (max_value - min_value) if max_value > min_value else 0.0
        return np.rint((values.astype(float) - min_value) * scale).astype(np.uint8)
    if max_value > 255:
        return (values.astype(np.uint16) >> 8).astype(np.uint8)
    return np.rint(values * 255 if values.dtype.kind == "f" and max_value <= 1 else values).astype(np.uint8)
