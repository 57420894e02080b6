"""A short film to try the program with, made of the sample photo: one face that is moved about."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from emotion.media.image_array import ImageArray
from emotion.media.image_reader import read_image
from emotion.media.video_writer import VideoWriter
from emotion.storage import PROJECT_ROOT

DURATION_SECONDS: Final = 12.0
_FPS: Final = 15  # frames a second
_FRAME_SIZE: Final = (480, 360)  # width, height in pixels
_IMAGE_PATH: Final = PROJECT_ROOT / "emotion" / "demo" / "assets" / "astronaut.jpg"
_FACE_CENTER: Final = (225.0, 116.0)  # the middle of the face in the photo
_ABSENT_SPAN: Final = (5.0, 7.5)  # from when until when nobody is there
_BLUR_SPAN: Final = (9.0, 11.2)  # from when until when the picture is out of focus
_FADE_SECONDS: Final = 0.8  # seconds for going and for coming back


def write_sample_video(path: Path) -> None:
    """Write the film to `path`: H.264, the same frames every time. Raises `VideoError` where it cannot."""
    photo, scene = read_image(_IMAGE_PATH), _make_background()
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, *_FRAME_SIZE) as film:
        for i in range(round(DURATION_SECONDS * _FPS)):
            film.write(_render_frame(photo, scene, i / _FPS), i / _FPS)


def _render_frame(image: ImageArray, background: ImageArray, timestamp: float) -> ImageArray:
    """RGB uint8 (360, 480, 3): the face sways, comes near, is away for a while and then out of focus."""
    width, height = _FRAME_SIZE
    turn = 2 * math.pi * timestamp / DURATION_SECONDS
    zoom = 1.6 - 0.6 * math.cos(turn)
    x, y = width / 2 + 70 * math.sin(2 * turn), height * 0.46 + 24 * math.sin(3 * turn)
    matrix = np.array([[zoom, 0, x - zoom * _FACE_CENTER[0]], [0, zoom, y - zoom * _FACE_CENTER[1]]])
    view = cv2.warpAffine(image, matrix, _FRAME_SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    soft, away = _fade_weight(timestamp, *_BLUR_SPAN), _fade_weight(timestamp, *_ABSENT_SPAN)
    if soft > 0:
        view = cv2.GaussianBlur(view, (0, 0), 12 * soft)
    return cv2.addWeighted(view, 1 - away, background, away, 0)  # type: ignore[return-value]


def _fade_weight(timestamp: float, start: float, end: float) -> float:
    """How much of something between `start` and `end` is there, 0 to 1."""
    return min(max(min(timestamp - start, end - timestamp) / _FADE_SECONDS, 0.0), 1.0)


def _make_background() -> ImageArray:
    """An empty evening sky, RGB uint8 (360, 480, 3)."""
    width, height = _FRAME_SIZE
    top, bottom = np.array([24, 38, 66]), np.array([196, 148, 118])
    slope = np.linspace(0, 1, height)[:, None]
    rows = top + (bottom - top) * slope
    return np.repeat(rows[:, None], width, axis=1).astype(np.uint8)
