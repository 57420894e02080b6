"""The package `fer` (Shenk 2018, MIT license) as a recognizer, to compare with: Haar cascade and mini-Xception."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final

import cv2

from emotion.datasets.dataset import IMAGE_SIZE
from emotion.errors import EmotionError
from emotion.expressions import FER2013_LABELS
from emotion.faces import Scores
from emotion.media.image_array import ImageArray
from emotion.recognition.settings import AnalyzerSettings
from emotion.training.classifier.evaluation.labeled_face_scores import Recognition

PACKAGE_NAME: Final = "fer"


class FerPackageRecognizer:
    """The detector and the network of the installed package `fer` with its default settings.

    Its probabilities are displayed from the same confidence as those of this program; the package has no such limit.

    Raises:
        EmotionError: The package is not installed.
    """

    labels = FER2013_LABELS

    def __init__(self) -> None:
        if find_spec(PACKAGE_NAME) is None:
            raise EmotionError(
                f"The package {PACKAGE_NAME!r} is not installed; install it into this environment to measure it, or "
                "name a model or a run."
            )
        from fer.fer import FER  # pyright: ignore[reportMissingImports]

        self._detector = FER()
        self._crop_classifier = FER(offsets=(0, 0))  # a crop is a whole face, around which nothing is to be added
        self.min_confidence = AnalyzerSettings().min_confidence

    def recognize_photo(self, image: ImageArray) -> Recognition:
        """Find the largest face of an image and name its expression."""
        found = self._detector.detect_emotions(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if not found:
            return Recognition(None, False)
        return self._make_recognition(max(found, key=lambda face: face["box"][2] * face["box"][3]))

    def recognize_crops(self, crops: Sequence[ImageArray]) -> list[Recognition]:
        """Name the expressions of gray crops."""
        whole = [(0, 0, IMAGE_SIZE, IMAGE_SIZE)]
        found = [
            self._crop_classifier.detect_emotions(cv2.cvtColor(crop, cv2.COLOR_GRAY2BGR), face_rectangles=whole)
            for crop in crops
        ]
        return [self._make_recognition(faces[0]) for faces in found]

    def _make_recognition(self, face: Mapping[str, Any]) -> Recognition:
        scores = Scores(self.labels, [face["emotions"][label] for label in self.labels])
        return Recognition(scores, scores.confidence >= self.min_confidence)
