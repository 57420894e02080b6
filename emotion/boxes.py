"""Arrays of bounding boxes: area, overlap, non-maximum suppression, clipping.

Boxes are arrays (n, 4) of x1, y1, x2, y2 in pixels, half-open; single boxes are `faces.Box`. All functions return new
arrays of the type of their input, so that a float32 network is post-processed in float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.faces import Box

_MIN_AREA: Final = 1e-9  # square pixels, the least divisor: two empty boxes have an IoU of 0


def to_xyxy(boxes: Iterable[Box]) -> NDArray[np.float64]:
    """Stack boxes into an array (n, 4)."""
    return np.array([(box.x1, box.y1, box.x2, box.y2) for box in boxes], np.float64).reshape(-1, 4)


def box_areas(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    """Compute the areas (n,) of boxes (n, 4), 0 where the corners are reversed."""
    return (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1)


def box_sizes(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    """Compute the sizes (n,) of boxes (n, 4) in pixels: the side of a square of the same area."""
    return np.sqrt(box_areas(boxes))


def clip_boxes(boxes: NDArray[np.floating], width: float, height: float) -> NDArray[np.floating]:
    """Clip boxes (n, 4) to an image; a box outside becomes an empty one at the border."""
    return boxes.clip(0, np.array([width, height, width, height], boxes.dtype))


def pairwise_intersection(boxes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.floating]:
    """Compute the areas (n, m) that boxes (n, 4) share with others (m, 4)."""
    widths, heights = (
        np.minimum(boxes[:, None, axis + 2], others[:, axis + 2]) - np.maximum(boxes[:, None, axis], others[:, axis])
        for axis in (0, 1)
    )
    return widths.clip(0) * heights.clip(0)


def pairwise_iou(boxes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.floating]:
    """Compute the intersection over union (n, m), 0 to 1, of boxes (n, 4) and others (m, 4)."""
    shared = pairwise_intersection(boxes, others)
    union = box_areas(boxes)[:, None] + box_areas(others) - shared
    return shared / np.maximum(union, _MIN_AREA)


def pairwise_ioa(boxes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.floating]:
    """Compute the share (n, m), 0 to 1, of the area of each of boxes (n, 4) that lies in each of others (m, 4)."""
    return pairwise_intersection(boxes, others) / np.maximum(box_areas(boxes)[:, None], _MIN_AREA)


def non_max_suppression(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    *,
    max_iou: float = 1.0,
    max_containment: float = 1.0,
) -> list[int]:
    """Select boxes that no selected box with a higher score overlaps.

    Args:
        boxes: The boxes (n, 4).
        scores: Their scores (n,); of equal ones the first counts as higher.
        max_iou: The intersection over union of two boxes above which the one with the lower score is dropped.
        max_containment: The same for the intersection over the area of the smaller box.

    Returns:
        The indices of the selected boxes, the highest score first.
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    shared, areas = pairwise_intersection(boxes, boxes), box_areas(boxes)
    overlaps = pairwise_iou(boxes, boxes) > max_iou
    overlaps |= shared > max_containment * np.minimum(areas[:, None], areas)
    is_free = np.ones(len(boxes), bool)
    selected = []
    for rank, index in enumerate(order.tolist()):
        if is_free[rank]:
            selected.append(index)
            is_free &= ~overlaps[rank]
    return selected
