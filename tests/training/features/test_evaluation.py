"""Measurements on faces that a network never learned from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotion.datasets.readers.feature_targets import FeatureTargets
from emotion.errors import DataError
from emotion.movements import MOVEMENT_NAMES
from emotion.recognition.features.network import FeaturesNetwork
from emotion.training.features.evaluation import calibrate_errors, evaluate_network, select_faces
from tests.recognition.features.making import SIZE, Answer, make_bundle
from tests.training.features.making import mean_points

COUNT = 12


def make_targets(split: int = 2) -> FeatureTargets:
    """Return different faces with the points of `mean_points`, moved by 0.02 to the right."""
    rng = np.random.default_rng(1)
    return FeatureTargets(
        rng.integers(0, 256, (COUNT, SIZE, SIZE), dtype=np.uint8),
        np.ones(COUNT, bool),
        np.tile(mean_points() + np.array([0.02, 0]), (COUNT, 1, 1)).astype(np.float32),
        np.tile(np.array([3, 0, 0], np.float32), (COUNT, 1)),
        rng.random((COUNT, len(MOVEMENT_NAMES))).astype(np.float32),
        np.full(COUNT, split, np.int8),
        "faces.npz",
    )


def load(folder: Path, answer: Answer) -> FeaturesNetwork:
    return FeaturesNetwork(make_bundle(folder / "model", answer))


def test_errors_are_those_between_network_and_teacher(tmp_path: Path) -> None:
    rows = evaluate_network(load(tmp_path, Answer(mean_points())), [make_targets()], "test")
    assert set(rows) == {"all", "faces.npz", "certain"}
    assert rows["all"] == rows["faces.npz"] == rows["certain"]
    assert (rows["all"]["n"], rows["all"]["point_error"]) == (COUNT, 0.05)  # 0.02 of an eye distance of 0.4
    assert rows["all"]["pose_error"] == {"yaw": 3, "pitch": 0, "roll": 0}
    assert set(rows["all"]["correlation"].values()) == {0}  # the network always gives the same


def test_uncertain_faces_have_no_row_of_certain_ones(tmp_path: Path) -> None:
    rows = evaluate_network(load(tmp_path, Answer(mean_points(), error=0.5)), [make_targets()], "test")
    assert set(rows) == {"all", "faces.npz"}


def test_a_face_that_was_learned_does_not_count(tmp_path: Path) -> None:
    targets = make_targets()
    crops, split = targets.crops.copy(), targets.split.copy()
    crops[0], split[0] = crops[1], 0
    faces = select_faces(replace(targets, crops=crops, split=split), "test")
    assert len(faces) == COUNT - 2


def test_a_face_that_the_teacher_did_not_find_does_not_count() -> None:
    assert len(select_faces(replace(make_targets(), found=np.arange(COUNT) > 2), "test")) == COUNT - 3


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no face in the validation split"):
        evaluate_network(load(tmp_path, Answer(mean_points())), [make_targets()], "validation")


def test_calibrated_errors_have_the_mean_of_the_actual_ones(tmp_path: Path) -> None:
    factors = calibrate_errors(load(tmp_path, Answer(mean_points(), error=0.01)), [make_targets(split=1)])
    assert factors["points"] == pytest.approx(0.02 / 0.01, abs=1e-3)
    assert factors["pose"] == pytest.approx(1 / 0.01, abs=1e-2)
