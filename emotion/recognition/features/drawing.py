"""Draw the points and the outline of faces on an image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import cv2

from emotion.faces import Face, FaceFeatures
from emotion.media.image_array import ImageArray
from emotion.movements import OUTLINES
from emotion.recognition.features.network import MAX_POINT_ERROR

_COLOR: Final = (0, 255, 200)
_DARK: Final = (0, 40, 30)  # around the color, so that lines can be seen on any skin
_FACE_PX_PER_LINE: Final = 150  # width of a face for each pixel of a line
_MIN_POINTS_PX: Final = 90  # width of a face from which its points are dots; they would hide a smaller one
_SHIFT: Final = 3  # binary digits of a fraction of a pixel in the drawing functions of OpenCV


class FaceOutline(NamedTuple):
    """What can be drawn of a face, in pixels of the image: certain points, and the lines between neighbors."""

    points: tuple[tuple[float, float], ...]
    lines: tuple[tuple[tuple[float, float], tuple[float, float]], ...]


_NOTHING: Final = FaceOutline((), ())


def find_outline(features: FaceFeatures | None) -> FaceOutline:
    """Return the points with a small expected error and the lines between them.

    Nothing is returned without features, for hidden points, and for a face with a certainty below 0.5.
    """
    if features is None or not features.points or features.pose is None:
        return _NOTHING
    is_certain = [error <= MAX_POINT_ERROR for error in features.point_errors]
    points = features.points
    return FaceOutline(
        tuple(point for point, certain in zip(points, is_certain, strict=True) if certain),
        tuple(
            (points[first], points[second])
            for outline in OUTLINES
            for first, second in pairwise(outline)
            if is_certain[first] and is_certain[second]
        ),
    )


def draw_points(image: ImageArray, faces: Sequence[Face]) -> None:
    """Draw the certain points of faces into RGB uint8 (H, W, 3), and the lines between neighbors.

    Faces without features, with hidden points, or with a certainty below 0.5 are left as they are.
    """
    for face in faces:
        outline = find_outline(face.features)
        thickness = max(1, round(face.box.width / _FACE_PX_PER_LINE))
        for width, color in ((thickness + 2, _DARK), (thickness, _COLOR)):
            for start, end in outline.lines:
                cv2.line(image, _to_fixed(start), _to_fixed(end), color, width, cv2.LINE_AA, _SHIFT)
        if face.box.width >= _MIN_POINTS_PX:
            radius = (thickness + 1) << _SHIFT
            for point in outline.points:
                cv2.circle(image, _to_fixed(point), radius, _DARK, -1, cv2.LINE_AA, _SHIFT)
                cv2.circle(image, _to_fixed(point), radius - (1 << (_SHIFT - 1)), _COLOR, -1, cv2.LINE_AA, _SHIFT)


def _to_fixed(point: tuple[float, float]) -> tuple[int, int]:
    """Return a point in the units of `_SHIFT`."""
    return round(point[0] * 2**_SHIFT), round(point[1] * 2**_SHIFT)
