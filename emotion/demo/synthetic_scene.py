"""Synthetic scenes: gray faces as framed prints on a wall, for group photos and simulated cameras."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import cv2
import numpy as np

from emotion.media.image_array import ImageArray

_WALL_COLOR: Final = (176, 188, 186)
_PAPER_COLOR: Final = (246, 242, 233)
_DARK_INK, _LIGHT_INK = np.array([38, 30, 27]), np.array([255, 238, 219])  # sepia tones of black and white
_BORDER_FRACTION: Final = 0.08  # of a side, around the face
_SHADOW_STRENGTH: Final = 0.35  # share of the light that is lost in the shadow of a print
_COLUMN_PITCH: Final = 1.3  # of a print's side, in a group photo


@lru_cache(maxsize=4)
def background(width: int, height: int) -> ImageArray:
    """Return an empty wall, RGB uint8 (height, width, 3), darker towards its edges; cached, hence read-only."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = 1 - 0.25 * np.clip(x**2 + (y - 0.2) ** 2, 0, 2) / 2
    wall = np.rint(light[..., None] * np.array(_WALL_COLOR)).astype(np.uint8)
    wall.flags.writeable = False
    return wall


def framed_print(face: ImageArray, side_px: int) -> ImageArray:
    """Return a gray face uint8 (s, s) as a sepia print with a white border, RGB uint8 (`side_px`, `side_px`, 3)."""
    border = round(side_px * _BORDER_FRACTION)
    inner = cv2.resize(face, (side_px - 2 * border,) * 2, interpolation=cv2.INTER_CUBIC)
    table = np.linspace(_DARK_INK, _LIGHT_INK, 256).round().astype(np.uint8)
    return cv2.copyMakeBorder(table[inner], *[border] * 4, cv2.BORDER_CONSTANT, value=_PAPER_COLOR)  # type: ignore[return-value]


def paste_print(
    image: ImageArray, face: ImageArray, center: tuple[float, float], side_px: float, degrees: float = 0.0
) -> None:
    """Draw the print of a face with a shadow into `image`, in place; parts outside the image are cut off.

    Args:
        image: RGB uint8 (H, W, 3).
        face: Gray uint8 (s, s).
        center: x, y of the print in pixels.
        side_px: Side of the print in pixels.
        degrees: Clockwise rotation.
    """
    framed = framed_print(face, round(side_px))
    scale, angle = side_px / len(framed), math.radians(degrees)
    linear = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = np.column_stack([linear, np.array(center) - linear @ np.full(2, len(framed) / 2)])
    # Only the region that changes is computed: a camera draws thirty frames a second.
    reach = math.ceil(0.8 * side_px) + 12  # half of the diagonal, and the shadow
    size_wh = (image.shape[1], image.shape[0])
    x1, y1 = (max(0, math.floor(c - reach)) for c in center)
    x2, y2 = (min(size, math.ceil(c + reach)) for c, size in zip(center, size_wh, strict=True))
    if x1 >= x2 or y1 >= y2:
        return
    matrix[:, 2] -= (x1, y1)
    region, region_wh = image[y1:y2, x1:x2], (x2 - x1, y2 - y1)
    print_layer = cv2.warpAffine(framed, matrix, region_wh)
    alpha = cv2.warpAffine(np.ones(framed.shape[:2], np.float32), matrix, region_wh)[..., None]
    shadow = np.roll(alpha[..., 0], (round(side_px / 40), round(side_px / 60)), (0, 1))
    shadow = cv2.GaussianBlur(shadow, (0, 0), side_px / 40)[..., None]
    wall_layer = region * (1 - _SHADOW_STRENGTH * shadow)
    region[:] = np.rint(wall_layer * (1 - alpha) + print_layer * alpha).astype(np.uint8)


def group_photo(faces: Sequence[ImageArray], num_columns: int = 4, side_px: int = 240) -> ImageArray:
    """Return prints of gray faces uint8 (s, s) in rows of `num_columns`, slightly tilted and shifted, RGB uint8."""
    pitch, num_rows = round(side_px * _COLUMN_PITCH), math.ceil(len(faces) / num_columns)
    image = background(pitch * num_columns, pitch * num_rows).copy()
    for i, face in enumerate(faces):
        row, column = divmod(i, num_columns)
        # Sines of the index look random and are the same every time.
        tilt = math.sin(2.4 * (i + 1))
        center = (pitch * (column + 0.5) + 10 * math.sin(4.1 * i), pitch * (row + 0.5) + 10 * math.cos(3.3 * i))
        paste_print(image, face, center, side_px * (1 + 0.06 * tilt), 6 * tilt)
    return image
