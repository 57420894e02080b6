"""Batches: points, pose and movements change as their crops do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.datasets.augmentation import NO_AUGMENTATION, Augmentation
from emotion.datasets.readers.feature_targets import FeatureTargets
from emotion.movements import MIRRORED_POINTS, MOVEMENT_NAMES, NUM_POINTS
from emotion.recognition.features.outputs import MOVES, POINTS, POSE
from emotion.training.features.batches import FeatureBatch, FeatureBatches, TrainingFaces
from emotion.training.features.config import FeaturesConfig
from tests.training.features.making import mean_points

SIDE = 96


def dotted(count: int) -> FeatureTargets:
    """Return black crops with one soft white dot each, in the place of all points of its target."""
    rng = np.random.default_rng(0)
    centers = rng.uniform(0.35, 0.65, (count, 2))
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    distance = (x - centers[:, 0, None, None] * SIDE) ** 2 + (y - centers[:, 1, None, None] * SIDE) ** 2
    crops = (255 * np.exp(-distance / 18)).astype(np.uint8)
    points = np.repeat(centers[:, None], NUM_POINTS, axis=1).astype(np.float32)
    pose = np.tile(np.array([10, 20, 5], np.float32), (count, 1))
    movements = np.zeros((count, len(MOVEMENT_NAMES)), np.float32)
    movements[:, MOVEMENT_NAMES.index("mouthSmileLeft")] = 1
    return FeatureTargets(crops, np.ones(count, bool), points, pose, movements, np.zeros(count, np.int8), "dots.npz")


def make_batch(targets: FeatureTargets, augmentation: Augmentation, epoch: int = 0) -> FeatureBatch:
    config = FeaturesConfig(input_size=64, batch_size=len(targets), augmentation=augmentation)
    return FeatureBatches(TrainingFaces([targets], 64), config, epoch)[0]


def brightest(crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the centers of gravity (n, 2) of crops (n, size, size, 1) in sides of the crop."""
    weights = crops[..., 0].astype(np.float64) ** 2
    y, x = np.mgrid[: crops.shape[1], : crops.shape[2]] + 0.5
    total = weights.sum((1, 2))
    return np.stack([(weights * x).sum((1, 2)), (weights * y).sum((1, 2))], axis=1) / total[:, None] / crops.shape[1]


MOVED = replace(NO_AUGMENTATION, shift=0.1, min_scale=0.8, max_scale=1.25, rotation=40.0)


@pytest.mark.parametrize("epoch", [0, 1])
def test_points_move_with_the_pixels(epoch: int) -> None:
    batch = make_batch(dotted(40), MOVED, epoch)
    np.testing.assert_allclose(batch.values[:, POINTS][:, :2], brightest(batch.crops), atol=0.01)


def test_a_mirrored_face_has_mirrored_points_angles_and_movements() -> None:
    targets = replace(dotted(20), points=np.tile(mean_points(), (20, 1, 1)).astype(np.float32))
    batch = make_batch(targets, NO_AUGMENTATION)
    smile = MOVES.start + MOVEMENT_NAMES.index("mouthSmileRight")
    flipped = batch.values[:, smile] == 1
    assert 0 < flipped.sum() < 20
    np.testing.assert_allclose(batch.values[flipped][:, POSE], [[-10, 20, -5]] * int(flipped.sum()), atol=1e-4)
    np.testing.assert_allclose(batch.values[~flipped][:, POSE], [[10, 20, 5]] * int((~flipped).sum()), atol=1e-4)
    mirrored = mean_points()[list(MIRRORED_POINTS)] * [-1, 1] + [1, 0]
    expected = np.tile(mirrored, (int(flipped.sum()), 1, 1))
    np.testing.assert_allclose(batch.values[flipped][:, POINTS].reshape(-1, NUM_POINTS, 2), expected, atol=1e-4)


def test_each_face_is_mirrored_in_every_other_epoch() -> None:
    smile = MOVES.start + MOVEMENT_NAMES.index("mouthSmileRight")
    flipped = [int((make_batch(dotted(20), NO_AUGMENTATION, epoch).values[:, smile] == 1).sum()) for epoch in (0, 1)]
    assert sum(flipped) == 20


def test_the_roll_follows_a_line_through_two_points() -> None:
    targets = dotted(30)
    points = targets.points.copy()
    angle = np.radians(targets.pose[:, 2])
    points[:, 45] = points[:, 36] + 0.2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rotated = replace(NO_AUGMENTATION, rotation=40.0)
    batch = make_batch(replace(targets, points=points), rotated)
    moved = batch.values[:, POINTS].reshape(-1, NUM_POINTS, 2)
    is_plain = batch.values[:, MOVES.start + MOVEMENT_NAMES.index("mouthSmileLeft")] == 1
    line = (moved[:, 45] - moved[:, 36])[is_plain]
    roll = batch.values[is_plain, POSE.start + 2]
    np.testing.assert_allclose(np.degrees(np.arctan2(line[:, 1], line[:, 0])), roll, atol=0.05)
    assert np.ptp(roll) > 20


def test_batches_depend_on_seed_epoch_and_index_alone() -> None:
    first, second = (make_batch(dotted(8), FeaturesConfig().augmentation) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_small_file_is_drawn_more_often_than_its_share() -> None:
    large, small = dotted(90), replace(dotted(10), found=np.zeros(10, bool))
    batches = FeatureBatches(TrainingFaces([large, small], 64), FeaturesConfig(input_size=64, batch_size=1), 0)
    found = [batches[index].found[0] for index in range(len(batches))]
    assert len(found) == 90
    assert found.count(0) == round(90 * 1 / (1 + 3))
