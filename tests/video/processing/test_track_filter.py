from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.faces import Box, Face, Scores
from emotion.media.video_reader import VideoInfo
from emotion.tracking.label_smoothing import TrackInfo
from emotion.video.processing.track_filter import TrackFilter
from emotion.video.processing.workers import DecodedFrame, FrameSampler
from emotion.video.settings import FAST_STRIDE, VideoSettings

FrameScores = dict[int, float] | None  # the face probability of each track, None for a frame without detection
SCORES = Scores(["happy"], [1.0])
BOX = Box(0, 0, 10, 10)


def make_video_info(seconds: float | None = 60.0, fps: float | None = 10.0) -> VideoInfo:
    return VideoInfo(32, 24, seconds, fps, None, "h264", "mp4", 0, False)


def filter_tracks(
    *frames: FrameScores,
    frame_stride: int = 1,
    step: float = 0.1,
    max_pending: int = 10**9,
    timestamps: Sequence[float] = (),
    end: float | None = None,
    **options: Any,
) -> list[dict[int, float] | None]:
    """Return the ids of the accepted tracks in each frame, after checking that all frames are returned in order.

    The frames have an interval of `step` seconds or the given timestamps, and the last one lasts until `end`.
    """
    track_filter = TrackFilter(VideoSettings(frame_stride=frame_stride), make_video_info(**options))
    image, out = np.zeros((24, 32, 3), np.uint8), list[Any]()
    for i, scores_by_track in enumerate(frames):
        faces = None if scores_by_track is None else tuple(Face(BOX, 0.9, track_id=track) for track in scores_by_track)
        track_infos = {track: TrackInfo(SCORES, face, False) for track, face in (scores_by_track or {}).items()}
        out += track_filter.push(
            DecodedFrame(i, timestamps[i] if timestamps else round(i * step, 6), image, scores_by_track is not None),
            faces,
            track_infos,
        )
        assert i + 1 - len(out) <= max_pending
    out += track_filter.flush(end)
    assert [item.frame.index for item in out] == list(range(len(frames)))
    for scores_by_track, item in zip(frames, out, strict=True):
        assert len(item.all_boxes) == len(scores_by_track or ())
    return [None if item.faces is None else [face.track_id for face in item.faces] for item in out]


def test_lasting_face_counts_from_its_first_frame() -> None:
    assert filter_tracks(*[{7: 0.9}] * 6) == [[1]] * 6


def test_short_face_does_not_count() -> None:
    assert filter_tracks({}, *[{7: 0.9}] * 3, {}, {}, {}) == [[]] * 7
    assert filter_tracks({}, *[{7: 0.9}] * 4, {}, {}) == [[], *[[1]] * 4, [], []]


def test_face_with_a_low_face_probability_does_not_count() -> None:
    assert filter_tracks(*[{7: 0.25}] * 20) == [[]] * 20
    assert filter_tracks(*[{7: 0.31}] * 5) == [[1]] * 5


def test_accepted_face_keeps_counting() -> None:
    assert filter_tracks(*[{7: 0.9}] * 5, *[{7: 0.05}] * 5) == [[1]] * 10


def test_late_accepted_face_counts_from_shortly_before() -> None:
    visible = filter_tracks(*[{7: 0.1}] * 10, *[{7: 0.8}] * 10)
    assert visible == [*[[]] * 6, *[[1]] * 14]  # accepted at 1.0 s, it counts from 0.6 s


def test_accepted_faces_are_numbered() -> None:
    assert filter_tracks(*[{3: 0.9, 5: 0.1, 9: 0.9}] * 5) == [[1, 2]] * 5


@pytest.mark.parametrize(
    ("frame_stride", "fps", "seconds", "counts"),
    [
        (1, 10.0, 60.0, False),
        (FAST_STRIDE, 10.0, 60.0, False),
        (3, 30.0, 60.0, False),
        (1, None, None, False),
        (2, 10.0, 60.0, True),  # the interval is too long to measure a duration
        (90, 30.0, 60.0, True),
        (FAST_STRIDE, 1.0, 60.0, True),
        (1, 10.0, 0.3, True),  # the video is shorter than the minimum duration
    ],
)
def test_face_in_one_frame_counts_only_if_its_duration_cannot_be_measured(
    frame_stride: int, fps: float | None, seconds: float | None, counts: bool
) -> None:
    frames: list[FrameScores] = [{}, {1: 0.9}, {}, {}]
    assert filter_tracks(*frames, frame_stride=frame_stride, fps=fps, seconds=seconds) == [
        [],
        [1] if counts else [],
        [],
        [],
    ]


@pytest.mark.parametrize("fps", [8, 10, 12, 13, 15, 18, 19, 24, 25, 30, 60])
def test_face_in_one_analyzed_frame_does_not_count_with_the_fast_stride(fps: int) -> None:
    sampler, frames = FrameSampler(FAST_STRIDE), list[FrameScores]()
    for i in range(4 * fps):
        num_analyzed = len(frames) - frames.count(None)
        frames.append(({7: 0.9} if num_analyzed == 7 else {}) if sampler.should_process(i, i / fps) else None)
    visible = filter_tracks(
        *frames, frame_stride=FAST_STRIDE, timestamps=[i / fps for i in range(len(frames))], fps=float(fps), end=4.0
    )
    assert {7: 0.9} in frames
    assert not any(visible)


def test_face_in_a_long_frame_counts() -> None:
    frames: list[FrameScores] = [{}, {7: 0.9, 8: 0.2}, {9: 0.9}, {}, {}, {}]
    assert filter_tracks(*frames, timestamps=[0, 0.1, 2.1, 2.2, 2.3, 2.4]) == [[], [1], [], [], [], []]
    assert filter_tracks(*frames, timestamps=[0, 0.1, 0.2, 2.2, 2.3, 2.4]) == [[], [], [1], [], [], []]


def test_face_that_ends_before_a_long_frame_does_not_count() -> None:
    assert filter_tracks({}, {7: 0.9}, None, {}, None, {}, timestamps=[0, 0.05, 0.1, 0.15, 0.9, 0.95]) == [
        [],
        [],
        None,
        [],
        None,
        [],
    ]


@pytest.mark.parametrize(("end", "track_ids"), [(None, []), (0.6, []), (2.5, [1])])
def test_duration_of_the_last_frame_decides(end: float | None, track_ids: list[int]) -> None:
    assert filter_tracks(*[{}] * 5, {7: 0.9}, end=end)[-1] == track_ids


def test_skipped_frames_keep_their_order() -> None:
    assert filter_tracks({7: 0.9}, None, None, {7: 0.9}, None, {}, frame_stride=FAST_STRIDE) == [
        [1],
        None,
        None,
        [1],
        None,
        [],
    ]


def test_large_frames_are_pending_for_the_minimum_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.video.processing.track_filter.SOFT_LIMIT_BYTES", 2 * 24 * 32 * 3)
    assert filter_tracks(*[{7: 0.9}] * 12, step=0.05, max_pending=7) == [[1]] * 12


def test_very_large_frames_are_pending_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.video.processing.track_filter.MAX_PENDING_BYTES", 2 * 24 * 32 * 3)
    assert filter_tracks(*[{7: 0.9}] * 6, max_pending=2) == [[], *[[1]] * 5]


class LargeImage:
    """An image that only has a size, to save memory."""

    def __init__(self, width: int, height: int) -> None:
        self.nbytes = 3 * width * height


@pytest.mark.parametrize(("reduction", "fps", "megabytes"), [(1, 30.0, 82), (1, 60.0, 125), (2, 30.0, 57)])
def test_first_frames_of_common_sizes_count(reduction: float, fps: float, megabytes: int) -> None:
    video_info = replace(make_video_info(fps=fps), reduction=reduction)
    track_filter, track_info, faces = (
        TrackFilter(VideoSettings(), video_info),
        {7: TrackInfo(SCORES, 0.9, False)},
        list[Any](),
    )
    for i in range(60):
        frame = DecodedFrame(i, i / fps, LargeImage(1920, 1080), True)  # type: ignore[arg-type]
        faces += track_filter.push(frame, (Face(BOX, 0.9, track_id=7),), track_info)
        assert sum(item.frame.image.nbytes for item in track_filter._pending) < megabytes * 1e6
    assert [len(item.faces) for item in faces] == [1] * len(faces)


def test_memory_is_bounded() -> None:
    track_filter, image = TrackFilter(VideoSettings(), make_video_info()), np.zeros((24, 32, 3), np.uint8)
    for i in range(3000):
        faces = (Face(BOX, 0.9, track_id=i),)
        list(track_filter.push(DecodedFrame(i, i / 10, image, True), faces, {i: TrackInfo(SCORES, 0.9, False)}))
    assert len(track_filter._candidates) < 60
    assert len(track_filter._pending) < 6


scores_of_frames = st.lists(st.none() | st.dictionaries(st.integers(1, 4), st.floats(0, 1), max_size=4), max_size=40)


@given(scores_of_frames, st.sampled_from([0.01, 0.1, 1.0, 7.0]), st.sampled_from([1, FAST_STRIDE, 5]))
def test_track_ids_are_consecutive_and_belong_to_one_track(
    frame_scores: list[FrameScores], step: float, frame_stride: int
) -> None:
    visible = filter_tracks(*frame_scores, step=step, frame_stride=frame_stride)
    track_ids = sorted({track_id for filtered in visible for track_id in filtered or ()})
    assert track_ids == list(range(1, len(track_ids) + 1))
    for track_id in track_ids:
        tracks = [
            set(scores_by_track)
            for scores_by_track, filtered in zip(frame_scores, visible, strict=True)
            if scores_by_track and track_id in (filtered or ())
        ]
        assert set.intersection(*tracks)
