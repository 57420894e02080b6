"""Compare found boxes with true ones: matches, precision, recall, average precision. NumPy only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Matched(NamedTuple):
    """What became of the found boxes and of the true faces of one photo or of many."""

    scores: NDArray[np.float64]  # (n,) of the found boxes that count
    hits: NDArray[np.bool_]  # (n,) whether a box lies on a true face that no better box had taken
    faces: NDArray[np.float64]  # (m,) the score with which each true face that counts was found, -inf if missed


def overlaps(a: NDArray[np.floating], b: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of boxes (n, 4) and (m, 4): intersection over union, and intersection over the area of `a`, (n, m)."""
    a, b = np.asarray(a, np.float64).reshape(-1, 1, 4), np.asarray(b, np.float64).reshape(1, -1, 4)
    inner = (np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])).clip(0).prod(-1)
    area_a, area_b = ((box[..., 2:] - box[..., :2]).clip(0).prod(-1) for box in (a, b))
    return inner / (area_a + area_b - inner).clip(1e-9), inner / area_a.clip(1e-9)


def match(
    boxes: NDArray[np.floating], scores: NDArray[np.floating], truth: NDArray[np.floating],
    ignore: NDArray[np.floating], threshold: float, least: float = 0.0, most: float = np.inf,
) -> Matched:  # fmt: skip
    """Match found boxes (n, 4) to true ones (m, 4) at an IoU of at least `threshold`, the most certain first.

    True faces smaller than `least` or not below `most` (sqrt(width * height) in pixels) need not be found. A box
    counts neither as right nor as wrong where it lies on one of them, is itself of such a size, or lies by half in
    an ignored region.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    boxes, scores = np.asarray(boxes, np.float64).reshape(-1, 4)[order], np.asarray(scores, np.float64)[order]
    truth = np.asarray(truth, np.float64).reshape(-1, 4)
    wanted = (sides(truth) >= least) & (sides(truth) < most)
    odd = (sides(boxes) < least) | (sides(boxes) >= most)
    iou, _ = overlaps(boxes, truth[wanted])
    iou_other, in_other = overlaps(boxes, truth[~wanted])
    _, in_ignored = overlaps(boxes, ignore)
    found = np.full(int(wanted.sum()), -np.inf)
    hits, counted = np.zeros(len(boxes), bool), np.ones(len(boxes), bool)
    for i, score in enumerate(scores):
        free = np.where(np.isinf(found), iou[i], -1.0)
        if free.size and free.max() >= threshold:
            hits[i] = True
            found[free.argmax()] = score
        elif (
            odd[i] or (iou_other[i] >= threshold).any() or (in_other[i] > 0.5).any() or (in_ignored[i] > 0.5).any()
        ):  # fmt: skip
            counted[i] = False
    return Matched(scores[counted], hits[counted], found)


def together(parts: Iterable[Matched]) -> Matched:
    """Many photos as one."""
    none = Matched(np.empty(0), np.empty(0, bool), np.empty(0))
    return Matched(*(np.concatenate(values) for values in zip(none, *parts, strict=True)))


def average_precision(matched: Matched) -> float:
    """The area under the precision-recall curve, precision made monotonic (Everingham et al. 2010, "The PASCAL
    visual object classes challenge"); nan where there is no true face.

    Boxes with the same score come in at once, so that a detector without scores gets precision times recall.
    """
    if len(matched.faces) == 0:
        return float("nan")
    order = np.argsort(-matched.scores, kind="stable")
    scores, right = matched.scores[order], np.cumsum(matched.hits[order])
    last = np.flatnonzero(np.diff(scores, append=-np.inf))  # of each score
    precision = right[last] / (last + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((precision * np.diff(right[last], prepend=0)).sum() / len(matched.faces))


def precision_recall(matched: Matched, threshold: float) -> tuple[float, float]:
    """Precision and recall of the boxes with a score of at least `threshold`; nan where there is none to count."""
    kept = matched.scores >= threshold
    precision = float(matched.hits[kept].mean()) if kept.any() else float("nan")
    recall = float((matched.faces >= threshold).mean()) if len(matched.faces) else float("nan")
    return precision, recall


def partners(
    boxes: NDArray[np.floating], truth: NDArray[np.floating], least: float, overlap: float = 0.4
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of found boxes (n, 4) and of the true ones (m, 4), of at least `least` pixels, that they overlap best: of
    each true one the box with the highest IoU, where that is at least `overlap`."""
    large = np.flatnonzero(sides(truth) >= least)
    if not len(boxes):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    iou, _ = overlaps(truth[large], boxes)
    best = iou.argmax(1)
    near = iou[np.arange(len(large)), best] >= overlap
    return best[near], large[near]


def points_off(
    boxes: NDArray[np.floating], points: NDArray[np.floating], truth: NDArray[np.floating],
    landmarks: NDArray[np.floating], least: float,
) -> NDArray[np.float64]:  # fmt: skip
    """Mean distance of the points (n, 10) of found boxes (n, 4) from the known `landmarks` (m, 5, 2) of the true boxes
    (m, 4) that they lie on, in sides of these: one number for each true face of at least `least` pixels that was found
    and whose landmarks are known."""
    found, true = partners(boxes, truth, least)
    off = np.linalg.norm(np.asarray(points, np.float64).reshape(-1, 5, 2)[found] - landmarks[true], axis=2).mean(1)
    off /= sides(truth[true]).clip(1e-9)
    return off[~np.isnan(off)]


def sides(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """sqrt(width * height) of boxes (n, 4), in pixels: the size by which faces are counted."""
    return np.sqrt((boxes[:, 2:] - boxes[:, :2]).clip(0).prod(-1))
