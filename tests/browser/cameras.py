"""Videos that Chromium uses as its camera. They have few frames per second, since browser and server process each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

CAMERA_FPS = 10
ALLOWED = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


def write_camera_video(path: Path, frames: Iterable[NDArray[np.uint8]]) -> tuple[str, ...]:
    """Write RGB uint8 frames (H, W, 3) of even sides as YUV4MPEG2, since Motion JPEG is always played at 30 per second.

    Returns:
        The flags of a browser that may use its camera, which repeats the video.
    """
    with path.open("wb") as file:
        for index, frame in enumerate(frames):
            if index == 0:
                height, width = frame.shape[:2]
                file.write(f"YUV4MPEG2 W{width} H{height} F{CAMERA_FPS}:1 Ip A1:1 C420jpeg\n".encode())
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())
    return (*ALLOWED, f"--use-file-for-fake-video-capture={path}")
