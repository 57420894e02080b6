"""Metrics of a features network against its teacher: points, pose, movements and expected errors."""

from __future__ import annotations

from typing import Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from emotion.movements import LEFT_EYE, MOVEMENT_NAMES, RIGHT_EYE

_MIN_EYE_DISTANCE: Final = 0.1  # sides of the crop; a head in profile has eyes that nearly coincide
_MIN_SPREAD: Final = 1e-6  # of values that have a correlation
_ANGLES: Final = ("yaw", "pitch", "roll")


class FeatureMetrics(TypedDict):
    """How far a network is from its teacher on `n` faces that the teacher found.

    `point_error`: mean distance of the points in eye distances, `point_error_median` its median over the faces.
    `pose_error`: median of the absolute errors in degrees by angle. `correlation`: Pearson's, by movement.
    `point_error_correlation`: between expected and actual point errors of the faces (Spearman's).
    """

    n: int
    point_error: float
    point_error_median: float
    pose_error: dict[str, float]
    correlation: dict[str, float]
    point_error_correlation: float


def eye_distances(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the distances (n,) of the middles of the eyes of points (n, 68, 2), at least a tenth of the crop."""
    between = points[:, LEFT_EYE].mean(1) - points[:, RIGHT_EYE].mean(1)
    return np.hypot(between[:, 0], between[:, 1]).astype(np.float64).clip(_MIN_EYE_DISTANCE)


def point_errors(predicted: NDArray[np.floating], expected: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the distances (n, 68) of points (n, 68, 2) in eye distances of the expected ones."""
    distance = np.linalg.norm(predicted.astype(np.float64) - expected, axis=2)
    return distance / eye_distances(expected)[:, None]


def pose_errors(predicted: NDArray[np.floating], expected: NDArray[np.floating]) -> dict[str, float]:
    """Return the medians of the absolute errors of pose (n, 3) in degrees, by angle."""
    medians = np.median(np.abs(predicted - expected), axis=0)
    return {angle: float(value) for angle, value in zip(_ANGLES, medians, strict=True)}


def movement_correlations(predicted: NDArray[np.floating], expected: NDArray[np.floating]) -> dict[str, float]:
    """Return Pearson's correlation of movements (n, movements) by name, 0 where one of both does not vary."""
    return {name: _correlate(predicted[:, i], expected[:, i]) for i, name in enumerate(MOVEMENT_NAMES)}


def rank_correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Return Spearman's correlation of two arrays (n,)."""
    return _correlate(first.argsort().argsort(), second.argsort().argsort())


def _correlate(first: NDArray, second: NDArray) -> float:
    if len(first) < 2 or np.std(first) < _MIN_SPREAD or np.std(second) < _MIN_SPREAD:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])
