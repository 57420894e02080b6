"""Evaluation of an upscaler: signal-to-noise ratio and kept labels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from emotion.generation.upscaling.evaluation import evaluate_upscaler, measure_kept_labels
from emotion.generation.upscaling.upscaler import Upscaler
from emotion.model_store.store import ModelBundle
from emotion.recognition.classification import ExpressionClassifier


def make_faces(count: int) -> Any:
    rng = np.random.default_rng(0)
    return np.stack([cv2.resize(rng.integers(0, 256, (8, 8), dtype=np.uint8), (192, 192)) for _ in range(count)])


def test_enlarged_faces_are_compared_with_bicubic_ones(upscaler: Upscaler, classifier_bundle: ModelBundle) -> None:
    faces = make_faces(6)
    metrics = evaluate_upscaler(upscaler, faces, ExpressionClassifier(classifier_bundle))
    assert metrics["num_faces"] == 6
    assert metrics["label_kept"] == 1.0  # repeated pixels have the same mean
    assert 20 < metrics["psnr"] < metrics["psnr_bicubic"]  # and smooth faces lose their smoothness
    blocks = faces[:, ::4, ::4].repeat(4, 1).repeat(4, 2)
    assert evaluate_upscaler(upscaler, blocks, ExpressionClassifier(classifier_bundle))["psnr"] > 100


def test_changed_labels_are_counted(classifier_bundle: ModelBundle) -> None:
    classifier = ExpressionClassifier(classifier_bundle)
    small = np.random.default_rng(0).integers(0, 256, (20, 48, 48), dtype=np.uint8)
    labels = [prediction.scores.label for prediction in classifier.predict(small)]
    other = next(i for i, label in enumerate(labels) if label != labels[0])
    large = small.repeat(4, 1).repeat(4, 2)
    large[0] = large[other]
    assert measure_kept_labels(small, large, classifier) == pytest.approx(19 / 20)
