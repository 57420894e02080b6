"""Features of faces: points in pixels of the image, what is withheld, and models that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emotion.errors import ModelError
from emotion.faces import Box, Face, FaceFeatures, HeadPose, Landmarks
from emotion.model_store.store import get_default_model
from emotion.movements import MOVEMENT_NAMES
from emotion.recognition.cropping import CropGeometry
from emotion.recognition.features.network import FeaturesNetwork, compute_certainty
from tests.recognition.features.making import SIZE, Answer, make_bundle
from tests.training.features.making import mean_points

GRAY = np.zeros((200, 300), np.uint8)
FACE = Face(Box(100, 50, 180, 130), 0.9)


def describe(folder: Path, answer: Answer, face: Face = FACE) -> FaceFeatures:
    network = FeaturesNetwork(make_bundle(folder / "model", answer))
    (features,) = network.describe_faces(GRAY, (face,), CropGeometry())
    return features


def test_points_are_in_pixels_of_the_image(tmp_path: Path) -> None:
    features = describe(tmp_path, Answer(mean_points()))
    np.testing.assert_allclose(features.points, mean_points() * 80 + [100, 50], atol=1e-4)


def test_tilts_are_those_of_the_image_where_they_are_known(tmp_path: Path) -> None:
    network = FeaturesNetwork(make_bundle(tmp_path / "sure", Answer(mean_points())))
    upright = Landmarks((120, 80), (160, 80), (140, 90), (130, 110), (150, 110))
    faces = tuple(Face(FACE.box, 0.9, landmarks=upright.rotate(angle, (140, 90))) for angle in (0.0, 14.0, -25.0))
    np.testing.assert_allclose(network.estimate_tilts(GRAY, faces, CropGeometry()), [0, 0, -25], atol=1e-4)
    unsure = FeaturesNetwork(make_bundle(tmp_path / "unsure", Answer(mean_points(), error=0.1)))
    assert np.isnan(unsure.estimate_tilts(GRAY, faces, CropGeometry())).all()


def test_points_and_roll_of_a_rotated_crop_are_those_of_the_image(tmp_path: Path) -> None:
    landmarks = Landmarks((140, 70), (140, 110), (130, 90), (120, 80), (120, 100))  # the head lies on its side
    tilted = Face(FACE.box, 0.9, landmarks=landmarks)
    features = describe(tmp_path, Answer(mean_points(), pose=(1, 2, 3)), tilted)
    x, y = (mean_points() - 0.5).T * 80
    np.testing.assert_allclose(features.points, np.stack([140 - y, 90 + x], axis=1), atol=1e-4)
    assert features.pose is not None
    assert features.pose.roll == pytest.approx(93)


def test_a_certain_face_has_pose_and_the_movements_that_are_shown(tmp_path: Path) -> None:
    strengths = np.where(np.array(MOVEMENT_NAMES) == "jawOpen", 1.5, 0.25)
    features = describe(tmp_path, Answer(mean_points(), (1, 2, 3), strengths))
    assert features.pose == HeadPose(1, 2, 3)
    assert features.movements == {"mouthSmileLeft": 0.25, "jawOpen": 1.0}
    assert features.certainty > 0.9
    np.testing.assert_allclose(features.point_errors, 0.004 / 0.4, rtol=1e-5)


@pytest.mark.parametrize("answer", [Answer(mean_points(), error=0.1), Answer(mean_points(), face_logit=-3.0)])
def test_pose_and_movements_of_an_uncertain_face_are_withheld(tmp_path: Path, answer: Answer) -> None:
    features = describe(tmp_path, answer)
    assert features.certainty < 0.5
    assert features.pose is None
    assert features.movements == {}


def test_no_face_has_no_features(tmp_path: Path) -> None:
    network = FeaturesNetwork(make_bundle(tmp_path / "model", Answer(mean_points())))
    assert network.describe_faces(GRAY, (), CropGeometry()) == ()


def test_certainty_falls_with_the_expected_error() -> None:
    values = [compute_certainty(error) for error in (0, 0.05, 0.15, 0.2, 9)]
    assert values == sorted(values, reverse=True)
    assert (values[0], values[2]) == (1, 0.5)


def test_expected_errors_are_calibrated(tmp_path: Path) -> None:
    factors = {"points": 2.0, "pose": 3.0, "movements": 0.5}
    bundle = make_bundle(tmp_path / "model", Answer(mean_points()), error_calibration=factors)
    seen = FeaturesNetwork(bundle).predict(np.zeros((2, SIZE, SIZE), np.uint8))
    np.testing.assert_allclose(seen.point_errors, 0.008, rtol=1e-5)
    np.testing.assert_allclose(seen.pose_errors, 0.012, rtol=1e-5)
    np.testing.assert_allclose(seen.movement_errors, 0.002, rtol=1e-5)


def test_a_card_with_another_size_is_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "model", Answer(mean_points()), input={"size": 64})
    with pytest.raises(ModelError, match="reads 48 pixels"):
        FeaturesNetwork(bundle)


def test_a_card_with_unknown_movements_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the movements are wiggleEars; expected some of browInnerUp"):
        make_bundle(tmp_path / "model", Answer(mean_points()), shown_movements=["wiggleEars"])


def test_another_kind_of_model_is_refused() -> None:
    with pytest.raises(ModelError, match="is a classifier; expected a features"):
        FeaturesNetwork(get_default_model("classifier"))
