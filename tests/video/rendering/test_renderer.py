from __future__ import annotations

import json
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
from emotion.video import track_filter
from emotion.video.frame_log import FRAMES_FILE, FrameLog
from emotion.video.rendering.renderer import FaceSnapshot, FrameRenderer, RenderedFrame, interpolate_faces
from emotion.video.settings import FAST_STRIDE, VideoSettings
from emotion.video.workers import FrameSampler
from tests.video.scenes import paint


def face(track: int, x: float) -> Face:
    return Face(Box(x, 0, x + 10, 10), 0.9, track_id=track)


def places(faces: tuple[Face, ...]) -> dict[Any, float]:
    return {one.track_id: round(one.box.x1, 6) for one in faces}


BEFORE, AFTER = FaceSnapshot(1.0, (face(1, 0), face(2, 50))), FaceSnapshot(2.0, (face(1, 40), face(3, 80)))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1.0, {1: 0, 2: 50}),
        (1.25, {1: 10, 2: 50}),
        (1.75, {1: 30, 2: 50}),  # who is lost stays until the next look, which is when who is new comes
    ],
)
def test_between_two_looks(seconds: float, expected: dict[int, float]) -> None:
    assert places(interpolate_faces(BEFORE, AFTER, seconds)) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(1.5, {1: 0, 2: 50}), (2.0, {1: 0, 2: 50}), (2.1, {})])
def test_after_the_last_look(seconds: float, expected: dict[int, float]) -> None:
    assert places(interpolate_faces(BEFORE, None, seconds)) == expected


def test_nobody_ever_looked_or_at_other_images() -> None:
    assert interpolate_faces(None, None, 1.0) == ()
    assert interpolate_faces(BEFORE, AFTER, 1.5, (7, 7, 3)) == ()
    assert interpolate_faces(BEFORE, BEFORE, 1.0) == BEFORE.faces


@given(st.lists(st.booleans(), min_size=1, max_size=80), st.booleans())
def test_every_frame_comes_back_once_and_in_order(looks: list[bool], blur: bool) -> None:
    class Nobody:
        """Finds nothing."""

        def detect(self, *_: object) -> tuple[Face, ...]:
            return ()

    easel = FrameRenderer(Nobody(), VideoSettings(anonymize=blur))  # type: ignore[arg-type]
    image = paint([])
    times = list[float]()
    for i, look in enumerate(looks):
        times += [drawn.timestamp for drawn in easel.push(image, i / 10, () if look else None)]
        assert i + 1 - len(times) <= 32
    times += [drawn.timestamp for drawn in easel.flush()]
    assert times == [i / 10 for i in range(len(looks))]


def test_a_frame_that_was_looked_at_does_not_wait(analyzer: Analyzer) -> None:
    easel = FrameRenderer(analyzer, VideoSettings())
    assert [drawn.timestamp for drawn in easel.push(paint([]), 0.0, ())] == [0.0]


def test_boxes_go_straight_from_look_to_look(analyzer: Analyzer) -> None:
    easel = FrameRenderer(analyzer, VideoSettings(frame_stride=4))
    image, drawn = paint([]), list[Any]()
    for i in range(5):
        drawn += easel.push(image, i / 10, {0: (face(1, 0),), 4: (face(1, 40),)}.get(i))
    assert [places(one.faces) for one in drawn] == [{1: 0}, {1: 10}, {1: 20}, {1: 30}, {1: 40}]
    changed = np.abs(drawn[2].render().astype(int) - image).max(axis=(0, 2))
    assert changed[20] > 60  # it is drawn there
    assert not image.max() > 24  # and not into what came


def test_what_is_drawn_is_what_the_table_says(analyzer: Analyzer, make_scores: Any, tmp_path: Path) -> None:
    """Of a face that changes at every look: in each frame the picture shows what the timeline shows at that time."""
    easel, drawn, lines = FrameRenderer(analyzer, VideoSettings(frame_stride=4)), list[RenderedFrame](), list[str]()
    for i in range(25):
        known = None
        if i % 4 == 0:
            scores = make_scores(("happy", "sad", "angry")[i // 4 % 3], 0.8)
            known = (face(1, i).with_scores(scores, "dark" if i == 12 else None, "fear" if i == 8 else None),)
            lines.append(json.dumps({"index": i, **serialization.frame_to_dict(i / 10, known)}) + "\n")
        drawn += easel.push(paint([]), i / 10, known)
    drawn += easel.flush()
    (tmp_path / FRAMES_FILE).write_text("".join(lines))
    log = FrameLog(tmp_path)
    assert log.refresh()
    table = log.to_dataframe()
    assert [*table["display_label"]] == ["happy", "sad", "fear", "unsure", "sad", "angry", "happy"]
    for frame in drawn:
        row = table[table["timestamp"] <= frame.timestamp + 1e-9].iloc[-1]
        (one,) = frame.faces
        assert (one.display_label, one.confidence) == (row["display_label"], pytest.approx(row["confidence"], abs=1e-4))


@pytest.mark.parametrize(
    ("every", "rate", "due"),
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
def test_pace(every: int, rate: int, due: int) -> None:
    pace = FrameSampler(every)
    assert sum(pace.should_process(i, i / rate) for i in range(rate)) == due


@given(st.floats(6.1, 120), st.integers(0, 10_000))
def test_fast_looks_are_never_so_far_apart_that_a_face_cannot_be_seen_to_last(rate: float, first: int) -> None:
    pace = FrameSampler(FAST_STRIDE)
    seconds = [i / rate for i in range(first, first + 200)]
    looks = [t for i, t in enumerate(seconds) if pace.should_process(i, t)]
    assert max(b - a for a, b in pairwise(looks)) <= track_filter._MAX_INTERVAL_SECONDS
    assert len(looks) <= 13 * (seconds[-1] - seconds[0]) + 1


def test_fast_is_by_time_not_by_number() -> None:
    pace = FrameSampler(FAST_STRIDE)
    assert [pace.should_process(i, t) for i, t in enumerate([0.0, 0.001, 0.002, 5.0, 5.05, 5.2])] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]
