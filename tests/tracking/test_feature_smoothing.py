"""Features of a tracked face: they follow the face, are averaged over time, and lose what its neutral face shows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.faces import Box, Face, FaceFeatures, HeadPose
from emotion.tracking.feature_smoothing import FeaturesAverage
from tests.training.features.making import mean_points

BOX = Box(100, 50, 180, 130)
POSE = HeadPose(10, -5, 2)
HALF_LIFE = 0.5


def make_face(
    points: NDArray[np.floating] | None = None,
    movements: dict[str, float] | None = None,
    pose: HeadPose | None = POSE,
    certainty: float = 0.9,
    box: Box = BOX,
) -> Face:
    placed = (mean_points() if points is None else points) * box.width + [box.x1, box.y1]
    shown = {} if pose is None else {"jawOpen": 0.2, "mouthSmileLeft": 0.4} if movements is None else movements
    rows = tuple((float(x), float(y)) for x, y in placed)
    return Face(box, 0.9, track_id=1, features=FaceFeatures(rows, (0.05,) * 68, pose, shown, certainty))


def make_average(*faces: Face, step: float = 0.1) -> FeaturesAverage:
    average = FeaturesAverage()
    for index, face in enumerate(faces):
        average.update(face, index * step, HALF_LIFE)
    return average


def read(average: FeaturesAverage, box: Box = BOX) -> FaceFeatures:
    features = average.apply_to(Face(box, 0.9)).features
    assert features is not None
    return features


def test_a_face_has_no_features_before_the_first_estimate() -> None:
    assert FeaturesAverage().apply_to(Face(BOX, 0.9)).features is None
    assert make_average(Face(BOX, 0.9)).apply_to(Face(BOX, 0.9)).features is None


def test_one_estimate_is_shown_as_it_is() -> None:
    shown, given = read(make_average(make_face())), make_face().features
    assert given is not None
    np.testing.assert_allclose(shown.points, given.points, atol=1e-9)
    assert shown.point_errors == pytest.approx(given.point_errors)
    assert shown.pose == POSE
    assert shown.movements == pytest.approx({"jawOpen": 0.2, "mouthSmileLeft": 0.4})
    assert shown.certainty == pytest.approx(0.9)


def test_points_move_and_grow_with_the_box_between_two_estimates() -> None:
    shown = read(make_average(make_face()), Box(10, 20, 50, 60))
    np.testing.assert_allclose(shown.points, mean_points() * 40 + [10, 20], atol=1e-9)


@pytest.mark.parametrize("turn", [0.0, 20.0, -35.0])
def test_points_follow_place_size_and_roll_without_delay(turn: float) -> None:
    angle = math.radians(turn)
    rotation = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    turned = (mean_points() - 0.5) @ rotation * 1.3 + 0.6
    shown = read(make_average(make_face(), make_face(), make_face(turned)))
    np.testing.assert_allclose(shown.points, turned * BOX.width + [BOX.x1, BOX.y1], atol=1e-9)


def test_noise_of_points_is_reduced() -> None:
    rng = np.random.default_rng(5)
    noisy = [mean_points() + rng.normal(0, 0.02, (68, 2)) for _ in range(30)]
    given = np.array(noisy[-1]) * BOX.width + [BOX.x1, BOX.y1]
    true = mean_points() * BOX.width + [BOX.x1, BOX.y1]
    shown = read(make_average(*map(make_face, noisy), step=1 / 12)).points
    assert np.abs(np.array(shown) - true).mean() < 0.8 * np.abs(given - true).mean()


def test_pose_and_movements_are_averaged_with_the_half_life() -> None:
    faces = [make_face(movements={"jawOpen": 0.0}), make_face(movements={"jawOpen": 0.9}, pose=HeadPose(40, 25, 2))]
    shown = read(make_average(*faces, step=HALF_LIFE))
    assert shown.movements["jawOpen"] == pytest.approx(0.9 / 1.5)
    assert shown.pose is not None
    assert shown.pose.yaw == pytest.approx((40 + 0.5 * 10) / 1.5)
    assert shown.pose.pitch == pytest.approx((25 - 0.5 * 5) / 1.5)


def test_roll_is_averaged_across_a_half_turn() -> None:
    faces = [make_face(pose=HeadPose(0, 0, 178)), make_face(pose=HeadPose(0, 0, -178))]
    shown = read(make_average(*faces, step=0.0))
    assert shown.pose is not None
    assert abs(shown.pose.roll) == pytest.approx(180)


def test_one_uncertain_frame_withholds_nothing_and_many_do() -> None:
    unsure = make_face(pose=None, certainty=0.2)
    assert read(make_average(make_face(), make_face(), unsure)).movements["jawOpen"] == pytest.approx(0.2)
    shown = read(make_average(make_face(), *[unsure] * 12))
    assert shown.certainty < 0.5
    assert (shown.pose, shown.movements) == (None, {})
    assert len(shown.points) == 68


def test_movements_of_the_neutral_face_count_as_zero() -> None:
    average = FeaturesAverage()
    average.start_calibration()
    for index in range(6):
        average.update(make_face(), index / 12, HALF_LIFE)
    average.finish_calibration()
    assert read(average).movements == pytest.approx({"jawOpen": 0, "mouthSmileLeft": 0})
    for index in range(60):
        average.update(make_face(movements={"jawOpen": 0.1, "mouthSmileLeft": 0.9}), 10 + index / 12, HALF_LIFE)
    assert read(average).movements["jawOpen"] == 0
    assert read(average).movements["mouthSmileLeft"] == pytest.approx(0.5)
    average.reset()
    average.update(make_face(), 30, HALF_LIFE)
    assert read(average).movements["mouthSmileLeft"] == pytest.approx(0)
    average.clear_calibration()
    assert read(average).movements["mouthSmileLeft"] == pytest.approx(0.4)


def test_a_calibration_needs_some_certain_frames() -> None:
    average = FeaturesAverage()
    average.start_calibration()
    for index in range(12):
        average.update(make_face(pose=None, certainty=0.3) if index % 3 else make_face(), index / 12, HALF_LIFE)
    average.finish_calibration()
    average.update(make_face(), 60, HALF_LIFE)
    assert read(average).movements["mouthSmileLeft"] == pytest.approx(0.4)


def test_points_in_one_place_are_not_divided_by_zero() -> None:
    shown = read(make_average(make_face(np.full((68, 2), 0.5))))
    assert np.isfinite(shown.points).all()
