"""Cut the larger faces out of annotated photos, as the classifier sees them, in 192 pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.readers.detection_dataset import AnnotatedImage, normalize_box_style
from emotion.errors import DataError
from emotion.faces import Box, Landmarks
from emotion.generation.upscaling.config import LARGE_SIDE
from emotion.recognition.cropping import CropGeometry, crop_square, get_roll_correction, to_gray
from emotion.translation.messages import gettext as _


class LargeFaces(NamedTuple):
    """Faces of photos for training and validation, gray uint8 (n, 192, 192)."""

    training: NDArray[np.uint8]
    validation: NDArray[np.uint8]


def cut_large_faces(photos: Sequence[AnnotatedImage], geometry: CropGeometry, min_side: int) -> LargeFaces:
    """Cut every face whose crop has at least `min_side` pixels in its photo.

    Faces without landmarks are left out: their boxes may have another style.

    Args:
        photos: The photos; those of the validation split give the validation faces.
        geometry: That of the detector whose crops the faces shall resemble.
        min_side: In pixels.

    Raises:
        DataError: A split has no such face.
    """
    faces: dict[bool, list[NDArray[np.uint8]]] = {False: [], True: []}
    for photo in normalize_box_style(photos):
        faces[photo.is_validation].extend(_cut_faces(photo, geometry, min_side))
    if not faces[False] or not faces[True]:
        raise DataError(
            _(
                "The photos have {training} training and {validation} validation faces with landmarks and {size} "
                "pixels; give larger photos."
            ).format(training=len(faces[False]), validation=len(faces[True]), size=min_side)
        )
    return LargeFaces(np.stack(faces[False]), np.stack(faces[True]))


def _cut_faces(photo: AnnotatedImage, geometry: CropGeometry, min_side: int) -> Iterator[NDArray[np.uint8]]:
    gray = to_gray(photo.image)
    for corners, points in zip(photo.boxes.tolist(), photo.landmarks.tolist(), strict=True):
        square = geometry.to_square(Box(*corners))
        if square.width >= min_side and np.isfinite(points).all():
            landmarks = Landmarks(*(tuple(point) for point in points))
            yield crop_square(gray, square, LARGE_SIDE, get_roll_correction(landmarks))
