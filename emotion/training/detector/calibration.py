"""Calibrate a detector: the geometry from its boxes to the classifier's crops, and the fusion of both scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from emotion.boxes import box_sizes, pairwise_ioa, pairwise_iou, to_xyxy
from emotion.datasets.readers.detection_dataset import AnnotatedImage
from emotion.errors import DataError
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.cropping import crop_faces, to_gray
from emotion.recognition.detectors.detection import FaceDetector
from emotion.recognition.score_fusion import ScoreFusion, logit
from emotion.training.detector.evaluation import MIN_FACE_PX, SCORE_THRESHOLD
from emotion.training.detector.metrics import MATCH_IOU
from emotion.training.detector.reports import CropGeometryMeasurement, DetectionCounts, ScoreFusionMeasurement

_MIN_SCORE: Final = 0.2  # score of the boxes to fit: the lowest that the app classifies at its default threshold

_UPSCALE_FACTOR = 4
_BORDER_RATIO = 0.5  # of the side of the enlarged image


def measure_crop_geometry(
    detector: FaceDetector, images: NDArray[np.uint8], threshold: float = 0.7
) -> CropGeometryMeasurement:
    """Measure how the boxes of a detector relate to FER-2013 crops.

    Args:
        detector: The detector to measure.
        images: Gray face crops uint8 (n, 48, 48), which are enlarged four times and padded by edge replication.
        threshold: The smallest detection score that counts.

    Returns:
        The measurement; its `scale` and `y_offset` belong in the detector's `crop_geometry`.

    Raises:
        DataError: The detector finds no face.
    """
    side = images.shape[1] * _UPSCALE_FACTOR
    margin = round(side * _BORDER_RATIO)
    scales, y_offsets = [], []
    for image in images:
        enlarged = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        padded = cv2.copyMakeBorder(enlarged, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
        faces = detector.detect(cv2.cvtColor(padded, cv2.COLOR_GRAY2RGB), threshold, max(padded.shape))  # type: ignore[arg-type]
        if faces:
            box = max(faces, key=lambda face: face.box.area).box
            scales.append(side / np.sqrt(box.area))
            y_offsets.append((margin + side / 2 - box.center[1]) / side)
    if not scales:
        raise DataError(f"The detector {detector.name} found none of {len(images)} faces; nothing was measured.")
    scale, y_offset = float(np.median(scales)), float(np.median(y_offsets))
    return {
        "detector": detector.name,
        "n": len(images),
        "num_detected": len(scales),
        "scale": scale,
        "scale_spread": float(np.median(np.abs(np.array(scales) - scale))),
        "y_offset": y_offset,
        "y_offset_spread": float(np.median(np.abs(np.array(y_offsets) - y_offset))),
    }


def fit_score_fusion(
    detector: FaceDetector, classifier: ExpressionClassifier, samples: Sequence[AnnotatedImage]
) -> ScoreFusionMeasurement:
    """Fit a `ScoreFusion` to the detections on annotated images by logistic regression.

    Args:
        detector: The detector whose scores are fused.
        classifier: The classifier whose face probabilities are fused.
        samples: Annotated images; their ignored regions do not count.

    Returns:
        The fusion, and what the threshold 0.6 accepts without and with it.

    Raises:
        DataError: The boxes are not both true and false ones, or one of the scores does not help to separate them.
    """
    empty = np.empty((0, 2)), np.empty(0, bool)
    parts = [empty, *(_collect_logits(detector, classifier, sample) for sample in samples)]
    logits, is_face = (np.concatenate(column) for column in zip(*parts, strict=True))
    if is_face.all() or not is_face.any():
        raise DataError(
            f"{is_face.sum()} of {len(is_face)} boxes are faces; use more photos, until there are both kinds."
        )
    regression = LogisticRegression(C=10).fit(logits, is_face)
    (detector_weight, classifier_weight), bias = regression.coef_[0], regression.intercept_[0]
    if detector_weight <= 0 or classifier_weight <= 0:
        raise DataError("The classifier's score of a box tells nothing about whether it is a face.")
    fusion = ScoreFusion(*(round(float(weight), 3) for weight in (detector_weight, classifier_weight, bias)))
    scores = 1 / (1 + np.exp(-logits))
    fused_scores = np.array([fusion.fuse(*pair) for pair in scores.tolist()])
    return {
        "classifier": classifier.bundle.sha256,
        "detector_weight": fusion.detector_weight,
        "classifier_weight": fusion.classifier_weight,
        "bias": fusion.bias,
        "n": len(is_face),
        "before": _count_detections(scores[:, 0], is_face),
        "after": _count_detections(fused_scores, is_face),
    }


def _collect_logits(
    detector: FaceDetector, classifier: ExpressionClassifier, sample: AnnotatedImage
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return both logits (n, 2) of the boxes in an image and whether they are faces (n,), without ignored boxes."""
    faces = detector.detect(sample.image, _MIN_SCORE, max(sample.image.shape))
    boxes = to_xyxy(face.box for face in faces)
    predictions = classifier.predict(
        crop_faces(to_gray(sample.image), faces, detector.crop_geometry, classifier.input_size)
    )
    logits = [
        (logit(face.detection_score), logit(prediction.face_prob))
        for face, prediction in zip(faces, predictions, strict=True)
    ]
    is_face = np.any(pairwise_iou(boxes, sample.boxes) >= MATCH_IOU, axis=1)
    is_ignored = np.any(pairwise_ioa(boxes, sample.ignore_boxes) > 0.5, axis=1)
    counts = (box_sizes(boxes) >= MIN_FACE_PX) & (is_face | ~is_ignored)
    return np.array(logits, np.float64).reshape(-1, 2)[counts], is_face[counts]


def _count_detections(scores: NDArray[np.float64], is_face: NDArray[np.bool_]) -> DetectionCounts:
    is_shown = scores >= SCORE_THRESHOLD
    return {"true_positives": int((is_shown & is_face).sum()), "false_positives": int((is_shown & ~is_face).sum())}
