"""Array functions of boxes against loops over single boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.boxes import (
    box_areas,
    box_sizes,
    clip_boxes,
    non_max_suppression,
    pairwise_intersection,
    pairwise_ioa,
    pairwise_iou,
    to_xyxy,
)
from emotion.faces import Box

coordinates = st.integers(-20, 20)
boxes_strategy = st.builds(
    lambda x, y, width, height: Box(x, y, x + width, y + height),
    coordinates,
    coordinates,
    st.integers(0, 20),
    st.integers(0, 20),
)
box_lists = st.lists(boxes_strategy, max_size=6)
shares = st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0])


def count_shared_pixels(box: Box, other: Box) -> int:
    """Count the whole pixels that both boxes cover, one by one."""
    return sum(
        other.x1 <= x < other.x2 and other.y1 <= y < other.y2
        for x in range(int(box.x1), int(box.x2))
        for y in range(int(box.y1), int(box.y2))
    )


def matrix(rows: list[Box], columns: list[Box], function) -> NDArray:
    return np.reshape([[function(row, column) for column in columns] for row in rows], (len(rows), len(columns)))


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


@given(box_lists, box_lists)
def test_pairwise_overlaps_equal_counted_pixels(rows: list[Box], columns: list[Box]) -> None:
    arrays = to_xyxy(rows), to_xyxy(columns)
    shared = matrix(rows, columns, count_shared_pixels)
    np.testing.assert_allclose(pairwise_intersection(*arrays), shared)
    union = matrix(rows, columns, lambda box, other: box.area + other.area) - shared
    np.testing.assert_allclose(pairwise_iou(*arrays), np.vectorize(ratio, otypes=[float])(shared, union))
    areas = matrix(rows, columns, lambda box, other: box.area)
    np.testing.assert_allclose(pairwise_ioa(*arrays), np.vectorize(ratio, otypes=[float])(shared, areas))


@given(box_lists, box_lists)
def test_arrays_agree_with_single_boxes(rows: list[Box], columns: list[Box]) -> None:
    arrays = to_xyxy(rows), to_xyxy(columns)
    np.testing.assert_allclose(pairwise_iou(*arrays), matrix(rows, columns, Box.iou))
    np.testing.assert_allclose(pairwise_intersection(*arrays), matrix(rows, columns, Box.intersection_area))
    np.testing.assert_allclose(box_areas(arrays[0]), [box.area for box in rows])
    np.testing.assert_allclose(box_sizes(arrays[0]) ** 2, [box.area for box in rows])
    np.testing.assert_allclose(clip_boxes(arrays[0], 15, 10), to_xyxy(box.clip(15, 10) for box in rows))


def suppress_slowly(boxes: list[Box], scores: list[float], max_iou: float, max_containment: float) -> list[int]:
    """Take the boxes by falling score, and drop each that a selected one overlaps too much."""
    selected: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda index: (-scores[index], index)):
        if not any(
            boxes[index].iou(boxes[other]) > max_iou
            or boxes[index].intersection_area(boxes[other])
            > max_containment * min(boxes[index].area, boxes[other].area)
            for other in selected
        ):
            selected.append(index)
    return selected


@given(st.lists(st.tuples(boxes_strategy, st.sampled_from([0.2, 0.5, 0.9])), max_size=12), shares, shares)
def test_non_max_suppression_equals_a_loop(
    detections: list[tuple[Box, float]], max_iou: float, max_containment: float
) -> None:
    boxes, scores = [box for box, _ in detections], [score for _, score in detections]
    selected = non_max_suppression(to_xyxy(boxes), np.array(scores), max_iou=max_iou, max_containment=max_containment)
    assert selected == suppress_slowly(boxes, scores, max_iou, max_containment)


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        ([], [], np.empty((0, 0))),
        ([], [Box(0, 0, 2, 2)], np.empty((0, 1))),
        ([Box(0, 0, 2, 2)], [], np.empty((1, 0))),
        ([Box(0, 0, 2, 2)], [Box(1, 1, 3, 3), Box(2, 0, 4, 2), Box(0, 0, 4, 4)], [[1 / 7, 0, 1 / 4]]),
        ([Box(3, 3, 3, 3)], [Box(3, 3, 3, 3), Box(0, 0, 9, 9)], [[0, 0]]),
    ],
)
def test_pairwise_iou_of_known_boxes(rows: list[Box], columns: list[Box], expected: NDArray) -> None:
    np.testing.assert_allclose(pairwise_iou(to_xyxy(rows), to_xyxy(columns)), expected)


def test_the_type_of_the_input_is_kept_and_the_input_is_not_changed() -> None:
    boxes = np.array([[0, 0, 4, 9], [5, 5, 2, 2], [-3, 1, 2, 30]], np.float32)
    before = boxes.copy()
    results = box_areas(boxes), pairwise_iou(boxes, boxes), pairwise_ioa(boxes, boxes), clip_boxes(boxes, 20, 20)
    assert {result.dtype for result in results} == {np.dtype(np.float32)}
    non_max_suppression(boxes, np.ones(3, np.float32), max_iou=0.5)
    np.testing.assert_array_equal(boxes, before)
