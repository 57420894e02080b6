"""Evaluation of detectors: scores of detectors with known boxes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.datasets.readers.detection_dataset import AnnotatedImage
from emotion.errors import DataError
from emotion.faces import Box, Face, Landmarks
from emotion.recognition.cropping import CropGeometry
from emotion.training.detector import evaluation
from emotion.training.detector.evaluation import evaluate_detectors, rotate_sample
from tests.training.making import annotated_photo

PHOTOS = [
    annotated_photo("a.png", seed=1),
    annotated_photo("b.png", faces=2, seed=2),
    annotated_photo("c.png", source="fddb_sy32", seed=3),
]
EMPTY = [annotated_photo("d.png", faces=0, seed=4), annotated_photo("e.png", faces=0, seed=5)]


class KnownDetector:
    """Returns the boxes that were given for an image, or for every image."""

    crop_geometry = CropGeometry()
    needs_verification = False

    def __init__(self, name: str, answer: Callable[[NDArray[np.uint8]], Sequence[tuple[Box, float]]]) -> None:
        self.name, self._answer = name, answer

    def detect(self, image: NDArray[np.uint8], threshold: float, max_side: int) -> tuple[Face, ...]:
        assert max_side in (max(image.shape), evaluation.FULL_RESOLUTION_SIDE)
        time.sleep(0.0005)  # a duration of 0 cannot be measured
        return tuple(Face(box, score) for box, score in self._answer(image) if score >= threshold)


def faces_of(image: NDArray[np.uint8]) -> list[tuple[Box, float]]:
    known = [p for p in PHOTOS if p.image.shape == image.shape and (p.image == image).all()]
    return [(Box(*map(float, box)), 0.9) for photo in known for box in photo.boxes]


def result_of(rows: list[dict], key: str) -> dict:
    return {row[key]: row for row in rows if key in row}


@pytest.fixture(autouse=True)
def few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "FRAME_SIZES", ((64, 48),))


def test_a_perfect_detector_and_one_that_finds_nothing() -> None:
    messages: list[str] = []
    nothing, everything = KnownDetector("nothing", lambda image: ()), KnownDetector("everything", faces_of)
    rows = evaluate_detectors([everything, nothing], PHOTOS, EMPTY, messages.append)
    json.dumps(rows, allow_nan=False)
    assert messages == ["everything", "nothing", "latency"]
    good, bad = ([row for row in rows if row["detector"] == name] for name in ("everything", "nothing"))
    assert {(s, r["ap50"], r["ap50_find_all"], r["num_faces"]) for s, r in result_of(good, "source").items()} == {
        ("fddb_sy32", 1, 1, 1),
        ("wider", 1, 1, 3),
    }
    assert [(r["ap50"], r["ap30"]) for r in result_of(bad, "source").values()] == [(0, 0), (0, 0)]
    assert result_of(good, "rotation")["0 degrees"]["recall"] == result_of(good, "blur")["0 px"]["precision"] == 1
    assert result_of(bad, "rotation")["0 degrees"]["recall"] == 0
    assert result_of(bad, "rotation")["0 degrees"]["precision"] is None  # of no boxes at all
    assert [row["negatives"] for row in rows if row.get("false_positives") == 0] == [2, 2]
    assert result_of(good, "frame_size")["64x48"]["latency_ms"] > 0


def test_faces_count_in_the_class_of_their_own_size() -> None:
    rows = result_of(evaluate_detectors([KnownDetector("everything", faces_of)], PHOTOS, EMPTY), "face_size")
    sides = np.sqrt(np.concatenate([p.boxes[:, 2:] - p.boxes[:, :2] for p in PHOTOS]).prod(1))
    assert rows["24-32 px"]["num_faces"] == ((sides >= 24) & (sides < 32)).sum() > 0
    assert sum(row["num_faces"] for row in rows.values()) == len(sides)
    # A box outside its class is no mistake there.
    assert {row["precision"] for row in rows.values()} <= {1, None}
    assert {row["recall"] for row in rows.values()} <= {1, None}


def test_false_boxes_are_counted() -> None:
    rows = evaluate_detectors([KnownDetector("sees ghosts", lambda image: [(Box(2, 2, 30, 30), 0.7)])], PHOTOS, EMPTY)
    assert next(row for row in rows if "negatives" in row)["false_positives"] == 2


def test_small_faces_do_not_count() -> None:
    small = replace(PHOTOS[0], boxes=np.array([[3, 3, 15, 15]], np.float32))
    with pytest.raises(DataError, match="no face of at least 16 pixels"):
        evaluate_detectors([KnownDetector("everything", faces_of)], [small], EMPTY)
    rows = evaluate_detectors([KnownDetector("everything", faces_of)], [*PHOTOS, small], EMPTY)
    assert result_of(rows, "source")["wider"]["num_faces"] == 3


@pytest.mark.parametrize("degrees", [15, 45, 90, -30])
def test_boxes_of_a_rotated_photo_are_rotated(degrees: float) -> None:
    photo = PHOTOS[1]
    pixels = np.zeros_like(photo.image)
    for x, y in photo.landmarks.reshape(-1, 2):
        pixels[round(float(y)), round(float(x))] = 255
    again = rotate_sample(replace(photo, image=pixels), degrees)
    bright = np.argwhere(again.image[..., 0] > 40)[:, ::-1]
    for point in again.landmarks.reshape(-1, 2):
        assert np.abs(bright - point).max(1).min() <= 1.5
    for box, points in zip(again.boxes, again.landmarks, strict=True):
        assert (points > box[:2] - 1).all()
        assert (points < box[2:] + 1).all()


def test_a_rotation_by_90_degrees_swaps_the_sides() -> None:
    photo: AnnotatedImage = PHOTOS[0]
    again = rotate_sample(photo, 90)
    assert again.image.shape == (80, 64, 3)
    width, height = (photo.boxes[:, 2:] - photo.boxes[:, :2])[0]
    np.testing.assert_allclose((again.boxes[:, 2:] - again.boxes[:, :2])[0], (height, width), rtol=1e-4)


def test_the_roll_of_rotated_faces_is_measured_at_the_eyes() -> None:
    """Compare a detector that gives every face the landmarks of an upright one with one without landmarks."""

    class Tilted(KnownDetector):
        def detect(self, image: NDArray[np.uint8], threshold: float, max_side: int) -> tuple[Face, ...]:
            eyes = Landmarks((0, 0), (10, 10 * np.tan(np.deg2rad(7))), (5, 5), (0, 10), (10, 10))
            return tuple(replace(face, landmarks=eyes) for face in super().detect(image, threshold, max_side))

    large = [annotated_photo("a.png", seed=1, size_wh=(120, 120))]
    answer = lambda image: [(Box(*map(float, box)), 0.9) for box in large[0].boxes]  # noqa: E731
    rows = result_of(evaluate_detectors([Tilted("tilted", answer)], large, EMPTY), "rotation")
    assert rows["0 degrees"]["roll"] == pytest.approx(7)
    blind = result_of(evaluate_detectors([KnownDetector("blind", answer)], large, EMPTY), "rotation")
    assert blind["0 degrees"]["roll"] is None
