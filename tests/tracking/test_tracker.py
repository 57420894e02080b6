from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.boxes import to_xyxy
from emotion.faces import Box, Face, Landmarks
from emotion.tracking.tracker import ACTIVATION_THRESHOLD, Track, Tracker, assign_faces, compute_costs


def make_face(x: float, y: float = 100, side: float = 40, score: float = 0.9) -> Face:
    return Face(Box(x, y, x + side, y + side), score)


def get_track_ids(faces: tuple[Face, ...]) -> list[int | None]:
    return [make_face.track_id for make_face in faces]


# ------------------------------------------------------------------ visibility


def test_no_detections_give_no_tracks() -> None:
    tracker = Tracker()
    assert tracker.update((), 0.0) == ()
    assert tracker.predict(0.1) == ()


@pytest.mark.parametrize(
    ("score", "visible"), [(ACTIVATION_THRESHOLD, [[1], [1]]), (ACTIVATION_THRESHOLD - 0.01, [[], [1]])]
)
def test_high_score_is_shown_immediately_and_lower_ones_at_the_second_detection(score: float, visible: list) -> None:
    tracker = Tracker()
    assert [get_track_ids(tracker.update([make_face(10, score=score)], 0.04 * i)) for i in range(2)] == visible


def test_false_detection_in_one_frame_is_not_shown_and_gets_no_track_id() -> None:
    tracker = Tracker()
    assert tracker.update([make_face(10, score=0.6)], 0.0) == ()
    assert tracker.update((), 0.04) == ()
    assert tracker.update([make_face(10, score=0.6)], 0.08) == ()
    assert tracker.update((), 0.12) == ()
    assert tracker.tracks == ()
    assert get_track_ids(tracker.update([make_face(10)], 0.16)) == [1]


def test_minimum_score_applies_to_new_tracks_only() -> None:
    tracker = Tracker()
    assert tracker.update([make_face(10, score=0.5)], 0.0, min_score=0.6) == ()
    assert tracker.tracks == ()
    tracker.update([make_face(10)], 0.04, min_score=0.6)
    assert get_track_ids(tracker.update([make_face(10, score=0.4)], 0.08, min_score=0.6)) == [1]


def test_lost_face_is_hidden_and_can_return() -> None:
    tracker = Tracker(max_lost_seconds=1.0)
    tracker.update([make_face(10)], 0.0)
    for i in range(1, 10):
        assert tracker.update((), i / 10) == ()
        assert tracker.predict(i / 10) == ()
    assert get_track_ids(tracker.update([make_face(12)], 0.95)) == [1]


def test_face_that_returns_too_late_gets_a_new_track() -> None:
    tracker = Tracker(max_lost_seconds=1.0)
    tracker.update([make_face(10)], 0.0)
    for i in range(1, 12):
        tracker.update((), i / 10)
    assert tracker.tracks == ()
    assert get_track_ids(tracker.update([make_face(10)], 1.2)) == [2]


@pytest.mark.parametrize("later", [-0.01, 3.5, 12.0])
def test_jump_of_the_timestamps_starts_new_tracks(later: float) -> None:
    tracker = Tracker()
    tracker.update([make_face(10)], 10.0)
    assert tracker.predict(10.0 + later) == ()
    assert get_track_ids(tracker.update([make_face(10)], 10.0 + later)) == [2]


def test_slow_stream_keeps_its_tracks() -> None:
    """The frame interval exceeds `max_lost_seconds`, but no search failed."""
    tracker = Tracker(max_lost_seconds=1.0)
    for i in range(5):
        assert get_track_ids(tracker.update([make_face(10), make_face(200)], 2.0 * i)) == [1, 2]


def test_better_of_two_detections_of_a_face_is_used() -> None:
    tracker = Tracker()
    small = Face(Box(20, 110, 40, 130), 0.95)  # an eye inside the face
    for detections in ([make_face(10), make_face(12, score=0.99)], [make_face(12, score=0.99), small], [make_face(11)]):
        visible = tracker.update(detections, 0.04 * len(tracker.tracks))
        assert get_track_ids(visible) == [1]
        assert visible[0].detection_score == max(detection.detection_score for detection in detections)


# ------------------------------------------------------------------ identity


def test_crossing_faces_keep_their_tracks() -> None:
    tracker = Tracker()
    for i in range(60):
        visible = tracker.update([make_face(5 * i, 100), make_face(300 - 5 * i, 150)], i / 25)
        assert {f.track_id: f.box.y1 for f in visible} == {1: 100, 2: 150}


def test_fast_face_without_overlap_between_frames_keeps_its_track() -> None:
    tracker = Tracker()
    for i, x in enumerate(itertools.accumulate([0, 8, 16, 24, 32, 40, 44, 44, 44])):
        assert get_track_ids(tracker.update([make_face(x)], i / 15)) == [1]


def test_other_position_or_size_starts_a_new_track() -> None:
    for other in (make_face(200), make_face(10, 100 - 40, 120), make_face(25, 115, 10)):
        tracker = Tracker()
        tracker.update([make_face(10)], 0.0)
        assert get_track_ids(tracker.update([other], 0.04)) == [2]


def test_active_track_has_priority_over_a_lost_one() -> None:
    tracker = Tracker()
    tracker.update([make_face(0), make_face(30, 130)], 0.0)
    for i in range(1, 6):
        tracker.update([make_face(30, 130)], i / 10)
    assert get_track_ids(tracker.update([make_face(14, 114)], 0.6)) == [2]


def test_track_ids_have_the_order_of_appearance() -> None:
    tracker = Tracker()
    tracker.update([make_face(200)], 0.0)
    assert get_track_ids(tracker.update([make_face(10, score=0.99), make_face(200)], 0.04)) == [1, 2]


POSITIONS = st.lists(st.tuples(st.floats(0, 200), st.floats(0, 200), st.floats(10, 60)), max_size=5)


@given(POSITIONS, POSITIONS, st.floats(0, 2))
def test_assignment_has_the_minimum_cost(before: list, after: list, age: float) -> None:
    """The minimum is found by trying every permutation."""
    tracks = tuple(Track(make_face(*position), 0.0) for position in before)
    detections = [make_face(*position) for position in after]
    pairs = assign_faces(tracks, detections, age)
    if not tracks or not detections:
        assert pairs == {}
        return
    costs = compute_costs(
        to_xyxy(track.face.box for track in tracks),
        to_xyxy(detection.box for detection in detections),
        np.full(len(tracks), age),
    )
    smaller_first = costs if costs.shape[0] <= costs.shape[1] else costs.T
    min_cost = min(
        sum(smaller_first[i, j] for i, j in enumerate(permutation))
        for permutation in itertools.permutations(range(smaller_first.shape[1]), len(smaller_first))
    )
    columns = {id(detection): j for j, detection in enumerate(detections)}
    cost = sum(costs[i, columns[id(pairs[track])]] for i, track in enumerate(tracks) if track in pairs)
    unassigned_cost = 1e6
    assert cost + unassigned_cost * (len(smaller_first) - len(pairs)) == pytest.approx(min_cost)
    assert len(set(map(id, pairs.values()))) == len(pairs)


# ------------------------------------------------------------------ predictions between searches


def test_track_that_was_not_searched_is_not_lost() -> None:
    tracker = Tracker()
    tracker.update([make_face(0), make_face(100)], 0.0)
    first = tracker.tracks[0]
    assert tracker.update((), 0.04, searched=[first]) == ()
    assert get_track_ids(tracker.predict(0.04)) == [2]
    assert get_track_ids(tracker.update([make_face(0)], 0.08, searched=[first])) == [1]
    assert get_track_ids(tracker.predict(0.08)) == [1, 2]


def test_prediction_moves_on_with_a_bounded_displacement() -> None:
    tracker = Tracker()
    for i in range(20):
        tracker.update([make_face(100 * i / 25)], i / 25)
    now, last = 19 / 25, 100 * 19 / 25
    displacements = [tracker.predict(now + step)[0].box.x1 - last for step in (0.0, 0.04, 0.2, 0.9)]
    assert displacements[0] == 0
    assert displacements[1] == pytest.approx(4, abs=0.5)
    assert displacements[1] < displacements[2] < displacements[3] <= 25


def test_landmarks_move_with_the_box() -> None:
    points = Landmarks((10, 110), (30, 110), (20, 120), (12, 130), (28, 130))
    tracker = Tracker()
    for i in range(10):
        tracker.update([Face(make_face(4.0 * i).box, 0.9, points.scale_and_translate(4.0 * i, 0))], i / 25)
    visible = tracker.predict(0.5)[0]
    assert visible.landmarks
    assert visible.landmarks.nose[0] - visible.box.x1 == pytest.approx(20)


def test_prediction_ends_after_max_lost_seconds() -> None:
    tracker = Tracker(max_lost_seconds=1.0)
    tracker.update([make_face(0)], 0.0)
    assert get_track_ids(tracker.predict(0.9)) == [1]
    assert tracker.predict(1.1) == ()


def test_rescaling_keeps_the_tracks() -> None:
    tracker = Tracker()
    for i in range(10):
        tracker.update([make_face(5 * i), make_face(200)], i / 25)
    tracker.rescale(0.5)
    assert get_track_ids(tracker.update([make_face(25, 50, 20), make_face(100, 50, 20)], 0.4)) == [1, 2]


def test_clear_and_remove_do_not_reuse_track_ids() -> None:
    tracker = Tracker()
    tracker.update([make_face(0), make_face(100)], 0.0)
    tracker.remove(1)
    assert get_track_ids(tracker.predict(0.0)) == [2]
    tracker.clear()
    assert get_track_ids(tracker.update([make_face(0), make_face(100)], 0.04)) == [3, 4]


# ------------------------------------------------------------------ random streams

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
def test_tracks_are_consistent_for_any_detections(frames: list) -> None:
    tracker, seconds, last_seen, max_track_id = Tracker(), 0.0, dict[int, float](), 0
    for positions, step in frames:
        seconds += step
        detections = [make_face(25 * x, 60 * y, side, score) for x, y, side, score in positions]
        visible = tracker.update(detections, seconds, min_score=0.6)
        found = [track_id for track_id in get_track_ids(visible) if track_id is not None]
        assert len(found) == len(visible) == len(set(found))
        assert {f.box for f in visible} <= {f.box for f in detections}
        assert found == sorted(found)
        # A new track has the next id; a track lost long ago does not return.
        assert sorted(n for n in found if n not in last_seen) == list(
            range(max_track_id + 1, max([max_track_id, *found]) + 1)
        )
        assert all(abs(seconds - last_seen[n]) <= 3.0 for n in found if n in last_seen)
        max_track_id = max([max_track_id, *found])
        last_seen |= dict.fromkeys(found, seconds)
        assert {f.track_id for f in tracker.predict(seconds)} == set(found)
        assert len(tracker.tracks) <= 60
        assert all(math.isfinite(value) for track in tracker.tracks for value in track.velocity)
