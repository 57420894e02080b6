"""Reduction of images in memory."""

from __future__ import annotations

import numpy as np
import pytest

from emotion.media.image_array import downscale


@pytest.mark.parametrize(
    ("shape", "side", "expected"),
    [
        ((1, 1), 10, (1, 1)),
        ((1, 5000), 10, (1, 10)),
        ((10, 10), 10, (10, 10)),
        ((20, 40), 10, (5, 10)),
        ((40, 20), 10, (10, 5)),
    ],
)
def test_downscale_limits_the_long_side(shape: tuple[int, int], side: int, expected: tuple[int, int]) -> None:
    for channels in ((), (3,)):
        image = np.full((*shape, *channels), 77, np.uint8)
        out = downscale(image, side)
        assert out.shape == (*expected, *channels)
        assert np.all(out == 77)
