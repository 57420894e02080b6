"""Augmented batches for the training of a features network: crops and what the teacher saw, changed alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.augmentation import augment_with_transforms, resize_images
from emotion.datasets.readers.feature_targets import FeatureTargets
from emotion.movements import MIRRORED_POINTS, MOVEMENT_NAMES, MOVEMENTS
from emotion.training.features.config import FeaturesConfig
from emotion.training.features.values import encode_values

_MAX_SOURCE_RATIO: Final = 1.5  # of a crop and the input; a larger crop would alias where it is resampled
_MIRRORED_MOVEMENTS: Final = [MOVEMENT_NAMES.index(movement.mirrored_name) for movement in MOVEMENTS]
_FLIPPED_ANGLES: Final = np.array([-1, 1, -1], np.float32)  # yaw and roll change their sign


class FeatureBatch(NamedTuple):
    """Crops uint8 (n, size, size, 1), target values float32 (n, values), and found float32 (n,), 0 or 1."""

    crops: NDArray[np.uint8]
    values: NDArray[np.float32]
    found: NDArray[np.float32]


class TrainingFaces:
    """The training faces of several files in one list; crops keep their own sizes, but see `_MAX_SOURCE_RATIO`."""

    def __init__(self, data: Sequence[FeatureTargets], input_size: int) -> None:
        largest = round(_MAX_SOURCE_RATIO * input_size)
        parts = [targets.take(targets.rows_in("train")) for targets in data]
        self.crops: list[NDArray[np.uint8]] = []
        for part in parts:
            is_large = part.crops.shape[1] > largest
            self.crops += list(resize_images(part.crops, largest) if is_large else part.crops)
        self.sizes = [len(part) for part in parts]  # faces of each file
        self.found = np.concatenate([part.found for part in parts])
        self.points = np.concatenate([part.points for part in parts])
        self.pose = np.concatenate([part.pose for part in parts])
        self.movements = np.concatenate([part.movements for part in parts])

    def __len__(self) -> int:
        return len(self.crops)

    def found_values(self) -> NDArray[np.float32]:
        """Return the values (n, values) of the faces that the teacher found."""
        return encode_values(self.points, self.pose, self.movements)[self.found]


class FeatureBatches:
    """The batches of one epoch; they depend on seed, epoch and index alone.

    An epoch has as many faces as the largest file. Files are drawn by the square root of their sizes, so that a few
    thousand large faces of photos are not lost among tens of thousands of small ones.
    """

    def __init__(self, faces: TrainingFaces, config: FeaturesConfig, epoch: int) -> None:
        self._faces, self._config, self._epoch = faces, config, epoch
        self._order = _draw_rows(faces.sizes, np.random.default_rng((config.seed, epoch)))
        # Drawn once for all epochs and then alternated, so that each face is seen from both sides in turn.
        self._flip_mask = (np.random.default_rng(config.seed).integers(0, 2, len(faces)) + epoch) % 2 == 1

    def __len__(self) -> int:
        return len(self._order) // self._config.batch_size

    def __getitem__(self, index: int) -> FeatureBatch:
        faces, config = self._faces, self._config
        rows = self._order[index * config.batch_size : (index + 1) * config.batch_size]
        rng = np.random.default_rng((config.seed, self._epoch, index))
        sources, flip = [faces.crops[row] for row in rows], self._flip_mask[rows]
        crops, transforms = augment_with_transforms(sources, config.input_size, flip, config.augmentation, rng)
        sides = np.array([len(source) for source in sources])
        points = transform_points(faces.points[rows], transforms, sides, config.input_size)
        pose = rotate_pose(faces.pose[rows], transforms)
        movements = faces.movements[rows]
        points[flip] = points[flip][:, MIRRORED_POINTS]
        pose[flip] *= _FLIPPED_ANGLES
        movements[flip] = movements[flip][:, _MIRRORED_MOVEMENTS]
        return FeatureBatch(
            crops[..., None], encode_values(points, pose, movements), faces.found[rows].astype(np.float32)
        )


def _draw_rows(sizes: Sequence[int], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the rows of one epoch in random order; a row comes again only when all of its file have come."""
    weights = np.sqrt(sizes)
    rows, start = [], 0
    for size, share in zip(sizes, weights / weights.sum(), strict=True):
        count = round(max(sizes) * share)
        rounds = [rng.permutation(size) for _ in range(-(-count // max(1, size)))]
        rows.append(start + np.concatenate(rounds)[:count] if rounds else np.empty(0, np.intp))
        start += size
    return rng.permutation(np.concatenate(rows)).astype(np.intp)


def transform_points(
    points: NDArray[np.float32], transforms: NDArray[np.float64], sides: NDArray[np.intp], size: int
) -> NDArray[np.float32]:
    """Move points along with their crops.

    Args:
        points: (n, points, 2) in sides of the crops.
        transforms: (n, 2, 3) from pixels of the results to pixels of the crops, see `augment_with_transforms`.
        sides: (n,) of the crops in pixels.
        size: Side of the results in pixels.

    Returns:
        The points (n, points, 2) in sides of the results; mirrored points keep their index.
    """
    pixels = points * sides[:, None, None] - 0.5
    inverse = np.linalg.inv(transforms[:, :, :2])
    moved = np.einsum("nij,npj->npi", inverse, pixels - transforms[:, None, :, 2])
    return ((moved + 0.5) / size).astype(np.float32)


def rotate_pose(pose: NDArray[np.float32], transforms: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the pose (n, 3) after the rotation of `transforms`, before mirroring: only the roll changes."""
    rotated = pose.copy()
    rotated[:, 2] -= np.degrees(np.arctan2(-transforms[:, 0, 1], transforms[:, 1, 1])).astype(np.float32)
    return rotated
