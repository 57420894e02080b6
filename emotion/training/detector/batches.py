"""Batches of scenes and their targets for a detector's training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.readers.detection_dataset import AnnotatedImage
from emotion.recognition.detectors.onnx_detector import anchor_points
from emotion.training.detector.config import DetectorConfig
from emotion.training.detector.mosaic import TrainingImage, compose_mosaic
from emotion.training.keras_support.keras_types import Tensor


class DetectorBatches:
    """Batches of one epoch; what they hold depends on seed, epoch and position alone."""

    def __init__(self, samples: Sequence[AnnotatedImage], config: DetectorConfig, epoch: int) -> None:
        self._samples, self._config, self._epoch = samples, config, epoch
        # A crowd shows more faces than one scene holds, and harder ones.
        weights = np.sqrt([len(photo.boxes) for photo in samples]).clip(1, config.max_crowd_sampling_weight)
        rng = np.random.default_rng((config.seed, epoch))
        self._order = rng.choice(len(samples), len(samples), p=weights / weights.sum())
        calm = epoch >= round(config.epochs * (1 - config.close_mosaic))
        self._mosaic = replace(config.mosaic, mosaic_prob=0.0) if calm else config.mosaic

    def __len__(self) -> int:
        return len(self._samples) // self._config.batch_size

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], DetectionTargets]:
        rows = self._order[index * self._config.batch_size : (index + 1) * self._config.batch_size]
        rng = np.random.default_rng((self._config.seed, self._epoch, index))
        cv2.setRNGSeed(int(rng.integers(2**31)))  # its noise
        scenes = [compose_mosaic(self._samples[i], self._samples, self._mosaic, rng) for i in rows]
        return np.stack([scene.image for scene in scenes]), make_targets(scenes)


def make_targets(images: Sequence[TrainingImage]) -> DetectionTargets:
    """The faces of a batch in one list, and the cells that count."""
    places = anchor_points(*images[0].image.shape[:2])
    points = np.concatenate([scene.landmarks.reshape(-1, 10) for scene in images])
    known = ~np.isnan(points).any(axis=1)
    return DetectionTargets(
        np.repeat(np.arange(len(images)), [len(scene.boxes) for scene in images]).astype(np.int32),
        np.concatenate([scene.boxes for scene in images]),
        np.where(known.reshape(-1, 1), points, 0).astype(np.float32),
        known.astype(np.float32),
        np.stack([_make_cell_mask(places, scene.ignore) for scene in images]),
    )


def _make_cell_mask(anchors: NDArray[np.float32], ignore: NDArray[np.float32]) -> NDArray[np.float32]:
    """0 for the cells whose centre lies in an ignored region or within 8 pixels of its middle, 1 elsewhere."""
    middle, half = (ignore[:, :2] + ignore[:, 2:]) / 2, (ignore[:, 2:] - ignore[:, :2]) / 2
    inside = (np.abs(anchors[:, None, :2] - middle) < np.maximum(half, 8)).all(-1).any(-1)
    return np.where(inside, 0, 1).astype(np.float32)


class DetectionTargets(NamedTuple):
    """What a batch shows: all its faces in one list, n of them."""

    image_index: Tensor  # int32 (n,) index in the batch
    boxes: Tensor  # float32 (n, 4) x1, y1, x2, y2
    landmarks: Tensor  # float32 (n, 10)
    has_landmarks: Tensor  # float32 (n,) 0 or 1
    cell_mask: Tensor  # float32 (batch, cells) 0 where a cell lies in an ignored region
