"""The duration of videos that do not state it."""

from __future__ import annotations

from pathlib import Path

import pytest

from emotion.errors import VideoError
from emotion.media.containers.duration import measure_duration
from emotion.media.video_reader import DEFAULT_LIMITS, VideoReader
from tests.media.videos import make_video


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two seconds of a stream, as a browser records it: its header does not know the end."""
    return make_video(
        tmp_path / "recording.webm",
        50,
        codec="libvpx-vp9",
        container_format="webm",
        file_options={"live": "1"},
    )


def test_duration_is_that_of_the_last_frame(recording: Path) -> None:
    with VideoReader(recording) as reader:
        assert reader.info.duration is None
    assert measure_duration(recording, DEFAULT_LIMITS.max_side) == pytest.approx(49 / 25, abs=0.01)


def test_a_file_that_ends_early_has_the_duration_of_what_is_there(recording: Path) -> None:
    content = recording.read_bytes()
    recording.write_bytes(content[: len(content) * 2 // 3])
    assert 0 < measure_duration(recording, DEFAULT_LIMITS.max_side) < 49 / 25


def test_what_is_no_video_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "a.webm"
    file.write_bytes(b"no video at all, but some text")
    with pytest.raises(VideoError):
        measure_duration(file, DEFAULT_LIMITS.max_side)
