"""Evaluation of an upscaler: detail compared with bicubic interpolation, and whether the expression stays."""

from __future__ import annotations

from typing import TypedDict

import cv2
import numpy as np

from emotion.generation.sampler import FaceImages
from emotion.generation.upscaling.upscaler import Upscaler
from emotion.recognition.classification import ExpressionClassifier


class UpscalerMetrics(TypedDict):
    """Metrics on real faces, and on the same faces by bicubic interpolation.

    Attributes:
        num_faces: How many there are.
        psnr: Peak signal-to-noise ratio in decibels, the mean over the faces.
        psnr_bicubic: That of bicubic interpolation.
        label_kept: Share of faces whose label is the same after they were enlarged and reduced again.
        label_kept_bicubic: That of bicubic interpolation.
    """

    num_faces: int
    psnr: float
    psnr_bicubic: float
    label_kept: float
    label_kept_bicubic: float


def evaluate_upscaler(upscaler: Upscaler, faces: FaceImages, classifier: ExpressionClassifier) -> UpscalerMetrics:
    """Reduce faces, enlarge them, and compare.

    Args:
        upscaler: The upscaler.
        faces: Gray uint8 (n, output_size, output_size) of `upscaler`; at least one.
        classifier: Predicts the labels.
    """
    small = _resize(faces, upscaler.input_size, cv2.INTER_AREA)
    enlarged = upscaler.enlarge(small)
    bicubic = _resize(small, upscaler.output_size, cv2.INTER_CUBIC)
    return {
        "num_faces": len(faces),
        "psnr": _mean_psnr(enlarged, faces),
        "psnr_bicubic": _mean_psnr(bicubic, faces),
        "label_kept": measure_kept_labels(small, enlarged, classifier),
        "label_kept_bicubic": measure_kept_labels(small, bicubic, classifier),
    }


def measure_kept_labels(small: FaceImages, large: FaceImages, classifier: ExpressionClassifier) -> float:
    """Return the share of faces that have the same predicted label in both sizes.

    Args:
        small: Gray faces uint8 (n, s, s).
        large: The same faces, enlarged.
        classifier: Predicts the labels of faces reduced to its input size.
    """
    before, after = (
        [p.scores.label for p in classifier.predict(_resize(faces, classifier.input_size, cv2.INTER_AREA))]
        for faces in (small, large)
    )
    return float(np.mean([a == b for a, b in zip(before, after, strict=True)]))


def _resize(faces: FaceImages, size: int, interpolation: int) -> FaceImages:
    return np.stack([cv2.resize(face, (size, size), interpolation=interpolation) for face in faces]).astype(np.uint8)


def _mean_psnr(faces: FaceImages, expected: FaceImages) -> float:
    return float(np.mean([cv2.PSNR(face, other) for face, other in zip(faces, expected, strict=True)]))
