from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.faces import Box, Face
from emotion.recognition.analyzer import Analyzer
from emotion.tracking.region_search import WINDOW_PX, MotionGate, detect_near, search_cost, search_window

Make = Callable
RNG = np.random.default_rng(2)
ROOM = cv2.GaussianBlur(RNG.integers(0, 256, (240, 320), dtype=np.uint8), (0, 0), 12)
ROOM = np.asarray(cv2.normalize(ROOM, None, 0, 200, cv2.NORM_MINMAX), np.uint8)  # type: ignore[call-overload]


# ------------------------------------------------------------------ windows


@given(
    st.floats(-50, 700),
    st.floats(-50, 500),
    st.floats(1, 600),
    st.floats(1, 600),
    st.integers(1, 700),
    st.integers(1, 500),
)
def test_a_window_lies_in_the_picture(x: float, y: float, w: float, h: float, width: int, height: int) -> None:
    left, top, across, down = search_window(Box(x, y, x + w, y + h), width, height)
    assert 0 <= left <= left + across <= width
    assert 0 <= top <= top + down <= height
    assert across >= min(width, WINDOW_PX)
    assert down >= min(height, WINDOW_PX)


def test_a_window_has_room_around_the_face() -> None:
    assert search_window(Box(300, 200, 340, 240), 640, 480) == (208, 108, 224, 224)
    assert search_window(Box(250, 150, 350, 250), 640, 480) == (188, 88, 225, 225)
    assert search_window(Box(0, 0, 40, 40), 640, 480) == (0, 0, 224, 224)
    assert search_window(Box(600, 440, 640, 480), 640, 480) == (416, 256, 224, 224)


def bright(image: NDArray[np.uint8]) -> list[Face]:
    """Every white square is a face."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 0] == 255).astype(np.uint8))
    return [Face(Box(x, y, x + w, y + h), 0.9) for x, y, w, h, _ in stats[1:]]


def test_what_is_found_in_windows_lies_where_it_was_painted(fake_detector: Make, fake_classifier: Make) -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    boxes = [Box(0, 0, 40, 40), Box(300, 200, 350, 260), Box(600, 440, 640, 480)]
    for box in boxes:
        x1, y1, x2, y2 = box.to_int_xyxy()
        image[y1:y2, x1:x2] = 255
    detector = fake_detector(bright)
    found = detect_near(
        Analyzer(detector, fake_classifier()), image, [box.scale_and_translate(9, -7) for box in boxes], 0.3
    )
    assert [face.box for face in found] == boxes
    assert detector.calls == [(0.3, WINDOW_PX)] * 3


@pytest.mark.parametrize(("other", "found"), [(Box(360, 240, 390, 270), 2), (Box(400, 240, 430, 270), 1)])
def test_what_an_inner_border_cuts_is_left_out(
    fake_detector: Make, fake_classifier: Make, other: Box, found: int
) -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    mine = Box(280, 200, 320, 240)  # its window ends at 412
    for box in (mine, other):
        x1, y1, x2, y2 = box.to_int_xyxy()
        image[y1:y2, x1:x2] = 255
    faces = detect_near(Analyzer(fake_detector(bright), fake_classifier()), image, [mine], 0.3)
    assert len(faces) == found
    assert faces[0].box == mine


def test_how_much_is_searched() -> None:
    assert search_cost(640, 480, 320) == 320 * 240
    assert search_cost(640, 480, 1280) == 640 * 480


# ------------------------------------------------------------------ changes and cuts


def test_the_first_picture_is_no_cut_and_everything_is_new() -> None:
    scene = MotionGate()
    assert scene.has_motion((), 320, 240)
    assert not scene.update(ROOM)
    assert scene.has_motion((), 320, 240)
    scene.mark_searched()
    assert not scene.has_motion((), 320, 240)


@pytest.mark.parametrize(
    ("name", "after", "cut"),
    [
        ("still", ROOM, False),
        ("a lamp goes on", np.asarray(np.clip(ROOM.astype(int) + 50, 0, 255), np.uint8), False),
        ("half as bright", ROOM // 2, False),
        ("the camera turns a little", np.roll(ROOM, 12, axis=1), False),
        ("noise", np.asarray(np.clip(ROOM + RNG.normal(0, 12, ROOM.shape), 0, 255), np.uint8), False),
        ("another room", ROOM[::-1, ::-1].copy(), True),
        ("black", np.zeros_like(ROOM), False),
        ("negative", 255 - ROOM, True),
    ],
)
def test_cuts(name: str, after: NDArray[np.uint8], cut: bool) -> None:
    scene = MotionGate()
    scene.update(ROOM)
    assert scene.update(after) == cut, name


def test_noise_in_the_dark_is_no_cut_and_no_change() -> None:
    scene = MotionGate()
    for i in range(5):
        assert not scene.update(RNG.integers(0, 12, (240, 320), dtype=np.uint8))
        if i == 0:
            scene.mark_searched()
        assert not scene.has_motion((), 320, 240)


def test_somebody_who_comes_is_a_change_unless_near_a_known_face() -> None:
    scene, room = MotionGate(), np.asarray(cv2.resize(ROOM, (640, 480)), np.uint8)
    scene.update(room)
    scene.mark_searched()
    after = room.copy()
    after[200:320, 400:500] ^= 255
    scene.update(after)
    assert scene.has_motion((), 640, 480)
    assert scene.has_motion([Box(10, 10, 40, 40)], 640, 480)
    assert not scene.has_motion([Box(405, 210, 490, 300)], 640, 480)
    scene.mark_searched()
    assert not scene.has_motion((), 640, 480)
