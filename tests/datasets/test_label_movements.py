"""The movements of labeled faces, measured on faces that the tests make."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emotion.datasets.dataset import FERPLUS_COLUMNS, Dataset
from emotion.datasets.label_movements import measure_label_movements
from emotion.datasets.readers.feature_targets import FeatureTargets
from emotion.errors import DataError
from emotion.expressions import FERPLUS_LABELS
from emotion.movements import MOVEMENT_NAMES

COUNT = 160
SMILE = [MOVEMENT_NAMES.index(f"mouthSmile{side}") for side in ("Left", "Right")]
LABELS = np.arange(COUNT) % len(FERPLUS_LABELS)
HAPPY = FERPLUS_LABELS.index("happy") == LABELS


def make_faces() -> tuple[FeatureTargets, Dataset]:
    """Return faces of which the happy ones smile; half of them are in the training split."""
    rng = np.random.default_rng(2)
    movements = rng.uniform(0, 0.2, (COUNT, len(MOVEMENT_NAMES)))
    movements[np.ix_(HAPPY, SMILE)] += 0.6
    votes = np.zeros((COUNT, len(FERPLUS_COLUMNS)), np.int8)
    votes[np.arange(COUNT), LABELS] = 10
    crops, split = np.zeros((COUNT, 48, 48), np.uint8), (np.arange(COUNT) // 80).astype(np.int8)
    zeros = np.zeros((COUNT, 68, 2), np.float32), np.zeros((COUNT, 3), np.float32)
    targets = FeatureTargets(crops, np.ones(COUNT, bool), *zeros, movements.astype(np.float32), split, "targets.npz")
    labels = np.zeros(COUNT, np.int8)
    return targets, Dataset(crops, labels, split, votes=votes, has_votes=np.ones(COUNT, bool), source="faces.npz")


def test_a_movement_of_faces_with_a_label_has_an_effect() -> None:
    table = measure_label_movements(*make_faces())
    assert table.num_faces == 80
    smile, jaw = table.movements["mouthSmile"], table.movements["jawOpen"]
    assert smile.effects["happy"] > 5
    assert all(smile.effects[label] < 0 for label in FERPLUS_LABELS if label != "happy")
    assert max(map(abs, jaw.effects.values())) < 1.5
    assert smile.neutral == pytest.approx(0.1, abs=0.05)
    assert smile.strong > 0.6


def test_only_training_faces_that_were_found_count() -> None:
    targets, data = make_faces()
    expected = measure_label_movements(targets, data)
    other = targets.movements.copy()
    other[80:] = 1.0
    assert measure_label_movements(replace(targets, movements=other), data) == expected
    found = np.arange(COUNT) % 16 >= 8
    assert measure_label_movements(replace(targets, found=found), data).num_faces == 40


def test_too_few_faces_and_other_rows_are_refused() -> None:
    targets, data = make_faces()
    with pytest.raises(DataError, match="less than two training faces with the label neutral"):
        measure_label_movements(targets.take(np.arange(8)), data.take(np.arange(8)))
    with pytest.raises(DataError, match=r"has 8 rows and faces\.npz 160"):
        measure_label_movements(targets.take(np.arange(8)), data)
