"""Smile and brows of the last half minute as lines."""

from __future__ import annotations

from emotion.faces import Box, Face, FaceFeatures, FrameResult, HeadPose
from emotion.ui.live.overlays.curves import MAX_LANES, make_lanes


def make_result(smile: float | None, *, num_faces: int = 1, index: int = 0) -> FrameResult:
    movements = {} if smile is None else {"mouthSmileLeft": smile, "mouthSmileRight": smile}
    pose = None if smile is None else HeadPose(0, 0, 0)
    features = FaceFeatures((), (), pose, movements, 0.9)
    faces = tuple(Face(Box(0, 0, 9, 9), 0.9, track_id=n + 1, features=features) for n in range(num_faces))
    return FrameResult(index, float(index), faces)


def test_a_smile_raises_its_line() -> None:
    (lane,) = make_lanes([(-15.0, make_result(0.0)), (-14.8, make_result(1.0))])
    assert lane.paths[0] == "M150.0 94.0L152.0 6.0"
    assert lane.paths[1:] == ("", ""), "brows are not known"


def test_a_line_is_interrupted_while_the_face_is_away() -> None:
    (lane,) = make_lanes([(-9.0, make_result(0.5)), (-8.8, make_result(0.5)), (-0.2, make_result(0.5))])
    assert (lane.paths[0].count("M"), lane.paths[0].count("L")) == (2, 1)


def test_the_latest_values_are_told_to_screen_readers() -> None:
    (lane,) = make_lanes([(-0.2, make_result(0.25))])
    assert lane.label == "Movements of face 1: smile 25%, brows down 0%, brows up 0%"


def test_nothing_is_drawn_without_movements() -> None:
    assert make_lanes([]) == []
    assert make_lanes([(-0.2, make_result(None))]) == []
    face = Face(Box(0, 0, 9, 9), 0.9, track_id=1)
    assert make_lanes([(-0.2, FrameResult(0, 0.0, (face,)))]) == []


def test_the_number_of_lanes_is_limited() -> None:
    assert len(make_lanes([(-0.2, make_result(0.5, num_faces=9))])) == MAX_LANES
