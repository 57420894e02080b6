"""Each step of reading the detector's network against a loop that does the same one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.bundles import Bundle
from emotion.errors import ModelError
from emotion.recognition.glance import MULTIPLE, STRIDES, VALUES, Glance, cells, decode, padded, without_doubles

sides = st.integers(1, 5).map(lambda n: n * MULTIPLE)


def iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    inner = max(0.0, width) * max(0.0, height)
    return inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner)


# --- cells -------------------------------------------------------------------------------------------------


@given(height=sides, width=sides)
def test_cells_go_row_by_row_from_the_finest_grid_to_the_coarsest(height: int, width: int) -> None:
    expected = [
        (column + stride / 2, row + stride / 2, stride)
        for stride in STRIDES
        for row in range(0, height, stride)
        for column in range(0, width, stride)
    ]
    places = cells(height, width)
    assert places.dtype == np.float32
    np.testing.assert_array_equal(places, expected)


def test_cells_are_shared_and_so_cannot_be_changed() -> None:
    assert cells(64, 32) is cells(64, 32)
    with pytest.raises(ValueError, match="read-only"):
        cells(64, 32)[0, 0] = 1


# --- padded ------------------------------------------------------------------------------------------------


@given(height=st.integers(1, 100), width=st.integers(1, 100))
def test_padding_is_black_below_and_on_the_right_and_as_little_as_needed(height: int, width: int) -> None:
    image = np.random.default_rng(height * 100 + width).integers(1, 256, (height, width, 3)).astype(np.uint8)
    got = padded(image)
    assert got.dtype == np.uint8
    assert got.shape == (math.ceil(height / MULTIPLE) * MULTIPLE, math.ceil(width / MULTIPLE) * MULTIPLE, 3)
    np.testing.assert_array_equal(got[:height, :width], image)
    assert not got[height:].any()
    assert not got[:, width:].any()


# --- decode ------------------------------------------------------------------------------------------------


def decoded_slowly(answers: NDArray, places: NDArray, least: float) -> list[list[float]]:
    rows = []
    for answer, (x, y, stride) in zip(answers.tolist(), places.tolist(), strict=True):
        if answer[0] < least:
            continue
        middle_x, middle_y = x + answer[1] * stride, y + answer[2] * stride
        width, height = (math.exp(min(5, max(-5, v))) * stride for v in answer[3:5])
        points = [(x, y)[i % 2] + value * stride for i, value in enumerate(answer[5:])]
        corners = [middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2]
        rows.append([answer[0], *corners, *points])
    return rows


@given(seed=st.integers(0, 999), spread=st.sampled_from([0.1, 1.0, 4.0]), least=st.floats(-3, 3))
def test_decode_against_a_loop(seed: int, spread: float, least: float) -> None:
    places = cells(64, 96)
    answers = np.random.default_rng(seed).normal(0, spread, (len(places), VALUES)).astype(np.float32)
    got, expected = decode(answers, places, least), decoded_slowly(answers, places, least)
    assert got.dtype == np.float32
    assert got.shape == (len(expected), VALUES)
    np.testing.assert_allclose(got, np.reshape(expected, (-1, VALUES)), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("value", [-1e30, 1e30])
def test_a_mad_answer_is_still_a_box(value: float) -> None:
    """Widths and heights are bounded before they are exponents, or one cell would give infinities."""
    places = cells(32, 32)
    answers = np.zeros((len(places), VALUES), np.float32)
    answers[:, 3:5] = value
    rows = decode(answers, places, -1)
    assert np.isfinite(rows).all()
    assert (rows[:, 3:5] > rows[:, 1:3]).all()


# --- without_doubles ---------------------------------------------------------------------------------------


def held(a: list[float], b: list[float]) -> float:
    """The share of the smaller one that both have."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return max(0.0, width) * max(0.0, height) / smaller


def kept_slowly(rows: NDArray, overlap: float, inside: float) -> list[int]:
    """The better of two is kept: sort, then ask each row whether a kept one overlaps or holds it too much."""
    kept: list[int] = []
    for i in sorted(range(len(rows)), key=lambda i: (-rows[i, 0], i)):
        pairs = [(rows[i, 1:5].tolist(), rows[j, 1:5].tolist()) for j in kept]
        shares = [(iou(*pair) - overlap, held(*pair) - inside) for pair in pairs]
        assume(all(abs(share) > 1e-4 for both in shares for share in both))  # rounding may decide those either way
        if all(share <= 0 for both in shares for share in both):
            kept.append(i)
    return kept


def steadied_slowly(rows: NDArray, i: int) -> NDArray:
    """The row with the mean of all boxes that are nearly its own."""
    total, box = 0.0, np.zeros(4)
    for other in rows:
        share = iou(rows[i, 1:5].tolist(), other[1:5].tolist())
        assume(abs(share - 0.7) > 1e-4)
        if share >= 0.7:
            weight = share / (1 + math.exp(-other[0])) ** 2
            total, box = total + weight, box + weight * other[1:5]
    row = rows[i].copy()
    row[1:5] = box / total
    return row


scores = st.integers(-40, 40).map(lambda n: n / 8)
found = st.tuples(scores, *[st.integers(0, 40)] * 2, *[st.integers(1, 40)] * 2)


@given(
    faces=st.lists(found, max_size=25, unique_by=lambda face: face[0]),
    overlap=st.sampled_from([0.1, 0.31, 0.4, 0.77]),
    inside=st.sampled_from([0.31, 0.7, 1.01]),
)
def test_doubles_against_a_loop(faces: list[tuple[float, int, int, int, int]], overlap: float, inside: float) -> None:
    rows = np.zeros((len(faces), VALUES), np.float32)
    for i, (score, x, y, width, height) in enumerate(faces):
        rows[i, :6] = score, x - 10, y - 10, x - 10 + width, y - 10 + height, i
    expected = [steadied_slowly(rows, i) for i in kept_slowly(rows, overlap, inside)]
    got = without_doubles(rows, overlap, inside)
    np.testing.assert_allclose(got, np.reshape(expected, (-1, VALUES)), rtol=1e-5, atol=1e-5)


def test_nothing_has_no_doubles() -> None:
    assert decode(np.zeros((0, VALUES), np.float32), np.zeros((0, 3), np.float32), 0).shape == (0, VALUES)
    assert without_doubles(np.zeros((0, VALUES), np.float32)).shape == (0, VALUES)


def test_the_same_face_many_times_is_one_face() -> None:
    rows = np.tile(np.arange(VALUES, dtype=np.float32), (50, 1))
    np.testing.assert_array_equal(without_doubles(rows), rows[:1])
    assert len(without_doubles(rows, overlap=1.0, inside=1.0)) == 50


def test_a_chin_is_no_second_face() -> None:
    rows = np.zeros((3, VALUES), np.float32)
    rows[:, :5] = [(5, 0, 0, 100, 130), (1, 30, 90, 70, 130), (1, 105, 0, 200, 130)]
    np.testing.assert_array_equal(without_doubles(rows), rows[[0, 2]])


# --- the whole detector ------------------------------------------------------------------------------------


def test_a_model_of_another_kind(tiny: Bundle) -> None:
    with pytest.raises(ModelError, match="tiny is a recogniser; faces are found by a detector"):
        Glance(tiny)
