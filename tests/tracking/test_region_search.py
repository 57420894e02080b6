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
from emotion.tracking.region_search import WINDOW, Scene, find_near, pixels, window

Make = Callable
RNG = np.random.default_rng(2)
ROOM = cv2.GaussianBlur(RNG.integers(0, 256, (240, 320), dtype=np.uint8), (0, 0), 12)
ROOM = np.asarray(cv2.normalize(ROOM, None, 0, 200, cv2.NORM_MINMAX), np.uint8)  # type: ignore[call-overload]


# ------------------------------------------------------------------ windows


@given(
    st.floats(-50, 700), st.floats(-50, 500), st.floats(1, 600), st.floats(1, 600),
    st.integers(1, 700), st.integers(1, 500),
)  # fmt: skip
def test_a_window_lies_in_the_picture(x: float, y: float, w: float, h: float, width: int, height: int) -> None:
    left, top, across, down = window(Box(x, y, x + w, y + h), width, height)
    assert 0 <= left <= left + across <= width
    assert 0 <= top <= top + down <= height
    assert across >= min(width, WINDOW)
    assert down >= min(height, WINDOW)


def test_a_window_has_room_around_the_face() -> None:
    assert window(Box(300, 200, 340, 240), 640, 480) == (208, 108, 224, 224)
    assert window(Box(250, 150, 350, 250), 640, 480) == (188, 88, 225, 225)
    assert window(Box(0, 0, 40, 40), 640, 480) == (0, 0, 224, 224)
    assert window(Box(600, 440, 640, 480), 640, 480) == (416, 256, 224, 224)


def bright(image: NDArray[np.uint8]) -> list[Face]:
    """Every white square is a face."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 0] == 255).astype(np.uint8))
    return [Face(Box(x, y, x + w, y + h), 0.9) for x, y, w, h, _ in stats[1:]]


def test_what_is_found_in_windows_lies_where_it_was_painted(fake_detector: Make, fake_recogniser: Make) -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    boxes = [Box(0, 0, 40, 40), Box(300, 200, 350, 260), Box(600, 440, 640, 480)]
    for box in boxes:
        x1, y1, x2, y2 = box.rounded()
        image[y1:y2, x1:x2] = 255
    detector = fake_detector(bright)
    found = find_near(Analyzer(detector, fake_recogniser()), image, [box.moved(9, -7) for box in boxes], 0.3)
    assert [face.box for face in found] == boxes
    assert detector.calls == [(0.3, WINDOW)] * 3


@pytest.mark.parametrize(("other", "found"), [(Box(360, 240, 390, 270), 2), (Box(400, 240, 430, 270), 1)])
def test_what_an_inner_border_cuts_is_left_out(
    fake_detector: Make, fake_recogniser: Make, other: Box, found: int
) -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    mine = Box(280, 200, 320, 240)  # its window ends at 412
    for box in (mine, other):
        x1, y1, x2, y2 = box.rounded()
        image[y1:y2, x1:x2] = 255
    faces = find_near(Analyzer(fake_detector(bright), fake_recogniser()), image, [mine], 0.3)
    assert len(faces) == found
    assert faces[0].box == mine


def test_how_much_is_searched() -> None:
    assert pixels(640, 480, 320) == 320 * 240
    assert pixels(640, 480, 1280) == 640 * 480


# ------------------------------------------------------------------ changes and cuts


def test_the_first_picture_is_no_cut_and_everything_is_new() -> None:
    scene = Scene()
    assert scene.changed((), 320, 240)
    assert not scene.see(ROOM)
    assert scene.changed((), 320, 240)
    scene.searched()
    assert not scene.changed((), 320, 240)


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
    scene = Scene()
    scene.see(ROOM)
    assert scene.see(after) == cut, name


def test_noise_in_the_dark_is_no_cut_and_no_change() -> None:
    scene = Scene()
    for i in range(5):
        assert not scene.see(RNG.integers(0, 12, (240, 320), dtype=np.uint8))
        if i == 0:
            scene.searched()
        assert not scene.changed((), 320, 240)


def test_somebody_who_comes_is_a_change_unless_near_a_known_face() -> None:
    scene, room = Scene(), np.asarray(cv2.resize(ROOM, (640, 480)), np.uint8)
    scene.see(room)
    scene.searched()
    after = room.copy()
    after[200:320, 400:500] ^= 255
    scene.see(after)
    assert scene.changed((), 640, 480)
    assert scene.changed([Box(10, 10, 40, 40)], 640, 480)
    assert not scene.changed([Box(405, 210, 490, 300)], 640, 480)
    scene.searched()
    assert not scene.changed((), 640, 480)
