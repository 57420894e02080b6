from pathlib import Path

import pytest

from emotion.demo import sample_video


@pytest.mark.slow
def test_sample_video_has_one_face(tmp_path: Path) -> None:
    sample_video.write_sample_video(tmp_path / "samples" / "one.mp4")
    again = tmp_path / "two.mp4"
    sample_video.write_sample_video(again)
    assert (tmp_path / "samples" / "one.mp4").read_bytes() == again.read_bytes()
    assert 50_000 < again.stat().st_size < 1_000_000
