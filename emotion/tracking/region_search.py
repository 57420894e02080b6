"""Select where to search for faces in the next frame: windows around tracked faces, or all of it after a change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.faces import Box, Face
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.detectors.detection import search_scale

# Side in pixels of the search window around a face, constant so that the network's input shape stays the same. At 160,
# faces of 70 to 100 pixels were reduced, and some in profile were detected only by a search of the whole image.
WINDOW_PX: Final = 224
_WINDOW_FACE_RATIO: Final = 2.25  # window side in face sides; faces above 99 pixels are reduced to that size
_THUMBNAIL_SIZE: Final = (32, 24)  # width, height of the thumbnail that is compared for changes
_MIN_PIXEL_CHANGE: Final = 25.0  # gray levels; above the noise of a camera in the dark in a thumbnail
_MIN_CHANGED_FRACTION: Final = 0.01  # fraction of the thumbnail: a distant face in a room
_MIN_CUT_CHANGE: Final = 10.0  # gray levels, minimum mean over the thumbnail for a cut
# Measured correlation of successive frames: below 0.27 at the cuts of a video, above 0.66 within its shots.
_MAX_CUT_CORRELATION: Final = 0.5


def search_window(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Return x, y, width, height of the window around `box`, shifted to lie inside an image of that size."""
    side = max(float(WINDOW_PX), _WINDOW_FACE_RATIO * max(box.width, box.height))
    w, h = round(min(side, width)), round(min(side, height))
    x, y = box.center
    return round(min(max(x - w / 2, 0), width - w)), round(min(max(y - h / 2, 0), height - h)), w, h


def search_cost(width: int, height: int, max_side: int) -> float:
    """Return the number of pixels to search of an image of that size, see `search_scale`."""
    return width * height * search_scale(height, width, max_side) ** 2


def detect_near(
    analyzer: Analyzer, image: NDArray[np.uint8], boxes: Sequence[Box], min_score: float
) -> tuple[Face, ...]:
    """Detect faces in the windows around boxes.

    Args:
        analyzer: The analyzer whose detector is used.
        image: RGB uint8 (H, W, 3).
        boxes: The boxes in pixels of the image.
        min_score: The minimum score, 0 to 1.

    Returns:
        The faces that lie completely in a window, in pixels of the image; a face in two windows occurs twice.
    """
    height, width = image.shape[:2]
    faces: list[Face] = []
    for box in boxes:
        x, y, w, h = search_window(box, width, height)
        patch = np.ascontiguousarray(image[y : y + h, x : x + w])
        visible_faces = (
            face
            for face in analyzer.detect(patch, min_score, WINDOW_PX)
            if _is_fully_visible(face.box, (x, y, w, h), width, height)
        )
        faces += (face.scale_and_translate(x, y) for face in visible_faces)
    return tuple(faces)


def _is_fully_visible(box: Box, window: tuple[int, int, int, int], width: int, height: int) -> bool:
    """Return whether a box in a window does not touch a window border that lies inside the image."""
    x, y, w, h = window
    left, top, right, bottom = x == 0, y == 0, x + w == width, y + h == height
    return (left or box.x1 > 1) and (top or box.y1 > 1) and (right or box.x2 < w - 1) and (bottom or box.y2 < h - 1)


class MotionGate:
    """Detect the cuts of a video, and changes outside the tracked faces, by a small gray thumbnail of each frame."""

    def __init__(self) -> None:
        self._thumbnail: NDArray[np.float32] | None = None
        self._searched_thumbnail: NDArray[np.float32] | None = None

    def update(self, gray: NDArray[np.uint8]) -> bool:
        """Compare the next frame with the previous one.

        A cut changes both the brightness and the pattern; a light that is switched on changes only the brightness, and
        noise in the dark only the pattern.

        Args:
            gray: The frame, gray uint8 (H, W).

        Returns:
            Whether there is a cut between the two frames.
        """
        previous, self._thumbnail = (
            self._thumbnail,
            cv2.resize(gray, _THUMBNAIL_SIZE, interpolation=cv2.INTER_AREA).astype(np.float32),
        )
        if previous is None or np.abs(self._thumbnail - previous).mean() < _MIN_CUT_CHANGE:
            return False
        pattern, previous_pattern = self._thumbnail - self._thumbnail.mean(), previous - previous.mean()
        norms = float(np.linalg.norm(pattern) * np.linalg.norm(previous_pattern))
        return float((pattern * previous_pattern).sum()) < _MAX_CUT_CORRELATION * norms

    def mark_searched(self) -> None:
        """Record that the whole of the last frame was searched; `has_motion` compares later frames with it."""
        self._searched_thumbnail = self._thumbnail

    def has_motion(self, boxes: Sequence[Box], width: int, height: int) -> bool:
        """Return whether the image outside the windows around `boxes` differs from the last fully searched frame."""
        if self._thumbnail is None or self._searched_thumbnail is None:
            return True
        changes = np.abs(self._thumbnail - self._searched_thumbnail) > _MIN_PIXEL_CHANGE
        x_scale, y_scale = _THUMBNAIL_SIZE[0] / width, _THUMBNAIL_SIZE[1] / height
        for x, y, w, h in (search_window(box, width, height) for box in boxes):
            rows = slice(int(y * y_scale), math.ceil((y + h) * y_scale))
            columns = slice(int(x * x_scale), math.ceil((x + w) * x_scale))
            changes[rows, columns] = False
        return float(changes.mean()) >= _MIN_CHANGED_FRACTION
