"""Damaged files: the same kind, seed and index give the same file on every machine with the same codec versions."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

SUFFIX: Final = {"images": ".jpg", "videos": ".mp4"}
_HEADER_BYTES: Final = 400
_MAX_NOISE_BYTES: Final = 200
_EXTREMES: Final = [b"\0" * 4, b"\xff" * 4, b"\x7f" + b"\xff" * 3, b"\x80" + b"\0" * 3, b"\0\0\xff\xff", b"\0\1\0\0"]


@cache
def originals(kind: str) -> tuple[bytes, ...]:
    """Return valid files of every supported format."""
    if kind == "images":
        from tests.media.test_image_reader import VALID_FILES

        return tuple(VALID_FILES.values())
    from tests.media.test_video_reader import DAMAGED_FORMATS
    from tests.media.videos import make_video

    with TemporaryDirectory() as folder:
        return tuple(
            make_video(Path(folder) / name, 15, codec=codec, pix_fmt=pix_fmt, options=options).read_bytes()
            for name, codec, pix_fmt, options in DAMAGED_FORMATS
        )


def count_bombs(kind: str) -> int:
    """Return how many small files there are that decode, or claim to decode, to a huge image."""
    if kind == "videos":
        return 0
    from tests.media.test_image_reader import BOMBS

    return len(BOMBS)


@cache
def make_bomb(index: int) -> bytes:
    """Return one of these files; some take long to make."""
    from tests.media.test_image_reader import BOMBS

    make, _, size, _ = list(BOMBS.values())[index]
    return make(size)


def make_damaged_file(kind: str, seed: int, index: int) -> bytes:
    """Return the file of an index: first the bombs, then originals with one to three damages."""
    if index < count_bombs(kind):
        return make_bomb(index)
    rng = np.random.Generator(np.random.PCG64([seed, index, zlib.crc32(kind.encode())]))
    files = originals(kind)
    data = bytearray(files[index % len(files)])
    for _ in range(int(rng.integers(1, 4))):
        data = _damage(rng, data, files)
    return bytes(data)


def _damage(rng: np.random.Generator, data: bytearray, files: tuple[bytes, ...]) -> bytearray:
    """Damage the data once; half of the damages are in the header, which matters most to a decoder."""
    if not data:
        return data
    reach = len(data) if rng.random() < 0.5 else min(len(data), _HEADER_BYTES)
    start, end = sorted(int(i) for i in rng.integers(0, reach + 1, 2))
    kind = int(rng.integers(8))
    if kind <= 1:  # flip bits, or replace bytes
        for at in rng.integers(0, reach, int(rng.integers(1, 20))):
            data[at] = int(rng.integers(256)) if kind else data[at] ^ (1 << int(rng.integers(8)))
    elif kind == 2:
        del data[start:end]
    elif kind == 3:  # duplicate a section
        data[start:start] = data[start:end]
    elif kind == 4:  # truncate
        del data[start:]
    elif kind == 5:  # overwrite with noise
        end = min(end, start + _MAX_NOISE_BYTES)
        data[start:end] = rng.bytes(end - start)
    elif kind == 6:  # overwrite a number with an extreme one, in either byte order
        extreme = _EXTREMES[int(rng.integers(len(_EXTREMES)))]
        data[start : start + 4] = extreme if rng.random() < 0.5 else extreme[::-1]
    else:  # continue with another file
        other = files[int(rng.integers(len(files)))]
        data[start:] = other[int(rng.integers(len(other))) :]
    return data
