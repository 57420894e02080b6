"""Calibrate a detector: how its boxes relate to the classifier's crops, and what both scores say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from emotion.boxes import box_sizes, pairwise_ioa, pairwise_iou, to_xyxy
from emotion.datasets.detection_dataset import AnnotatedImage
from emotion.errors import DataError
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.cropping import crop_faces, to_gray
from emotion.recognition.detection import FaceDetector
from emotion.recognition.score_fusion import ScoreFusion, logit
from emotion.training.detector.evaluation import MIN_FACE_PX, SCORE_THRESHOLD

_MIN_IOU: Final = 0.4  # IoU of a box that counts as right
_MIN_SCORE: Final = 0.2  # score of the boxes that are looked at: what the app reads at its usual threshold

_UPSCALE_FACTOR = 4
_BORDER_RATIO = 0.5  # of the picture's side


def measure_crop_geometry(detector: FaceDetector, images: NDArray[np.uint8], threshold: float = 0.7) -> dict[str, Any]:
    """Run a detector on faces uint8 (n, 48, 48), enlarged four times with a border that repeats the edge.

    Returns `n`, `num_detected`, the median `scale` (side of the FER-2013 crop over sqrt(width * height) of the box)
    and `y_offset` (how far the center of the crop lies below that of the box, in sides of the crop), which are to be
    frozen in the detector's `crop_geometry`, and their median absolute deviations, `scale_spread` and
    `y_offset_spread`.
    """
    side = images.shape[1] * _UPSCALE_FACTOR
    margin = round(side * _BORDER_RATIO)
    ratios, offsets = [], []
    for image in images:
        large = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        scene = cv2.copyMakeBorder(large, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
        faces = detector.detect(cv2.cvtColor(scene, cv2.COLOR_GRAY2RGB), threshold, max(scene.shape))  # type: ignore[arg-type]
        if faces:
            box = max(faces, key=lambda face: face.box.area).box
            ratios.append(side / np.sqrt(box.area))
            offsets.append((margin + side / 2 - box.center[1]) / side)
    if not ratios:
        raise DataError(f"The detector {detector.name} found none of {len(images)} faces; nothing was measured.")
    scale, y_offset = float(np.median(ratios)), float(np.median(offsets))
    return {
        "detector": detector.name,
        "n": len(images),
        "num_detected": len(ratios),
        "scale": scale,
        "scale_spread": float(np.median(np.abs(np.array(ratios) - scale))),
        "y_offset": y_offset,
        "y_offset_spread": float(np.median(np.abs(np.array(offsets) - y_offset))),
    }


def fit_score_fusion(
    detector: FaceDetector, classifier: ExpressionClassifier, samples: Sequence[AnnotatedImage]
) -> dict[str, Any]:
    """`detector_weight`, `classifier_weight` and `bias` of a `ScoreFusion`, fitted to the boxes on `samples` by
    logistic regression, with the `classifier`'s sha256 and the effect at the threshold 0.6: `n` boxes, and the
    `true_positives` and `false_positives` `before` (the detector alone) and `after`. Raises `DataError` where there
    are not both true and false boxes, or the classifier's score tells nothing.
    """
    none = np.empty((0, 2)), np.empty(0, bool)
    parts = [none, *(_collect_logits(detector, classifier, photo) for photo in samples)]
    logits, true = (np.concatenate(column) for column in zip(*parts, strict=True))
    if true.all() or not true.any():
        raise DataError(f"{true.sum()} of {len(true)} boxes are faces; use more photos, until there are both kinds.")
    fitted = LogisticRegression(C=10).fit(logits, true)
    (detector_weight, classifier_weight), bias = fitted.coef_[0], fitted.intercept_[0]
    if detector_weight <= 0 or classifier_weight <= 0:
        raise DataError("The classifier's score of a box tells nothing about whether it is a face.")
    fusion = ScoreFusion(*(round(float(weight), 3) for weight in (detector_weight, classifier_weight, bias)))
    scores = 1 / (1 + np.exp(-logits))
    together = np.array([fusion.fuse(*pair) for pair in scores.tolist()])
    return {
        "classifier": classifier.bundle.sha256,
        **asdict(fusion),
        "n": len(true),
        "before": _count_detections(scores[:, 0], true),
        "after": _count_detections(together, true),
    }


def _collect_logits(
    detector: FaceDetector, classifier: ExpressionClassifier, sample: AnnotatedImage
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Both logits (n, 2) of the boxes on a photo, and which are faces (n,); without what need not be found."""
    faces = detector.detect(sample.image, _MIN_SCORE, max(sample.image.shape))
    boxes = to_xyxy(face.box for face in faces)
    verdicts = classifier.predict(
        crop_faces(to_gray(sample.image), faces, detector.crop_geometry, classifier.input_size)
    )
    logits = [
        (logit(face.detection_score), logit(verdict.face_prob)) for face, verdict in zip(faces, verdicts, strict=True)
    ]
    true = np.any(pairwise_iou(boxes, sample.boxes) >= _MIN_IOU, axis=1)
    ignored = np.any(pairwise_ioa(boxes, sample.ignore_boxes) > 0.5, axis=1)
    counts = (box_sizes(boxes) >= MIN_FACE_PX) & (true | ~ignored)
    return np.array(logits, np.float64).reshape(-1, 2)[counts], true[counts]


def _count_detections(scores: NDArray[np.float64], is_face: NDArray[np.bool_]) -> dict[str, int]:
    shown = scores >= SCORE_THRESHOLD
    return {"true_positives": int((shown & is_face).sum()), "false_positives": int((shown & ~is_face).sum())}
