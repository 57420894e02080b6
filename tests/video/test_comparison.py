"""Several videos are compared on one time axis."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emotion.video.analysis import VideoAnalysis
from emotion.video.comparison import COMPARISON_COLUMNS, compare_scores, list_common_labels
from emotion.video.tables import get_column
from tests.video.scenes import make_line, write_frame_lines


def make_analysis(folder: Path, label: str, frames: int) -> VideoAnalysis:
    folder.mkdir()
    write_frame_lines(folder, *(make_line(i, i / 10, (1, label)) for i in range(frames)))
    return VideoAnalysis(folder)


def test_each_video_has_a_curve_of_the_expression_over_its_own_time(tmp_path: Path) -> None:
    videos = {"a": make_analysis(tmp_path / "a", "happy", 10), "b": make_analysis(tmp_path / "b", "sad", 30)}
    assert {"happy", "sad"} <= set(list_common_labels(videos.values()))
    table = compare_scores(videos, "happy")
    assert list(table.columns) == [*COMPARISON_COLUMNS]
    names, starts, scores = (get_column(table, name) for name in COMPARISON_COLUMNS)
    assert set(names) == {"a", "b"}
    assert starts[names == "a"].max() < 1 < starts[names == "b"].max() < 3
    assert np.nanmin(scores[names == "a"]) > np.nanmax(scores[names == "b"])


def test_videos_without_faces_have_no_label_in_common(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_frame_lines(tmp_path / "empty", make_line(0, 0.0))
    videos = [make_analysis(tmp_path / "a", "happy", 3), VideoAnalysis(tmp_path / "empty")]
    assert list_common_labels(videos) == []
    assert list_common_labels([]) == []
    assert compare_scores({}, "happy").empty
