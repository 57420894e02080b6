"""Synthetic scenes: prints keep their tones and positions, and their faces are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.demo.synthetic_scene import background, framed_print, group_photo, paste_print
from emotion.recognition.analyzer import load_analyzer
from emotion.recognition.settings import AnalyzerSettings


def test_a_print_keeps_the_order_of_gray_levels() -> None:
    gray = np.tile(np.linspace(0, 255, 48).round().astype(np.uint8), (48, 1))
    center_row = framed_print(gray, 100)[50, 10:90].sum(axis=1)
    assert center_row[0] < 200 < 600 < center_row[-1]
    assert (np.diff(center_row.astype(int)) >= -6).all()
    assert (framed_print(gray, 100)[0] == framed_print(gray, 100)[0, 0]).all(), "the border is white"


@given(st.floats(-200, 300), st.floats(-200, 300), st.floats(1, 150), st.floats(-90, 90))
def test_only_pixels_near_the_print_change(x: float, y: float, side: float, degrees: float) -> None:
    wall = background(120, 90)
    image = wall.copy()
    paste_print(image, np.zeros((48, 48), np.uint8), (x, y), side, degrees)
    rows, columns = np.nonzero((image != wall).any(axis=2))
    if len(rows):
        assert np.hypot(rows - y, columns - x).max() <= 1.2 * side + 20
    assert image.shape == (90, 120, 3)


def test_a_print_is_drawn_at_its_position() -> None:
    image = background(300, 200).copy()
    paste_print(image, np.full((48, 48), 255, np.uint8), (100.0, 120.0), 80, 0)
    assert (image[82:158, 62:138].min(axis=2) > 200).all()
    assert image[120, 50].max() < 200 > image[120, 150].max()


@pytest.mark.parametrize(("count", "shape"), [(1, (312, 1248, 3)), (4, (312, 1248, 3)), (5, (624, 1248, 3))])
def test_a_group_photo_has_rows_of_four(count: int, shape: tuple[int, ...]) -> None:
    assert group_photo([np.zeros((48, 48), np.uint8)] * count).shape == shape


def test_every_face_of_a_group_photo_is_found(face48: NDArray[np.uint8]) -> None:
    found = load_analyzer("glance").analyze(
        group_photo([face48, np.ascontiguousarray(face48[:, ::-1])] * 3), AnalyzerSettings()
    )
    assert len(found) == 6
    assert {face.display_label for face in found} == {"happy"}
