"""The package `fer` as a recognizer, by a stand-in with its interface."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emotion.errors import EmotionError
from emotion.training.classifier.evaluation.fer_package import FerPackageRecognizer

# Finds two faces in images with a red pixel, the larger one sad; a given rectangle is angry without an offset.
STAND_IN = """
class FER:
    def __init__(self, offsets=(10, 10)):
        self.offsets = offsets

    def detect_emotions(self, image, face_rectangles=None):
        labels = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
        def face(box, label):
            return {"box": box, "emotions": {name: 0.7 if name == label else 0.05 for name in labels}}
        if face_rectangles is not None:
            return [face(face_rectangles[0], "angry" if self.offsets == (0, 0) else "happy")]
        return [face((0, 0, 5, 5), "happy"), face((0, 0, 9, 9), "sad")] if image[0, 0, 2] == 255 else []
"""


@pytest.fixture
def recognizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FerPackageRecognizer]:
    (tmp_path / "fer").mkdir()
    (tmp_path / "fer" / "__init__.py").touch()
    (tmp_path / "fer" / "fer.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path)
    yield FerPackageRecognizer()
    for name in ("fer", "fer.fer"):
        del sys.modules[name]


def test_the_largest_face_of_a_photo_counts(recognizer: FerPackageRecognizer) -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    assert recognizer.recognize_photo(image).label == ""
    image[0, 0, 0] = 255
    recognition = recognizer.recognize_photo(image)
    assert (recognition.label, recognition.confidence, recognition.is_displayed) == ("sad", 0.7, True)


def test_crops_are_read_as_they_are(recognizer: FerPackageRecognizer) -> None:
    results = recognizer.recognize_crops([np.zeros((48, 48), np.uint8)] * 2)
    assert [result.label for result in results] == ["angry", "angry"]


def test_a_missing_package_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(EmotionError, match="'fer' is not installed; install it"):
        FerPackageRecognizer()
