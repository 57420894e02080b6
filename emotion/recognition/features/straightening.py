"""Classify tilted faces again in crops that are turned upright by the points of the features network.

The eyes of the detector follow a tilt of 20 degrees by 76% and one of 30 degrees by 60%, the points follow both by 100%
(medians of 399 portraits).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.faces import Face, Landmarks
from emotion.recognition.cropping import MIN_ROLL_DEGREES, CropGeometry, get_roll_correction
from emotion.recognition.features.default_network import estimate_tilts
from emotion.recognition.labeling import ClassifiedFace

# The tilt from which on the points turn a crop. The points see tilts in the images of FER-2013 that its labels and the
# classifier take as upright: from `MIN_ROLL_DEGREES` on, FER+ accuracy in upright scenes would fall by 1.0 points.
_MIN_TURN_DEGREES: Final = 18.0


def reclassify_tilted(
    gray: NDArray[np.uint8],
    classified_faces: tuple[ClassifiedFace, ...],
    geometry: CropGeometry,
    classify: Callable[[tuple[Face, ...]], tuple[ClassifiedFace, ...]],
) -> tuple[ClassifiedFace, ...]:
    """Classify those faces again whose crops the points turn in another way than the landmarks.

    Args:
        gray: The image, gray uint8 (H, W).
        classified_faces: Its faces; those without landmarks stay as they are.
        geometry: The relation of their boxes to the crops.
        classify: Classifies faces in crops that their landmarks turn.

    Returns:
        All faces in the same order. Those that are classified again have landmarks with the tilt of their points, and
        the face probabilities of the first crops, so that the same faces are found.
    """
    faces = tuple(item.face for item in classified_faces)
    tilts = iter(estimate_tilts(gray, tuple(face for face in faces if face.landmarks), geometry).tolist())
    straightened = [_straighten(face, face.landmarks, next(tilts)) if face.landmarks else face for face in faces]
    is_turned = [
        get_roll_correction(new.landmarks) != get_roll_correction(old.landmarks)
        for new, old in zip(straightened, faces, strict=True)
    ]
    turned = tuple(face for face, is_new in zip(straightened, is_turned, strict=True) if is_new)
    again = iter(classify(turned) if turned else ())
    return tuple(
        _keep_face_prob(next(again), item) if is_new else item
        for item, is_new in zip(classified_faces, is_turned, strict=True)
    )


def _straighten(face: Face, landmarks: Landmarks, tilt: float) -> Face:
    """Return a face whose landmarks have the tilt of its points, unless that is NaN or leaves the crop as it is."""
    if math.isnan(tilt) or MIN_ROLL_DEGREES < abs(tilt) <= _MIN_TURN_DEGREES:
        return face
    return replace(face, landmarks=landmarks.rotate(tilt - landmarks.roll_degrees, face.box.center))


def _keep_face_prob(again: ClassifiedFace, first: ClassifiedFace) -> ClassifiedFace:
    return again._replace(prediction=replace(again.prediction, face_prob=first.prediction.face_prob))
