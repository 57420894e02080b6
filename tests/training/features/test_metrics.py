"""Metrics of a features network, compared with values by hand."""

from __future__ import annotations

import numpy as np
import pytest

from emotion.movements import MOVEMENT_NAMES
from emotion.training.features.metrics import (
    eye_distances,
    movement_correlations,
    point_errors,
    pose_errors,
    rank_correlation,
)
from tests.training.features.making import mean_points

RNG = np.random.default_rng(3)


def test_eye_distance_is_that_of_the_middles_of_the_eyes() -> None:
    np.testing.assert_allclose(eye_distances(mean_points()[None]), [0.4])


def test_eyes_that_coincide_have_a_least_distance() -> None:
    np.testing.assert_allclose(eye_distances(np.zeros((1, 68, 2))), [0.1])


def test_point_errors_are_in_eye_distances() -> None:
    moved = mean_points()[None] + [0.04, 0]
    np.testing.assert_allclose(point_errors(moved, mean_points()[None]), np.full((1, 68), 0.1))


def test_pose_errors_are_medians_by_angle() -> None:
    expected = np.zeros((3, 3))
    predicted = np.array([[1, 0, 2], [-2, 0, 2], [30, 0, 2]])
    assert pose_errors(predicted, expected) == {"yaw": 2, "pitch": 0, "roll": 2}


def test_correlations_are_by_movement_and_0_without_spread() -> None:
    expected = RNG.random((50, len(MOVEMENT_NAMES)))
    predicted = 1 - expected
    predicted[:, 1] = 0.5
    correlations = movement_correlations(predicted, expected)
    assert correlations[MOVEMENT_NAMES[0]] == pytest.approx(-1)
    assert correlations[MOVEMENT_NAMES[1]] == 0


def test_rank_correlation_ignores_the_scale() -> None:
    values = RNG.random(40)
    assert rank_correlation(values, np.exp(9 * values)) == pytest.approx(1)
