"""Label classified faces: explain why a label is uncertain, and sort the faces in reading order."""

from __future__ import annotations

from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.faces import Face
from emotion.recognition import uncertainty
from emotion.recognition.classification import Prediction

_MIN_FACE_PROB: Final = 0.1  # the face probability of the classifier below which there is no label
_MIN_RIVAL_RATIO: Final = 0.5  # share of the highest probability from which the second label is named, too
_SMALL_FACE_PX: Final = 24  # half of the side that the classifier reads
_MAX_YAW_RATIO: Final = 0.35  # of `Landmarks.yaw_ratio`, a head turned far to the side
_MAX_YAW_DEGREES: Final = 30.0  # of the head pose; over 86 faces of photos it corresponds to the ratio above
_DARK_LEVEL: Final = 45  # mean gray level of a crop
_BLURRED_SHARPNESS: Final = 0.02  # of `measure_sharpness`


class ClassifiedFace(NamedTuple):
    """A face, the gray uint8 crop (size, size) that the classifier read, and its prediction."""

    face: Face
    crop: NDArray[np.uint8]
    prediction: Prediction


def label_faces(classified_faces: tuple[ClassifiedFace, ...], min_confidence: float) -> tuple[Face, ...]:
    """Give the faces their scores and reasons of uncertainty, and sort them in reading order."""
    labeled = (
        face.with_scores(prediction.scores, explain_uncertainty(face, crop, prediction, min_confidence))
        for face, crop, prediction in classified_faces
    )
    return sort_reading_order(tuple(labeled))


def explain_uncertainty(
    face: Face, crop: NDArray[np.uint8], prediction: Prediction, min_confidence: float
) -> str | None:
    """Explain why a label is not reliable.

    Args:
        face: The detected face.
        crop: The gray uint8 crop (size, size) that the classifier read.
        prediction: The prediction for the crop.
        min_confidence: The least confidence of a reliable label, 0 to 1.

    Returns:
        The most likely cause in English, see `uncertainty.translate_reason`; two labels where the second one is at
        least half as probable as the first. None where the confidence is high enough and the crop shows a face.
    """
    if prediction.face_prob < _MIN_FACE_PROB:
        return uncertainty.HARDLY_A_FACE
    if prediction.scores.confidence >= min_confidence:
        return None
    if min(face.box.width, face.box.height) < _SMALL_FACE_PX:
        return uncertainty.SMALL.format(width=f"{min(face.box.width, face.box.height):.0f}")
    if _is_turned(face):
        return uncertainty.TURNED
    if crop.mean() < _DARK_LEVEL:
        return uncertainty.DARK
    if measure_sharpness(crop) < _BLURRED_SHARPNESS:
        return uncertainty.BLURRED
    (first, p), (second, q) = sorted(prediction.scores.items(), key=lambda item: -item[1])[:2]
    if q >= _MIN_RIVAL_RATIO * p:
        return uncertainty.RIVALS.format(first=first, second=second)
    return uncertainty.LOW_CONFIDENCE


def _is_turned(face: Face) -> bool:
    """Whether the landmarks or the head pose are those of a head turned far to the side."""
    pose = face.features and face.features.pose
    return (face.landmarks is not None and abs(face.landmarks.yaw_ratio) > _MAX_YAW_RATIO) or (
        pose is not None and abs(pose.yaw) > _MAX_YAW_DEGREES
    )


def measure_sharpness(crop: NDArray[np.uint8]) -> float:
    """Compute the variance of the Laplacian of a gray crop over its variance; it exceeds 0.1 for sharp faces.

    The method of Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy", divided by the contrast so
    that a pale image does not count as blurred.
    """
    return float(cv2.Laplacian(crop, cv2.CV_64F).var() / max(1.0, float(crop.var())))


def sort_reading_order(faces: tuple[Face, ...]) -> tuple[Face, ...]:
    """Sort faces by rows from top to bottom, and within a row from left to right.

    A row consists of the faces whose center lies above the lower edge of its topmost face.
    """
    rest = sorted(faces, key=lambda face: face.box.center[1])
    ordered: list[Face] = []
    while rest:
        row = [face for face in rest if face.box.center[1] <= rest[0].box.y2]
        ordered += sorted(row, key=lambda face: face.box.x1)
        rest = [face for face in rest if face.box.center[1] > row[0].box.y2]
    return tuple(ordered)
