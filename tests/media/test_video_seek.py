from __future__ import annotations

from pathlib import Path

import pytest

from emotion.media.video_reader import VideoReader
from tests.media.videos import index_of, make_film


@pytest.mark.parametrize("kind", ["mp4", "mkv", "avi", "mov"])
@pytest.mark.parametrize("seconds", [0.0, 1.3, 4.0, 7.9, 100.0, -1.0])
def test_after_skipping_the_frames_are_the_same(tmp_path: Path, kind: str, seconds: float) -> None:
    path = make_film(tmp_path / f"film.{kind}", 200, options={"g": "25"})
    with VideoReader(path) as film:
        whole = {round(frame.timestamp, 3): index_of(frame.image()) for frame in film.frames()}
    with VideoReader(path) as film:
        film.seek(seconds)
        rest = {round(frame.timestamp, 3): index_of(frame.image()) for frame in film.frames()}
    assert rest.items() <= whole.items()
    assert {second for second in whole if second >= seconds} <= rest.keys()
    if kind != "avi" and seconds == 7.9:
        assert len(rest) < 60  # of 200


def test_back_again(tmp_path: Path) -> None:
    with VideoReader(make_film(tmp_path / "film.mp4", 60, options={"g": "10"})) as film:
        times = [frame.timestamp for frame in film.frames()]
        film.seek(0)
        assert [frame.timestamp for frame in film.frames()] == pytest.approx(times)
        assert film.num_corrupt_packets == 0
