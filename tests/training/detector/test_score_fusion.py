"""Weights of detector and classifier, fitted to boxes with known content."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.datasets.readers.detection_dataset import AnnotatedImage
from emotion.errors import DataError
from emotion.expressions import FERPLUS_LABELS
from emotion.faces import Box, Face, Scores
from emotion.recognition.classification import Prediction
from emotion.recognition.cropping import CropGeometry
from emotion.training.detector.calibration import fit_score_fusion
from tests.training.making import annotated_photo

PHOTOS = [annotated_photo(f"{i}.png", faces=1 + i % 2, seed=i) for i in range(40)]
SCORES = Scores(FERPLUS_LABELS, [1 / 8] * 8)


class FakeDetector:
    """The faces of each photo, and as many other places, with scores that tell little."""

    name, crop_geometry, needs_verification = "finds", CropGeometry(), False

    def __init__(self, photos: Sequence[AnnotatedImage]) -> None:
        self._photos = photos
        self._rng = np.random.default_rng(3)

    def detect(self, image: NDArray[np.uint8], threshold: float, max_side: int) -> tuple[Face, ...]:
        photo = next(p for p in self._photos if p.image is image)
        height, width = image.shape[:2]
        true = [Box(*map(float, box)) for box in photo.boxes]
        other = [Box(0, 0, 20, 20), Box(width - 20, height - 20, width, height)][: len(true)]
        other = [box for box in other if all(box.iou(face) < 0.1 for face in true)]
        scores = self._rng.uniform(0.4, 0.98, len(true)), self._rng.uniform(0.3, 0.9, len(other))
        found = [
            Face(box, float(s))
            for boxes, part in zip((true, other), scores, strict=True)
            for box, s in zip(boxes, part, strict=True)
        ]
        self.last = [True] * len(true) + [False] * len(other)
        return tuple(face for face in found if face.detection_score >= threshold)


class FakeClassifier:
    """Of each box what is true in nine of ten cases, or nothing."""

    input_size: ClassVar[int] = 48

    def __init__(self, detector: FakeDetector, knows: bool) -> None:
        self._detector, self._knows = detector, knows
        self._rng = np.random.default_rng(4)
        self.bundle: Any = type("Bundle", (), {"sha256": "abc"})

    def predict(self, crops: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        right = self._rng.random(len(crops)) < 0.9
        face_probability = (
            np.where(np.array(self._detector.last, bool) == right, 0.95, 0.05) if self._knows else right * 0 + 0.5
        )
        return tuple(Prediction(SCORES, float(face)) for face in face_probability)


def test_fusion_with_a_good_classifier_helps() -> None:
    detector = FakeDetector(PHOTOS)
    measured = fit_score_fusion(detector, FakeClassifier(detector, knows=True), PHOTOS)  # type: ignore[arg-type]
    assert measured["classifier"] == "abc"
    assert measured["classifier_weight"] > 0.3
    assert measured["n"] >= 80
    before, after = measured["before"], measured["after"]
    assert after["true_positives"] > before["true_positives"]
    assert after["false_positives"] < before["false_positives"]


def test_a_random_classifier_has_no_weight() -> None:
    detector = FakeDetector(PHOTOS)
    with pytest.raises(DataError, match="tells nothing"):
        fit_score_fusion(detector, FakeClassifier(detector, knows=False), PHOTOS)  # type: ignore[arg-type]


@pytest.mark.parametrize("photos", [[], [annotated_photo("x.png", faces=0)]])
def test_without_faces_nothing_can_be_measured(photos: list[AnnotatedImage]) -> None:
    detector = FakeDetector(photos)
    with pytest.raises(DataError, match="use more photos"):
        fit_score_fusion(detector, FakeClassifier(detector, knows=True), photos)  # type: ignore[arg-type]
