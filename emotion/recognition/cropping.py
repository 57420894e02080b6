"""Cut the square gray face crops of the classifier, in the same way for training and inference."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.faces import Box, Face, Landmarks

# The images of FER-2013 contain smaller roll angles themselves; correcting these would only blur the crop.
MIN_ROLL_DEGREES = 15.0
# A crop is sampled at an integer multiple of its size and then averaged, which prevents aliasing. Above this multiple
# (faces wider than 576 px for 48 px crops) more samples make no visible difference at 48 px.
_MAX_OVERSAMPLING = 12
_TTA_ROTATION = 15.0  # degrees
# Relative to the first crop: the boxes of faces on photos are larger than those that the geometry is measured on.
_TTA_SCALE = 0.8


@dataclass(frozen=True, slots=True)
class CropGeometry:
    """Map the boxes of a detector to the crops of FER-2013, on which the classifier is trained.

    Attributes:
        scale: Side of the square crop, relative to sqrt(width * height) of the box.
        y_offset: Offset of the center of the crop from that of the box, in sides of the crop; positive is downward.
    """

    scale: float = 1.0
    y_offset: float = 0.0

    def to_square(self, box: Box) -> Box:
        """Return the square to crop for `box`; it may extend beyond the image."""
        side = max(1.0, self.scale * math.sqrt(box.area))
        x, y = box.center
        y += self.y_offset * side
        return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def to_gray(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert RGB uint8 (H, W, 3) to gray uint8 (H, W) with the weights of ITU-R BT.601; return gray as it is."""
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def crop_square(image: NDArray[np.uint8], square: Box, size: int, roll_degrees: float = 0.0) -> NDArray[np.uint8]:
    """Crop a square from an image and resample it.

    Args:
        image: Gray uint8 (H, W) or RGB uint8 (H, W, 3).
        square: The square in pixels; beyond the image its border pixels are repeated.
        size: Side of the crop in pixels.
        roll_degrees: Clockwise roll in the image to undo around the center of the square.

    Returns:
        The crop, uint8 (size, size) or (size, size, 3).
    """
    factor = min(_MAX_OVERSAMPLING, max(1, round(square.width / size)))
    inner = size * factor
    step = square.width / inner  # image pixels per sample
    cos, sin = math.cos(math.radians(roll_degrees)) * step, math.sin(math.radians(roll_degrees)) * step
    x, y = square.center
    # Coordinate 0 is the center of the first pixel in OpenCV, but its edge in boxes: hence the half pixel.
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


def crop_to_image(points: NDArray[np.floating], square: Box, roll_degrees: float = 0.0) -> NDArray[np.float64]:
    """Map points of a crop to the image that `crop_square` cut it from.

    Args:
        points: (n, 2), x and y in sides of the crop.
        square: As in `crop_square`.
        roll_degrees: As in `crop_square`.

    Returns:
        The points (n, 2) in pixels of the image.
    """
    cos, sin = math.cos(math.radians(roll_degrees)), math.sin(math.radians(roll_degrees))
    offset = (np.asarray(points, np.float64) - 0.5) * square.width
    return np.array(square.center) + offset @ np.array([[cos, sin], [-sin, cos]])


def get_roll_correction(landmarks: Landmarks | None) -> float:
    """Return the roll to undo in a crop, in degrees: that of the eyes if above `MIN_ROLL_DEGREES`, else 0."""
    roll = landmarks.roll_degrees if landmarks else 0.0
    return roll if abs(roll) > MIN_ROLL_DEGREES else 0.0


def crop_faces(
    gray: NDArray[np.uint8], faces: tuple[Face, ...], geometry: CropGeometry, size: int, rotation_degrees: float = 0.0
) -> NDArray[np.uint8]:
    """Crop all faces of an image as a batch.

    Args:
        gray: The image, gray uint8 (H, W).
        faces: The n faces.
        geometry: The relation of their boxes to the crops.
        size: Side of a crop in pixels.
        rotation_degrees: Additional counterclockwise rotation of each crop.

    Returns:
        The crops, uint8 (n, size, size).
    """
    crops = np.empty((len(faces), size, size), np.uint8)
    for index, face in enumerate(faces):
        crops[index] = crop_square(
            gray, geometry.to_square(face.box), size, get_roll_correction(face.landmarks) + rotation_degrees
        )
    return crops


def tta_crops(gray: NDArray[np.uint8], faces: tuple[Face, ...], geometry: CropGeometry, size: int) -> NDArray[np.uint8]:
    """Crop three variants of each face for test-time augmentation.

    They are the plain crop and two that are mirrored, rotated to either side and tighter: errors from an inexact box or
    a tilt differ between them.

    Args:
        gray: The image, gray uint8 (H, W).
        faces: The n faces.
        geometry: The relation of their boxes to the crops.
        size: Side of a crop in pixels.

    Returns:
        The crops, uint8 (3, n, size, size).
    """
    tighter = replace(geometry, scale=geometry.scale * _TTA_SCALE)
    rotated = [crop_faces(gray, faces, tighter, size, angle)[:, :, ::-1] for angle in (_TTA_ROTATION, -_TTA_ROTATION)]
    return np.stack([crop_faces(gray, faces, geometry, size), *rotated])
