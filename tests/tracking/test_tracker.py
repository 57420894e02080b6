from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.boxes import to_xyxy
from emotion.faces import Box, Face, Landmarks
from emotion.tracking.tracker import ACTIVATION_THRESHOLD, Track, Tracker, _assign_faces, _compute_costs


def face(x: float, y: float = 100, side: float = 40, score: float = 0.9) -> Face:
    return Face(Box(x, y, x + side, y + side), score)


def numbers(faces: tuple[Face, ...]) -> list[int | None]:
    return [face.track_id for face in faces]


# ------------------------------------------------------------------ who is shown when


def test_nothing_found_is_nothing_shown() -> None:
    tracker = Tracker()
    assert tracker.update((), 0.0) == ()
    assert tracker.predict(0.1) == ()


@pytest.mark.parametrize(
    ("score", "shown"), [(ACTIVATION_THRESHOLD, [[1], [1]]), (ACTIVATION_THRESHOLD - 0.01, [[], [1]])]
)
def test_a_sure_face_is_shown_at_once_another_when_seen_twice(score: float, shown: list) -> None:
    tracker = Tracker()
    assert [numbers(tracker.update([face(10, score=score)], 0.04 * i)) for i in range(2)] == shown


def test_a_ghost_of_one_frame_is_never_shown_and_uses_no_number() -> None:
    tracker = Tracker()
    assert tracker.update([face(10, score=0.6)], 0.0) == ()
    assert tracker.update((), 0.04) == ()
    assert tracker.update([face(10, score=0.6)], 0.08) == ()
    assert tracker.update((), 0.12) == ()
    assert tracker.tracks == ()
    assert numbers(tracker.update([face(10)], 0.16)) == [1]


def test_a_new_face_needs_the_least_score_a_known_one_does_not() -> None:
    tracker = Tracker()
    assert tracker.update([face(10, score=0.5)], 0.0, min_score=0.6) == ()
    assert tracker.tracks == ()
    tracker.update([face(10)], 0.04, min_score=0.6)
    assert numbers(tracker.update([face(10, score=0.4)], 0.08, min_score=0.6)) == [1]


def test_a_lost_face_is_not_shown_but_waited_for() -> None:
    tracker = Tracker(max_lost_seconds=1.0)
    tracker.update([face(10)], 0.0)
    for i in range(1, 10):
        assert tracker.update((), i / 10) == ()
        assert tracker.predict(i / 10) == ()
    assert numbers(tracker.update([face(12)], 0.95)) == [1]


def test_who_comes_back_too_late_is_somebody_new() -> None:
    tracker = Tracker(max_lost_seconds=1.0)
    tracker.update([face(10)], 0.0)
    for i in range(1, 12):
        tracker.update((), i / 10)
    assert tracker.tracks == ()
    assert numbers(tracker.update([face(10)], 1.2)) == [2]


@pytest.mark.parametrize("later", [-0.01, 3.5, 12.0])
def test_where_time_jumps_everybody_is_new(later: float) -> None:
    tracker = Tracker()
    tracker.update([face(10)], 10.0)
    assert tracker.predict(10.0 + later) == ()
    assert numbers(tracker.update([face(10)], 10.0 + later)) == [2]


def test_a_slow_stream_keeps_its_people() -> None:
    """Two seconds between frames are more than `keep`, but nobody was looked for in vain."""
    tracker = Tracker(max_lost_seconds=1.0)
    for i in range(5):
        assert numbers(tracker.update([face(10), face(200)], 2.0 * i)) == [1, 2]


def test_of_one_face_found_twice_the_surer_counts() -> None:
    tracker = Tracker()
    small = Face(Box(20, 110, 40, 130), 0.95)  # in the other: an eye
    for finds in ([face(10), face(12, score=0.99)], [face(12, score=0.99), small], [face(11)]):
        shown = tracker.update(finds, 0.04 * len(tracker.tracks))
        assert numbers(shown) == [1]
        assert shown[0].detection_score == max(find.detection_score for find in finds)


# ------------------------------------------------------------------ who is who


def test_two_who_cross_keep_their_numbers() -> None:
    tracker = Tracker()
    for i in range(60):
        shown = tracker.update([face(5 * i, 100), face(300 - 5 * i, 150)], i / 25)
        assert {f.track_id: f.box.y1 for f in shown} == {1: 100, 2: 150}


def test_a_fast_head_without_overlap_between_frames() -> None:
    tracker = Tracker()
    for i, x in enumerate(itertools.accumulate([0, 8, 16, 24, 32, 40, 44, 44, 44])):
        assert numbers(tracker.update([face(x)], i / 15)) == [1]


def test_another_place_or_size_is_another_person() -> None:
    for other in (face(200), face(10, 100 - 40, 120), face(25, 115, 10)):
        tracker = Tracker()
        tracker.update([face(10)], 0.0)
        assert numbers(tracker.update([other], 0.04)) == [2]


def test_who_is_here_goes_before_who_is_lost() -> None:
    tracker = Tracker()
    tracker.update([face(0), face(30, 130)], 0.0)
    for i in range(1, 6):
        tracker.update([face(30, 130)], i / 10)
    assert numbers(tracker.update([face(14, 114)], 0.6)) == [2]


def test_numbers_follow_the_order_of_coming_not_of_finding() -> None:
    tracker = Tracker()
    tracker.update([face(200)], 0.0)
    assert numbers(tracker.update([face(10, score=0.99), face(200)], 0.04)) == [1, 2]


PLACES = st.lists(st.tuples(st.floats(0, 200), st.floats(0, 200), st.floats(10, 60)), max_size=5)


@given(PLACES, PLACES, st.floats(0, 2))
def test_the_assignment_costs_least_of_all(before: list, after: list, age: float) -> None:
    """Against trying every way to pair them."""
    tracks = tuple(Track(face(*place), 0.0) for place in before)
    finds = [face(*place) for place in after]
    pairs = _assign_faces(tracks, finds, age)
    if not tracks or not finds:
        assert pairs == {}
        return
    costs = _compute_costs(
        to_xyxy(track.face.box for track in tracks), to_xyxy(find.box for find in finds), np.full(len(tracks), age)
    )
    wide = costs if costs.shape[0] <= costs.shape[1] else costs.T
    best = min(
        sum(wide[i, j] for i, j in enumerate(way)) for way in itertools.permutations(range(wide.shape[1]), len(wide))
    )
    places = {id(find): j for j, find in enumerate(finds)}
    mine = sum(costs[i, places[id(pairs[track])]] for i, track in enumerate(tracks) if track in pairs)
    never = 1e6
    assert mine + never * (len(wide) - len(pairs)) == pytest.approx(best)
    assert len(set(map(id, pairs.values()))) == len(pairs)


# ------------------------------------------------------------------ between two searches


def test_who_was_not_looked_for_is_not_lost() -> None:
    tracker = Tracker()
    tracker.update([face(0), face(100)], 0.0)
    first = tracker.tracks[0]
    assert tracker.update((), 0.04, searched=[first]) == ()
    assert numbers(tracker.predict(0.04)) == [2]
    assert numbers(tracker.update([face(0)], 0.08, searched=[first])) == [1]
    assert numbers(tracker.predict(0.08)) == [1, 2]


def test_a_moving_face_is_expected_further_on_but_not_for_ever() -> None:
    tracker = Tracker()
    for i in range(20):
        tracker.update([face(100 * i / 25)], i / 25)
    now, last = 19 / 25, 100 * 19 / 25
    ahead = [tracker.predict(now + step)[0].box.x1 - last for step in (0.0, 0.04, 0.2, 0.9)]
    assert ahead[0] == 0
    assert ahead[1] == pytest.approx(4, abs=0.5)
    assert ahead[1] < ahead[2] < ahead[3] <= 25


def test_the_points_go_with_the_box() -> None:
    points = Landmarks((10, 110), (30, 110), (20, 120), (12, 130), (28, 130))
    tracker = Tracker()
    for i in range(10):
        tracker.update([Face(face(4.0 * i).box, 0.9, points.scale_and_translate(4.0 * i, 0))], i / 25)
    shown = tracker.predict(0.5)[0]
    assert shown.landmarks
    assert shown.landmarks.nose[0] - shown.box.x1 == pytest.approx(20)


def test_a_prediction_is_not_shown_for_longer_than_a_lost_face_is_kept() -> None:
    tracker = Tracker(max_lost_seconds=1.0)
    tracker.update([face(0)], 0.0)
    assert numbers(tracker.predict(0.9)) == [1]
    assert tracker.predict(1.1) == ()


def test_half_the_size_the_same_people() -> None:
    tracker = Tracker()
    for i in range(10):
        tracker.update([face(5 * i), face(200)], i / 25)
    tracker.rescale(0.5)
    assert numbers(tracker.update([face(25, 50, 20), face(100, 50, 20)], 0.4)) == [1, 2]


def test_clear_and_drop_do_not_give_numbers_back() -> None:
    tracker = Tracker()
    tracker.update([face(0), face(100)], 0.0)
    tracker.remove(1)
    assert numbers(tracker.predict(0.0)) == [2]
    tracker.clear()
    assert numbers(tracker.update([face(0), face(100)], 0.04)) == [3, 4]


# ------------------------------------------------------------------ whatever comes

FRAMES = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.integers(0, 8), st.integers(0, 3), st.sampled_from([20, 40]), st.floats(0.3, 1)), max_size=6
        ),
        st.sampled_from([0.0, 0.04, 0.3, 1.5, 5.0, -1.0]),
    ),
    max_size=25,
)


@given(FRAMES)
def test_whatever_is_found(frames: list) -> None:
    tracker, seconds, left, greatest = Tracker(), 0.0, dict[int, float](), 0
    for places, step in frames:
        seconds += step
        finds = [face(25 * x, 60 * y, side, score) for x, y, side, score in places]
        shown = tracker.update(finds, seconds, min_score=0.6)
        found = [number for number in numbers(shown) if number is not None]
        assert len(found) == len(shown) == len(set(found))
        assert {f.box for f in shown} <= {f.box for f in finds}
        assert found == sorted(found)
        # One never seen before has a number above all others; one seen long ago does not come back.
        assert sorted(n for n in found if n not in left) == list(range(greatest + 1, max([greatest, *found]) + 1))
        assert all(abs(seconds - left[n]) <= 3.0 for n in found if n in left)
        greatest = max([greatest, *found])
        left |= dict.fromkeys(found, seconds)
        assert {f.track_id for f in tracker.predict(seconds)} == set(found)
        assert len(tracker.tracks) <= 60
        assert all(math.isfinite(value) for track in tracker.tracks for value in track.velocity)
