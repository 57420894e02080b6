"""Calibration of crops: the geometry of known boxes is measured, and cuts the same crop."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.faces import Box, Face
from emotion.recognition.cropping import CropGeometry, to_gray
from emotion.training.detector.calibration import measure_crop_geometry
from tests.training.making import random_images

CROP = Box(96, 96, 288, 288)  # where an image of 48 px lies, four times as large with a border of half a side


class Fake:
    """Returns `boxes(n)` for the n-th image and records its calls."""

    name: ClassVar[str] = "fake"
    crop_geometry: ClassVar[CropGeometry] = CropGeometry()
    needs_verification: ClassVar[bool] = False

    def __init__(self, boxes: Callable[[int], list[Box]]) -> None:
        self._boxes = boxes
        self.calls: list[tuple[NDArray[np.uint8], float, int]] = []

    def detect(self, image: NDArray[np.uint8], threshold: float, max_side: int) -> tuple[Face, ...]:
        self.calls.append((image, threshold, max_side))
        return tuple(Face(box, 0.9) for box in self._boxes(len(self.calls) - 1))


def box(scale: float, down: float, aspect: float = 1.0) -> Box:
    """A box for which the crop is `scale` times as large and lies `down` of its side lower."""
    x, y = CROP.center
    y -= down * CROP.width
    w, h = CROP.width / scale * math.sqrt(aspect) / 2, CROP.width / scale / math.sqrt(aspect) / 2
    return Box(x - w, y - h, x + w, y + h)


@pytest.mark.parametrize("aspect", [1.0, 0.7])
@pytest.mark.parametrize(("scale", "down"), [(1.0, 0.0), (1.37, 0.08), (0.8, -0.05)])
def test_a_known_ratio_and_offset_are_measured(scale: float, down: float, aspect: float) -> None:
    detector = Fake(lambda n: [Box(0, 0, 9, 9), box(scale, down, aspect), Box(300, 300, 320, 320)])
    found = measure_crop_geometry(detector, random_images(5))
    assert found == {
        "detector": "fake",
        "n": 5,
        "num_detected": 5,
        "scale": pytest.approx(scale),
        "scale_spread": pytest.approx(0, abs=1e-9),
        "y_offset": pytest.approx(down),
        "y_offset_spread": pytest.approx(0, abs=1e-9),
    }
    square = CropGeometry(found["scale"], found["y_offset"]).to_square(box(scale, down, aspect))
    for name in ("x1", "y1", "x2", "y2"):
        assert getattr(square, name) == pytest.approx(getattr(CROP, name))


def test_the_median_and_how_far_the_others_lie_from_it() -> None:
    scales, downs = [1.0, 1.1, 1.3, 1.4, 9.0], [0.0, 0.02, 0.03, 0.05, 0.3]
    detector = Fake(lambda n: [box(scales[n % 5], downs[n % 5])] if n < 5 else [])
    found = measure_crop_geometry(detector, random_images(8))
    assert (found["n"], found["num_detected"]) == (8, 5)
    assert found["scale"] == pytest.approx(1.3)
    assert found["scale_spread"] == pytest.approx(0.2)
    assert found["y_offset"] == pytest.approx(0.03)
    assert found["y_offset_spread"] == pytest.approx(0.02)


def test_the_detector_gets_the_face_inside_a_border() -> None:
    image = cv2.GaussianBlur(random_images(1)[0], (0, 0), 3)
    detector = Fake(lambda n: [CROP])
    measure_crop_geometry(detector, image[None], threshold=0.42)
    scene, threshold, side = detector.calls[0]
    assert scene.dtype == np.uint8
    assert scene.shape == (384, 384, 3)
    assert (threshold, side) == (0.42, 384)
    gray = to_gray(scene)
    again = cv2.resize(gray[96:288, 96:288], (48, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(again.astype(int) - image).max() <= 3
    np.testing.assert_array_equal(gray[96:288, :96], gray[96:288, 96:97].repeat(96, axis=1))
    np.testing.assert_array_equal(gray[:96], gray[96:97].repeat(96, axis=0))


@pytest.mark.parametrize("count", [0, 3])
def test_a_detector_that_finds_nothing_is_refused(count: int) -> None:
    with pytest.raises(DataError, match=f"fake found none of {count} faces"):
        measure_crop_geometry(Fake(lambda n: []), random_images(count))
