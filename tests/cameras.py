"""Videos that Chromium uses as its camera, and the flags with which it does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.demo.camera import DemoCamera
from emotion.demo.sample_image import SAMPLE_FACE_CENTER, SAMPLE_FACE_PX, SAMPLE_IMAGE
from emotion.media.image_reader import read_image

TEST_FPS = 10  # browser and server process each frame, which takes most of the processors at 30
ALLOWED = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
_TWO_FACES_SECONDS = 9.5  # of the demo camera's loop: two faces are present from here on


def write_camera_video(path: Path, frames: Iterable[NDArray[np.uint8]], fps: int = TEST_FPS) -> tuple[str, ...]:
    """Write RGB uint8 frames (H, W, 3) of even sides as YUV4MPEG2, since Motion JPEG is always played at 30 per second.

    Returns:
        The flags of a browser that may use its camera, which repeats the video.
    """
    with path.open("wb") as file:
        for index, frame in enumerate(frames):
            if index == 0:
                height, width = frame.shape[:2]
                file.write(f"YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg\n".encode())
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())
    return (*ALLOWED, f"--use-file-for-fake-video-capture={path}")


def make_moving_faces(num_frames: int, fps: int = TEST_FPS) -> list[NDArray[np.uint8]]:
    """Return frames of two moving faces that smile, 640 x 480 pixels; the first frame is always the same."""
    demo = DemoCamera(read_image(SAMPLE_IMAGE), SAMPLE_FACE_CENTER, SAMPLE_FACE_PX)
    return [demo.frame_at(_TWO_FACES_SECONDS + i / fps) for i in range(num_frames)]


def make_blinking_faces(fps: int = TEST_FPS) -> list[NDArray[np.uint8]]:
    """Return frames in which the two faces appear for 1.5 seconds and are absent for 1.7."""
    empty = np.full((480, 640, 3), 120, np.uint8)
    return [*make_moving_faces(round(1.5 * fps), fps), *[empty] * round(1.7 * fps)]
