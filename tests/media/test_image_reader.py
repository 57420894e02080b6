"""Image files of all formats are generated here, so that their pixels are known."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, features

from emotion.errors import ImageError
from emotion.media.image_reader import as_rgb, count_pixels, decode_image, encode_jpeg, encode_png, read_image, rotate
from emotion.media.image_safety import DEFAULT_LIMITS, ImageLimits, check_jpeg

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(7)
H, W = 24, 40
# Smooth enough for JPEG, without symmetry.
Y, X = np.mgrid[:H, :W]
RGB = np.stack([X * 6, Y * 10, 255 - X * 3 - Y * 2], axis=2).astype(np.uint8)
GRAY = RGB[..., 0]
ALPHA = (Y * 10).astype(np.uint8)
AVIF = bool(features.check("avif"))


def saved(image: Image.Image | NDArray, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int, height: int, bits: int, color_type: int, rows: bytes, before: bytes = b"", after: bytes = b""
) -> bytes:
    """Return a PNG file; `rows` are the filtered rows."""
    packed = rows if rows[:1] == b"\x78" else zlib.compress(rows)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", packed) + after + chunk(b"IEND")


def png_of(values: NDArray, bits: int, color_type: int, before: bytes = b"") -> bytes:
    height, width = values.shape[:2]
    if bits == 16:
        rows = values.astype(">u2").reshape(height, -1).view(np.uint8)
    elif bits == 8:
        rows = values.reshape(height, -1)
    else:
        unpacked = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        rows = np.packbits(unpacked.reshape(height, -1).astype(np.uint8), axis=1)
    return png(width, height, bits, color_type, b"".join(b"\0" + row.tobytes() for row in rows), before)


def tiff(entries: list[tuple[int, int, int, int]], body: bytes = b"", order: str = "<") -> bytes:
    """Return a TIFF file with entries (tag, type, count, value); a value of -1 - n stands for byte n of the body."""
    offset = 8 + 2 + 12 * len(entries) + 4
    packed = b""
    for tag, kind, count, value in sorted(entries):
        value = offset - 1 - value if value < 0 else value
        inline = "HH" if kind == 3 and count == 1 else "I"
        packed += struct.pack(f"{order}HHI{inline}", tag, kind, count, value, *[0] * (len(inline) - 1))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + struct.pack(order + "H", len(entries)) + packed + bytes(4) + body


def gray_tiff(side: int = 8, extra: list[tuple[int, int, int, int]] | None = None, body: bytes = b"") -> bytes:
    pixels = bytes(range(side * side))
    fields = {256: side, 257: side, 258: 8, 259: 1, 262: 1, 273: -1, 277: 1, 278: side, 279: side * side}
    extra = extra or []
    own = [(tag, 4, 1, value) for tag, value in fields.items() if tag not in {e[0] for e in extra}]
    return tiff(own + extra, pixels + body)


def blend_over_white(rgb: NDArray, alpha: NDArray) -> NDArray:
    share = alpha[..., None] / 255
    return np.rint(rgb * share + 255 * (1 - share)).astype(np.uint8)


def gray_to_rgb(gray: NDArray) -> NDArray:
    return np.repeat(gray[..., None], 3, axis=2)


def get_error(source, **options) -> str:
    """Return the error message for a refused source, after checking its form."""
    with pytest.raises(ImageError) as caught:
        read_image(source, **options)
    text = str(caught.value)
    assert text.endswith(".")
    assert ". " not in text
    assert ": " in text
    assert text.isprintable()
    assert text[0] in '"T'
    assert len(text) < 250
    return text


def is_readable(data: bytes, expected: NDArray | None = None) -> bool:
    """Return whether `data` can be read, after checking the image against `expected`, if given."""
    try:
        pixels = read_image(data)
    except ImageError:
        return False
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.size
    assert pixels.flags.c_contiguous
    if expected is not None:
        assert np.array_equal(pixels, expected), "an incomplete image was returned"
    return True


# --- Formats


WIDE = (np.arange(H * W).reshape(H, W) * 68).astype(np.uint16)  # 0 to 65212
PALETTE = RNG.integers(0, 256, (16, 3), np.uint8)
INDEX = ((X + Y) % 16).astype(np.uint8)
CMYK = np.stack([RGB[..., 0], RGB[..., 1], RGB[..., 2], Y * 8], axis=2).astype(np.uint8)
CMYK_RGB = (255.0 - CMYK[..., :3]) * (255 - CMYK[..., 3:]) / 255


def palette_image() -> Image.Image:
    image = Image.fromarray(INDEX, "L")
    image.putpalette(PALETTE.tobytes())
    return image


def palette_chunks(alpha: bytes = b"") -> bytes:
    return chunk(b"PLTE", PALETTE.tobytes()) + (chunk(b"tRNS", alpha) if alpha else b"")


EXACT: dict[str, tuple[bytes, NDArray]] = {
    "PNG 1 bit": (png_of(GRAY > 99, 1, 0), gray_to_rgb((GRAY > 99) * np.uint8(255))),
    "PNG 2 bits": (png_of(GRAY >> 6, 2, 0), gray_to_rgb((GRAY >> 6) * np.uint8(85))),
    "PNG 4 bits": (png_of(GRAY >> 4, 4, 0), gray_to_rgb((GRAY >> 4) * np.uint8(17))),
    "PNG gray": (saved(GRAY, "PNG"), gray_to_rgb(GRAY)),
    "PNG gray 16": (png_of(WIDE, 16, 0), gray_to_rgb((WIDE >> 8).astype(np.uint8))),
    "PNG gray 16 with a hole": (
        png_of(WIDE, 16, 0, chunk(b"tRNS", struct.pack(">H", WIDE[3, 5]))),
        gray_to_rgb(np.where(WIDE[3, 5] == WIDE, 255, WIDE >> 8).astype(np.uint8)),
    ),
    "PNG RGB": (saved(RGB, "PNG"), RGB),
    "PNG RGB with a hole": (
        png_of(RGB, 8, 2, chunk(b"tRNS", struct.pack(">3H", *RGB[3, 5]))),
        np.where((RGB[3, 5] == RGB).all(axis=2)[..., None], np.uint8(255), RGB),
    ),
    "PNG RGB 16": (png_of(RGB.astype(np.uint16) * 257, 16, 2), RGB),
    "PNG gray and alpha": (png_of(np.dstack([GRAY, ALPHA]), 8, 4), blend_over_white(gray_to_rgb(GRAY), ALPHA)),
    "PNG RGBA": (saved(np.dstack([RGB, ALPHA]), "PNG"), blend_over_white(RGB, ALPHA)),
    "PNG RGBA 16": (
        png_of(np.dstack([RGB, ALPHA]).astype(np.uint16) * 257, 16, 6),
        blend_over_white(RGB, ALPHA),
    ),
    "PNG palette": (png_of(INDEX, 8, 3, palette_chunks()), PALETTE[INDEX]),
    "PNG palette 4 bits": (png_of(INDEX, 4, 3, palette_chunks()), PALETTE[INDEX]),
    "PNG palette with alphas": (
        png_of(INDEX, 8, 3, palette_chunks(bytes(range(0, 160, 10)))),
        blend_over_white(PALETTE[INDEX], INDEX * np.uint8(10)),
    ),
    "PNG palette with a hole": (
        png_of(INDEX, 8, 3, palette_chunks(b"\xff\xff\x00")),
        np.where((INDEX == 2)[..., None], np.uint8(255), PALETTE[INDEX]),
    ),
    "GIF": (saved(palette_image(), "GIF"), PALETTE[INDEX]),
    "GIF with a hole": (
        saved(palette_image(), "GIF", transparency=2),
        np.where((INDEX == 2)[..., None], np.uint8(255), PALETTE[INDEX]),
    ),
    "BMP 1 bit": (saved(Image.fromarray(GRAY > 99), "BMP"), gray_to_rgb((GRAY > 99) * np.uint8(255))),
    "BMP gray": (saved(GRAY, "BMP"), gray_to_rgb(GRAY)),
    "BMP RGB": (saved(RGB, "BMP"), RGB),
    "BMP palette": (saved(palette_image(), "BMP"), PALETTE[INDEX]),
    "PPM": (saved(RGB, "PPM"), RGB),
    "PGM": (saved(GRAY, "PPM"), gray_to_rgb(GRAY)),
    "PGM 16": (saved(WIDE, "PPM"), gray_to_rgb((WIDE >> 8).astype(np.uint8))),
    "PBM": (saved(Image.fromarray(GRAY > 99), "PPM"), gray_to_rgb((GRAY > 99) * np.uint8(255))),
    "TIFF 1 bit": (
        saved(Image.fromarray(GRAY > 99), "TIFF", compression="group4"),
        gray_to_rgb((GRAY > 99) * np.uint8(255)),
    ),
    "TIFF RGB": (saved(RGB, "TIFF"), RGB),
    "TIFF LZW": (saved(RGB, "TIFF", compression="tiff_lzw"), RGB),
    "TIFF deflate": (saved(RGB, "TIFF", compression="tiff_adobe_deflate"), RGB),
    "TIFF RGBA": (saved(np.dstack([RGB, ALPHA]), "TIFF"), blend_over_white(RGB, ALPHA)),
    "TIFF gray 16": (saved(WIDE, "TIFF"), gray_to_rgb((WIDE >> 8).astype(np.uint8))),
    "TIFF gray 16 big-endian": (
        tiff(
            [(t, 4, 1, v) for t, v in {256: W, 257: H, 258: 16, 262: 1, 273: -1, 278: H, 279: W * H * 2}.items()],
            WIDE.astype(">u2").tobytes(),
            ">",
        ),
        gray_to_rgb((WIDE >> 8).astype(np.uint8)),
    ),
    "TIFF int, 8 bits used": (saved(GRAY.astype(np.int32), "TIFF"), gray_to_rgb(GRAY)),
    "TIFF int, 16 bits used": (saved(WIDE.astype(np.int32), "TIFF"), gray_to_rgb((WIDE >> 8).astype(np.uint8))),
    "TIFF int, stretched": (
        saved((GRAY.astype(np.int32) - 100) * 1000, "TIFF"),
        gray_to_rgb(np.rint(GRAY * (255 / GRAY.max())).astype(np.uint8)),
    ),
    "TIFF float 0 to 1": (saved((GRAY / 255).astype(np.float32), "TIFF"), gray_to_rgb(GRAY)),
    "TIFF float 0 to 255": (saved(GRAY.astype(np.float32), "TIFF"), gray_to_rgb(GRAY)),
    "TIFF float, stretched": (
        saved((GRAY * 1e6 - 5).astype(np.float32), "TIFF"),
        gray_to_rgb(np.rint(GRAY * (255 / GRAY.max())).astype(np.uint8)),
    ),
    "TIFF float, flat": (saved(np.full((H, W), -3, np.float32), "TIFF"), np.zeros_like(RGB)),
    "TIFF BigTIFF": (saved(RGB, "TIFF", big_tiff=True), RGB),
    "WebP": (saved(RGB, "WEBP", lossless=True), RGB),
    "WebP RGBA": (
        saved(np.dstack([RGB, ALPHA]), "WEBP", lossless=True, exact=True),
        blend_over_white(RGB, ALPHA),
    ),
}
CLOSE: dict[str, tuple[bytes, NDArray]] = {
    "JPEG": (saved(RGB, "JPEG", quality=98, subsampling=0), RGB),
    "JPEG progressive": (saved(RGB, "JPEG", quality=98, subsampling=0, progressive=True), RGB),
    "JPEG gray": (saved(GRAY, "JPEG", quality=98), gray_to_rgb(GRAY)),
    "JPEG CMYK of Adobe": (saved(Image.fromarray(CMYK, "CMYK"), "JPEG", quality=100), CMYK_RGB),
    "MPO": (saved(RGB, "MPO", quality=98, subsampling=0, save_all=True, append_images=[]), RGB),
    "TIFF CMYK": (saved(Image.fromarray(CMYK, "CMYK"), "TIFF"), CMYK_RGB),
    "TIFF YCbCr": (saved(Image.fromarray(RGB).convert("YCbCr"), "TIFF"), RGB),
}
if AVIF:
    CLOSE["AVIF"] = (saved(RGB, "AVIF", quality=100, subsampling="4:4:4"), RGB)
VALID_FILES = {name: data for name, (data, _) in {**EXACT, **CLOSE}.items()}


@pytest.mark.parametrize("name", EXACT)
def test_lossless_modes_and_depths_are_exact(name: str) -> None:
    data, expected = EXACT[name]
    pixels = read_image(data)
    assert pixels.shape == expected.shape
    assert pixels.flags.c_contiguous
    assert int(np.abs(pixels.astype(int) - expected).max()) == 0


@pytest.mark.parametrize("name", CLOSE)
def test_lossy_formats_are_close(name: str) -> None:
    data, expected = CLOSE[name]
    assert np.abs(read_image(data).astype(float) - expected).max() <= 12


def test_16_bits_are_scaled_where_pillow_clips() -> None:
    """`Image.convert` of Pillow clips them and is therefore not used."""
    plain = np.asarray(Image.open(io.BytesIO(EXACT["TIFF int, 16 bits used"][0])).convert("RGB"))
    assert (plain == 255).mean() > 0.9
    assert (read_image(EXACT["TIFF int, 16 bits used"][0]) == 255).mean() < 0.01


def test_cmyk_without_adobe_marker_is_not_inverted() -> None:
    data = saved(Image.fromarray(CMYK, "CMYK"), "JPEG", quality=100)
    offset = data.index(b"\xff\xee")
    plain = data[:offset] + data[offset + 2 + int.from_bytes(data[offset + 2 : offset + 4], "big") :]
    assert b"Adobe" not in plain
    expected = CMYK[..., :3].astype(float) * CMYK[..., 3:] / 255  # the stored values are the inks
    assert np.abs(read_image(plain).astype(float) - expected).max() <= 12
    assert np.array_equal(as_rgb(Image.open(io.BytesIO(plain))), read_image(plain))


@pytest.mark.parametrize(
    ("lab", "low", "high"),
    [
        (b"\xff\0\0", (250, 250, 250), (255, 255, 255)),
        (b"\0\0\0", (0, 0, 0), (3, 3, 3)),
        (bytes([136, 80, 67]), (240, 0, 0), (255, 40, 40)),  # CIELAB 53, 80, 67: pure red
        (bytes([82, 79, 256 - 108]), (0, 0, 230), (90, 50, 255)),  # CIELAB 32, 79, -108: pure blue
    ],
)
def test_lab_is_converted(lab: bytes, low: tuple[int, ...], high: tuple[int, ...]) -> None:
    fields = {256: 4, 257: 4, 259: 1, 262: 8, 273: -7, 277: 3, 278: 4, 279: 48}
    entries = [(tag, 4, 1, value) for tag, value in fields.items()] + [(258, 3, 3, -1)]
    pixels = read_image(tiff(entries, struct.pack("<3H", 8, 8, 8) + lab * 16))
    assert (pixels >= low).all(), pixels[0, 0]
    assert (pixels <= high).all(), pixels[0, 0]


def test_non_finite_values_are_refused() -> None:
    for bad in (np.nan, np.inf, -np.inf):
        values = np.zeros((4, 4), np.float32)
        values[2, 2] = bad
        get_error(saved(values, "TIFF"))


TURNS: dict[int, Callable[[NDArray], NDArray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


def exif(orientation: int, *more: tuple[int, int, int, int]) -> bytes:
    return b"Exif\0\0" + tiff([(274, 3, 1, orientation), *more])


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "WEBP", "TIFF", *(["AVIF"] if AVIF else [])])
@pytest.mark.parametrize("orientation", TURNS)
def test_every_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    note = {"tiffinfo": {274: orientation}} if kind == "TIFF" else {"exif": exif(orientation)}
    data = saved(RGB, kind, **options, **note)
    upright = TURNS[orientation](read_image(saved(RGB, kind, **options)))
    pixels = read_image(data)
    assert pixels.flags.c_contiguous
    assert np.array_equal(pixels, upright)
    image = Image.open(io.BytesIO(data))
    size = image.size
    assert np.array_equal(as_rgb(image), upright)
    assert image.size == size, "the caller's image was rotated"


@pytest.mark.parametrize(
    "block",
    [b"", b"Exif\0\0", b"Exif\0\0II*\0", exif(0), exif(9), exif(60000), b"Exif\0\0" + b"\xff" * 60],
    ids=["empty", "no directory", "header only", "0", "9", "60000", "noise"],
)
def test_unreadable_exif_is_ignored(block: bytes) -> None:
    assert np.array_equal(read_image(saved(RGB, "PNG", exif=block)), RGB)


def test_odd_exif_orientation_is_applied() -> None:
    data = saved(RGB, "PNG", exif=exif(6, (0x11A, 2, 4, 0x41414141), (0x9286, 4, 1, 7)))
    assert np.array_equal(read_image(data), TURNS[6](RGB))
    with pytest.raises(Exception):  # noqa: B017, PT011 (any failure is fine)
        ImageOps.exif_transpose(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_first_frame_of_an_animation_is_read(kind: str) -> None:
    frames = [Image.fromarray(np.full((H, W, 3), v, np.uint8)) for v in (200, 90, 10)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    assert np.abs(read_image(data).astype(int) - 200).max() <= 2


# --- Sources, names, limits


def test_all_sources_give_the_same_pixels(tmp_path: Path) -> None:
    data = VALID_FILES["PNG RGBA"]
    path = tmp_path / "a photo.jpg"  # a wrong extension
    path.write_bytes(data)
    half_read = io.BytesIO(data)
    half_read.seek(30)
    with path.open("rb") as file:
        sources = [path, str(path), data, bytearray(data), memoryview(data), half_read, file]
        for source in sources:
            assert np.array_equal(read_image(source), EXACT["PNG RGBA"][1])
        assert np.array_equal(read_image(file), EXACT["PNG RGBA"][1]), "the second read"


class Broken(io.BytesIO):
    name = "upload.png"

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError("the disk is gone")


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    closed = io.BytesIO(b"x")
    closed.close()
    assert get_error(b"") == ("The image is empty: choose a JPEG, HEIC, PNG, WebP, GIF, BMP, TIFF, PPM or AVIF file.")
    assert get_error(tmp_path / "empty.png").startswith('"empty.png" is empty')
    assert get_error(tmp_path).startswith(f'"{tmp_path.name}" is a folder')
    assert get_error(tmp_path / "no.png").startswith('"no.png" was not found')
    assert "cannot be opened" in get_error(tmp_path / "empty.png" / "x.png")
    assert "cannot be opened" in get_error("a\0b.png")
    assert "cannot be opened" in get_error("n" * 5000)
    assert get_error(Broken()).startswith('"upload.png" cannot be opened')
    assert "cannot be opened" in get_error(closed)
    assert get_error(io.StringIO("text")) == "The image is a file of str: open it in binary mode."
    assert get_error(7) == "The image has the type int: expected is a path, bytes or an open binary file."


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices here")
def test_a_device_is_not_read() -> None:
    assert "is not a regular file" in get_error("/dev/zero")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", "The image"),
        ("\x00\x07\n", "The image"),
        ("x.png", '"x.png"'),
        ("/etc/passwd/../x.png", '"x.png"'),
        ("C:\\fakepath\\x.png", '"x.png"'),
        ("x\x1b[31m\n\u202egnp.png", '"x[31mgnp.png"'),
        ("\udcff.png", '".png"'),
        ("ü ß.png", '"ü ß.png"'),
        ("a" * 400 + ".png", '"' + "a" * 44 + "…" + "a" * 11 + '.png"'),
    ],
)
def test_names_are_only_labels(name: str, shown: str) -> None:
    assert get_error(b"", name=name).startswith(shown + " is empty")


def test_limits_are_exact_and_named() -> None:
    data = saved(np.zeros((10, 20, 3), np.uint8), "PNG")
    assert read_image(data, limits=ImageLimits(200, 20, len(data))).shape == (10, 20, 3)
    assert "20 x 10 pixels and at most 0.000199 million" in get_error(data, limits=ImageLimits(199, 20))
    assert "19 on a side" in get_error(data, limits=ImageLimits(200, 19))
    for source in (data, io.BytesIO(data)):
        assert "more than" in get_error(source, limits=ImageLimits(max_bytes=len(data) - 1))
    assert "40 million pixels and 16384 on a side" in get_error(png(20_000, 1, 8, 0, bytes(20_001)))
    data = saved(np.zeros((10, 20, 3), np.uint8), "WEBP")
    assert read_image(data, limits=ImageLimits(268)).shape == (10, 20, 3)
    assert "at most 0.000199 million" in get_error(data, limits=ImageLimits(266))


FOREIGN_FORMATS: dict[str, tuple[bytes, str]] = {
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200), "damaged or cut off"),
    "HEIC by its compatible brand": (
        b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf" + bytes(200),
        "damaged or cut off",
    ),
    "MP4": (b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(200), "a video"),
    "AVI": (b"RIFF\0\1\0\0AVI LIST" + bytes(200), "a video"),
    "WebM": (b"\x1aE\xdf\xa3" + bytes(200), "a video"),
    "PDF": (b"%PDF-1.7\n" + bytes(200), "a PDF document"),
    "PDF with a JPEG in it": (b"%PDF-1.7\n" + VALID_FILES["JPEG"], "a PDF document"),
    "zip": (b"PK\x03\x04" + bytes(200), "a zip archive"),
    "web page": (b"\n <!DOCTYPE html><html></html>", "a web page"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG or XML document"),
    "text": (b"emotion,pixels,Usage\n0,70 80 82,Training\n" * 30, "plain text"),
    "text with accents": ("Grüße, ".encode() * 90, "plain text"),
    "noise": (RNG.bytes(500), "not a complete image"),
    "nul": (bytes(500), "not a complete image"),
    "text PPM": (b"P3\n1 1\n255\n1 2 3\n", "a PPM file in text form"),
    "icon": (saved(RGB, "ICO"), "not a complete image"),
    "EPS": (saved(RGB, "EPS"), "plain text"),
}


@pytest.mark.parametrize("name", FOREIGN_FORMATS)
@pytest.mark.parametrize("extension", ["jpg", "png"])
def test_foreign_formats_are_named(name: str, extension: str, tmp_path: Path) -> None:
    data, message = FOREIGN_FORMATS[name]
    path = tmp_path / f"photo.{extension}"
    path.write_bytes(data)
    text = get_error(path)
    assert message in text
    assert text.startswith(f'"photo.{extension}" is ')


def test_first_bytes_decide_the_format() -> None:
    for name, tail in (("PNG RGB", b"PK\x03\x04rest"), ("GIF", b"<script>"), ("WebP", b"%PDF-1.7")):
        assert np.array_equal(read_image(VALID_FILES[name] + tail), EXACT[name][1])
    jpeg = VALID_FILES["JPEG"]
    commented = jpeg[:2] + b"\xff\xfe\0\x08<html>" + jpeg[2:] + b"PK\x03\x04rest"
    assert np.array_equal(read_image(commented), read_image(jpeg))


# --- Damaged files


@pytest.mark.parametrize("name", VALID_FILES)
def test_truncated_files_are_never_read_partially(name: str) -> None:
    """A truncated file is refused, or read completely if only an end marker is missing."""
    data, expected = VALID_FILES[name], read_image(VALID_FILES[name])
    cuts = {int(len(data) * f / 12) for f in range(12)} | {len(data) - n for n in (1, 2, 3, 4, 8, 12, 16, 40)}
    read = [cut for cut in sorted(cuts) if cut >= 0 and is_readable(data[:cut], expected)]
    assert all(cut > 0.6 * len(data) for cut in read), read
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_corrupt_byte_of_a_png_is_detected() -> None:
    data = VALID_FILES["PNG RGB"]
    for offset in range(0, len(data) - 12, 7):
        get_error(data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :])


def test_mutated_files_are_read_or_refused() -> None:
    rng = random.Random(20)
    read = num_mutants = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for data in VALID_FILES.values():
            for _ in range(12):
                mutant = bytearray(data)
                for _ in range(rng.choice((1, 2, 5, 20))):
                    offset = rng.randrange(min(len(mutant), rng.choice((30, 200, 10**6))))
                    choice = rng.random()
                    if choice < 0.7:
                        mutant[offset] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
                    elif choice < 0.85:
                        del mutant[offset : offset + rng.randrange(1, 9)]
                    else:
                        mutant[offset:offset] = rng.randbytes(rng.randrange(1, 9))
                num_mutants += 1
                read += is_readable(bytes(mutant))
    assert num_mutants > 500
    assert 0 < read < num_mutants


@pytest.mark.parametrize("odd", [b"", b"\xff", b"\xff\xd8", b"II*\0", b"MM\0*", b"II+\0", b"BM", b"GIF89a", b"P6"])
def test_file_prefixes_are_read_or_refused(odd: bytes) -> None:
    for tail in (b"", b"\0", b"\0" * 30, b"\xff" * 30):
        assert not is_readable(odd + tail)


# --- Bombs: small files that need gigabytes or minutes in other readers


def zeros(count: int) -> bytes:
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(min(2**20, count - offset))) for offset in range(0, count, 2**20)]
    return b"".join(parts) + packer.flush()


def many_scans(count: int, side: int = 4000) -> bytes:
    """Return a progressive JPEG with many empty scans of all blocks."""
    start = saved(Image.new("L", (64, 64)), "JPEG", progressive=True)
    offset = start.index(b"\xff\xc2")
    start = start[: offset + 5] + struct.pack(">HH", side, side) + start[offset + 9 : start.index(b"\xff\xda")]
    blocks = (side // 8) ** 2
    table = b"\xff\xc4\0\x14\x00" + bytes([1] + [0] * 15) + b"\0"
    table += b"\xff\xc4\0\x14\x10" + bytes([1] + [0] * 15) + b"\xe0"  # one code: a run of 2^14 empty blocks
    bits = "".join("0" + "1" * 14 for _ in range(-(-blocks // 32767)))
    bits += "1" * (-len(bits) % 8)
    run = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    first = b"\xff\xda\0\x08\1\1\0\0\0\0" + bytes(blocks // 8 + 1)
    return start + table + first + (b"\xff\xda\0\x08\1\1\0\1\x3f\0" + run) * count + b"\xff\xd9"


def shared_strips(count: int, side: int = 3000) -> bytes:
    """Return a TIFF whose strips nearly cover the image and share the same bytes."""
    size = side * side // 8
    fields = {256: side, 257: side, 258: 1, 259: 1, 262: 1, 277: 1, 278: side - 1}
    entries = [(tag, 4, 1, value) for tag, value in fields.items()]
    entries += [(273, 4, count, -1 - size), (279, 4, count, -1 - size)]
    offset = 8 + 2 + 12 * len(entries) + 4
    return tiff(entries, bytes(size) + struct.pack("<I", offset) * count)


def wide_png(side: int, bits: int = 8) -> bytes:
    return png(side, side, bits, 2, zeros(side * (side * 3 * bits // 8 + 1)))


def noted_png(kind: bytes, head: bytes, size: int, behind: bool = False) -> bytes:
    """Return a PNG of 8 x 8 pixels with `size` bytes of compressed text or profile before or after the pixels."""
    note = chunk(kind, head + zeros(size))
    return png(8, 8, 8, 0, bytes(72), *((b"", note) if behind else (note, b"")))


def segmented_jpeg(segment: bytes, count: int) -> bytes:
    return VALID_FILES["JPEG"][:2] + segment * count + VALID_FILES["JPEG"][2:]


def rationals_tiff(count: int, in_exif: bool = False) -> bytes:
    """Return a TIFF with many fractions in a tag, each of which becomes a Python object of hundreds of bytes."""
    values = b"\1\0\0\0" * 2 * count
    if not in_exif:
        return gray_tiff(8, [(33434, 5, count, -65)], values)
    offset = len(gray_tiff(8, [(34665, 4, 1, 0)])) + 18
    directory = struct.pack("<HHHIII", 1, 33434, 5, count, offset, 0)
    return gray_tiff(8, [(34665, 4, 1, -65)], directory + values)


def tiled_tiff(side: int) -> bytes:
    packed = zeros(side * side)
    fields = {256: 8, 257: 8, 258: 8, 259: 8, 262: 1, 322: side, 323: side, 324: -1, 325: len(packed)}
    return tiff([(tag, 4, 1, value) for tag, value in fields.items()], packed)


def sized_webp(side: int) -> bytes:
    """Return an animation of one small frame on a canvas of the given side."""
    frame = VALID_FILES["WebP"][12:]
    size = struct.pack("<I", W - 1)[:3] + struct.pack("<I", H - 1)[:3]
    body = b"WEBPVP8X\x0a\0\0\0\2\0\0\0" + struct.pack("<I", side - 1)[:3] * 2
    body += b"ANIM\6\0\0\0" + bytes(6)
    body += b"ANMF" + struct.pack("<I", 16 + len(frame)) + bytes(6) + size + b"\x64\0\0\0" + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


def blocked_gif(count: int) -> bytes:
    data = VALID_FILES["GIF"]
    start = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    return data[:start] + b"!\xff" + b"\1x" * count + b"\0" + data[start:]


def sized(name: str, offset: int, form: str) -> Callable[[int], bytes]:
    data = VALID_FILES[name]
    return lambda side: data[:offset] + struct.pack(form, side, side) + data[offset + struct.calcsize(form) :]


# The generator, the size of a harmless control file (0 if the generator cannot make one), the size of the bomb, and
# the error message.
SLOW, LARGE = "would take very long", "million pixels and 16384 on a side"
BOMBS: dict[str, tuple[Callable[[int], bytes], int, int, str]] = {
    "PNG of 64 million pixels": (wide_png, 30, 8000, "8000 x 8000 pixels"),
    "PNG of 2^31 pixels a side": (lambda n: png(n, n, 8, 0, bytes(min(n, 999) + 1)), 1, 2**31 - 1, LARGE),
    "PNG with text": (lambda n: noted_png(b"zTXt", b"a\0\0", n), 1000, 5 * 10**7, "damaged"),
    "PNG with text behind": (
        lambda n: noted_png(b"iTXt", b"a\0\1\0\0\0", n, True),
        1000,
        5 * 10**7,
        "damaged",
    ),
    "PNG with a profile": (lambda n: noted_png(b"iCCP", b"a\0\0", n), 1000, 5 * 10**7, "damaged"),
    "PNG of chunks": (lambda n: png(8, 8, 8, 0, bytes(72), chunk(b"prVt") * n), 1000, 400_000, SLOW),
    "JPEG of 65500 a side": (
        sized("JPEG", VALID_FILES["JPEG"].index(b"\xff\xc0") + 5, ">HH"),
        8,
        65_500,
        "250 million pixels",
    ),
    "JPEG of scans": (many_scans, 20, 5000, SLOW),
    "JPEG of segments": (lambda n: segmented_jpeg(b"\xff\xe0\0\2", n), 1000, 10**6, SLOW),
    "JPEG of EXIF": (lambda n: segmented_jpeg(b"\xff\xe1\xff\xffExif\0\0" + bytes(65_527), n), 2, 48, SLOW),
    "TIFF of strips on the same bytes": (shared_strips, 4, 20_000, SLOW),
    "TIFF of strips": (lambda n: gray_tiff(8, [(273, 1, n, -65)], bytes(n)), 100, 10**7, SLOW),
    "TIFF of fractions": (rationals_tiff, 1000, 10**6, SLOW),
    "TIFF of fractions in its EXIF": (lambda n: rationals_tiff(n, in_exif=True), 1000, 10**6, SLOW),
    "TIFF of tags": (lambda n: gray_tiff(8, [(1000 + i, 3, 1, 1) for i in range(n)]), 200, 60_000, SLOW),
    "TIFF in a large tile": (tiled_tiff, 16, 10_000, SLOW),
    "GIF of 65535 a side": (sized("GIF", 6, "<HH"), 50, 65_535, LARGE),
    "GIF of blocks": (blocked_gif, 1000, 2 * 10**6, SLOW),
    "PPM of an odd depth": (lambda n: b"P6\n%d %d\n254\n" % (n, n) + bytes(n * n * 3), 20, 2000, SLOW),
    "PGM of comments": (lambda n: b"P2\n8 8\n255\n" + b"#\n" * n + b"1 " * 64, 0, 10**6, "in text form"),
    "BMP of 2^15 a side": (sized("BMP RGB", 18, "<ii"), 8, 2**15, LARGE),
    "WebP of 169 million pixels": (sized_webp, 50, 13_000, LARGE),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_quickly(name: str) -> None:
    make, control_size, size, message = BOMBS[name]
    if control_size:
        assert is_readable(make(control_size)), "the control file is not read"
    bomb = make(size)
    assert len(bomb) < 20 * 10**6
    start = time.process_time()
    text = get_error(bomb)
    assert time.process_time() - start < 5
    assert message in text


@pytest.mark.parametrize("count", [0, 1])
def test_cyclic_tiff_directories_end(count: int) -> None:
    is_readable(gray_tiff(8, [(34665, 4, count, 8)]))


def test_huge_exif_tag_is_ignored() -> None:
    count = 2 * 10**6
    block = b"Exif\0\0" + tiff([(274, 5, count, -1)], b"\1\0\0\0" * 2 * count)
    start = time.process_time()
    assert np.array_equal(read_image(saved(RGB, "PNG", exif=block)), RGB)
    assert time.process_time() - start < 2


def test_many_frames_are_read_quickly() -> None:
    frame = VALID_FILES["GIF"][VALID_FILES["GIF"].index(b",") : -1]
    data = VALID_FILES["GIF"][:-1] + frame * 20_000 + b";"
    start = time.process_time()
    assert np.array_equal(read_image(data), EXACT["GIF"][1])
    assert time.process_time() - start < 1


MEASURE = """
import sys, resource
from pathlib import Path
def peak():  # in MB; getrusage also counts what the parent held when it started this process
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
import io, cv2, numpy as np
from PIL import Image
from emotion.errors import ImageError
from emotion.media.image_reader import read_image
Image.init()
data = Path(sys.argv[2]).read_bytes()
before = peak()
try:
    if sys.argv[1] == "Pillow":
        Image.open(io.BytesIO(data)).load()
    elif sys.argv[1] == "OpenCV":
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None
    else:
        read_image(data)
    print("read", peak() - before)
except ImageError:
    print("refused", peak() - before)
"""


def measured(reader: str, path: Path) -> tuple[str, float]:
    """Read the file in its own process and return the result and the growth of its memory in MB."""
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, reader, path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    result, growth = run.stdout.split()
    return result, float(growth)


@pytest.mark.slow
def test_bombs_need_little_memory(tmp_path: Path) -> None:
    """64 million pixels in 190 kB are decoded by Pillow and OpenCV, but refused by the program."""
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    small.write_bytes(png(8000, 8000, 8, 2, zeros(8000 * 24_001)))
    large.write_bytes(png(30_000, 30_000, 1, 0, zeros(30_000 * 3751)))
    assert small.stat().st_size < 250_000
    assert large.stat().st_size < 150_000
    for reader in ("Pillow", "OpenCV"):
        result, growth = measured(reader, small)
        assert result == "read"
        assert growth > 150
    for path in (small, large):
        result, growth = measured("read_image", path)
        assert result == "refused"
        assert growth < 50


@pytest.mark.slow
def test_largest_image_needs_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "largest.png"
    path.write_bytes(png(8000, 5000, 8, 6, zeros(5000 * 32_001)))
    result, growth = measured("read_image", path)
    assert result == "read"
    assert growth < 450  # 160 for Pillow, 120 for the result, the rest for a band of rows


# --- Warnings and threads


def test_only_warnings_of_pillow_are_muted() -> None:
    cut = exif(6, (0x10E, 2, 500, 9000))
    data = saved(RGB, "PNG", exif=cut)
    with warnings.catch_warnings(record=True) as control:
        warnings.simplefilter("always")
        Image.open(io.BytesIO(data)).getexif()
    assert control, "Pillow warns without the reader"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(read_image(data), TURNS[6](RGB))
        with pytest.raises(UserWarning, match="mine"):
            warnings.warn("mine", UserWarning, stacklevel=1)
    with warnings.catch_warnings():
        read_image(data)
        count = len(warnings.filters)
        for _ in range(5):
            read_image(data)
        assert len(warnings.filters) == count


def test_threads_get_the_same_pixels() -> None:
    wrong: list[str] = []

    def work() -> None:
        for name, (data, expected) in EXACT.items():
            if not np.array_equal(read_image(data), expected):
                wrong.append(name)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- Images in memory


def test_file_array_pillow_and_bgr_give_the_same_pixels() -> None:
    for name in ("PNG RGB", "PNG RGBA", "PNG gray", "PNG gray 16", "PNG 1 bit", "PNG palette with alphas"):
        data, expected = EXACT[name]
        lazy = Image.open(io.BytesIO(data))
        assert np.array_equal(as_rgb(lazy), expected), name
        assert np.array_equal(as_rgb(lazy), expected), f"{name} the second read"
    assert np.array_equal(as_rgb(RGB), RGB)
    assert np.array_equal(as_rgb(RGB[..., ::-1], order="bgr"), RGB)
    assert np.array_equal(as_rgb(cv2.imdecode(np.frombuffer(VALID_FILES["PNG RGB"], np.uint8), 1), order="bgr"), RGB)
    rgba = np.dstack([RGB, ALPHA])
    assert np.array_equal(as_rgb(rgba), EXACT["PNG RGBA"][1])
    assert np.array_equal(as_rgb(rgba[..., [2, 1, 0, 3]], order="bgr"), EXACT["PNG RGBA"][1])
    assert np.array_equal(as_rgb(WIDE), EXACT["PNG gray 16"][1])
    assert np.array_equal(as_rgb(WIDE.astype(">u2")), EXACT["PNG gray 16"][1])
    assert np.array_equal(as_rgb(GRAY > 99), EXACT["PNG 1 bit"][1])
    assert np.array_equal(as_rgb(RGB.astype(np.float32) / 255), RGB)
    jpeg = VALID_FILES["JPEG"]
    assert np.array_equal(as_rgb(Image.open(io.BytesIO(jpeg))), read_image(jpeg))


MODES = "1 L LA La P PA RGB RGBA RGBa RGBX CMYK YCbCr HSV LAB I F I;16 I;16B I;16L I;16N"


@pytest.mark.parametrize("mode", MODES.split())
def test_every_pillow_mode_is_converted(mode: str) -> None:
    image = Image.new(mode, (5, 3))
    before = image.tobytes()
    assert as_rgb(image).shape == (3, 5, 3)
    assert image.mode == mode
    assert image.tobytes() == before, "the caller's image was changed"


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((0,), np.uint8),
        np.zeros((0, 0), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 0), np.uint8),
        np.zeros((4,), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
        np.full((4, 4, 3), 256, np.int64),
        np.full((4, 4, 3), -1, np.int8),
        np.full((4, 4, 3), 256, np.uint32),
        np.zeros((4, 4, 3), complex),
        np.full((4, 4, 3), "a"),
        np.full((4, 4), None),
        np.full((4, 4), np.nan),
        np.full((4, 4), np.inf),
        np.full((4, 4), -0.01),
        np.full((4, 4), 1.01),
        np.full((4, 4, 3), 255.5),
        np.full((4, 4, 3), 2.0),
        None,
        7,
        {"image": 1},
        Image.new("RGB", (0, 4)),
        Image.open(io.BytesIO(VALID_FILES["PNG RGB"][:80])),
    ],
    ids=lambda wrong: type(wrong).__name__,
)
def test_invalid_arrays_are_refused(bad) -> None:
    with pytest.raises(ImageError, match=r"^The image .*: .*\.$"):
        as_rgb(bad)


SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda hw: st.sampled_from([hw, (*hw, 1), (*hw, 3), (*hw, 4)])
)
IMAGE_ARRAYS = st.one_of(
    arrays(np.uint8, SHAPES),
    arrays(np.uint16, SHAPES),
    arrays(np.bool_, SHAPES),
    arrays(np.float32, SHAPES, elements=st.floats(0, 1, width=32)),
    arrays(np.float64, SHAPES, elements=st.floats(0, 1)),
)


@given(IMAGE_ARRAYS)
def test_as_rgb_returns_rgb_or_raises(array: NDArray) -> None:
    before = array.copy()
    rgb = as_rgb(array)
    assert np.array_equal(array, before), "the input was changed"
    assert rgb.dtype == np.uint8
    assert rgb.shape == (*array.shape[:2], 3)
    assert rgb.flags.c_contiguous
    assert np.array_equal(as_rgb(rgb), rgb), "not idempotent"
    assert np.array_equal(as_rgb(rgb[..., ::-1], order="bgr"), rgb)
    assert np.array_equal(as_rgb(Image.fromarray(rgb)), rgb)
    assert np.array_equal(read_image(encode_png(rgb)), rgb)
    if array.ndim == 2 or array.shape[2] == 1:
        assert (rgb[..., 0] == rgb[..., 1]).all()
        assert (rgb[..., 0] == rgb[..., 2]).all()


@given(arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(4))))
def test_alpha_is_blended_over_white(rgba: NDArray) -> None:
    rgb = as_rgb(rgba)
    exact = 255 - rgba[..., 3:] / 255 * (255.0 - rgba[..., :3])
    assert np.abs(rgb - exact).max() <= 0.5 + 1e-9
    assert np.array_equal(rgb, read_image(saved(rgba, "PNG")))


# --- Encoding and rotation


def test_encoded_files_have_no_metadata() -> None:
    written = encode_png(RGB)
    kinds, offset = set(), 8
    while offset < len(written):
        kinds.add(written[offset + 4 : offset + 8])
        offset += 12 + int.from_bytes(written[offset : offset + 4], "big")
    assert kinds == {b"IHDR", b"IDAT", b"IEND"}
    assert np.array_equal(read_image(written), RGB)
    image = Image.open(io.BytesIO(encode_jpeg(RGB)))
    assert {segment for segment, _ in image.applist} == {"APP0"}  # the header of JFIF
    assert not image.getexif()
    assert np.abs(read_image(encode_jpeg(RGB, quality=98)).astype(int) - RGB).max() < 12
    assert len(encode_jpeg(RGB, quality=30)) < len(encode_jpeg(RGB))
    assert encode_png(RGB) == written


def test_thin_lines_keep_their_color_in_jpeg() -> None:
    lined = np.full((16, 16, 3), 255, np.uint8)
    lined[:, 7] = (213, 94, 0)
    read = read_image(encode_jpeg(lined)).astype(int)
    assert np.abs(read - lined).max() < 30
    assert np.abs(read_image(saved(lined, "JPEG", quality=92)).astype(int) - lined).max() > 60, (
        "subsampling blurs the lines"
    )


@pytest.mark.parametrize("encode", [encode_png, encode_jpeg])
def test_encoding_other_values_is_refused(encode: Callable[[NDArray], bytes]) -> None:
    for bad in (np.zeros((0, 0, 3), np.uint8), np.full((4, 4, 3), 256)):
        with pytest.raises(ImageError):
            encode(bad)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotate_is_clockwise(degrees: int) -> None:
    turned = rotate(RGB, degrees)  # type: ignore[arg-type]
    expected = Image.fromarray(RGB).rotate(-degrees, expand=True)
    assert np.array_equal(turned, np.asarray(expected))
    assert turned.flags.c_contiguous
    assert np.array_equal(rotate(turned, (360 - degrees) % 360), RGB)  # type: ignore[arg-type]


@pytest.mark.parametrize("degrees", [-90, 45, 360])
def test_rotate_refuses_other_angles(degrees: int) -> None:
    with pytest.raises(ValueError, match="expected 0, 90, 180 or 270"):
        rotate(RGB, degrees)  # type: ignore[arg-type]


# --- Photos above the decoding limit


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(("pixels", "reduction"), [(H * W, 1), (H * W - 1, 2), (H * W // 4, 2), (70, 4), (20, 8)])
def test_a_large_jpeg_is_decoded_reduced(mode: str, progressive: bool, pixels: int, reduction: int) -> None:
    data = saved(Image.fromarray(RGB).convert(mode), "JPEG", quality=95, progressive=progressive, subsampling=0)
    found = decode_image(data, limits=ImageLimits(max_pixels=pixels))
    assert found.reduction == reduction
    assert found.pixels.shape == (-(-H // reduction), -(-W // reduction), 3)
    blocks = read_image(data)[: H // 8 * 8, : W // 8 * 8].reshape(H // 8, 8, W // 8, 8, 3).mean(axis=(1, 3))
    size = found.pixels.shape[0] * reduction // 8, found.pixels.shape[1] * reduction // 8
    means = cv2.resize(found.pixels, size[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(means - blocks).max() <= 12


def test_reduced_jpeg_has_the_same_orientation() -> None:
    data = saved(RGB, "JPEG", quality=95, exif=exif(6))
    found = decode_image(data, limits=ImageLimits(max_pixels=H * W // 4))
    assert found.pixels.shape == (W // 2, H // 2, 3)
    assert np.abs(found.pixels.astype(int) - read_image(data)[::2, ::2]).max() <= 24


def test_photos_of_phones_are_read_and_larger_ones_refused() -> None:
    """The header decides before decoding; the files here end after it."""
    jpeg = saved(RGB, "JPEG", subsampling=0)
    waves = {"baseline": jpeg, "progressive": saved(RGB, "JPEG", progressive=True, subsampling=0)}
    waves["arithmetic"] = jpeg.replace(b"\xff\xc0", b"\xff\xc9")
    one_part = jpeg.replace(jpeg[jpeg.index(b"\xff\xda") :][:5], b"\xff\xda\0\x08\1")
    waves["with its components apart"] = one_part
    cases = [
        ("baseline", 8160, 6144, 2),
        ("baseline", 12_000, 9000, 2),
        ("baseline", 16_320, 12_240, 4),
        ("baseline", 65_500, 3_800, 4),
        ("baseline", 16_000, 16_000, None),
        ("progressive", 8160, 6144, 2),
        ("progressive", 12_000, 9000, None),
        ("arithmetic", 8160, 6144, None),
        ("with its components apart", 8160, 6144, 2),
        ("with its components apart", 12_000, 9000, None),
    ]
    for kind, width, height, reduction in cases:
        data = waves[kind]
        offset = next(data.index(mark) for mark in (b"\xff\xc0", b"\xff\xc2", b"\xff\xc9") if mark in data) + 5
        data = data[:offset] + struct.pack(">HH", height, width) + data[offset + 4 :]
        frame = check_jpeg(data, "The image")
        assert frame is not None
        assert frame.choose_reduction(DEFAULT_LIMITS) == reduction, (kind, width, height)
        if reduction is None:
            assert f"has {width} x {height} pixels" in get_error(data)


@pytest.mark.slow
def test_jpeg_of_200_million_pixels_needs_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    path.write_bytes(saved(Image.new("L", (16_320, 12_240), 99), "JPEG"))
    result, growth = measured("read_image", path)
    assert result == "read"
    assert growth < 150  # 200 MB undecoded, three times as much with colors


# --- The number of pixels, without decoding


@pytest.mark.parametrize("name", VALID_FILES)
def test_pixels_are_counted_by_the_header(name: str) -> None:
    height, width, _ = read_image(VALID_FILES[name]).shape
    expected = ImageLimits.max_pixels if "HEI" in name else width * height
    assert count_pixels(VALID_FILES[name]) == expected


@pytest.mark.parametrize("data", [b"", b"no image", VALID_FILES["JPEG"][:10], VALID_FILES["PNG RGB"][:20]])
def test_files_without_a_readable_header_count_as_the_largest(data: bytes) -> None:
    assert count_pixels(data) == ImageLimits.max_pixels
