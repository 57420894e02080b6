"""HEIC files are made here by the encoder in pillow-heif's wheel."""

from __future__ import annotations

import io
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from emotion.cli.main import main
from emotion.datasets.readers.folder_layout import IMAGE_SUFFIXES
from emotion.datasets.readers.photo_sources import open_source
from emotion.errors import ImageError
from emotion.media.image_reader import as_rgb, decode_image, read_image
from emotion.media.image_safety import ImageLimits

pillow_heif = pytest.importorskip("pillow_heif")
if not pillow_heif.libheif_info()["HEIF"]:
    pytest.skip("this pillow-heif has no encoder", allow_module_level=True)

H, W = 64, 96
Y, X = np.mgrid[:H, :W]
RGB = np.stack([X * 2, Y * 3, 255 - X - Y], axis=2).astype(np.uint8)


def heic(*images: NDArray, **options) -> bytes:
    file = pillow_heif.HeifFile()
    for image in images:
        depth = ";16" if image.dtype == np.uint16 else ""
        mode = {2: "L", 3: "RGB", 4: "RGBA"}[image.shape[2] if image.ndim == 3 else 2] + depth
        file.add_frombytes(mode, image.shape[1::-1], image.tobytes())
    buffer = io.BytesIO()
    file.save(buffer, quality=90, chroma=444, **options)
    return buffer.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x112] = orientation
    return heic(RGB, exif=exif.tobytes())


DARK = RGB // 3
KINDS = {
    "8 bit": (heic(RGB), RGB),
    "10 bit": (heic(RGB.astype(np.uint16) * 257), RGB),
    "gray": (heic(RGB[..., 0]), np.repeat(RGB[..., :1], 3, axis=2)),
    "transparent": (heic(np.dstack([RGB, np.zeros_like(RGB[..., 0])])), np.full_like(RGB, 255)),
    "in tiles": (heic(RGB, tile_size=64), RGB),
    "turned": (turned(6), np.rot90(RGB, -1)),
    "mirrored": (turned(2), RGB[:, ::-1]),
    "several, the first is primary": (heic(RGB, DARK), RGB),
    "several, the second is primary": (heic(DARK, RGB, primary_index=1), RGB),
}


@pytest.mark.parametrize("kind", KINDS)
def test_heic_is_read(kind: str) -> None:
    data, expected = KINDS[kind]
    found = read_image(data, name="IMG_1.HEIC")
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 12
    assert np.array_equal(as_rgb(data), found)


def resized(data: bytes, width: int, height: int) -> bytes:
    """The same file with another size in its header."""
    head = b"ispe" + bytes(4)
    assert head + struct.pack(">II", W, H) in data
    return data.replace(head + struct.pack(">II", W, H), head + struct.pack(">II", width, height))


REFUSED = {
    "cut off": (heic(RGB)[:-200], "is damaged or cut off"),
    "a bomb by its header": (resized(heic(RGB), 30_000, 30_000), "30000 x 30000 pixels and at most 50 million"),
    "with another size than its header": (resized(heic(RGB), 32, 32), "is damaged or cut off"),
    "only a header": (heic(RGB)[:60], "is damaged or cut off"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_unreadable_heic_is_refused_with_one_sentence(kind: str) -> None:
    data, words = REFUSED[kind]
    with pytest.raises(ImageError, match=r'^"IMG_1\.HEIC" .*: .*\.$') as caught:
        read_image(data, name="IMG_1.HEIC")
    assert words in str(caught.value)


def test_large_heic_is_reduced_to_the_limit() -> None:
    limits = ImageLimits(max_pixels=W * H // 4, max_heif_pixels=W * H)
    found, reduction = decode_image(KINDS["8 bit"][0], limits=limits)
    assert reduction == 2
    assert found.shape == (H // 2, W // 2, 3)
    assert np.abs(found.astype(int) - RGB[::2, ::2]).max() <= 16
    with pytest.raises(ImageError, match="at most"):
        read_image(KINDS["8 bit"][0], limits=ImageLimits(max_pixels=W * H // 4, max_heif_pixels=W * H - 1))


def test_missing_pillow_heif_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r'^"a\.heic" is a HEIC image.*: install it with `pip install pillow-heif`'):
        read_image(KINDS["8 bit"][0], name="a.heic")
    assert read_image(_png()).shape == RGB.shape, "other formats do not need it"


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "PNG")
    return buffer.getvalue()


def test_the_command_line_reads_heic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "IMG_1.HEIC"
    path.write_bytes(KINDS["turned"][0])
    assert main(["analyze", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["width"], found["height"]) == (H, W)


@pytest.mark.parametrize("name", ["a.heic", "B.HEIF"])
def test_heic_is_found_in_image_folders(name: str, tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy" / name).write_bytes(KINDS["gray"][0])
    with open_source(tmp_path) as photos:
        assert [photo.name for photo in photos] == [f"happy/{name}"]
    assert Path(name).suffix.lower() in IMAGE_SUFFIXES
