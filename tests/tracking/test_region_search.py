from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.faces import Box, Face
from emotion.recognition.analyzer import Analyzer
from emotion.tracking.region_search import WINDOW_PX, MotionGate, detect_near, search_cost, search_window

Make = Callable[..., Any]
RNG = np.random.default_rng(2)
SCENE = cv2.GaussianBlur(RNG.integers(0, 256, (240, 320), dtype=np.uint8), (0, 0), 12)
SCENE = np.asarray(cv2.normalize(SCENE, None, 0, 200, cv2.NORM_MINMAX), np.uint8)  # type: ignore[call-overload]


# ------------------------------------------------------------------ windows


@given(
    st.floats(-50, 700),
    st.floats(-50, 500),
    st.floats(1, 600),
    st.floats(1, 600),
    st.integers(1, 700),
    st.integers(1, 500),
)
def test_search_window_is_inside_the_image(x: float, y: float, w: float, h: float, width: int, height: int) -> None:
    left, top, across, down = search_window(Box(x, y, x + w, y + h), width, height)
    assert 0 <= left <= left + across <= width
    assert 0 <= top <= top + down <= height
    assert across >= min(width, WINDOW_PX)
    assert down >= min(height, WINDOW_PX)


def test_search_window_has_a_margin_around_the_face() -> None:
    assert search_window(Box(300, 200, 340, 240), 640, 480) == (208, 108, 224, 224)
    assert search_window(Box(250, 150, 350, 250), 640, 480) == (188, 88, 225, 225)
    assert search_window(Box(0, 0, 40, 40), 640, 480) == (0, 0, 224, 224)
    assert search_window(Box(600, 440, 640, 480), 640, 480) == (416, 256, 224, 224)


def find_white_squares(image: NDArray[np.uint8]) -> list[Face]:
    """Return every white square as a face."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 0] == 255).astype(np.uint8))
    return [Face(Box(x, y, x + w, y + h), 0.9) for x, y, w, h, _ in stats[1:]]


def test_boxes_found_in_windows_are_in_image_coordinates(fake_detector: Make, fake_classifier: Make) -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    boxes = [Box(0, 0, 40, 40), Box(300, 200, 350, 260), Box(600, 440, 640, 480)]
    for box in boxes:
        x1, y1, x2, y2 = box.to_int_xyxy()
        image[y1:y2, x1:x2] = 255
    detector = fake_detector(find_white_squares)
    found = detect_near(
        Analyzer(detector, fake_classifier()), image, [box.scale_and_translate(9, -7) for box in boxes], 0.3
    )
    assert [face.box for face in found] == boxes
    assert detector.calls == [(0.3, WINDOW_PX)] * 3


@pytest.mark.parametrize(("other", "found"), [(Box(360, 240, 390, 270), 2), (Box(400, 240, 430, 270), 1)])
def test_face_cut_by_a_window_border_is_dropped(
    fake_detector: Make, fake_classifier: Make, other: Box, found: int
) -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    box = Box(280, 200, 320, 240)  # its window ends at 412
    for drawn_box in (box, other):
        x1, y1, x2, y2 = drawn_box.to_int_xyxy()
        image[y1:y2, x1:x2] = 255
    faces = detect_near(Analyzer(fake_detector(find_white_squares), fake_classifier()), image, [box], 0.3)
    assert len(faces) == found
    assert faces[0].box == box


def test_search_cost_is_the_number_of_searched_pixels() -> None:
    assert search_cost(640, 480, 320) == 320 * 240
    assert search_cost(640, 480, 1280) == 640 * 480


# ------------------------------------------------------------------ motion and cuts


def test_first_frame_is_motion_but_no_cut() -> None:
    gate = MotionGate()
    assert gate.has_motion((), 320, 240)
    assert not gate.update(SCENE)
    assert gate.has_motion((), 320, 240)
    gate.mark_searched()
    assert not gate.has_motion((), 320, 240)


@pytest.mark.parametrize(
    ("name", "changed_scene", "cut"),
    [
        ("still", SCENE, False),
        ("a lamp is switched on", np.asarray(np.clip(SCENE.astype(int) + 50, 0, 255), np.uint8), False),
        ("half as bright", SCENE // 2, False),
        ("the camera moves slightly", np.roll(SCENE, 12, axis=1), False),
        ("noise", np.asarray(np.clip(SCENE + RNG.normal(0, 12, SCENE.shape), 0, 255), np.uint8), False),
        ("another scene", SCENE[::-1, ::-1].copy(), True),
        ("black", np.zeros_like(SCENE), False),
        ("negative", 255 - SCENE, True),
    ],
)
def test_only_a_change_of_scene_is_a_cut(name: str, changed_scene: NDArray[np.uint8], cut: bool) -> None:
    gate = MotionGate()
    gate.update(SCENE)
    assert gate.update(changed_scene) == cut, name


def test_noise_in_the_dark_is_no_motion() -> None:
    gate = MotionGate()
    for i in range(5):
        assert not gate.update(RNG.integers(0, 12, (240, 320), dtype=np.uint8))
        if i == 0:
            gate.mark_searched()
        assert not gate.has_motion((), 320, 240)


def test_new_object_is_motion_unless_near_a_tracked_face() -> None:
    gate, larger_scene = MotionGate(), np.asarray(cv2.resize(SCENE, (640, 480)), np.uint8)
    gate.update(larger_scene)
    gate.mark_searched()
    changed_scene = larger_scene.copy()
    changed_scene[200:320, 400:500] ^= 255
    gate.update(changed_scene)
    assert gate.has_motion((), 640, 480)
    assert gate.has_motion([Box(10, 10, 40, 40)], 640, 480)
    assert not gate.has_motion([Box(405, 210, 490, 300)], 640, 480)
    gate.mark_searched()
    assert not gate.has_motion((), 640, 480)
