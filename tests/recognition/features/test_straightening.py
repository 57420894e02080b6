"""Crops of tilted faces: turned by the points where the network knows them, and by the landmarks elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emotion.faces import Box, Face, Landmarks, Scores
from emotion.recognition.classification import Prediction
from emotion.recognition.cropping import CropGeometry
from emotion.recognition.features import default_network
from emotion.recognition.features.network import FeaturesNetwork
from emotion.recognition.features.straightening import reclassify_tilted
from emotion.recognition.labeling import ClassifiedFace
from tests.recognition.features.making import Answer, make_bundle
from tests.training.features.making import mean_points

GRAY = np.zeros((200, 300), np.uint8)
CROP = np.zeros((48, 48), np.uint8)
BOX = Box(100, 50, 180, 130)
FIRST, SECOND = Scores(["happy", "sad"], [0.9, 0.1]), Scores(["happy", "sad"], [0.2, 0.8])
UsePoints = Callable[..., None]


def turn(degrees: float) -> np.ndarray:
    """Return points of a face in its crop that is tilted clockwise."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (mean_points() - 0.5) @ np.array([[cos, sin], [-sin, cos]]) + 0.5


def make_item(eye_tilt: float | None) -> ClassifiedFace:
    """Return a classified face whose detector tilts the eyes by this angle; None for one without landmarks."""
    landmarks = None
    if eye_tilt is not None:
        dx, dy = 10 * math.cos(math.radians(eye_tilt)), 10 * math.sin(math.radians(eye_tilt))
        landmarks = Landmarks((140 - dx, 80 - dy), (140 + dx, 80 + dy), (140, 95), (130, 110), (150, 110))
    return ClassifiedFace(Face(BOX, 0.9, landmarks, track_id=3), CROP, Prediction(FIRST, 0.7))


class Classifier:
    """Answers `SECOND` with a face probability of 0.99, and keeps the faces."""

    def __init__(self) -> None:
        self.faces: tuple[Face, ...] = ()

    def __call__(self, faces: tuple[Face, ...]) -> tuple[ClassifiedFace, ...]:
        self.faces = faces
        return tuple(ClassifiedFace(face, CROP, Prediction(SECOND, 0.99)) for face in faces)


@pytest.fixture
def use_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UsePoints:
    """`use_points(points, **answer)`: the network sees these points in each crop."""

    def use(points: np.ndarray, **answer: float) -> None:
        network = FeaturesNetwork(make_bundle(tmp_path / "features", Answer(points, **answer)))  # type: ignore[arg-type]
        monkeypatch.setattr(default_network, "load_default_network", lambda: network)

    return use


def test_a_tilted_face_is_classified_again_and_keeps_its_face_probability(use_points: UsePoints) -> None:
    use_points(turn(30))
    classify = Classifier()
    (result,) = reclassify_tilted(GRAY, (make_item(12),), CropGeometry(), classify)
    (face,) = classify.faces
    assert face.landmarks is not None
    assert face.landmarks.roll_degrees == pytest.approx(30, abs=0.1)
    assert result.face.landmarks == face.landmarks
    assert result.face.track_id == 3
    assert result.prediction == Prediction(SECOND, 0.7)


@pytest.mark.parametrize(
    ("points_tilt", "eye_tilt"),
    [
        (3, 2),
        (-14, -10),  # neither turns the crop
        (16.5, 10),  # a tilt that FER-2013 has, too
        (-0.5, 17),  # in a crop that the landmarks turn
    ],
)
def test_other_faces_stay_as_they_are(use_points: UsePoints, points_tilt: float, eye_tilt: float) -> None:
    use_points(turn(points_tilt))
    classify, item = Classifier(), make_item(eye_tilt)
    assert reclassify_tilted(GRAY, (item,), CropGeometry(), classify) == (item,)
    assert classify.faces == ()


def test_a_face_that_only_the_detector_tilts_is_classified_upright(use_points: UsePoints) -> None:
    use_points(turn(-18))  # in the crop, which the landmarks turned by 20 degrees
    classify = Classifier()
    (result,) = reclassify_tilted(GRAY, (make_item(20),), CropGeometry(), classify)
    assert result.prediction.scores == SECOND
    assert result.face.landmarks is not None
    assert result.face.landmarks.roll_degrees == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("answer", [{"error": 0.1}, {"face_logit": -3.0}])
def test_points_that_are_not_known_well_turn_nothing(use_points: UsePoints, answer: dict[str, float]) -> None:
    use_points(turn(30), **answer)
    item = make_item(12)
    assert reclassify_tilted(GRAY, (item,), CropGeometry(), Classifier()) == (item,)


def test_the_order_of_faces_is_kept_and_those_without_landmarks_stay(use_points: UsePoints) -> None:
    use_points(turn(25))
    classify = Classifier()
    items = (make_item(None), make_item(5), make_item(None), make_item(0))
    results = reclassify_tilted(GRAY, items, CropGeometry(), classify)
    assert [result.prediction.scores for result in results] == [FIRST, SECOND, FIRST, SECOND]
    assert len(classify.faces) == 2
    assert reclassify_tilted(GRAY, (), CropGeometry(), classify) == ()
