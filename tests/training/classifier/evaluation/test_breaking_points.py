"""How much of a corruption changes what is predicted for a face."""

import numpy as np

from emotion.faces import Scores
from emotion.training.classifier.evaluation.robustness import find_breaking_points

LABELS = ("happy", "sad")


def predict_bright(faces: np.ndarray) -> list[Scores]:
    """Call dark faces sad."""
    return [Scores(LABELS, (0.9, 0.1) if face.mean() > 90 else (0.2, 0.8)) for face in faces]


def test_the_mildest_corruption_that_changes_the_label_is_found() -> None:
    found = find_breaking_points(np.full((48, 48), 120, np.uint8), predict_bright)
    assert list(found) == ["brightness"]
    point = found["brightness"]
    assert (point.severity, point.unit, point.label, point.confidence) == (-50, "gray levels", "sad", 0.8)
    assert point.face.mean() == 70


def test_a_label_that_never_changes_has_no_breaking_point() -> None:
    assert find_breaking_points(np.full((48, 48), 250, np.uint8), lambda faces: predict_bright(faces * 0 + 250)) == {}
