from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.demo.synthetic_scene import background, framed_print, group_photo, paste_print
from emotion.recognition.analyzer import AnalyzerSettings, load_analyzer


def test_light_stays_light_and_dark_dark() -> None:
    grey = np.tile(np.linspace(0, 255, 48).round().astype(np.uint8), (48, 1))
    middle = framed_print(grey, 100)[50, 10:90].sum(axis=1)
    assert middle[0] < 200 < 600 < middle[-1]
    assert (np.diff(middle.astype(int)) >= -6).all()
    assert (framed_print(grey, 100)[0] == framed_print(grey, 100)[0, 0]).all(), "a border of paper"


@settings(max_examples=60, deadline=None)
@given(st.floats(-200, 300), st.floats(-200, 300), st.floats(1, 150), st.floats(-90, 90))
def test_only_what_is_near_changes(x: float, y: float, side: float, degrees: float) -> None:
    empty = background(120, 90)
    picture = empty.copy()
    paste_print(picture, np.zeros((48, 48), np.uint8), (x, y), side, degrees)
    rows, columns = np.nonzero((picture != empty).any(axis=2))
    if len(rows):
        assert np.hypot(rows - y, columns - x).max() <= 1.2 * side + 20
    assert picture.shape == (90, 120, 3)


def test_it_hangs_where_it_was_meant() -> None:
    picture = background(300, 200).copy()
    paste_print(picture, np.full((48, 48), 255, np.uint8), (100.0, 120.0), 80, 0)
    assert (picture[82:158, 62:138].min(axis=2) > 200).all()
    assert picture[120, 50].max() < 200 > picture[120, 150].max()


@pytest.mark.parametrize(("count", "shape"), [(1, (312, 1248, 3)), (4, (312, 1248, 3)), (5, (624, 1248, 3))])
def test_rows_of_four(count: int, shape: tuple[int, ...]) -> None:
    assert group_photo([np.zeros((48, 48), np.uint8)] * count).shape == shape


def test_every_face_on_the_wall_is_found(face48: NDArray[np.uint8]) -> None:
    found = load_analyzer("glance").analyze(
        group_photo([face48, np.ascontiguousarray(face48[:, ::-1])] * 3), AnalyzerSettings()
    )
    assert len(found) == 6
    assert {face.display_label for face in found} == {"happy"}
