"""Cut the square gray crops that the classifier reads, in the same way for training and inference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.faces import Box, Face, Landmarks

# Below this roll the pictures of FER-2013 are as tilted themselves; de-rolling would only blur.
MIN_ROLL_DEGREES = 15.0
# A crop is sampled at a whole multiple of its size and then averaged, so that nothing aliases; above this
# multiple (faces wider than 576 px for 48 px crops) more samples change nothing that 48 px can show.
_MAX_OVERSAMPLING = 12
_TTA_ROTATION = 15.0  # degrees


@dataclass(frozen=True, slots=True)
class CropGeometry:
    """How a detector's boxes relate to the crops of FER-2013, on which the classifier learned.

    The crop is a square of `scale` * sqrt(width * height) of the box; its centre lies `y_offset` * side below the
    centre of the box (negative: above).
    """

    scale: float = 1.0
    y_offset: float = 0.0

    def to_square(self, box: Box) -> Box:
        """The square to cut for `box`; may reach outside the picture."""
        side = max(1.0, self.scale * math.sqrt(box.area))
        x, y = box.center
        y += self.y_offset * side
        return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def to_gray(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) or gray (H, W) to gray uint8 (H, W) by the weights of ITU-R BT.601."""
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def crop_square(image: NDArray[np.uint8], square: Box, size: int, roll_degrees: float = 0.0) -> NDArray[np.uint8]:
    """Cut `to_square` out of an image (H, W) or (H, W, 3) and resample it to (size, size[, 3]) uint8.

    `roll_degrees` degrees (clockwise in the picture) are turned back around the centre. What lies outside the picture
    repeats its border.
    """
    factor = min(_MAX_OVERSAMPLING, max(1, round(square.width / size)))
    inner = size * factor
    step = square.width / inner  # picture pixels per sample
    cos, sin = math.cos(math.radians(roll_degrees)) * step, math.sin(math.radians(roll_degrees)) * step
    x, y = square.center
    # Pixel centres lie at whole numbers in OpenCV, half a pixel off the edges that boxes count from.
    middle = (inner - 1) / 2
    matrix = np.array(
        [
            [cos, -sin, x - 0.5 - cos * middle + sin * middle],
            [sin, cos, y - 0.5 - sin * middle - cos * middle],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(image, matrix, (inner, inner), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if factor > 1:
        crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, image.dtype)


def get_roll_correction(landmarks: Landmarks | None) -> float:
    """Degrees to turn back before a face is read: the roll of the eyes where it is over the limit, else 0."""
    roll = landmarks.roll_degrees if landmarks else 0.0
    return roll if abs(roll) > MIN_ROLL_DEGREES else 0.0


def crop_faces(
    gray: NDArray[np.uint8], faces: tuple[Face, ...], geometry: CropGeometry, size: int, rotation_degrees: float = 0.0
) -> NDArray[np.uint8]:
    """Cut all faces of a gray image (H, W) as a batch, uint8 (n, size, size).

    Each crop is also rotated counterclockwise by `rotation_degrees`.
    """
    crops = np.empty((len(faces), size, size), np.uint8)
    for i, face in enumerate(faces):
        crops[i] = crop_square(
            gray, geometry.to_square(face.box), size, get_roll_correction(face.landmarks) + rotation_degrees
        )
    return crops


def tta_crops(gray: NDArray[np.uint8], faces: tuple[Face, ...], geometry: CropGeometry, size: int) -> NDArray[np.uint8]:
    """Cut three variants of each face for test-time augmentation, uint8 (3, n, size, size).

    They are the plain crop and two that are mirrored and rotated to either side: errors from an inexact box or a tilt
    differ between them.
    """
    rotated = [crop_faces(gray, faces, geometry, size, turn)[:, :, ::-1] for turn in (_TTA_ROTATION, -_TTA_ROTATION)]
    return np.stack([crop_faces(gray, faces, geometry, size), *rotated])
