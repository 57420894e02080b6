"""Measure a features network against its teacher on faces that it never learned from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.augmentation import resize_images
from emotion.datasets.readers.feature_targets import FeatureTargets
from emotion.errors import DataError
from emotion.recognition.features.network import MIN_CERTAINTY, CropFeatures, FeaturesNetwork, compute_certainty
from emotion.training.features.metrics import (
    FeatureMetrics,
    eye_distances,
    movement_correlations,
    point_errors,
    pose_errors,
    rank_correlation,
)
from emotion.training.runs.folder import TrainingSummary
from emotion.translation.messages import gettext as _

ALL_FACES: Final = "all"
CERTAIN_FACES: Final = "certain"  # those whose pose and movements are shown
_BATCH: Final = 64
_DIGITS: Final = 4


class FeaturesReport(TrainingSummary):
    """The report of a training: by split the metrics of `evaluate_network`."""

    validation: Mapping[str, FeatureMetrics]
    test: Mapping[str, FeatureMetrics]
    export_difference: float


def evaluate_network(network: FeaturesNetwork, data: Sequence[FeatureTargets], split: str) -> dict[str, FeatureMetrics]:
    """Measure a network on the faces of a split that the teacher found.

    Faces whose pixels also are in the training split are left out.

    Returns:
        The metrics over all files as "all", by the name of the file, and over the certain faces of all files as
        "certain", where there are any.

    Raises:
        DataError: There is no face to measure on.
    """
    seen, expected = [], []
    rows_by_source: dict[str, FeatureMetrics] = {}
    for targets in data:
        faces = select_faces(targets, split)
        if len(faces):
            seen.append(predict_faces(network, faces))
            expected.append(faces)
            rows_by_source[targets.source] = compute_metrics(seen[-1:], expected[-1:])
    if not expected:
        raise DataError(_("The targets have no face in the {split} split; give more faces.").format(split=_(split)))
    rows_by_source = {ALL_FACES: compute_metrics(seen, expected), **rows_by_source}
    chosen = [_find_certain(part) for part in seen]
    if any(map(len, chosen)):
        rows_by_source[CERTAIN_FACES] = compute_metrics(
            [CropFeatures(*(values[rows] for values in part)) for part, rows in zip(seen, chosen, strict=True)],
            [faces.take(rows) for faces, rows in zip(expected, chosen, strict=True)],
        )
    return rows_by_source


def _find_certain(seen: CropFeatures) -> NDArray[np.intp]:
    """Return the rows of the faces whose pose and movements are shown."""
    errors = seen.point_errors.mean(1) / eye_distances(seen.points)
    certainty = [compute_certainty(error) for error in errors] * seen.face_probs
    return np.flatnonzero(certainty >= MIN_CERTAINTY)


def select_faces(targets: FeatureTargets, split: str) -> FeatureTargets:
    """Return the faces of a split that the teacher found, without those that are also in the training split."""
    rows = targets.rows_in(split)
    rows = rows[targets.found[rows]]
    if split != "train":
        learned = set(_iter_pixels(targets.crops[targets.rows_in("train")]))
        rows = rows[[pixels not in learned for pixels in _iter_pixels(targets.crops[rows])]]
    return targets.take(rows)


def _iter_pixels(crops: NDArray[np.uint8]) -> Iterable[bytes]:
    return (crop.tobytes() for crop in crops)


def predict_faces(network: FeaturesNetwork, faces: FeatureTargets) -> CropFeatures:
    """Return what a network sees in the crops of `faces`."""
    crops = resize_images(faces.crops, network.input_size)
    parts = [network.predict(crops[start : start + _BATCH]) for start in range(0, len(crops), _BATCH)]
    return CropFeatures(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def compute_metrics(seen: Sequence[CropFeatures], expected: Sequence[FeatureTargets]) -> FeatureMetrics:
    """Compare predictions with targets of the same faces, in one or several parts."""
    points, pose, movements = (
        np.concatenate([getattr(part, name) for part in seen]) for name in ("points", "pose", "movements")
    )
    own_errors = np.concatenate([part.point_errors for part in seen]).mean(1)
    target_points = np.concatenate([part.points for part in expected])
    errors = point_errors(points, target_points)
    target_pose = np.concatenate([part.pose for part in expected])
    correlation = movement_correlations(movements, np.concatenate([part.movements for part in expected]))
    return FeatureMetrics(
        n=len(points),
        point_error=round(float(errors.mean()), _DIGITS),
        point_error_median=round(float(np.median(errors.mean(1))), _DIGITS),
        pose_error={angle: round(value, _DIGITS) for angle, value in pose_errors(pose, target_pose).items()},
        correlation={name: round(value, _DIGITS) for name, value in correlation.items()},
        point_error_correlation=round(
            rank_correlation(own_errors / eye_distances(target_points), errors.mean(1)), _DIGITS
        ),
    )


def calibrate_errors(network: FeaturesNetwork, data: Sequence[FeatureTargets]) -> dict[str, float]:
    """Return the factors that make expected errors equal to actual ones, in the mean over the validation faces."""
    parts = [faces for targets in data if len(faces := select_faces(targets, "validation"))]
    seen = [predict_faces(network, faces) for faces in parts]
    ratios: dict[str, list[NDArray[np.float64]]] = {"points": [], "pose": [], "movements": []}
    expected: dict[str, list[NDArray[np.float64]]] = {name: [] for name in ratios}
    for features, faces in zip(seen, parts, strict=True):
        ratios["points"].append(np.linalg.norm(features.points - faces.points, axis=2).ravel())
        ratios["pose"].append(np.abs(features.pose - faces.pose).ravel())
        ratios["movements"].append(np.abs(features.movements - faces.movements).ravel())
        expected["points"].append(features.point_errors.ravel())
        expected["pose"].append(features.pose_errors.ravel())
        expected["movements"].append(features.movement_errors.ravel())
    return {
        name: round(float(np.concatenate(actual).mean() / np.concatenate(expected[name]).mean()), _DIGITS)
        for name, actual in ratios.items()
    }
