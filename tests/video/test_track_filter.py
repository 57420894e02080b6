from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.faces import Box, Face, Scores
from emotion.media.video_reader import VideoInfo
from emotion.tracking.label_smoothing import TrackInfo
from emotion.video.settings import FAST_STRIDE, VideoSettings
from emotion.video.track_filter import TrackFilter
from emotion.video.workers import DecodedFrame, FrameSampler

Look = dict[int, float] | None  # how sure the classifier is of each track; None: nobody looked
SCORES = Scores(["happy"], [1.0])
BOX = Box(0, 0, 10, 10)


def facts(seconds: float | None = 60.0, fps: float | None = 10.0) -> VideoInfo:
    return VideoInfo(32, 24, seconds, fps, None, "h264", "mp4", 0, False)


def play(
    *looks: Look,
    every: int = 1,
    step: float = 0.1,
    most: int = 10**9,
    at: Sequence[float] = (),
    end: float | None = None,
    **more: Any,
) -> list[dict[int, float] | None]:
    """Numbers of the faces that count in each frame, all frames checked to be there in order; they come every `step`
    seconds or `at` given ones, and the last one lasts until `end`."""
    casting = TrackFilter(VideoSettings(frame_stride=every), facts(**more))
    image, out = np.zeros((24, 32, 3), np.uint8), list[Any]()
    for i, look in enumerate(looks):
        found = None if look is None else tuple(Face(BOX, 0.9, track_id=track) for track in look)
        notes = {track: TrackInfo(SCORES, face, False) for track, face in (look or {}).items()}
        out += casting.push(DecodedFrame(i, at[i] if at else round(i * step, 6), image, look is not None), found, notes)
        assert i + 1 - len(out) <= most
    out += casting.flush(end)
    assert [one.frame.index for one in out] == list(range(len(looks)))
    for look, one in zip(looks, out, strict=True):
        assert len(one.all_boxes) == len(look or ())
    return [None if one.faces is None else [face.track_id for face in one.faces] for one in out]


def test_who_stays_counts_from_the_first_frame_on() -> None:
    assert play(*[{7: 0.9}] * 6) == [[1]] * 6


def test_who_is_there_for_a_moment_does_not_count() -> None:
    assert play({}, *[{7: 0.9}] * 3, {}, {}, {}) == [[]] * 7
    assert play({}, *[{7: 0.9}] * 4, {}, {}) == [[], *[[1]] * 4, [], []]


def test_what_the_classifier_takes_for_no_face_does_not_count() -> None:
    assert play(*[{7: 0.25}] * 20) == [[]] * 20
    assert play(*[{7: 0.31}] * 5) == [[1]] * 5


def test_who_counts_goes_on_to_count() -> None:
    assert play(*[{7: 0.9}] * 5, *[{7: 0.05}] * 5) == [[1]] * 10


def test_who_is_believed_late_counts_from_shortly_before() -> None:
    shown = play(*[{7: 0.1}] * 10, *[{7: 0.8}] * 10)
    assert shown == [*[[]] * 6, *[[1]] * 14]  # from second 0.6 on, when it is believed at second 1.0


def test_numbers_are_given_to_those_who_count() -> None:
    assert play(*[{3: 0.9, 5: 0.1, 9: 0.9}] * 5) == [[1, 2]] * 5


@pytest.mark.parametrize(
    ("every", "fps", "seconds", "counts"),
    [
        (1, 10.0, 60.0, False),
        (FAST_STRIDE, 10.0, 60.0, False),
        (3, 30.0, 60.0, False),
        (1, None, None, False),
        (2, 10.0, 60.0, True),  # looks that are so far apart tell nothing of how long it lasts
        (90, 30.0, 60.0, True),
        (FAST_STRIDE, 1.0, 60.0, True),
        (1, 10.0, 0.3, True),  # a film that is over before anybody can last
    ],
)
def test_one_look(every: int, fps: float | None, seconds: float | None, counts: bool) -> None:
    looks: list[Look] = [{}, {1: 0.9}, {}, {}]
    assert play(*looks, every=every, fps=fps, seconds=seconds) == [[], [1] if counts else [], [], []]


@pytest.mark.parametrize("fps", [8, 10, 12, 13, 15, 18, 19, 24, 25, 30, 60])
def test_fast_does_not_count_who_is_there_for_one_look(fps: int) -> None:
    pace, looks = FrameSampler(FAST_STRIDE), list[Look]()
    for i in range(4 * fps):
        looked = len(looks) - looks.count(None)
        looks.append(({7: 0.9} if looked == 7 else {}) if pace.should_process(i, i / fps) else None)
    shown = play(*looks, every=FAST_STRIDE, at=[i / fps for i in range(len(looks))], fps=float(fps), end=4.0)
    assert {7: 0.9} in looks
    assert not any(shown)


def test_who_is_in_a_image_that_stands_for_long_counts() -> None:
    faces: list[Look] = [{}, {7: 0.9, 8: 0.2}, {9: 0.9}, {}, {}, {}]
    assert play(*faces, at=[0, 0.1, 2.1, 2.2, 2.3, 2.4]) == [[], [1], [], [], [], []]
    assert play(*faces, at=[0, 0.1, 0.2, 2.2, 2.3, 2.4]) == [[], [], [1], [], [], []]


def test_who_had_gone_before_a_image_that_stands_for_long_does_not_count() -> None:
    assert play({}, {7: 0.9}, None, {}, None, {}, at=[0, 0.05, 0.1, 0.15, 0.9, 0.95]) == [[], [], None, [], None, []]


@pytest.mark.parametrize(("end", "numbers"), [(None, []), (0.6, []), (2.5, [1])])
def test_how_long_the_last_image_stands(end: float | None, numbers: list[int]) -> None:
    assert play(*[{}] * 5, {7: 0.9}, end=end)[-1] == numbers


def test_frames_that_nobody_looked_at_wait_with_the_others() -> None:
    assert play({7: 0.9}, None, None, {7: 0.9}, None, {}, every=FAST_STRIDE) == [[1], None, None, [1], None, []]


def test_large_frames_wait_as_long_as_a_face_must_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.video.track_filter._SOFT_LIMIT_BYTES", 2 * 24 * 32 * 3)
    assert play(*[{7: 0.9}] * 12, step=0.05, most=7) == [[1]] * 12


def test_huge_frames_wait_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.video.track_filter._MAX_PENDING_BYTES", 2 * 24 * 32 * 3)
    assert play(*[{7: 0.9}] * 6, most=2) == [[], *[[1]] * 5]


class Heavy:
    """A frame of which only the size is asked, as memory is short where tests run."""

    def __init__(self, width: int, height: int) -> None:
        self.nbytes = 3 * width * height


@pytest.mark.parametrize(("width", "height", "megabytes"), [(3840, 2160, 250), (1920, 1080, 82)])
def test_no_first_frame_is_lost_at_the_usual_sizes(width: int, height: int, megabytes: int) -> None:
    casting, note, found = (
        TrackFilter(VideoSettings(), facts(fps=30.0)),
        {7: TrackInfo(SCORES, 0.9, False)},
        list[Any](),
    )
    for i in range(30):
        shot = DecodedFrame(i, i / 30, Heavy(width, height), True)  # type: ignore[arg-type]
        found += casting.push(shot, (Face(BOX, 0.9, track_id=7),), note)
        assert sum(frame.frame.image.nbytes for frame in casting._pending) < megabytes * 1e6
    assert [len(one.faces) for one in found] == [1] * len(found)


def test_memory_stays_bounded() -> None:
    casting, image = TrackFilter(VideoSettings(), facts()), np.zeros((24, 32, 3), np.uint8)
    for i in range(3000):
        found = (Face(BOX, 0.9, track_id=i),)
        list(casting.push(DecodedFrame(i, i / 10, image, True), found, {i: TrackInfo(SCORES, 0.9, False)}))
    assert len(casting._candidates) < 60
    assert len(casting._pending) < 6


looks = st.lists(st.none() | st.dictionaries(st.integers(1, 4), st.floats(0, 1), max_size=4), max_size=40)


@given(looks, st.sampled_from([0.01, 0.1, 1.0, 7.0]), st.sampled_from([1, FAST_STRIDE, 5]))
def test_numbers_count_up_and_belong_to_one_track(seen: list[Look], step: float, every: int) -> None:
    shown = play(*seen, step=step, every=every)
    numbers = sorted({number for one in shown for number in one or ()})
    assert numbers == list(range(1, len(numbers) + 1))
    for number in numbers:
        tracks = [set(look) for look, one in zip(seen, shown, strict=True) if look and number in (one or ())]
        assert set.intersection(*tracks)
