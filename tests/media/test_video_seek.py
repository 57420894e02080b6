from __future__ import annotations

from pathlib import Path

import pytest

from emotion.media.video_reader import VideoReader
from tests.media.videos import make_video, read_index


@pytest.mark.parametrize("kind", ["mp4", "mkv", "avi", "mov"])
def test_frames_after_seeking_are_those_of_the_whole_video(tmp_path: Path, kind: str) -> None:
    path = make_video(tmp_path / f"video.{kind}", 100, options={"g": "25"})
    with VideoReader(path) as video:
        all_frames = {round(frame.timestamp, 3): read_index(frame.image()) for frame in video.frames()}
    for seconds in (0.0, 1.3, 2.0, 3.9, 100.0, -1.0):
        with VideoReader(path) as video:
            video.seek(seconds)
            remaining = {round(frame.timestamp, 3): read_index(frame.image()) for frame in video.frames()}
        assert remaining.items() <= all_frames.items()
        assert {second for second in all_frames if second >= seconds} <= remaining.keys()
        if kind != "avi" and seconds == 3.9:
            assert len(remaining) < 60  # of 100


def test_seeking_to_the_start_repeats_the_frames(tmp_path: Path) -> None:
    with VideoReader(make_video(tmp_path / "video.mp4", 60, options={"g": "10"})) as video:
        times = [frame.timestamp for frame in video.frames()]
        video.seek(0)
        assert [frame.timestamp for frame in video.frames()] == pytest.approx(times)
        assert video.num_corrupt_packets == 0
