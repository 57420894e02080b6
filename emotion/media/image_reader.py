"""The image decoder: files, uploads and arrays become RGB uint8, or an ImageError.

Pillow decodes; this module and `media.image_safety` decide what Pillow may see: the size of the file, the number of
pixels (from the header, before decoding) and the few kinds of small files that would cost it gigabytes or minutes.
Color profiles are not applied. JPEG has no checksums, so a file whose data is incomplete but ends with an end marker
passes.
"""

from __future__ import annotations

import io
import os
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features
from PIL.JpegImagePlugin import JpegImageFile

from emotion.errors import ImageError
from emotion.media.array_pixels import array_to_rgb
from emotion.media.heif_reader import is_heif, open_heif
from emotion.media.image_files import FORMATS_ADVICE, FileSource, read_bytes
from emotion.media.image_safety import (
    DEFAULT_LIMITS,
    UNNAMED_IMAGE,
    VIDEO_FORMAT,
    BudgetedReader,
    ImageLimits,
    JpegHeader,
    check_jpeg,
    check_tiff,
    detect_foreign_format,
    format_size,
    image_error,
    smaller_copy_advice,
    too_large_error,
)
from emotion.media.messages import display_name, is_plain_text
from emotion.media.pillow_pixels import loaded_to_rgb, mute_pillow, pillow_to_rgb
from emotion.translation.messages import gettext as _

# Fixed, so that no plugin that another package registers with Pillow is tried. "JPEG" includes MPO.
_FORMATS: Final = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"] + ["AVIF"] * bool(features.check("avif"))

_UINT8: Final = np.dtype(np.uint8)

ImageSource = FileSource | Image.Image | NDArray[Any]


class DecodedImage(NamedTuple):
    """RGB uint8 (H, W, 3) of an image file, and the factor (1, 2, 4 or 8) by which width and height were divided."""

    pixels: NDArray[np.uint8]
    reduction: int


def read_image(
    source: FileSource, *, limits: ImageLimits = DEFAULT_LIMITS, name: str | None = None
) -> NDArray[np.uint8]:
    """Decode an image file.

    16-bit values keep their upper byte. 32-bit gray values are read as 0 to 1 (floats only), 0 to 255 or 0 to 65535,
    the first range that holds them all, else stretched from their minimum to their maximum. A JPEG or HEIC image over
    `limits` is reduced to a half, a quarter or an eighth of its width and height, see `decode_image`.

    Args:
        source: A path, the bytes of a file, or an open binary file, which is read from its beginning.
        limits: Upper bounds on file and image.
        name: What messages call the image; the format is decided by the content alone.

    Returns:
        RGB uint8 (H, W, 3), C-contiguous, upright by its EXIF: the first frame of an animation, the primary image of
        a HEIC file; transparency on white.

    Raises:
        ImageError: The source is not a complete image within `limits`.
    """
    return decode_image(source, limits=limits, name=name).pixels


def decode_image(source: FileSource, *, limits: ImageLimits = DEFAULT_LIMITS, name: str | None = None) -> DecodedImage:
    """Decode as `read_image` does, and return the factor of the reduction too."""
    label = display_name(source if name is None else name, UNNAMED_IMAGE)
    data = read_bytes(source, limits, label)
    if not data:
        raise image_error(label, _("is empty"), _(FORMATS_ADVICE))
    if foreign_format := detect_foreign_format(data):
        problem = _("is {format}, which cannot be read as an image").format(format=_(foreign_format))
        if foreign_format == VIDEO_FORMAT:
            raise image_error(label, problem, _("open it as a video"))
        raise image_error(label, problem)
    mute_pillow()
    try:
        return _decode(data, limits, label)
    except ImageError:
        raise
    except Image.UnidentifiedImageError as error:
        problem = _("is plain text") if is_plain_text(data) else _("is not a complete image of a supported format")
        raise image_error(label, problem, _(FORMATS_ADVICE)) from error
    except Image.DecompressionBombError as error:  # Pillow's own limit, above ours, checked on opening
        size = _("more than {count} pixels").format(count=2 * (Image.MAX_IMAGE_PIXELS or 0))
        raise too_large_error(label, size, limits.max_pixels, limits.max_side) from error
    except MemoryError as error:
        raise image_error(label, _("needs more memory than is free"), smaller_copy_advice()) from error
    except Exception as error:
        # Pillow documents no list of types: hostile bytes raise zlib.error, AssertionError, RuntimeError and others
        # from its plugins, and here all of them mean the same.
        raise image_error(label, _("is damaged or cut off")) from error


def count_pixels(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> int:
    """Return how many pixels `read_image` makes of a file, by its header; nothing is decoded.

    It is `limits.max_pixels` where the header is not read: for HEIC, for what is reduced, and for what is no image.
    """
    mute_pillow()
    try:
        if data.startswith(b"\xff\xd8"):
            header = check_jpeg(data, UNNAMED_IMAGE)
            return min(header.width * header.height, limits.max_pixels) if header is not None else limits.max_pixels
        if data.startswith((b"II", b"MM")):
            check_tiff(data, limits, UNNAMED_IMAGE)
        width, height = Image.open(BudgetedReader(data, UNNAMED_IMAGE), formats=_FORMATS).size
    except Exception:  # as in `decode_image`; the error is raised where the file is read
        return limits.max_pixels
    return min(width * height, limits.max_pixels)


def as_rgb(image: ImageSource, *, order: Literal["rgb", "bgr"] = "rgb") -> NDArray[np.uint8]:
    """Convert any image source to RGB uint8; every public function that takes an image calls this.

    Args:
        image: What `read_image` takes; a Pillow image; or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) with
            alpha: uint8, bool, uint16 (the upper byte is kept), other integers from 0 to 255, or floats that are all
            from 0 to 1, else from 0 to 255.
        order: The order of the colors of an array; OpenCV gives "bgr".

    Returns:
        RGB uint8 (H, W, 3), C-contiguous, with transparency on white: the same pixels as from the file of the image.
        An array that already has this form is returned itself, not copied.

    Raises:
        ImageError: For other types, shapes and values, empty arrays and NaN, and as `read_image` does.
    """
    if (  # the fast path for frames, which pass through several functions
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
        raise image_error(UNNAMED_IMAGE, f"has the color order {order!r}", 'expected is "rgb" or "bgr"')
    if isinstance(image, Image.Image):
        return pillow_to_rgb(image)
    if isinstance(image, (str, os.PathLike, bytes, bytearray, memoryview)) or hasattr(image, "read"):
        return read_image(image)  # type: ignore[arg-type]
    return array_to_rgb(image, order)


def encode_png(rgb: NDArray[np.uint8]) -> bytes:
    """Encode RGB uint8 (H, W, 3) as a PNG file without metadata; ImageError as in `as_rgb`."""
    return _encode(rgb, "PNG")


def encode_jpeg(rgb: NDArray[np.uint8], quality: int = 92) -> bytes:
    """Encode RGB uint8 (H, W, 3) as a JPEG file without metadata; ImageError as in `as_rgb`."""
    # Chroma at full resolution: subsampling smears the thin colored lines and letters of annotations.
    return _encode(rgb, "JPEG", quality=quality, subsampling=0)


def rotate(rgb: NDArray[np.uint8], degrees: Literal[0, 90, 180, 270]) -> NDArray[np.uint8]:
    """Rotate an image (H, W, 3) clockwise by quarter turns, C-contiguous; ValueError for other angles."""
    if degrees not in (0, 90, 180, 270):
        raise ValueError(f"received {degrees} degrees, expected 0, 90, 180 or 270")
    return np.ascontiguousarray(np.rot90(rgb, -degrees // 90))


def _decode(data: bytes, limits: ImageLimits, label: str) -> DecodedImage:
    if is_heif(data):
        image, reduction = open_heif(data, limits, label)
        return DecodedImage(loaded_to_rgb(image.reduce(reduction) if reduction > 1 else image), reduction)
    if data.startswith(b"\xff\xd8"):
        header = check_jpeg(data, label)
        if header is not None and header.choose_reduction(limits) != 1:
            return _decode_reduced(data, header, limits, label)
    elif data.startswith((b"II", b"MM")):
        check_tiff(data, limits, label)
    image = Image.open(BudgetedReader(data, label), formats=_FORMATS)
    width, height = image.size
    if image.format == "WEBP":  # its decoder holds 16 bytes per pixel, the others at most 11
        limits = replace(limits, max_pixels=limits.max_pixels * 3 // 4)
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise too_large_error(label, format_size(width, height), limits.max_pixels, limits.max_side)
    if image.format == "PNG":
        image.verify()  # checks the checksums, which loading ignores; afterwards the image must be reopened
        image = Image.open(BudgetedReader(data, label), formats=("PNG",))
    if any(tile[0] == "ppm_plain" for tile in image.tile):
        # Pillow removes each comment by copying all the rest: 1 MB of comments took 6 s, 10 MB ten minutes.
        raise image_error(label, _("is a PPM file in text form, which is not read"))
    image.load()
    return DecodedImage(loaded_to_rgb(image), 1)


def _decode_reduced(data: bytes, header: JpegHeader, limits: ImageLimits, label: str) -> DecodedImage:
    """Decode a JPEG over the limits at a half, a quarter or an eighth of its width and height."""
    reduction, size = header.choose_reduction(limits), format_size(header.width, header.height)
    if reduction is not None:
        # `Image.open` refuses images over 179 million pixels, even those that are decoded at a reduced size.
        image = JpegImageFile(BudgetedReader(data, label))
        image.draft(None, (max(1, header.width // reduction), max(1, header.height // reduction)))
        if image.size == (-(-header.width // reduction), -(-header.height // reduction)):
            image.load()
            return DecodedImage(loaded_to_rgb(image), reduction)
    if header.width * header.height <= limits.max_jpeg_pixels:
        problem = _("has {size} in a form of JPEG that takes much memory or time to read").format(size=size)
        raise image_error(label, problem, smaller_copy_advice())
    raise too_large_error(label, size, limits.max_jpeg_pixels)


def _encode(rgb: NDArray[np.uint8], image_format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(as_rgb(rgb)).save(buffer, image_format, **options)
    return buffer.getvalue()
