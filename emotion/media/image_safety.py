"""Checks before an image file is decoded: its format, its size, and structures that stall a decoder.

Pillow decodes whatever its plugins accept; a small crafted file can cost it gigabytes or minutes.
"""

from __future__ import annotations

import contextlib
import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from emotion.errors import ImageError
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

UNNAMED_IMAGE: Final = "The image"  # what messages call an image without a name
VIDEO_FORMAT: Final = gettext_noop("a video")

# Formats that are often mistaken for images: (offset, bytes in lower case, name in messages).
_FOREIGN_SIGNATURES: Final = (
    (0, b"%pdf", gettext_noop("a PDF document")),
    (0, b"pk\x03\x04", gettext_noop("a zip archive or an office document")),
    (0, b"\x1ae\xdf\xa3", VIDEO_FORMAT),
    (8, b"avi list", VIDEO_FORMAT),
    (0, b"8bps", gettext_noop("a Photoshop document")),
    (0, b"<!doctype html", gettext_noop("a web page")),
    (0, b"<html", gettext_noop("a web page")),
    (0, b"<", gettext_noop("an SVG or XML document")),
)
_SIGNATURE_BYTES: Final = 256
_IMAGE_BRANDS: Final = re.compile(rb"avi[fs]|he[iv][cxms]|mif1|msf1")

# All limits are far above what cameras and programs write, and far below what keeps a decoder busy for seconds.
_MAX_READS: Final = 500_000
_MAX_REREADS: Final = 8  # times the size of the file that a decoder may read in total
_READ_SLACK_BYTES: Final = 2**20
_MAX_SCANS: Final = 100
_MAX_SCANNED_PIXELS: Final = 4_000_000_000  # over all scans of a JPEG that is decoded at a reduced size
_MAX_SEGMENTS: Final = 10_000
_MAX_EXIF_SEGMENTS: Final = 32
MAX_EXIF_BYTES: Final = 2**21
_MAX_TAGS: Final = 1_000
_MAX_TAG_VALUES: Final = 400_000

_REDUCTIONS: Final = (1, 2, 4, 8)  # the factors at which a JPEG decoder can skip coefficients

_SOF_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOF_PROGRESSIVE: Final = 0xC2  # markers up to this one are Huffman-coded, sequential or progressive
_SOS_MARKER: Final = 0xDA
_EOI_MARKER: Final = 0xD9
_BARE_MARKERS: Final = (0x01, 0xD8)  # without a length field
_JPEG_MARKER: Final = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")

_SUB_IFD_TAGS: Final = (34665, 34853, 40965)  # EXIF, GPS, Interoperability
_OFFSET_TAGS: Final = (273, 324)  # StripOffsets, TileOffsets
_TILE_SIZE_TAGS: Final = (322, 323)  # TileWidth, TileLength
_RAW_TYPES: Final = (1, 2, 7)  # BYTE, ASCII, UNDEFINED: Pillow keeps them as one bytes object


@dataclass(frozen=True)
class ImageLimits:
    """Upper bounds on what is read.

    Attributes:
        max_pixels: Pixels of the decoded image (three quarters of it for WebP).
        max_side: Pixels on the longer side of the decoded image.
        max_bytes: Size of the file.
        max_jpeg_pixels: Pixels up to which a JPEG is reduced to the limits above instead of refused.
        max_jpeg_buffer: Bytes of coefficients (2 each) that a progressive JPEG may hold while it is decoded at a
            reduced size.
        max_heif_pixels: Pixels up to which a HEIC image is reduced instead of refused.
    """

    max_pixels: int = 40_000_000
    max_side: int = 16_384
    max_bytes: int = 200 * 2**20
    max_jpeg_pixels: int = 250_000_000
    max_jpeg_buffer: int = 384 * 2**20
    max_heif_pixels: int = 50_000_000


DEFAULT_LIMITS: Final = ImageLimits()
# For files whose annotations are in pixels: nothing is reduced.
UNREDUCED_LIMITS: Final = ImageLimits(max_jpeg_pixels=ImageLimits.max_pixels, max_heif_pixels=ImageLimits.max_pixels)


def choose_reduction(width: int, height: int, limits: ImageLimits) -> int | None:
    """Return the least factor (1, 2, 4 or 8) that brings an image within `limits`; None if none does."""
    for factor in _REDUCTIONS:
        reduced = -(-width // factor), -(-height // factor)
        if reduced[0] * reduced[1] <= limits.max_pixels and max(reduced) <= limits.max_side:
            return factor
    return None


def image_error(label: str, problem: str, advice: str = "") -> ImageError:
    """Make the error of one sentence: which image, its problem, and what to do: "" for another format."""
    advice = advice or _("save it as JPEG or PNG and use that")
    return ImageError(_("{subject} {problem}: {advice}.").format(subject=label, problem=problem, advice=advice))


def too_large_error(label: str, size: str, max_pixels: int, max_side: int | None = None) -> ImageError:
    """Make the error for an image over `max_pixels` or, where that is limited, over `max_side` on its longer side."""
    if max_side:
        problem = _("has {size} and at most {millions:g} million pixels and {side} on a side can be read")
    else:
        problem = _("has {size} and at most {millions:g} million pixels can be read")
    problem = problem.format(size=size, millions=max_pixels / 1e6, side=max_side)
    return image_error(label, problem, smaller_copy_advice())


def format_size(width: int, height: int) -> str:
    """Format the size of an image in messages: "640 x 480 pixels"."""
    return _("{width} x {height} pixels").format(width=width, height=height)


def smaller_copy_advice() -> str:
    """Return what to do with an image that is too large."""
    return _("save a smaller copy and use that")


def _too_slow_error(label: str) -> ImageError:
    return image_error(label, _("has a structure that would take very long to read"))


def read_ftyp_brands(data: bytes) -> frozenset[bytes]:
    """Return the brands of a file of the MP4 family (video, HEIF, AVIF), empty for other files."""
    if data[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(data[:4], "big"), _SIGNATURE_BYTES)
    return frozenset(data[i : i + 4] for i in range(8, end, 4))


def detect_foreign_format(data: bytes) -> str | None:
    """Return the name of a well-known format that is no image, `VIDEO_FORMAT` for videos, else None."""
    if data[4:8] == b"ftyp":
        return None if any(map(_IMAGE_BRANDS.fullmatch, read_ftyp_brands(data))) else VIDEO_FORMAT
    start = data[:_SIGNATURE_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((name for offset, magic, name in _FOREIGN_SIGNATURES if start.startswith(magic, offset)), None)


class BudgetedReader(io.BytesIO):
    """A file for Pillow that raises ImageError when a decoder reads far more than any honest file needs.

    Pillow walks over chunks, segments, tags and strips in Python: millions of empty ones, or thousands of strips
    that share their bytes, make a small file slow.
    """

    def __init__(self, data: bytes, label: str) -> None:
        super().__init__(data)
        self._label = label
        self._remaining_reads = _MAX_READS
        self._remaining_bytes = _MAX_REREADS * len(data) + _READ_SLACK_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as `BytesIO.read` does, within the budget of calls and bytes."""
        data = super().read(size)
        self._remaining_reads, self._remaining_bytes = self._remaining_reads - 1, self._remaining_bytes - len(data)
        if self._remaining_reads < 0 or self._remaining_bytes < 0:
            raise _too_slow_error(self._label)
        return data


class JpegHeader(NamedTuple):
    """What the markers of a JPEG state about its size and coding."""

    width: int
    height: int
    num_coefficients: int  # of all components
    num_scans: int
    is_buffered: bool  # the decoder holds all coefficients at full size
    is_huffman: bool  # neither arithmetic nor hierarchical nor lossless coding

    def choose_reduction(self, limits: ImageLimits) -> int | None:
        """Choose as the function does; None also where decoding at a reduced size costs too much memory or time."""
        factor, pixels = choose_reduction(self.width, self.height, limits), self.width * self.height
        if factor == 1:
            return 1
        buffer_bytes = 2 * self.num_coefficients if self.is_buffered else 0
        if pixels > limits.max_jpeg_pixels or buffer_bytes > limits.max_jpeg_buffer or not self.is_huffman:
            return None
        return factor if self.num_scans * pixels <= _MAX_SCANNED_PIXELS else None


def check_jpeg(data: bytes, label: str) -> JpegHeader | None:
    """Read the header of a JPEG, None where it has none.

    Raises:
        ImageError: The file has so many scans or segments that decoding would stall. Each scan is a pass over all
            pixels: 370 kB of them took Pillow 10 s.
    """
    offset = num_segments = num_scans = first_scan_components = 0
    frame_header: tuple[int, int] | None = None  # offset and marker
    while match := _JPEG_MARKER.search(data, offset):
        offset, marker = match.end(), match[1][0]
        if marker == _EOI_MARKER:  # more images or a video may follow
            break
        if frame_header is None and marker in _SOF_MARKERS:
            frame_header = offset, marker
        if marker == _SOS_MARKER:
            num_scans += 1
            first_scan_components = first_scan_components or int.from_bytes(data[offset + 2 : offset + 3])
        num_segments += 1
        offset += 0 if marker in _BARE_MARKERS else int.from_bytes(data[offset : offset + 2], "big")
        if num_scans > _MAX_SCANS or num_segments > _MAX_SEGMENTS:
            raise _too_slow_error(label)
    if data.count(b"Exif\0\0") > _MAX_EXIF_SEGMENTS:  # Pillow joins them, and one tag may span them all
        raise _too_slow_error(label)
    return _parse_jpeg_header(data, *frame_header, num_scans, first_scan_components) if frame_header else None


def _parse_jpeg_header(data: bytes, offset: int, marker: int, num_scans: int, num_components: int) -> JpegHeader | None:
    """Parse length, precision, height, width, component count, and id, sampling and table of each component."""
    with contextlib.suppress(struct.error, ValueError, ZeroDivisionError, IndexError):
        _, _, height, width, count = struct.unpack_from(">HBHHB", data, offset)
        sampling = [divmod(data[offset + 9 + 3 * i], 16) for i in range(count)]
        max_sampling = max(across for across, _ in sampling) * max(down for _, down in sampling)
        num_coefficients = -(-width * height * sum(across * down for across, down in sampling) // max_sampling)
        is_buffered = marker == _SOF_PROGRESSIVE or num_scans > 1 or num_components != count
        return JpegHeader(width, height, num_coefficients, num_scans, is_buffered, marker <= _SOF_PROGRESSIVE)
    return None


def check_tiff(data: bytes, limits: ImageLimits, label: str) -> None:
    """Raise ImageError for a TIFF whose tags become millions of Python objects, or whose tiles are huge."""
    tile_pixels, num_values = 1, 0
    for index, (tag, kind, count, value) in enumerate(_iter_tiff_entries(data)):
        if kind not in _RAW_TYPES or tag in _OFFSET_TAGS:
            num_values += count
        if tag in _TILE_SIZE_TAGS:
            tile_pixels *= value
        if index > _MAX_TAGS or num_values > _MAX_TAG_VALUES or tile_pixels > limits.max_pixels:
            raise _too_slow_error(label)


def _iter_tiff_entries(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield tag, type, count and value (or its offset) of the first directory and its sub-directories."""
    order, is_big = "<" if data[:2] == b"II" else ">", data[2:3] == b"\x2b"
    count_format, entry_format, word, value_bytes = ("Q", "HHQ", "Q", 8) if is_big else ("H", "HHI", "I", 4)
    directories = list(struct.unpack_from(order + word, data, value_bytes))
    for offset in directories:
        with contextlib.suppress(struct.error):  # cut off: the entries that are there count
            (num_entries,) = struct.unpack_from(order + count_format, data, offset)
            offset += struct.calcsize(order + count_format)
            for _ in range(num_entries):
                tag, kind, count = struct.unpack_from(order + entry_format, data, offset)
                offset += struct.calcsize(order + entry_format)
                (value,) = struct.unpack_from(order + {1: "B", 3: "H"}.get(kind, word), data, offset)
                offset += value_bytes
                if tag in _SUB_IFD_TAGS:
                    directories.append(value)  # the limit on tags ends cycles
                yield tag, kind, count, value
