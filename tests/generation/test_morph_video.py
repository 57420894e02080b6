"""The video of synthetic faces: forward and backward, with a pause at both ends."""

from pathlib import Path

import numpy as np
import pytest

from emotion.errors import EmotionError
from emotion.generation.morph_video import encode_mp4
from emotion.media.video_reader import VideoReader


def test_the_video_goes_there_and_back(tmp_path: Path) -> None:
    faces = np.stack([np.full((48, 48), gray, np.uint8) for gray in (40, 120, 200)])
    path = tmp_path / "faces.mp4"
    path.write_bytes(encode_mp4(faces))
    with VideoReader(path) as video:
        assert (video.info.width, video.info.height) == (384, 384)
        frames = [(frame.timestamp, float(frame.image().mean())) for frame in video.frames()]
    assert [round(mean / 10) for _, mean in frames] == [4, 12, 20, 12, 4]
    assert [round(time, 2) for time, _ in frames] == [0, 0.6, 0.64, 1.24, 1.28]


def test_a_video_of_one_face_is_possible_and_of_none_is_refused() -> None:
    assert b"ftyp" in encode_mp4(np.zeros((1, 48, 48), np.uint8))[:16]
    with pytest.raises(EmotionError, match="at least one face"):
        encode_mp4(np.zeros((0, 48, 48), np.uint8))
