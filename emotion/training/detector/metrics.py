"""Compare found boxes with true ones: matches, precision, recall, average precision. NumPy only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.boxes import box_sizes, pairwise_ioa, pairwise_iou


class MatchResult(NamedTuple):
    """What became of the found boxes and of the true faces of one photo or of many."""

    scores: NDArray[np.float64]  # (n,) of the found boxes that count
    is_true_positive: NDArray[np.bool_]  # (n,) whether a box lies on a true face that no better box had taken
    face_scores: NDArray[np.float64]  # (m,) the score with which each true face that counts was found, -inf if missed


def match_boxes(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    true_boxes: NDArray[np.floating],
    ignore: NDArray[np.floating],
    min_iou: float,
    min_face_px: float = 0.0,
    max_face_px: float = np.inf,
) -> MatchResult:
    """Match found boxes (n, 4) to true ones (m, 4) at an IoU of at least `min_iou`, the most certain first.

    True faces smaller than `min_face_px` or not below `max_face_px` (sqrt(width * height) in pixels) need not be
    found. A box counts neither as right nor as wrong where it lies on one of them, is itself of such a size, or lies
    by half in an ignored region."""
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    boxes, scores = np.asarray(boxes, np.float64).reshape(-1, 4)[order], np.asarray(scores, np.float64)[order]
    true_boxes, ignore = (np.asarray(array, np.float64).reshape(-1, 4) for array in (true_boxes, ignore))
    wanted = (box_sizes(true_boxes) >= min_face_px) & (box_sizes(true_boxes) < max_face_px)
    odd = (box_sizes(boxes) < min_face_px) | (box_sizes(boxes) >= max_face_px)
    iou, iou_other = pairwise_iou(boxes, true_boxes[wanted]), pairwise_iou(boxes, true_boxes[~wanted])
    in_other, in_ignored = pairwise_ioa(boxes, true_boxes[~wanted]), pairwise_ioa(boxes, ignore)
    found = np.full(int(wanted.sum()), -np.inf)
    hits, counted = np.zeros(len(boxes), bool), np.ones(len(boxes), bool)
    for i, score in enumerate(scores):
        free = np.where(np.isinf(found), iou[i], -1.0)
        if free.size and free.max() >= min_iou:
            hits[i] = True
            found[free.argmax()] = score
        elif odd[i] or (iou_other[i] >= min_iou).any() or (in_other[i] > 0.5).any() or (in_ignored[i] > 0.5).any():
            counted[i] = False
    return MatchResult(scores[counted], hits[counted], found)


def concat(results: Iterable[MatchResult]) -> MatchResult:
    """Many photos as one."""
    none = MatchResult(np.empty(0), np.empty(0, bool), np.empty(0))
    return MatchResult(*(np.concatenate(values) for values in zip(none, *results, strict=True)))


def average_precision(matches: MatchResult) -> float:
    """The area under the precision-recall curve, precision made monotonic (Everingham et al. 2010, "The PASCAL
    visual object classes challenge"); nan where there is no true face.

    Boxes with the same score come in at once, so that a detector without scores gets precision times recall.
    """
    if len(matches.face_scores) == 0:
        return float("nan")
    order = np.argsort(-matches.scores, kind="stable")
    scores, right = matches.scores[order], np.cumsum(matches.is_true_positive[order])
    last = np.flatnonzero(np.diff(scores, append=-np.inf))  # of each score
    precision = right[last] / (last + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((precision * np.diff(right[last], prepend=0)).sum() / len(matches.face_scores))


def precision_recall(matches: MatchResult, threshold: float) -> tuple[float, float]:
    """Precision and recall of the boxes with a score of at least `min_iou`; nan where there is none to count."""
    kept = matches.scores >= threshold
    precision = float(matches.is_true_positive[kept].mean()) if kept.any() else float("nan")
    recall = float((matches.face_scores >= threshold).mean()) if len(matches.face_scores) else float("nan")
    return precision, recall


def best_matches(
    boxes: NDArray[np.floating], true_boxes: NDArray[np.floating], min_face_px: float, min_iou: float = 0.4
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of found boxes (n, 4) and of the true ones (m, 4), of at least `min_face_px` pixels, that they overlap
    best: of each true one the box with the highest IoU, where that is at least `min_iou`."""
    large = np.flatnonzero(box_sizes(true_boxes) >= min_face_px)
    if not len(boxes):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    iou = pairwise_iou(np.asarray(true_boxes[large], np.float64), np.asarray(boxes, np.float64))
    best = iou.argmax(1)
    near = iou[np.arange(len(large)), best] >= min_iou
    return best[near], large[near]


def landmark_errors(
    boxes: NDArray[np.floating],
    landmarks: NDArray[np.floating],
    true_boxes: NDArray[np.floating],
    true_landmarks: NDArray[np.floating],
    min_face_px: float,
) -> NDArray[np.float64]:
    """Mean distance of the points (n, 10) of found boxes (n, 4) from the known `true_landmarks` (m, 5, 2) of the true
    boxes (m, 4) that they lie on, in sides of these: one number for each true face of at least `min_face_px` pixels
    that was found and whose landmarks are known."""
    found, true = best_matches(boxes, true_boxes, min_face_px)
    off = np.linalg.norm(
        np.asarray(landmarks, np.float64).reshape(-1, 5, 2)[found] - true_landmarks[true], axis=2
    ).mean(1)
    off /= box_sizes(true_boxes[true]).clip(1e-9)
    return off[~np.isnan(off)]
