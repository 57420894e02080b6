from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.faces import Box, Face
from emotion.recognition.analyzer import Analyzer
from emotion.results import serialization
from emotion.video.frame_log import FrameLog
from emotion.video.pipeline import FRAMES_FILE
from emotion.video.processing import track_filter
from emotion.video.processing.workers import FrameSampler
from emotion.video.rendering.renderer import FaceSnapshot, FrameRenderer, RenderedFrame, interpolate_faces
from emotion.video.settings import FAST_STRIDE, VideoSettings
from tests.video.scenes import VIDEO_INFO, draw_scene, make_feature_face


def make_face(track: int, x: float) -> Face:
    return Face(Box(x, 0, x + 10, 10), 0.9, track_id=track)


def get_positions(faces: tuple[Face, ...]) -> dict[Any, float]:
    return {item.track_id: round(item.box.x1, 6) for item in faces}


FIRST, SECOND = (
    FaceSnapshot(1.0, (make_face(1, 0), make_face(2, 50))),
    FaceSnapshot(2.0, (make_face(1, 40), make_face(3, 80))),
)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1.0, {1: 0, 2: 50}),
        (1.25, {1: 10, 2: 50}),
        (1.75, {1: 30, 2: 50}),  # a lost face stays, and a new one appears, at the next analyzed frame
    ],
)
def test_boxes_between_analyzed_frames_are_interpolated(seconds: float, expected: dict[int, float]) -> None:
    assert get_positions(interpolate_faces(FIRST, SECOND, seconds)) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(1.5, {1: 0, 2: 50}), (2.0, {1: 0, 2: 50}), (2.1, {})])
def test_boxes_stay_for_a_second_after_the_last_analyzed_frame(seconds: float, expected: dict[int, float]) -> None:
    assert get_positions(interpolate_faces(FIRST, None, seconds)) == expected


def test_faces_are_not_interpolated_across_sizes_or_without_snapshots() -> None:
    assert interpolate_faces(None, None, 1.0) == ()
    assert interpolate_faces(FIRST, SECOND, 1.5, (7, 7, 3)) == ()
    assert interpolate_faces(FIRST, FIRST, 1.0) == FIRST.faces


def test_points_move_with_the_box_and_are_drawn() -> None:
    face = make_feature_face(make_face(1, 0))
    after = FaceSnapshot(2.0, (make_face(1, 40),))
    (moved,) = interpolate_faces(FaceSnapshot(1.0, (face,)), after, 1.5)
    assert face.features is not None
    assert moved.features is not None
    np.testing.assert_allclose(np.subtract(moved.features.points, face.features.points), [[20, 0]] * 68)
    image = np.zeros((60, 80, 3), np.uint8)
    with_points, without = (
        RenderedFrame(image, 1.5, (one,), []).render() for one in (moved, replace(moved, features=None))
    )
    assert (with_points != without).any()


@given(st.lists(st.booleans(), min_size=1, max_size=80), st.booleans())
def test_every_frame_is_returned_once_and_in_order(analyzed: list[bool], anonymize: bool) -> None:
    class EmptyDetector:
        """A detector that finds no faces."""

        def detect(self, *_: object) -> tuple[Face, ...]:
            return ()

    renderer = FrameRenderer(EmptyDetector(), VideoSettings(anonymize=anonymize), VIDEO_INFO)  # type: ignore[arg-type]
    image = draw_scene([])
    times = list[float]()
    for i, is_analyzed in enumerate(analyzed):
        times += [rendered.timestamp for rendered in renderer.push(image, i / 10, () if is_analyzed else None)]
        assert i + 1 - len(times) <= 32
    times += [rendered.timestamp for rendered in renderer.flush()]
    assert times == [i / 10 for i in range(len(analyzed))]


def test_analyzed_frame_is_returned_immediately(analyzer: Analyzer) -> None:
    renderer = FrameRenderer(analyzer, VideoSettings(), VIDEO_INFO)
    assert [rendered.timestamp for rendered in renderer.push(draw_scene([]), 0.0, ())] == [0.0]


def test_boxes_move_linearly_between_analyzed_frames(analyzer: Analyzer) -> None:
    renderer = FrameRenderer(analyzer, VideoSettings(frame_stride=4), VIDEO_INFO)
    image, rendered = draw_scene([]), list[Any]()
    for i in range(5):
        rendered += renderer.push(image, i / 10, {0: (make_face(1, 0),), 4: (make_face(1, 40),)}.get(i))
    assert [get_positions(item.faces) for item in rendered] == [{1: 0}, {1: 10}, {1: 20}, {1: 30}, {1: 40}]
    changed = np.abs(rendered[2].render().astype(int) - image).max(axis=(0, 2))
    assert changed[20] > 60  # the box is drawn there
    assert not image.max() > 24  # the input is unchanged


def test_rendered_labels_match_the_frame_log(analyzer: Analyzer, make_scores: Any, tmp_path: Path) -> None:
    """The face changes in every analyzed frame; each frame has the label of the log at its time."""
    renderer, rendered, lines = (
        FrameRenderer(analyzer, VideoSettings(frame_stride=4), VIDEO_INFO),
        list[RenderedFrame](),
        list[str](),
    )
    for i in range(25):
        faces = None
        if i % 4 == 0:
            scores = make_scores(("happy", "sad", "angry")[i // 4 % 3], 0.8)
            faces = (make_face(1, i).with_scores(scores, "dark" if i == 12 else None, "fear" if i == 8 else None),)
            lines.append(json.dumps({"index": i, **serialization.frame_to_dict(i / 10, faces)}) + "\n")
        rendered += renderer.push(draw_scene([]), i / 10, faces)
    rendered += renderer.flush()
    (tmp_path / FRAMES_FILE).write_text("".join(lines))
    log = FrameLog(tmp_path)
    assert log.refresh()
    table = log.to_dataframe()
    assert [*table["display_label"]] == ["happy", "sad", "fear", "unsure", "sad", "angry", "happy"]
    for frame in rendered:
        row = table[table["timestamp"] <= frame.timestamp + 1e-9].iloc[-1]
        (item,) = frame.faces
        assert (item.display_label, item.confidence) == (
            row["display_label"],
            pytest.approx(row["confidence"], abs=1e-4),
        )


@pytest.mark.parametrize(
    ("frame_stride", "rate", "num_due"),
    [
        (1, 30, 30),
        (2, 30, 15),
        (7, 30, 5),
        (FAST_STRIDE, 60, 9),
        (FAST_STRIDE, 30, 8),
        (FAST_STRIDE, 25, 9),
        (FAST_STRIDE, 24, 8),
        (FAST_STRIDE, 13, 7),
        (FAST_STRIDE, 12, 12),
        (FAST_STRIDE, 10, 10),
        (FAST_STRIDE, 5, 5),
    ],
)
def test_frame_stride_decides_the_number_of_analyzed_frames(frame_stride: int, rate: int, num_due: int) -> None:
    sampler = FrameSampler(frame_stride)
    assert sum(sampler.should_process(i, i / rate) for i in range(rate)) == num_due


@given(st.floats(6.1, 120), st.integers(0, 10_000))
def test_interval_of_the_fast_stride_is_short_enough_to_measure_durations(rate: float, first: int) -> None:
    sampler = FrameSampler(FAST_STRIDE)
    seconds = [i / rate for i in range(first, first + 200)]
    analyzed = [t for i, t in enumerate(seconds) if sampler.should_process(i, t)]
    assert max(b - a for a, b in pairwise(analyzed)) <= track_filter._MAX_INTERVAL_SECONDS
    assert len(analyzed) <= 13 * (seconds[-1] - seconds[0]) + 1


def test_fast_stride_depends_on_time() -> None:
    sampler = FrameSampler(FAST_STRIDE)
    assert [sampler.should_process(i, t) for i, t in enumerate([0.0, 0.001, 0.002, 5.0, 5.05, 5.2])] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]
