"""A part of a video is analyzed as if it had been cut out before."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from emotion.errors import SettingsError, VideoError
from emotion.jobs.reporter import JobReporter
from emotion.media.video_reader import VideoReader
from emotion.video.redraw import redraw_video
from emotion.video.settings import VideoSettings
from emotion.video.time_range import TimeRange
from tests.video.conftest import Analyze
from tests.video.test_redraw import read_frames

PART = TimeRange(1.0, 3.0)  # of the four seconds of `moving_video`, which has ten frames per second


def test_times_of_a_part_count_from_its_start(analyzed: Analyze, moving_video: Path) -> None:
    analysis = analyzed(moving_video, time_range=PART)
    assert analysis.settings.time_range == PART
    assert (analysis.num_frames, analysis.summary.get("status")) == (20, "done")
    assert analysis.frame_log.timestamps() == pytest.approx(np.arange(20) / 10, abs=1e-3)
    assert analysis.duration == pytest.approx(2.0, abs=0.01)
    assert analysis.video_info is not None
    assert analysis.video_info.num_frames == 20
    table = analysis.face_table()
    assert set(table["track_id"]) == {1, 2}
    labels = table.loc[table["track_id"] == 1, "display_label"].tolist()
    assert 10 <= labels.index("happy") <= 16  # the change is at second 2 of the video; smoothing delays it


def test_annotated_video_holds_the_part_alone_and_is_redrawn_equally(analyzed: Analyze, moving_video: Path) -> None:
    analysis = analyzed(moving_video, time_range=PART)
    assert analysis.annotated_video is not None
    source, drawn = read_frames(moving_video), read_frames(analysis.annotated_video)
    assert [seconds for seconds, _ in drawn] == pytest.approx(np.arange(20) / 10, abs=1e-3)
    for (_, before), (_, after) in zip(source[10:30], drawn, strict=True):
        assert np.abs(before[-20:].astype(int) - after[-20:]).mean() < 4  # below the faces nothing is drawn
    with VideoReader(analysis.annotated_video) as video:
        assert video.info.duration == pytest.approx(2.0, abs=0.01)
    first = analysis.annotated_video.read_bytes()
    assert redraw_video(analysis.folder, JobReporter(analysis.folder))
    assert analysis.annotated_video.read_bytes() == first


def test_an_end_behind_the_video_is_its_end(analyzed: Analyze, moving_video: Path) -> None:
    analysis = analyzed(moving_video, time_range=TimeRange(3.5, 99.0))
    assert analysis.num_frames == 5
    assert analysis.duration == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("timestamps", "time_range", "expected"),
    [
        ([0.0, 0.1, 0.2, 4.0, 4.1], TimeRange(1.0, 2.0), {0.0: 0.2}),
        ([0.0, 0.1, 0.2, 4.0, 4.1], TimeRange(1.0), {0.0: 0.2, 3.0: 4.0, 3.1: 4.1}),
        ([0.0, 0.1, 0.2, 0.3], TimeRange(0.11, 0.19), {0.0: 0.1}),
        ([0.0, 0.1, 0.2, 0.3], TimeRange(0.15), {0.05: 0.2, 0.15: 0.3}),
        ([0.0, 0.1, 0.2, 0.3], TimeRange(0.35), {0.0: 0.3}),
        ([0.0, 0.1, 0.2, 0.3], TimeRange(0.1, 0.3), {0.0: 0.1, 0.1: 0.2}),
        ([0.0, 0.1], TimeRange(7.0), {}),
    ],
)
def test_a_part_begins_with_the_frame_on_display(
    timestamps: list[float], time_range: TimeRange, expected: dict[float, float]
) -> None:
    """A frame of slides or of a call stays for seconds; the second in the part, and that in the video."""
    frames = [SimpleNamespace(timestamp=timestamp) for timestamp in timestamps]
    video: Any = SimpleNamespace(info=SimpleNamespace(container="avi", fps=10.0), frames=lambda: iter(frames))
    found = list(time_range.iter_frames(video))
    assert [index for index, _, _ in found] == list(range(len(expected)))
    assert {second: frame.timestamp for _, second, frame in found} == pytest.approx(expected)


def test_a_start_behind_the_video_is_refused(analyze: Analyze, moving_video: Path) -> None:
    with pytest.raises(VideoError, match=r"moving\.mp4 ends at 0:04\.0, but the part begins at 0:05\.0"):
        analyze(moving_video, time_range=TimeRange(5.0))


@pytest.mark.parametrize(("start", "end"), [(-1.0, None), (float("nan"), None), (2.0, 2.0), (2.0, float("inf"))])
def test_impossible_parts_are_refused(start: float, end: float | None) -> None:
    with pytest.raises(SettingsError):
        TimeRange(start, end)


def test_provenance_names_the_part(analyzed: Analyze, moving_video: Path) -> None:
    assert "start=1.0; end=3.0" in analyzed(moving_video, time_range=PART).request.provenance_line
    assert VideoSettings().time_range.is_whole
