"""Classify tilted faces again in crops that are turned upright by the points of the features network.

The eyes of the detector follow a tilt of 20 degrees by 76% and one of 30 degrees by 60%, the points follow both by 100%
(medians of 399 portraits).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.faces import Face, FaceFeatures, Landmarks
from emotion.movements import LEFT_EYE, MOUTH_LEFT, MOUTH_RIGHT, NOSE_TIP, RIGHT_EYE
from emotion.recognition.cropping import MIN_ROLL_DEGREES, CropGeometry, get_roll_correction
from emotion.recognition.features.default_network import add_features
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
        All faces in the same order. Those that are classified again have the landmarks of their points, and the face
        probabilities of the first crops, so that the same faces are found.
    """
    faces = tuple(item.face for item in classified_faces)
    described = iter(add_features(gray, tuple(face for face in faces if face.landmarks), geometry))
    straightened = [_straighten(face, next(described).features) if face.landmarks else face for face in faces]
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


def _straighten(face: Face, features: FaceFeatures | None) -> Face:
    """Return a face with the landmarks of its points; as it is where the network does not know them well."""
    if features is None or features.pose is None:
        return face
    points = np.array(features.points)
    eyes = points[RIGHT_EYE].mean(0), points[LEFT_EYE].mean(0)
    places = (*eyes, points[NOSE_TIP], points[MOUTH_RIGHT], points[MOUTH_LEFT])
    landmarks = Landmarks(*((float(x), float(y)) for x, y in places))
    is_between = MIN_ROLL_DEGREES < abs(landmarks.roll_degrees) <= _MIN_TURN_DEGREES
    return face if is_between else replace(face, landmarks=landmarks)


def _keep_face_prob(again: ClassifiedFace, first: ClassifiedFace) -> ClassifiedFace:
    return again._replace(prediction=replace(again.prediction, face_prob=first.prediction.face_prob))
