"""What is spoiled and how: the same kind, seed and number are the same file, on every machine with these versions."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

SUFFIX: Final = {"images": ".jpg", "films": ".mp4"}
_EXTREMES: Final = [b"\0" * 4, b"\xff" * 4, b"\x7f" + b"\xff" * 3, b"\x80" + b"\0" * 3, b"\0\0\xff\xff", b"\0\1\0\0"]


@cache
def originals(kind: str) -> tuple[bytes, ...]:
    """Whole files of every kind that is read."""
    if kind == "images":
        from tests.media.test_image_reader import WHOLE

        return tuple(WHOLE.values())
    from tests.media.test_video_reader import FUZZED
    from tests.media.videos import make_film

    with TemporaryDirectory() as folder:
        return tuple(
            make_film(Path(folder) / name, 15, codec=codec, pix_fmt=pix_fmt, options=options).read_bytes()
            for name, codec, pix_fmt, options in FUZZED
        )


@cache
def bombs(kind: str) -> tuple[bytes, ...]:
    """Small files that say that they are large, or are when they are unpacked."""
    if kind == "films":
        return ()
    from tests.media.test_image_reader import BOMBS

    return tuple(make(size) for make, _, size, _ in BOMBS.values())


def spoiled(kind: str, seed: int, number: int) -> bytes:
    """The file of that number: first the bombs, then originals with something wrong."""
    if number < len(bombs(kind)):
        return bombs(kind)[number]
    rng = np.random.Generator(np.random.PCG64([seed, number, zlib.crc32(kind.encode())]))
    files = originals(kind)
    data = bytearray(files[number % len(files)])
    for _ in range(int(rng.integers(1, 4))):
        data = _worse(rng, data, files)
    return bytes(data)


def _worse(rng: np.random.Generator, data: bytearray, files: tuple[bytes, ...]) -> bytearray:
    """One more thing that is wrong; headers, which decide most, are met as often as the rest."""
    if not data:
        return data
    reach = len(data) if rng.random() < 0.5 else min(len(data), 400)
    a, b = sorted(int(i) for i in rng.integers(0, reach + 1, 2))
    how = int(rng.integers(8))
    if how <= 1:
        for at in rng.integers(0, reach, int(rng.integers(1, 20))):
            data[at] = int(rng.integers(256)) if how else data[at] ^ (1 << int(rng.integers(8)))
    elif how == 2:
        del data[a:b]
    elif how == 3:
        data[a:a] = data[a:b]
    elif how == 4:
        del data[a:]
    elif how == 5:
        data[a : min(b, a + 200)] = rng.bytes(min(b, a + 200) - a)
    elif how == 6:
        extreme = _EXTREMES[int(rng.integers(len(_EXTREMES)))]
        data[a : a + 4] = extreme if rng.random() < 0.5 else extreme[::-1]
    else:
        other = files[int(rng.integers(len(files)))]
        data[a:] = other[int(rng.integers(len(other))) :]
    return data
