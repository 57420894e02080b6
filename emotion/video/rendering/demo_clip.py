"""Render a short clip of a simulated camera: what a stream finds in it, with boxes and the score bars of its faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from PIL import Image, ImageDraw

from emotion.demo.camera import FRAME_SIZE
from emotion.faces import Face
from emotion.formatting import format_percent
from emotion.media.image_array import ImageArray
from emotion.media.video_writer import VideoWriter
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.annotation import annotate
from emotion.results.score_bars import INK, PANEL_COLOR, ROW_HEIGHT, ScoreBar, draw_score_bars, get_font
from emotion.tracking.stream import Stream

PANEL_WIDTH: Final = 320  # pixels
CLIP_FPS: Final = 10
_CLIP_SECONDS: Final = 21.0  # the part of the camera's loop before it gets dark
_MARGIN: Final = 24
_TITLE_PX: Final = 34
_BARS: Final = {1: 7, 2: 3}  # rows by number of faces
_MAX_FACES: Final = 2


class FrameSource(Protocol):
    """A camera whose frames are computed."""

    def frame_at(self, timestamp: float) -> ImageArray:
        """Return the frame RGB uint8 (480, 640, 3) at `timestamp` in seconds."""
        ...


def render_demo_clip(path: Path, camera: FrameSource, analyzer: Analyzer) -> None:
    """Analyze a simulated camera as a stream, and write an MP4 of 960 x 480 pixels.

    Args:
        path: The file to write.
        camera: The camera.
        analyzer: Detects and classifies the faces.

    Raises:
        VideoError: The file cannot be written.
    """
    stream = Stream(analyzer)
    width, height = FRAME_SIZE
    with VideoWriter(path, width + PANEL_WIDTH, height) as writer:
        for index in range(round(_CLIP_SECONDS * CLIP_FPS)):
            timestamp = index / CLIP_FPS
            frame = camera.frame_at(timestamp)
            faces = stream.process(frame, timestamp).faces
            writer.write(np.hstack([annotate(frame, faces), _render_panel(faces, height)]), timestamp)


def _render_panel(faces: Sequence[Face], height: int) -> ImageArray:
    """Render the highest scores of the first faces, RGB uint8 (height, 320, 3)."""
    panel = Image.new("RGB", (PANEL_WIDTH, height), PANEL_COLOR)
    draw = ImageDraw.Draw(panel)
    y = _MARGIN
    shown = [face for face in faces if face.scores is not None][:_MAX_FACES]
    for face in shown:
        title = f"Face {face.track_id}: {face.display_label}"
        draw.text((_MARGIN, y), title, font=get_font(title, 22), fill=INK)
        bars = _make_bars(face, _BARS[len(shown)])
        draw_score_bars(draw, (_MARGIN, y + _TITLE_PX), PANEL_WIDTH - 2 * _MARGIN, bars)
        y += _TITLE_PX + (_BARS[_MAX_FACES] + 1) * ROW_HEIGHT
    return np.asarray(panel)


def _make_bars(face: Face, count: int) -> list[ScoreBar]:
    scores = sorted((face.scores or {}).items(), key=lambda item: item[1], reverse=True)
    return [ScoreBar(label, format_percent(score), score) for label, score in scores[:count]]
