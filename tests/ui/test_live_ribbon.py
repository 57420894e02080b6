"""The last half minute of the live stream as HTML."""

from __future__ import annotations

import re

import pytest

from emotion.expressions import EXPRESSIONS, UNCERTAIN, get_style, symbol_and_name
from emotion.faces import Box, Face, FrameResult, Scores
from emotion.ui.live.ribbon import format_ribbon, group_by_track, merge_samples

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
    html = format_ribbon(results)
    assert re.findall(r">(\d+ [●■])</span>", html) == ["2 ●", "10 ■"]
    assert re.findall(r'title="([^"]+)"', html) == ["■ sad 90%", "● happy 90%", "■ sad 90%"]
    assert 'aria-label="The last 30 seconds: happy, sad"' in html


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
    heights = [float(height) for height in re.findall(r"top:[\d.]+px;height:([\d.]+)px", format_ribbon(results))]
    assert heights[2] < heights[0] / 2


def test_segments_lie_at_their_seconds() -> None:
    html = format_ribbon(make_results((-30.2, 1, "sad", 0.9), (-29.7, 1, "sad", 0.9), (-3.0, 1, "happy", 0.9)))
    places = [(float(a), float(b)) for a, b in re.findall(r"left:([\d.]+)%;right:([\d.]+)%", html)]
    assert places == [(0, pytest.approx(97, abs=0.01)), (90, pytest.approx(8, abs=0.01))]


@pytest.mark.parametrize("labels", [(), tuple(EXPRESSIONS)])
def test_legend_has_all_labels(labels: tuple[str, ...]) -> None:
    results = make_results((-1.0, 1, "sad", 0.9), labels=labels) if labels else []
    legend = format_ribbon(results).split("flex-wrap")[1]
    for label, style in {**EXPRESSIONS, UNCERTAIN.name: UNCERTAIN}.items():
        assert style.color in legend
        assert symbol_and_name(label) in legend


def test_an_empty_ribbon_has_a_lane_and_an_axis() -> None:
    html = format_ribbon([])
    assert "no face yet" in html
    assert [text for text in ("30 s", "20 s", "10 s", "now") if f">{text}<" in html] == ["30 s", "20 s", "10 s", "now"]


def test_label_of_a_model_is_text_only() -> None:
    html = format_ribbon(make_results((-1.0, 1, "<b>&", 0.9), labels=("<b>&", "sad")))
    assert "<b>" not in html
    assert "&lt;b&gt;&amp;" in html
    assert get_style("<b>&").color in html
