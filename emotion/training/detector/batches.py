"""Batches of scenes and their targets for a detector's training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.detection_dataset import LabelledPhoto
from emotion.recognition.onnx_detector import cells
from emotion.training.detector.config import DetectorConfig
from emotion.training.detector.mosaic import Scene, SceneConfig, make_scene
from emotion.training.keras_setup import Tensor


class Scenes:
    """Batches of one epoch; what they hold depends on seed, epoch and position alone."""

    def __init__(self, photos: Sequence[LabelledPhoto], config: DetectorConfig, epoch: int) -> None:
        self._photos, self._config, self._epoch = photos, config, epoch
        # A crowd shows more faces than one scene holds, and harder ones.
        weights = np.sqrt([len(photo.boxes) for photo in photos]).clip(1, config.crowds)
        rng = np.random.default_rng((config.seed, epoch))
        self._order = rng.choice(len(photos), len(photos), p=weights / weights.sum())
        calm = epoch >= round(config.epochs * (1 - config.calm))
        self._scenes = SceneConfig(**{**vars(config.scenes), "p_mosaic": 0.0}) if calm else config.scenes

    def __len__(self) -> int:
        return len(self._photos) // self._config.batch

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], Wanted]:
        rows = self._order[index * self._config.batch : (index + 1) * self._config.batch]
        rng = np.random.default_rng((self._config.seed, self._epoch, index))
        cv2.setRNGSeed(int(rng.integers(2**31)))  # its noise
        scenes = [make_scene(self._photos[i], self._photos, self._scenes, rng) for i in rows]
        return np.stack([scene.pixels for scene in scenes]), wanted_of(scenes)


def wanted_of(scenes: Sequence[Scene]) -> Wanted:
    """The faces of a batch in one list, and the cells that count."""
    places = cells(*scenes[0].pixels.shape[:2])
    points = np.concatenate([scene.landmarks.reshape(-1, 10) for scene in scenes])
    known = ~np.isnan(points).any(axis=1)
    return Wanted(
        np.repeat(np.arange(len(scenes)), [len(scene.boxes) for scene in scenes]).astype(np.int32),
        np.concatenate([scene.boxes for scene in scenes]),
        np.where(known.reshape(-1, 1), points, 0).astype(np.float32),
        known.astype(np.float32),
        np.stack([_counts(places, scene.ignore) for scene in scenes]),
    )


def _counts(places: NDArray[np.float32], ignore: NDArray[np.float32]) -> NDArray[np.float32]:
    """0 for the cells whose centre lies in an ignored region or within 8 pixels of its middle, 1 elsewhere."""
    middle, half = (ignore[:, :2] + ignore[:, 2:]) / 2, (ignore[:, 2:] - ignore[:, :2]) / 2
    inside = (np.abs(places[:, None, :2] - middle) < np.maximum(half, 8)).all(-1).any(-1)
    return np.where(inside, 0, 1).astype(np.float32)


class Wanted(NamedTuple):
    """What a batch shows: all its faces in one list, n of them."""

    photo: Tensor  # int32 (n,) index in the batch
    box: Tensor  # float32 (n, 4) x1, y1, x2, y2
    points: Tensor  # float32 (n, 10)
    points_known: Tensor  # float32 (n,) 0 or 1
    counts: Tensor  # float32 (batch, cells) 0 where a cell lies in an ignored region
