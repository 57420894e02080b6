"""Small grey faces as prints on a wall: a made-up photo of many people, and a made-up camera's picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import cv2
import numpy as np

from emotion.media.image_array import ImageArray

_PAPER_COLOR: Final = (246, 242, 233)
_DARK_INK, _LIGHT_INK = np.array([38, 30, 27]), np.array([255, 238, 219])  # of the brown ink that grey is printed with
_BORDER_FRACTION: Final = 0.08  # of a side, around the face
_SHADOW_STRENGTH: Final = 0.35  # of its light that the wall loses beside a print


@lru_cache(maxsize=4)
def background(width: int, height: int) -> ImageArray:
    """An empty wall, RGB uint8 (height, width, 3), darker towards its edges; kept, so it cannot be written to."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = 1 - 0.25 * np.clip(x**2 + (y - 0.2) ** 2, 0, 2) / 2
    picture = np.rint(light[..., None] * np.array([176, 188, 186])).astype(np.uint8)
    picture.flags.writeable = False
    return picture


def framed_print(face: ImageArray, side_px: int) -> ImageArray:
    """A grey face uint8 (s, s) in brown ink on paper with a white border, RGB uint8 (`side_px`, `side_px`, 3)."""
    border = round(side_px * _BORDER_FRACTION)
    inner = cv2.resize(face, (side_px - 2 * border,) * 2, interpolation=cv2.INTER_CUBIC)
    table = np.linspace(_DARK_INK, _LIGHT_INK, 256).round().astype(np.uint8)
    return cv2.copyMakeBorder(table[inner], *[border] * 4, cv2.BORDER_CONSTANT, value=_PAPER_COLOR)  # type: ignore[return-value]


def paste_print(
    image: ImageArray, face: ImageArray, center: tuple[float, float], side_px: float, degrees: float = 0.0
) -> None:
    """Put the print of a grey face uint8 (s, s) on `image`, RGB uint8 (H, W, 3): its middle at (x, y), `side_px` pixels
    wide, turned clockwise by `degrees`, with a shadow; what lies outside of the picture is cut off."""
    made = framed_print(face, round(side_px))
    scale, angle = side_px / len(made), math.radians(degrees)
    linear = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = np.column_stack([linear, np.array(center) - linear @ np.full(2, len(made) / 2)])
    size = (image.shape[1], image.shape[0])
    # Only the part that changes is computed: a camera does this thirty times a second.
    reach = math.ceil(0.8 * side_px) + 12
    x1, y1 = (max(0, math.floor(at - reach)) for at in center)
    x2, y2 = (min(most, math.ceil(at + reach)) for at, most in zip(center, size, strict=True))
    if x1 >= x2 or y1 >= y2:
        return
    matrix[:, 2] -= (x1, y1)
    part, room = image[y1:y2, x1:x2], (x2 - x1, y2 - y1)
    here = cv2.warpAffine(made, matrix, room)
    cover = cv2.warpAffine(np.ones(made.shape[:2], np.float32), matrix, room)[..., None]
    beside = np.roll(cover[..., 0], (round(side_px / 40), round(side_px / 60)), (0, 1))
    behind = part * (1 - _SHADOW_STRENGTH * cv2.GaussianBlur(beside, (0, 0), side_px / 40)[..., None])
    part[:] = np.rint(behind * (1 - cover) + here * cover).astype(np.uint8)


def group_photo(faces: Sequence[ImageArray], num_columns: int = 4, side_px: int = 240) -> ImageArray:
    """Prints of grey faces uint8 (s, s) on one wall in rows of `num_columns`, none quite straight: RGB uint8."""
    step, rows = round(side_px * 1.3), math.ceil(len(faces) / num_columns)
    picture = background(step * num_columns, step * rows).copy()
    for i, face in enumerate(faces):
        row, column = divmod(i, num_columns)
        askew = math.sin(2.4 * (i + 1))  # as if by chance, and always the same
        place = (step * (column + 0.5) + 10 * math.sin(4.1 * i), step * (row + 0.5) + 10 * math.cos(3.3 * i))
        paste_print(picture, face, place, side_px * (1 + 0.06 * askew), 6 * askew)
    return picture
