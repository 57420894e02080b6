"""What a picture file is, and whether it may be decoded at all.

Pillow decodes whatever its plugins can; a small crafted file can cost it gigabytes or minutes.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from emotion.errors import ImageError

# What people take for pictures: (where, bytes in lower case, what to call it).
_FOREIGN_SIGNATURES: Final = (
    (0, b"%pdf", "a PDF document"),
    (0, b"pk\x03\x04", "a zip archive or an office document"),
    (0, b"\x1ae\xdf\xa3", "a video"),
    (8, b"avi list", "a video"),
    (0, b"8bps", "a Photoshop document"),
    (0, b"<!doctype html", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"<", "an SVG or XML document"),
)

_IMAGE_BRANDS: Final = re.compile(rb"avi[fs]|he[iv][cxms]|mif1|msf1")

# All far above what cameras and programs write, and far below what keeps a decoder busy for seconds.
_MAX_READS: Final = 500_000
_MAX_SCANS: Final = 100
_MAX_SCANNED_PIXELS: Final = 4_000_000_000  # of all scans of a JPEG that is decoded reduced, together
_MAX_SEGMENTS: Final = 10_000
_MAX_EXIF_SEGMENTS: Final = 32
MAX_EXIF_BYTES: Final = 2**21
_MAX_TAGS: Final = 1_000
_MAX_TAG_VALUES: Final = 400_000

_SUB_IFD_TAGS: Final = (34665, 34853, 40965)  # tags of TIFF: EXIF, GPS, Interoperability
_SOF_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_MARKER: Final = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")


@dataclass(frozen=True)
class ImageLimits:
    """What is read at most.

    `max_pixels` (of WebP three quarters) and `max_side`, pixels on the longer side, hold for the decoded image; `max_bytes` for the
    file. A JPEG of up to `max_jpeg_pixels` and a HEIC image of up to `max_heif_pixels` are not refused but reduced to them. A
    JPEG in several scans (progressive) is held in memory at full size while it is decoded, by 2 bytes a coefficient:
    `max_jpeg_buffer` bounds these bytes for an image that is reduced.
    """

    max_pixels: int = 40_000_000
    max_side: int = 16_384
    max_bytes: int = 200 * 2**20
    max_jpeg_pixels: int = 250_000_000
    max_jpeg_buffer: int = 384 * 2**20
    max_heif_pixels: int = 50_000_000


DEFAULT_LIMITS: Final = ImageLimits()
# For files whose pixels are counted elsewhere: nothing is reduced.
UNREDUCED_LIMITS: Final = ImageLimits(max_jpeg_pixels=ImageLimits.max_pixels, max_heif_pixels=ImageLimits.max_pixels)


def choose_reduction(width: int, height: int, limits: ImageLimits) -> int | None:
    """By how much width and height are divided (1, 2, 4 or 8) so that the image keeps within `limits`; None where
    that is not enough."""
    for factor in (1, 2, 4, 8):
        reduced = -(-width // factor), -(-height // factor)
        if reduced[0] * reduced[1] <= limits.max_pixels and max(reduced) <= limits.max_side:
            return factor
    return None


def display_name(source: object) -> str:
    """What messages call a picture: its base name in quotes, without control characters, at most 60 long."""
    if not isinstance(source, (str, os.PathLike)):
        source = getattr(source, "name", None)  # open files and uploads have one
    if not isinstance(source, (str, os.PathLike)):
        return "The picture"
    base = re.split(r"[/\\]", os.fsdecode(source).rstrip("/\\"))[-1]
    text = "".join(c for c in base if c.isprintable()).strip()
    text = text if len(text) <= 60 else f"{text[:44]}…{text[-15:]}"
    return f'"{text}"' if text else "The picture"


def image_error(label: str, problem: str, advice: str = "save it anew as JPEG or PNG and use that") -> ImageError:
    """One sentence: what came, and what to do."""
    return ImageError(f"{label} {problem}: {advice}.")


def too_large_error(label: str, size: str, max_pixels: int, max_side: int | None = None) -> ImageError:
    """For a picture of more than `max_pixels` pixels or, where that is limited, more than `max_side` on its longer side."""
    most = f"{max_pixels / 1e6:g} million pixels" + (f" and {max_side} on a side" if max_side else "")
    return image_error(label, f"has {size} and at most {most} can be read", "save a smaller copy and use that")


def _too_slow_error(label: str) -> ImageError:
    """For a file that would keep its decoder busy for long."""
    return image_error(label, "is built in a way that would take very long to read")


def detect_foreign_format(data: bytes) -> str | None:
    """What the file is, where it is of a well-known kind that is not read."""
    if data[4:8] == b"ftyp":
        end = min(int.from_bytes(data[:4], "big"), 256)
        brands = {data[i : i + 4] for i in range(8, end, 4)}
        return None if any(map(_IMAGE_BRANDS.fullmatch, brands)) else "a video"
    start = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((words for where, magic, words in _FOREIGN_SIGNATURES if start.startswith(magic, where)), None)


def is_text(data: bytes) -> bool:
    """True where it begins with words, not with a picture."""
    start = data[:512].decode(errors="replace")[:-1]  # the last character may have been cut in two
    return all((c.isprintable() and c != "\ufffd") or c.isspace() for c in start)


class BudgetedReader(io.BytesIO):
    """The file as Pillow sees it, which ends the reading where a crafted one would keep Pillow for minutes.

    Pillow walks over chunks, segments, tags and strips in Python: millions of empty ones, or thousands of
    strips that share their bytes, make a small file slow.
    """

    def __init__(self, data: bytes, label: str) -> None:
        super().__init__(data)
        self._label, self._remaining_reads, self._remaining_bytes = label, _MAX_READS, 8 * len(data) + 2**20

    def read(self, size: int | None = -1, /) -> bytes:
        """As `BytesIO.read`, but an ImageError after half a million calls or eight times the file's bytes."""
        data = super().read(size)
        self._remaining_reads, self._remaining_bytes = self._remaining_reads - 1, self._remaining_bytes - len(data)
        if self._remaining_reads < 0 or self._remaining_bytes < 0:
            raise _too_slow_error(self._label)
        return data


class JpegHeader(NamedTuple):
    """What the markers of a JPEG say: its size in pixels, the number of `num_coefficients` (coefficients) of all components, and
    in how many `num_scans` they come. `is_buffered`: all values are held at full size while it is decoded; `is_huffman`:
    neither arithmetic coding nor a hierarchy nor a lossless mode is used."""

    width: int
    height: int
    num_coefficients: int
    num_scans: int
    is_buffered: bool
    is_huffman: bool

    def choose_reduction(self, limits: ImageLimits) -> int | None:
        """As `choose_reduction`; None also where decoding it reduced would take too much memory or time."""
        factor, pixels = choose_reduction(self.width, self.height, limits), self.width * self.height
        if factor == 1:
            return 1
        buffer = 2 * self.num_coefficients if self.is_buffered else 0
        if pixels > limits.max_jpeg_pixels or buffer > limits.max_jpeg_buffer or not self.is_huffman:
            return None
        return factor if self.num_scans * pixels <= _MAX_SCANNED_PIXELS else None


def check_jpeg(data: bytes, label: str) -> JpegHeader | None:
    """What a JPEG says of itself, None where it says nothing. Refuses one of hundreds of scans, each a pass over all
    pixels: 370 kB of them took Pillow 10 s."""
    at = segments = scans = 0
    frame, parts = None, 0  # parts: how many components the first scan holds
    while marker := _JPEG_MARKER.search(data, at):
        at, code = marker.end(), marker[1][0]
        if code == 0xD9:  # the end; a film or more pictures may follow
            break
        if frame is None and code in _SOF_MARKERS:
            frame = at, code
        if code == 0xDA:
            scans, parts = scans + 1, parts or int.from_bytes(data[at + 2 : at + 3])
        segments += 1
        at += 0 if code in (0x01, 0xD8) else int.from_bytes(data[at : at + 2], "big")
        if scans > _MAX_SCANS or segments > _MAX_SEGMENTS:
            raise _too_slow_error(label)
    if data.count(b"Exif\0\0") > _MAX_EXIF_SEGMENTS:  # Pillow joins them, and a tag may be all of them
        raise _too_slow_error(label)
    return _parse_jpeg_header(data, *frame, scans, parts) if frame else None


def _parse_jpeg_header(data: bytes, offset: int, marker: int, num_scans: int, num_components: int) -> JpegHeader | None:
    """The frame header at `offset`: length, bits, height, width, number of components; of each its id, sampling, table."""
    with contextlib.suppress(struct.error, ValueError, ZeroDivisionError, IndexError):
        _, _, height, width, count = struct.unpack_from(">HBHHB", data, offset)
        sampling = [divmod(data[offset + 9 + 3 * i], 16) for i in range(count)]
        whole = max(across for across, _ in sampling) * max(down for _, down in sampling)
        values = -(-width * height * sum(across * down for across, down in sampling) // whole)
        is_buffered = marker == 0xC2 or num_scans > 1 or num_components != count
        return JpegHeader(width, height, values, num_scans, is_buffered, marker <= 0xC2)
    return None


def check_tiff(data: bytes, limits: ImageLimits, label: str) -> None:
    """Refuse a TIFF whose tags would become millions of Python objects, or one of huge tiles."""
    tile, values = 1, 0
    for number, (tag, kind, count, value) in enumerate(_iter_tiff_entries(data)):
        if kind not in (1, 2, 7) or tag in (273, 324):  # bytes and text stay as they are, but not as offsets
            values += count
        if tag in (322, 323):  # width and height
            tile *= value
        if number > _MAX_TAGS or values > _MAX_TAG_VALUES or tile > limits.max_pixels:
            raise _too_slow_error(label)


def _iter_tiff_entries(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Tag, type, count and value (or its place) of what the first directory and its inner ones hold."""
    order, big = "<" if data[:2] == b"II" else ">", data[2:3] == b"\x2b"
    number, entry, word, width = ("Q", "HHQ", "Q", 8) if big else ("H", "HHI", "I", 4)
    directories = list(struct.unpack_from(order + word, data, width))
    for at in directories:
        with contextlib.suppress(struct.error):  # cut off: what is there counts
            (entries,) = struct.unpack_from(order + number, data, at)
            at += struct.calcsize(order + number)
            for _ in range(entries):
                tag, kind, count = struct.unpack_from(order + entry, data, at)
                at += struct.calcsize(order + entry)
                (value,) = struct.unpack_from(order + {1: "B", 3: "H"}.get(kind, word), data, at)
                at += width
                if tag in _SUB_IFD_TAGS:
                    directories.append(value)  # circles are ended by the number of tags
                yield tag, kind, count, value
