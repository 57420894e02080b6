"""Draw the points and the outline of faces on an image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import cv2
import numpy as np

from emotion.faces import Face, FaceFeatures
from emotion.media.image_array import ImageArray
from emotion.movements import OUTLINES
from emotion.recognition.features.network import MAX_POINT_ERROR

_COLOR: Final = (0, 255, 200)
_DARK: Final = (0, 40, 30)  # around the color, so that lines can be seen on any skin
_FACE_PX_PER_LINE: Final = 150  # width of a face for each pixel of a line
_SHIFT: Final = 3  # binary digits of a fraction of a pixel in the drawing functions of OpenCV


def draw_points(image: ImageArray, faces: Sequence[Face]) -> None:
    """Draw the certain points of faces into RGB uint8 (H, W, 3), and the lines between neighbors.

    Faces without features, with hidden points, or with a certainty below 0.5 are left as they are.
    """
    for face in faces:
        if face.features is not None and face.features.points and face.features.pose is not None:
            thickness = max(1, round(face.box.width / _FACE_PX_PER_LINE))
            _draw_outlines(image, face.features, thickness)


def _draw_outlines(image: ImageArray, features: FaceFeatures, thickness: int) -> None:
    points = np.round(np.array(features.points) * 2**_SHIFT).astype(np.int32)
    is_certain = np.array(features.point_errors) <= MAX_POINT_ERROR
    for width, color in ((thickness + 2, _DARK), (thickness, _COLOR)):
        for outline in OUTLINES:
            for first, second in pairwise(outline):
                if is_certain[first] and is_certain[second]:
                    start, end = points[first].tolist(), points[second].tolist()
                    cv2.line(image, start, end, color, width, cv2.LINE_AA, _SHIFT)
