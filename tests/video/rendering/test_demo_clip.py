from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.demo.camera import FRAME_SIZE
from emotion.expressions import get_style
from emotion.faces import Box
from emotion.media.image_array import ImageArray
from emotion.media.video_reader import VideoReader
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.label_rendering import hex_to_rgb
from emotion.video.rendering.demo_clip import CLIP_FPS, PANEL_WIDTH, render_demo_clip

pytestmark = pytest.mark.slow


class StillCamera:
    """A camera whose image does not change, and that records the times of its frames."""

    def __init__(self) -> None:
        self.timestamps: list[float] = []

    def frame_at(self, timestamp: float) -> ImageArray:
        self.timestamps.append(timestamp)
        return np.full((FRAME_SIZE[1], FRAME_SIZE[0], 3), 128, np.uint8)


def test_clip_shows_the_frames_of_the_camera_and_a_bar_in_the_color_of_the_label(
    tmp_path: Path, fake_detector: Callable[..., Any], fake_classifier: Callable[..., Any]
) -> None:
    camera = StillCamera()
    render_demo_clip(
        tmp_path / "clip.mp4",
        camera,
        Analyzer(fake_detector([Box(200, 120, 400, 340)]), fake_classifier(("happy", 0.9, 1.0))),
    )
    assert np.diff(camera.timestamps) == pytest.approx(1 / CLIP_FPS)
    with VideoReader(tmp_path / "clip.mp4") as reader:
        frames = [frame.image() for frame in reader.frames()]
    assert len(frames) == len(camera.timestamps)
    last: NDArray[np.uint8] = frames[-1]
    assert last.shape == (FRAME_SIZE[1], FRAME_SIZE[0] + PANEL_WIDTH, 3)
    panel = last[:, FRAME_SIZE[0] :].astype(int)
    distance = np.abs(panel - hex_to_rgb(get_style("happy").color)).max(-1)
    assert (distance < 40).sum() > 500, "video compression changes colors a little"
