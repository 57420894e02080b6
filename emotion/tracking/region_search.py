"""Where to look for faces in the next frame: what changed, and windows around the faces that are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.faces import Box, Face
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.detection import search_scale

# Pixels a side that are searched around a face; always the same, so that a network keeps its plan. With 160, faces of
# 70 to 100 pixels were reduced, and of those in profile some were found only by the search of the whole picture.
WINDOW_PX: Final = 224
_WINDOW_FACE_RATIO: Final = 2.25  # a window's side in face sides, so faces over 99 pixels are searched reduced to that
_THUMBNAIL_SIZE: Final = (32, 24)  # width, height of the thumbnail in which changes are seen
_MIN_PIXEL_CHANGE: Final = 25.0  # gray levels; noise of a camera in the dark stays below in a thumbnail
_MIN_CHANGED_FRACTION: Final = 0.01  # share of the thumbnail: a face at the far end of a room
_MIN_CUT_CHANGE: Final = 10.0  # gray levels, the mean over the thumbnail: less is no cut
# Between two shots of a film the correlation was below 0.27, within one above 0.66.
_MAX_CUT_CORRELATION: Final = 0.5


def search_window(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """x, y, width, height of the window around `box` in a picture of that size, moved so that it lies inside."""
    side = max(float(WINDOW_PX), _WINDOW_FACE_RATIO * max(box.width, box.height))
    w, h = round(min(side, width)), round(min(side, height))
    x, y = box.center
    return round(min(max(x - w / 2, 0), width - w)), round(min(max(y - h / 2, 0), height - h)), w, h


def search_cost(width: int, height: int, max_side: int) -> float:
    """How many are searched of an image of that size, see `search_scale`."""
    return width * height * search_scale(height, width, max_side) ** 2


def detect_near(
    analyzer: Analyzer, image: NDArray[np.uint8], boxes: Sequence[Box], min_score: float
) -> tuple[Face, ...]:
    """Faces with a score of at least `min_score` in the windows around `boxes` of RGB uint8 (H, W, 3); one that lies
    in two windows comes twice."""
    height, width = image.shape[:2]
    faces: list[Face] = []
    for box in boxes:
        x, y, w, h = search_window(box, width, height)
        patch = np.ascontiguousarray(image[y : y + h, x : x + w])
        found = (
            face
            for face in analyzer.detect(patch, min_score, WINDOW_PX)
            if _is_fully_visible(face.box, (x, y, w, h), width, height)
        )
        faces += (face.scale_and_translate(x, y) for face in found)
    return tuple(faces)


def _is_fully_visible(box: Box, window: tuple[int, int, int, int], width: int, height: int) -> bool:
    """Whether a box in a part of a picture does not touch a border behind which the picture goes on."""
    x, y, w, h = window
    left, top, right, bottom = x == 0, y == 0, x + w == width, y + h == height
    return (left or box.x1 > 1) and (top or box.y1 > 1) and (right or box.x2 < w - 1) and (bottom or box.y2 < h - 1)


class MotionGate:
    """Sees by a tiny gray thumbnail whether a film was cut and whether something new may have come."""

    def __init__(self) -> None:
        self._thumbnail: NDArray[np.float32] | None = None
        self._searched_thumbnail: NDArray[np.float32] | None = None

    def update(self, gray: NDArray[np.uint8]) -> bool:
        """Look at the next picture, gray uint8 (H, W); True where it has nothing to do with the one before.

        A cut changes both the brightness and the pattern; a lamp only the first, noise in the dark the second.
        """
        before, self._thumbnail = (
            self._thumbnail,
            cv2.resize(gray, _THUMBNAIL_SIZE, interpolation=cv2.INTER_AREA).astype(np.float32),
        )
        if before is None or np.abs(self._thumbnail - before).mean() < _MIN_CUT_CHANGE:
            return False
        one, other = self._thumbnail - self._thumbnail.mean(), before - before.mean()
        return float((one * other).sum()) < _MAX_CUT_CORRELATION * float(np.linalg.norm(one) * np.linalg.norm(other))

    def mark_searched(self) -> None:
        """All of this picture was searched: changes count from here."""
        self._searched_thumbnail = self._thumbnail

    def has_motion(self, boxes: Sequence[Box], width: int, height: int) -> bool:
        """Whether something changed outside the windows around `boxes` since all of a picture was searched."""
        if self._thumbnail is None or self._searched_thumbnail is None:
            return True
        changes = np.abs(self._thumbnail - self._searched_thumbnail) > _MIN_PIXEL_CHANGE
        across, down = _THUMBNAIL_SIZE[0] / width, _THUMBNAIL_SIZE[1] / height
        for x, y, w, h in (search_window(box, width, height) for box in boxes):
            rows, columns = (int(y * down), math.ceil((y + h) * down)), (int(x * across), math.ceil((x + w) * across))
            changes[slice(*rows), slice(*columns)] = False
        return float(changes.mean()) >= _MIN_CHANGED_FRACTION
