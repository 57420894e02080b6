"""Measure how the movements of faces with a label differ from those of other faces."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, majority_vote
from emotion.datasets.readers.feature_targets import FeatureTargets
from emotion.errors import DataError
from emotion.expressions import FERPLUS_LABELS
from emotion.movements import MOVEMENT_GROUPS, MOVEMENT_NAMES
from emotion.recognition.features.label_movements import LabelMovements, MovementStatistics

_STRONG_QUANTILE: Final = 0.95
_MIN_DEVIATION: Final = 1e-3  # of a movement that is the same in all faces
_NEUTRAL: Final = FERPLUS_LABELS.index("neutral")
_DIGITS: Final = 3


def measure_label_movements(targets: FeatureTargets, data: Dataset) -> LabelMovements:
    """Compare the movements of labeled training faces.

    The label of a face is the majority of its FER+ votes; faces without one, and those in which the teacher found no
    face, are left out.

    Args:
        targets: What the teacher saw in the rows of `data`.
        data: FER-2013 with FER+ votes.

    Raises:
        DataError: The rows differ in number, or a label has less than two faces.
    """
    if len(targets) != len(data):
        raise DataError(f"{targets.source} has {len(targets)} rows and {data.source} {len(data)}; expected the same.")
    labels = majority_vote(data)
    rows = targets.rows_in("train")
    rows = rows[targets.found[rows] & (labels[rows] >= 0)]
    labels = labels[rows]
    for index, label in enumerate(FERPLUS_LABELS):
        if np.count_nonzero(labels == index) < 2:
            raise DataError(f"{data.source} has less than two training faces with the label {label}; give more faces.")
    movements = targets.movements[rows].astype(np.float64)
    return LabelMovements(
        num_faces=len(rows),
        movements={
            group.name: _measure(
                movements[:, [MOVEMENT_NAMES.index(name) for name in group.members]].mean(axis=1), labels
            )
            for group in MOVEMENT_GROUPS.values()
        },
    )


def _measure(values: NDArray[np.float64], labels: NDArray[np.int8]) -> MovementStatistics:
    return MovementStatistics(
        mean=round(float(values.mean()), _DIGITS),
        deviation=round(max(_MIN_DEVIATION, float(values.std())), _DIGITS),
        neutral=round(float(values[labels == _NEUTRAL].mean()), _DIGITS),
        strong=round(float(np.quantile(values, _STRONG_QUANTILE)), _DIGITS),
        effects={
            label: round(_compute_effect(values[labels == index], values[labels != index]), _DIGITS)
            for index, label in enumerate(FERPLUS_LABELS)
        },
    )


def _compute_effect(values: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Return the difference of the means in standard deviations: Cohen 1988, with the mean of both variances."""
    deviation = np.sqrt((values.var() + others.var()) / 2)
    return float((values.mean() - others.mean()) / max(_MIN_DEVIATION, float(deviation)))
