"""The geometry from the boxes of a detector to the crops of FER-2013, which are boxes of the cascade."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.faces import Box, Face
from emotion.recognition.cropping import CropGeometry
from emotion.training.detector.calibration import measure_crop_geometry

PHOTO = np.zeros((400, 500, 3), np.uint8)
CROP = Box(96, 96, 288, 288)  # how the face of a photo would be cut by the cascade


class FakeDetector:
    """Finds `boxes(n)` in the n-th photo and records the photos, thresholds and sizes that it was given."""

    name: ClassVar[str] = "fake"
    crop_geometry: ClassVar[CropGeometry] = CropGeometry()
    needs_verification: ClassVar[bool] = False

    def __init__(self, boxes: Callable[[int], list[Box]]) -> None:
        self._boxes = boxes
        self.calls: list[tuple[NDArray[np.uint8], float, int]] = []

    def detect(self, image: NDArray[np.uint8], threshold: float, max_side: int) -> tuple[Face, ...]:
        self.calls.append((image, threshold, max_side))
        return tuple(Face(box, 0.9) for box in self._boxes(len(self.calls) - 1))


def box(scale: float, y_offset: float, aspect: float = 1.0) -> Box:
    """A box for which the crop is `scale` times as large and lies `y_offset` of its side lower."""
    x, y = CROP.center
    y -= y_offset * CROP.width
    w, h = CROP.width / scale * math.sqrt(aspect) / 2, CROP.width / scale / math.sqrt(aspect) / 2
    return Box(x - w, y - h, x + w, y + h)


def cascade(*boxes: Box) -> FakeDetector:
    return FakeDetector(lambda n: list(boxes or [CROP]))


@pytest.mark.parametrize("aspect", [1.0, 0.7])
@pytest.mark.parametrize(("scale", "y_offset"), [(1.0, 0.0), (1.37, 0.08), (0.8, -0.05)])
def test_a_known_ratio_and_offset_are_measured(scale: float, y_offset: float, aspect: float) -> None:
    detector = FakeDetector(lambda n: [Box(0, 0, 9, 9), box(scale, y_offset, aspect), Box(300, 300, 320, 320)])
    found = measure_crop_geometry(detector, cascade(), [PHOTO] * 5)
    assert found == {
        "detector": "fake",
        "n": 5,
        "num_matched": 5,
        "scale": pytest.approx(scale),
        "scale_spread": pytest.approx(0, abs=1e-9),
        "y_offset": pytest.approx(y_offset),
        "y_offset_spread": pytest.approx(0, abs=1e-9),
    }
    square = CropGeometry(found["scale"], found["y_offset"]).to_square(box(scale, y_offset, aspect))
    for name in ("x1", "y1", "x2", "y2"):
        assert getattr(square, name) == pytest.approx(getattr(CROP, name))


def test_the_geometry_of_the_cascade_counts() -> None:
    reference = cascade()
    reference.crop_geometry = CropGeometry(1.1, 0.05)  # type: ignore[misc]
    found = measure_crop_geometry(FakeDetector(lambda n: [CROP]), reference, [PHOTO])
    assert (found["scale"], found["y_offset"]) == (pytest.approx(1.1), pytest.approx(0.05))


def test_the_median_and_the_deviations_from_it() -> None:
    scales, y_offsets = [1.0, 1.1, 1.3, 1.4, 1.5], [0.0, 0.02, 0.03, 0.05, 0.1]
    detector = FakeDetector(lambda n: [box(scales[n % 5], y_offsets[n % 5])] if n < 5 else [])
    found = measure_crop_geometry(detector, cascade(), [PHOTO] * 8)
    assert (found["n"], found["num_matched"]) == (8, 5)
    assert found["scale"] == pytest.approx(1.3)
    assert found["scale_spread"] == pytest.approx(0.2)
    assert found["y_offset"] == pytest.approx(0.03)
    assert found["y_offset_spread"] == pytest.approx(0.02)


def test_faces_that_only_one_of_both_finds_do_not_count() -> None:
    detector = FakeDetector(lambda n: [box(1.2, 0.0), Box(300, 0, 400, 100)])
    found = measure_crop_geometry(detector, cascade(CROP, Box(0, 300, 90, 390)), [PHOTO])
    assert (found["num_matched"], found["scale"]) == (1, pytest.approx(1.2))


def test_photos_are_searched_in_their_whole_size_at_the_threshold() -> None:
    detector = FakeDetector(lambda n: [CROP])
    measure_crop_geometry(detector, cascade(), [PHOTO], threshold=0.42)
    ((image, threshold, max_side),) = detector.calls
    assert image is PHOTO
    assert (threshold, max_side) == (0.42, 500)


@pytest.mark.parametrize("count", [0, 3])
def test_photos_without_a_common_face_are_refused(count: int) -> None:
    with pytest.raises(DataError, match=f"fake and fake found no face in common in {count} photos"):
        measure_crop_geometry(FakeDetector(lambda n: []), cascade(), [PHOTO] * count)
