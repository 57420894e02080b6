"""The last half minute of the live stream as lanes."""

from __future__ import annotations

import pytest

from emotion.expressions import UNCERTAIN, get_style
from emotion.faces import Box, Face, FrameResult, Scores
from emotion.ui.live.overlays.ribbon import describe_lanes, group_by_track, make_lanes, merge_samples

Results = list[tuple[float, FrameResult]]


def make_results(
    *samples: tuple[float, int, str, float], labels: tuple[str, ...] = ("happy", "sad"), uncertain: bool = False
) -> Results:
    """Return a result per sample (seconds, track_id, label, confidence)."""
    results: Results = []
    for index, (seconds, track_id, label, confidence) in enumerate(samples):
        others = {other: (1 - confidence) / (len(labels) - 1) for other in labels if other != label}
        scores = Scores([label, *others], [confidence, *others.values()])
        face = Face(Box(0, 0, 9, 9), 0.9, track_id=track_id).with_scores(scores, "small" if uncertain else None)
        results.append((seconds, FrameResult(index, float(index), (face,))))
    return results


def test_each_track_has_a_lane_with_its_latest_symbol() -> None:
    results = make_results((-2.0, 10, "sad", 0.9), (-2.0, 2, "sad", 0.9), (-1.8, 2, "happy", 0.9))
    lanes = make_lanes(results)
    assert [lane["name"] for lane in lanes] == ["2 ●", "10 ■"]
    assert [part["title"] for lane in lanes for part in lane["segments"]] == ["■ sad 90%", "● happy 90%", "■ sad 90%"]
    assert describe_lanes(results) == "The last 30 seconds: happy, sad"


def test_lanes_are_those_of_the_faces_that_came_last() -> None:
    results = make_results(*((-20.0 + track, track, "sad", 0.9) for track in range(1, 6)))
    assert [lane["name"] for lane in make_lanes(results)] == ["3 ■", "4 ■", "5 ■"]


def test_long_segments_have_their_word() -> None:
    results = make_results(*((-10 + i / 5, 1, "happy" if i < 40 else "sad", 0.9) for i in range(50)))
    (lane,) = make_lanes(results)
    assert [part["word"] for part in lane["segments"]] == ["● happy", ""]


def test_consecutive_equal_samples_are_one_segment() -> None:
    results = make_results(*((round(-4 + i / 5, 1), 1, "happy" if i < 10 else "sad", 0.9) for i in range(20)))
    first, second = merge_samples(group_by_track(results)[1])
    assert (first.label, first.start, first.end) == ("happy", -4, -2)
    assert (second.label, second.start, second.end) == ("sad", -2, 0)  # the latest sample lasts until now
    assert (first.confidence, first.opacity) == (pytest.approx(0.9), 1)


def test_a_gap_is_left_empty() -> None:
    results = make_results((-20.0, 1, "sad", 0.9), (-19.8, 1, "sad", 0.9), (-10.0, 1, "sad", 0.9))
    assert [(segment.start, segment.end) for segment in merge_samples(group_by_track(results)[1])] == [
        (-20, pytest.approx(-19.2)),
        (-10, pytest.approx(-9.4)),
    ]


def test_less_confident_segments_are_paler_and_uncertain_ones_thin() -> None:
    results = make_results((-3.0, 1, "sad", 1.0), (-2.8, 1, "sad", 0.6))
    results += make_results((-2.6, 1, "sad", 0.6), uncertain=True)
    certain, pale, uncertain = merge_samples(group_by_track(results)[1])
    assert certain.opacity > pale.opacity > 0.3
    assert uncertain.label == UNCERTAIN.name
    (lane,) = make_lanes(results)
    assert [part["uncertain"] for part in lane["segments"]] == [False, False, True]


def test_segments_lie_at_their_seconds() -> None:
    (lane,) = make_lanes(make_results((-30.2, 1, "sad", 0.9), (-29.7, 1, "sad", 0.9), (-3.0, 1, "happy", 0.9)))
    places = [(part["left"], part["width"]) for part in lane["segments"]]
    assert places == [(0, pytest.approx(3, abs=0.01)), (90, pytest.approx(2, abs=0.01))]


def test_nothing_seen_gives_no_lane() -> None:
    assert make_lanes([]) == []
    assert describe_lanes([]) == "The last 30 seconds: no face yet"


def test_label_of_a_model_has_a_color() -> None:
    (lane,) = make_lanes(make_results((-1.0, 1, "<b>&", 0.9), labels=("<b>&", "sad")))
    assert lane["segments"][0]["color"] == get_style("<b>&").color
