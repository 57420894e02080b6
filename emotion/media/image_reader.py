"""The one picture decoder of the project: files, uploads and arrays become RGB uint8, or an ImageError.

Pillow decodes; this module and `media.image_safety` decide what Pillow may see: the size of the file, the number of
pixels (from the header, before decoding) and the few kinds of small files that would cost it gigabytes or minutes.
Colour profiles are not applied. What no decoder notices is not noticed here: JPEG has no checksums, so one with an end
mark behind half of its data passes.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps, features
from PIL.JpegImagePlugin import JpegImageFile

from emotion.errors import ImageError
from emotion.media.array_pixels import array_to_rgb, composite_on_white
from emotion.media.heif_reader import is_heif, open_heif
from emotion.media.image_files import FORMATS_ADVICE, FileSource, read_bytes
from emotion.media.image_safety import (
    DEFAULT_LIMITS,
    MAX_EXIF_BYTES,
    BudgetedReader,
    ImageLimits,
    JpegHeader,
    check_jpeg,
    check_tiff,
    detect_foreign_format,
    display_name,
    image_error,
    is_text,
    too_large_error,
)

# Fixed, so that nothing another package registers with Pillow is ever tried. "JPEG" reads MPO, too.
_FORMATS: Final = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"] + ["AVIF"] * bool(features.check("avif"))

_BAND_PIXELS: Final = 2**21
_PILLOW_MODULES: Final = re.compile(r"PIL\.")
_UINT8: Final = np.dtype(np.uint8)

ImageSource = FileSource | Image.Image | NDArray[Any]


class DecodedImage(NamedTuple):
    """RGB uint8 (H, W, 3) of an image file, and by how much (1, 2, 4 or 8) its width and height were divided."""

    pixels: NDArray[np.uint8]
    reduction: int


def read_image(
    source: FileSource, *, limits: ImageLimits = DEFAULT_LIMITS, name: str | None = None
) -> NDArray[np.uint8]:
    """Decode a picture: a path, the bytes of a file, or an open binary file (from its beginning).

    Returns RGB uint8 (H, W, 3), C-contiguous, turned upright by its EXIF; of an animation the first frame, of a HEIC
    file the primary image; transparency on white. 16-bit values keep their upper byte. 32-bit grey values are read as
    0..1 (floats only), 0..255 or 0..65535, the first that holds them all, else stretched from the least to the
    greatest. A JPEG or HEIC image of more pixels than `limits` allow is reduced to half, a quarter or an eighth of its
    width and height, see `decode_image`. `name` is what messages call the picture; only its content decides what it
    is. Raises ImageError, always one sentence, for everything but a whole picture within `limits`.
    """
    return decode_image(source, limits=limits, name=name).pixels


def decode_image(source: FileSource, *, limits: ImageLimits = DEFAULT_LIMITS, name: str | None = None) -> DecodedImage:
    """As `read_image`, and by how much the image was reduced.

    Raises:
        ImageError: For everything but a whole image within `limits`.
    """
    label = display_name(source if name is None else name)
    data = read_bytes(source, limits, label)
    if not data:
        raise image_error(label, "is empty", FORMATS_ADVICE)
    if stranger := detect_foreign_format(data):
        came = f"is {stranger}, which cannot be read as a picture"
        raise image_error(label, came, "open it as a video") if stranger == "a video" else image_error(label, came)
    _mute_pillow()
    try:
        return _decode(data, limits, label)
    except ImageError:
        raise
    except Image.UnidentifiedImageError as error:
        came = "plain text" if is_text(data) else "not a whole picture of a kind that can be read"
        raise image_error(label, f"is {came}", FORMATS_ADVICE) from error
    except Image.DecompressionBombError as error:  # Pillow's own limit, over ours, met on opening
        came = f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0)} pixels"
        raise too_large_error(label, came, limits.max_pixels, limits.max_side) from error
    except MemoryError as error:
        raise image_error(label, "needs more memory than is free", "save a smaller copy and use that") from error
    except Exception as error:
        # No list of types, for Pillow promises none: hostile bytes bring out zlib.error, AssertionError,
        # RuntimeError and what else its plugins run into, and in this place all of it means the same.
        raise image_error(label, "is damaged or cut off") from error


def as_rgb(image: ImageSource, *, order: Literal["rgb", "bgr"] = "rgb") -> NDArray[np.uint8]:
    """Convert whatever holds an image to RGB uint8: the converter of every public function that takes an image.

    Args:
        image: What `read_image` takes; a Pillow image; or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) with
            alpha: uint8, bool, uint16 (the upper byte is kept), other integers from 0 to 255, or floats that are all
            from 0 to 1, else from 0 to 255.
        order: The order of the colors of an array; OpenCV gives "bgr".

    Returns:
        RGB uint8 (H, W, 3), C-contiguous, with transparency on white: the same pixels as from the file of the image.
        An array that is so already is returned itself, not copied.

    Raises:
        ImageError: For other types, shapes and values, empty arrays and NaN, and as `read_image` does.
    """
    if (  # an image of a camera or a video, on its way through several functions
        type(image) is np.ndarray
        and image.dtype is _UINT8
        and image.ndim == 3
        and image.shape[2] == 3
        and image.flags.c_contiguous
        and image.size
        and order == "rgb"
    ):
        return image
    if order not in ("rgb", "bgr"):
        raise image_error("The picture", f"has the color order {order!r}", 'expected is "rgb" or "bgr"')
    if isinstance(image, Image.Image):
        return _from_pillow(image)
    if isinstance(image, (str, os.PathLike, bytes, bytearray, memoryview)) or hasattr(image, "read"):
        return read_image(image)  # type: ignore[arg-type]
    return array_to_rgb(image, order)


def encode_png(rgb: NDArray[np.uint8]) -> bytes:
    """The picture, RGB uint8 (H, W, 3), as a PNG file without metadata; ImageError as in `as_rgb`."""
    return _encode(rgb, "PNG")


def encode_jpeg(rgb: NDArray[np.uint8], quality: int = 92) -> bytes:
    """The picture, RGB uint8 (H, W, 3), as a JPEG file without metadata; ImageError as in `as_rgb`."""
    # Colours at full resolution: the thin coloured lines and letters of annotations smear without.
    return _encode(rgb, "JPEG", quality=quality, subsampling=0)


def rotate(rgb: NDArray[np.uint8], degrees: Literal[0, 90, 180, 270]) -> NDArray[np.uint8]:
    """The picture (H, W, 3) turned clockwise by quarter turns, C-contiguous; ValueError for other angles."""
    if degrees not in (0, 90, 180, 270):
        raise ValueError(f"received {degrees} degrees, expected 0, 90, 180 or 270")
    return np.ascontiguousarray(np.rot90(rgb, -degrees // 90))


# From bytes to an image


def _decode(data: bytes, limits: ImageLimits, label: str) -> DecodedImage:
    if is_heif(data):
        image, reduction = open_heif(data, limits, label)
        return DecodedImage(_from_loaded(image.reduce(reduction) if reduction > 1 else image), reduction)
    if data.startswith(b"\xff\xd8"):
        frame = check_jpeg(data, label)
        if frame is not None and frame.choose_reduction(limits) != 1:
            return _decode_reduced(data, frame, limits, label)
    elif data.startswith((b"II", b"MM")):
        check_tiff(data, limits, label)
    image = Image.open(BudgetedReader(data, label), formats=_FORMATS)
    width, height = image.size
    if image.format == "WEBP":  # its decoder holds 16 bytes for a pixel, the others at most 11
        limits = replace(limits, max_pixels=limits.max_pixels * 3 // 4)
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise too_large_error(label, f"{width} x {height} pixels", limits.max_pixels, limits.max_side)
    if image.format == "PNG":
        image.verify()  # checksums, which loading passes over; after this an image can only be opened again
        image = Image.open(BudgetedReader(data, label), formats=("PNG",))
    if any(tile[0] == "ppm_plain" for tile in image.tile):
        # Pillow takes each comment out by copying all the rest: 1 MB of comments took 6 s, 10 MB ten minutes.
        raise image_error(label, "is a PPM file in text form, which is not read")
    image.load()
    return DecodedImage(_from_loaded(image), 1)


def _decode_reduced(data: bytes, frame: JpegHeader, limits: ImageLimits, label: str) -> DecodedImage:
    """A JPEG of more pixels than are read, decoded at a half, a quarter or an eighth of its width and height."""
    reduction, size = frame.choose_reduction(limits), f"{frame.width} x {frame.height} pixels"
    if reduction is not None:
        image = JpegImageFile(
            BudgetedReader(data, label)
        )  # `Image.open` refuses over 179 million pixels, reduced or not
        image.draft(None, (max(1, frame.width // reduction), max(1, frame.height // reduction)))
        if image.size == (-(-frame.width // reduction), -(-frame.height // reduction)):
            image.load()
            return DecodedImage(_from_loaded(image), reduction)
    if frame.width * frame.height <= limits.max_jpeg_pixels:
        came = f"has {size} in a form of JPEG that takes much memory or time to read"
        raise image_error(label, came, "save a smaller copy and use that")
    raise too_large_error(label, size, limits.max_jpeg_pixels)


def _mute_pillow() -> None:
    """Drop the warnings that Pillow's own modules raise; the ImageError says what matters.

    `warnings.catch_warnings` is no help: before Python 3.14 it swaps a list of the whole process, and threads
    that leave it in another order than they came keep or lose filters for good. A filter that stays, and
    names the modules, cannot do that. It has to be the first; others put theirs before it now and then.
    """
    if not warnings.filters or warnings.filters[0][3] != _PILLOW_MODULES:
        warnings.filterwarnings("ignore", module=_PILLOW_MODULES.pattern)


# From an image to pixels


def _from_pillow(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels of somebody else's image, which is left as it is."""
    if min(image.size) == 0:
        raise image_error("The picture", f"has {image.width} x {image.height} pixels", "expected is at least one")
    _mute_pillow()
    try:
        copy = image.copy()
        copy.format = image.format
        return _from_loaded(copy)
    except Exception as error:  # as in `read_image`
        raise image_error("The picture", "is damaged or cut off") from error


def _from_loaded(image: Image.Image) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) of a loaded image, which may be changed by this.

    In bands of rows: converted as a whole, a picture would be in memory three or four times.
    """
    _apply_exif_orientation(image)
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO") and "adobe" not in image.info:
        image = ImageChops.invert(image)  # only Adobe stores inks inverted, but Pillow always expects it
    extremes = image.getextrema() if image.mode in ("I", "F") else (0, 0)
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    step = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, step):
        bottom = min(top + step, image.height)
        rgb[top:bottom] = _convert_band(image.crop((0, top, image.width, bottom)), *extremes)
    return rgb


def _apply_exif_orientation(image: Image.Image) -> None:
    """Turn the image in place as its EXIF says; one that cannot be read is passed over."""
    keys = ("exif", "Raw profile type exif")
    if sum(len(image.info.get(key) or b"") for key in keys) > MAX_EXIF_BYTES:
        return
    # Whatever the exception: for a side note that Pillow cannot make out, a whole picture is not refused.
    with contextlib.suppress(Exception):
        image.getexif()  # the image keeps what it reads, so that the bytes can go:
        for key in keys:  # Pillow would write them anew, and cannot for one odd EXIF in six
            image.info.pop(key, None)
        ImageOps.exif_transpose(image, in_place=True)


def _convert_band(band: Image.Image, min_value: Any, max_value: Any) -> NDArray[np.uint8]:
    """RGB (h, w, 3) or grey (h, w, 1) uint8 of a band; `min_value` and `max_value` are those of the picture."""
    if band.mode[0] in "IF":
        values = np.asarray(band)
        grey = _scale_to_uint8(values, min_value, max_value)
        if "transparency" in band.info:  # of a 16-bit PNG: the one value that is no colour
            grey = np.where(values == band.info["transparency"], np.uint8(255), grey)
        return grey[..., None]
    if band.mode == "La":
        band = band.convert("LA")  # Pillow knows no other way from here
    if band.has_transparency_data:
        return composite_on_white(np.asarray(band.convert("RGBA")))
    return np.asarray(band.convert("RGB"))


def _scale_to_uint8(values: NDArray[Any], min_value: float, max_value: float) -> NDArray[np.uint8]:
    """Grey values of 16 or 32 bits as uint8, by the rule in `read_image`."""
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


def _encode(rgb: NDArray[np.uint8], image_format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(as_rgb(rgb)).save(buffer, image_format, **options)
    return buffer.getvalue()
