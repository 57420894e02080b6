"""A sample video made of the sample photo: the face moves, is absent for a while, then out of focus."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from emotion.demo.sample_image import SAMPLE_IMAGE
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import read_image
from emotion.media.video_writer import VideoWriter

DURATION_SECONDS: Final = 12.0
_FPS: Final = 15
_FRAME_SIZE: Final = (480, 360)  # width, height in pixels
_FACE_ANCHOR: Final = (225.0, 116.0)  # x, y in the photo of the point that the motion is about
_ABSENT_SPAN: Final = (5.0, 7.5)  # seconds, start and end
_BLUR_SPAN: Final = (9.0, 11.2)
_MAX_BLUR_SIGMA: Final = 12.0  # pixels; enough that the label becomes uncertain
_FADE_SECONDS: Final = 0.8  # at both ends of a span


def write_sample_video(path: Path) -> None:
    """Write the video to `path` as H.264, with the same frames every time; raises `VideoError` where it cannot."""
    image, empty_scene = read_image(SAMPLE_IMAGE), _make_background()
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, *_FRAME_SIZE) as writer:
        for i in range(round(DURATION_SECONDS * _FPS)):
            writer.write(_render_frame(image, empty_scene, i / _FPS), i / _FPS)


def _render_frame(image: ImageArray, background: ImageArray, timestamp: float) -> ImageArray:
    """Return the frame RGB uint8 (360, 480, 3) at `timestamp` in seconds."""
    width, height = _FRAME_SIZE
    phase = 2 * math.pi * timestamp / DURATION_SECONDS
    zoom = 1.6 - 0.6 * math.cos(phase)
    x, y = width / 2 + 70 * math.sin(2 * phase), height * 0.46 + 24 * math.sin(3 * phase)
    matrix = np.array([[zoom, 0, x - zoom * _FACE_ANCHOR[0]], [0, zoom, y - zoom * _FACE_ANCHOR[1]]])
    view = cv2.warpAffine(image, matrix, _FRAME_SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    blur, absence = _fade_weight(timestamp, *_BLUR_SPAN), _fade_weight(timestamp, *_ABSENT_SPAN)
    if blur > 0:
        view = cv2.GaussianBlur(view, (0, 0), _MAX_BLUR_SIGMA * blur)
    return cv2.addWeighted(view, 1 - absence, background, absence, 0)  # type: ignore[return-value]


def _fade_weight(timestamp: float, start: float, end: float) -> float:
    """Return 0 outside `start` to `end`, 1 inside, with a linear transition of `_FADE_SECONDS` within."""
    return min(max(min(timestamp - start, end - timestamp) / _FADE_SECONDS, 0.0), 1.0)


def _make_background() -> ImageArray:
    """Return a vertical gradient from dark blue to sand, RGB uint8 (360, 480, 3)."""
    width, height = _FRAME_SIZE
    top, bottom = np.array([24, 38, 66]), np.array([196, 148, 118])
    rows = top + (bottom - top) * np.linspace(0, 1, height)[:, None]
    return np.repeat(rows[:, None], width, axis=1).astype(np.uint8)
