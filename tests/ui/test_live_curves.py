"""Smile and brows of the last half minute as HTML."""

from __future__ import annotations

import re

from emotion.faces import Box, Face, FaceFeatures, FrameResult, HeadPose
from emotion.ui.live.curves import MAX_LANES, format_curves


def make_result(smile: float | None, *, num_faces: int = 1, index: int = 0) -> FrameResult:
    movements = {} if smile is None else {"mouthSmileLeft": smile, "mouthSmileRight": smile}
    pose = None if smile is None else HeadPose(0, 0, 0)
    features = FaceFeatures((), (), pose, movements, 0.9)
    faces = tuple(Face(Box(0, 0, 9, 9), 0.9, track_id=n + 1, features=features) for n in range(num_faces))
    return FrameResult(index, float(index), faces)


def heights(html: str) -> list[float]:
    (path,) = re.findall(r'<path d="(M[^"]+)" fill', html)
    return [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path)]


def test_a_smile_raises_its_line() -> None:
    low, high = heights(format_curves([(-0.4, make_result(0.0)), (-0.2, make_result(1.0))]))
    assert 0 < high < low < 100


def test_a_line_is_interrupted_while_the_face_is_away() -> None:
    html = format_curves([(-9.0, make_result(0.5)), (-8.8, make_result(0.5)), (-0.2, make_result(0.5))])
    assert re.findall(r'<path d="M[^"]+" fill', html)[0].count("M") == 2


def test_the_latest_values_are_told_to_screen_readers() -> None:
    html = format_curves([(-0.2, make_result(0.25))])
    assert 'aria-label="Movements of face 1: smile 25%, brows down 0%, brows up 0%"' in html


def test_nothing_is_drawn_without_movements() -> None:
    assert "svg" not in format_curves([])
    assert "svg" not in format_curves([(-0.2, make_result(None))])
    face = Face(Box(0, 0, 9, 9), 0.9, track_id=1)
    assert "svg" not in format_curves([(-0.2, FrameResult(0, 0.0, (face,)))])


def test_the_number_of_lanes_is_limited() -> None:
    assert format_curves([(-0.2, make_result(0.5, num_faces=9))]).count("Movements of face") == MAX_LANES
