"""Curves of the scores of a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emotion.video.analysis import VideoAnalysis
from emotion.video.tables import get_column
from tests.video.conftest import Analyze
from tests.video.scenes import make_line, write_frame_lines


@pytest.fixture
def analysis(tmp_path: Path) -> VideoAnalysis:
    """Return an analysis of two faces for a second each, with a second without a face between them."""
    first = [make_line(i, i / 10, (1, "happy")) for i in range(10)]
    no_face = [make_line(i, i / 10) for i in range(10, 20)]
    second = [make_line(i, i / 10, (2, "sad")) for i in range(20, 30)]
    write_frame_lines(tmp_path, *first, *no_face, *second)
    return VideoAnalysis(tmp_path)


def test_everyone_has_a_curve_of_each_expression_with_a_gap_where_no_face_is_seen(analysis: VideoAnalysis) -> None:
    curves = analysis.score_curves()
    assert set(curves["expression"]) == set(analysis.labels)
    happy = curves[curves["expression"] == "happy"]
    starts, scores = get_column(happy, "start"), get_column(happy, "probability")
    early, gap, late = (scores[(starts > low) & (starts < high)] for low, high in ((0, 0.8), (1.1, 1.9), (2.1, 2.9)))
    assert early.min() > late.max()
    assert np.isnan(gap).all()


def test_the_curve_of_a_face_spans_the_time_in_which_it_is_seen(analysis: VideoAnalysis) -> None:
    curves = analysis.score_curves(2)
    assert 1.9 <= curves["start"].min() <= 2.0
    sad = get_column(curves[curves["expression"] == "sad"], "probability")
    assert np.nanmean(sad) == pytest.approx(np.nanmax(get_column(curves, "probability")), abs=0.2)


def test_a_video_without_faces_has_an_empty_table(tmp_path: Path) -> None:
    write_frame_lines(tmp_path, make_line(0, 0.0))
    assert VideoAnalysis(tmp_path).score_curves().empty


def test_a_long_video_has_as_many_points_as_a_chart_shows(analyzed: Analyze, moving_video: Path) -> None:
    analysis = analyzed(moving_video)
    assert len(analysis.score_curves(1)) == len(analysis.labels) * 48  # twelve steps in each of four seconds
