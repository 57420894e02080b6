"""A video of synthetic faces that plays forward and backward."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from emotion.errors import EmotionError
from emotion.generation.sampler import FaceImages
from emotion.media.video_writer import VideoWriter

_FPS: Final = 25
_SIDE_PX: Final = 384
_PAUSE_SECONDS: Final = 0.6  # on the first and the last face


def encode_mp4(faces: FaceImages, comment: str = "") -> bytes:
    """Return gray faces, uint8 (n, size, size), as an MP4 of 384 x 384 pixels that plays forward and backward.

    Args:
        faces: The faces.
        comment: Text for the metadata of the file.

    Raises:
        EmotionError: There is no face.
    """
    if len(faces) == 0:
        raise EmotionError("A video needs at least one face.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faces.mp4"
        with VideoWriter(path, _SIDE_PX, _SIDE_PX, comment=comment) as writer:
            timestamp = 0.0
            for i in [*range(len(faces)), *range(len(faces) - 2, -1, -1)]:
                face = cv2.resize(faces[i], (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_CUBIC)
                writer.write(np.dstack([face] * 3), timestamp)
                timestamp += _PAUSE_SECONDS if i in (0, len(faces) - 1) else 1 / _FPS
            writer.close(end_time=timestamp)
        return path.read_bytes()
