"""Compare predicted boxes with true ones: matches, precision, recall, average precision, landmark errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.boxes import box_sizes, pairwise_ioa, pairwise_iou

MATCH_IOU: Final = 0.4  # intersection over union of a box and a true face that match


class MatchResult(NamedTuple):
    """Hold the matches between the predicted boxes and the true faces of one or several images."""

    scores: NDArray[np.float64]  # (n,) of the predicted boxes that count
    is_true_positive: NDArray[np.bool_]  # (n,) whether a box is matched to a true face
    face_scores: NDArray[np.float64]  # (m,) score of the box matched to each true face that counts, -inf if missed


def match_boxes(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    true_boxes: NDArray[np.floating],
    ignore: NDArray[np.floating],
    min_iou: float,
    size_range: tuple[float, float] = (0.0, np.inf),
) -> MatchResult:
    """Match predicted boxes to true boxes greedily, in the order of descending scores.

    True faces outside of the size range do not count. An unmatched box counts neither as a true nor as a false
    positive if it overlaps such a face, has itself a size outside of the range, or lies by more than half in an
    ignored region.

    Args:
        boxes: Predicted boxes (n, 4) as x1, y1, x2, y2 in pixels.
        scores: Their scores (n,).
        true_boxes: True boxes (m, 4).
        ignore: Ignored regions (k, 4).
        min_iou: The smallest IoU of a match.
        size_range: The smallest size of a face that counts, sqrt(width * height) in pixels, and the size from which on
            faces do not count.

    Returns:
        The matches of the boxes and faces that count.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    boxes, scores = np.asarray(boxes, np.float64).reshape(-1, 4)[order], np.asarray(scores, np.float64)[order]
    true_boxes, ignore = (np.asarray(array, np.float64).reshape(-1, 4) for array in (true_boxes, ignore))
    (min_size, max_size), sizes, true_sizes = size_range, box_sizes(boxes), box_sizes(true_boxes)
    counts = (true_sizes >= min_size) & (true_sizes < max_size)
    has_other_size = (sizes < min_size) | (sizes >= max_size)
    iou, iou_other = pairwise_iou(boxes, true_boxes[counts]), pairwise_iou(boxes, true_boxes[~counts])
    in_other, in_ignored = pairwise_ioa(boxes, true_boxes[~counts]), pairwise_ioa(boxes, ignore)
    face_scores = np.full(int(counts.sum()), -np.inf)
    is_true_positive, box_counts = np.zeros(len(boxes), bool), np.ones(len(boxes), bool)
    for i, score in enumerate(scores):
        unmatched_iou = np.where(np.isinf(face_scores), iou[i], -1.0)
        if unmatched_iou.size and unmatched_iou.max() >= min_iou:
            is_true_positive[i] = True
            face_scores[unmatched_iou.argmax()] = score
        elif (
            has_other_size[i]
            or (iou_other[i] >= min_iou).any()
            or (in_other[i] > 0.5).any()
            or (in_ignored[i] > 0.5).any()
        ):
            box_counts[i] = False
    return MatchResult(scores[box_counts], is_true_positive[box_counts], face_scores)


def concat(results: Iterable[MatchResult]) -> MatchResult:
    """Concatenate the matches of several images."""
    empty = MatchResult(np.empty(0), np.empty(0, bool), np.empty(0))
    return MatchResult(*(np.concatenate(values) for values in zip(empty, *results, strict=True)))


def average_precision(matches: MatchResult) -> float:
    """Compute the area under the precision-recall curve with monotonic precision.

    The method is that of Everingham et al. 2010, "The PASCAL visual object classes challenge". Boxes with equal
    scores form one point of the curve, so that a detector without scores gets precision times recall.

    Args:
        matches: The matches of one or several images.

    Returns:
        The average precision, 0 to 1; nan if there is no true face.
    """
    if len(matches.face_scores) == 0:
        return float("nan")
    order = np.argsort(-matches.scores, kind="stable")
    scores, true_positives = matches.scores[order], np.cumsum(matches.is_true_positive[order])
    last = np.flatnonzero(np.diff(scores, append=-np.inf))  # last box of each score
    precision = true_positives[last] / (last + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((precision * np.diff(true_positives[last], prepend=0)).sum() / len(matches.face_scores))


def precision_recall(matches: MatchResult, threshold: float) -> tuple[float, float]:
    """Return precision and recall of the boxes with a score of at least `threshold`; nan where nothing counts."""
    is_kept = matches.scores >= threshold
    precision = float(matches.is_true_positive[is_kept].mean()) if is_kept.any() else float("nan")
    recall = float((matches.face_scores >= threshold).mean()) if len(matches.face_scores) else float("nan")
    return precision, recall


def best_matches(
    boxes: NDArray[np.floating], true_boxes: NDArray[np.floating], min_face_px: float, min_iou: float = MATCH_IOU
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the predicted box with the highest IoU for each true box.

    Args:
        boxes: Predicted boxes (n, 4).
        true_boxes: True boxes (m, 4).
        min_face_px: The smallest true face that counts, sqrt(width * height) in pixels.
        min_iou: The smallest IoU of a match.

    Returns:
        Indices of the matched predicted boxes and of their true boxes, both (k,).
    """
    large = np.flatnonzero(box_sizes(true_boxes) >= min_face_px)
    if not len(boxes):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    iou = pairwise_iou(np.asarray(true_boxes[large], np.float64), np.asarray(boxes, np.float64))
    best = iou.argmax(1)
    is_match = iou[np.arange(len(large)), best] >= min_iou
    return best[is_match], large[is_match]


def landmark_errors(
    boxes: NDArray[np.floating],
    landmarks: NDArray[np.floating],
    true_boxes: NDArray[np.floating],
    true_landmarks: NDArray[np.floating],
    min_face_px: float,
) -> NDArray[np.float64]:
    """Compute the mean landmark error of each detected face, relative to the size of its true box.

    Args:
        boxes: Predicted boxes (n, 4).
        landmarks: Predicted landmarks (n, 10) in pixels.
        true_boxes: True boxes (m, 4).
        true_landmarks: True landmarks (m, 5, 2), nan where they are not annotated.
        min_face_px: The smallest true face that counts, sqrt(width * height) in pixels.

    Returns:
        Errors (k,) of the faces that are detected and have annotated landmarks.
    """
    predicted_indices, true_indices = best_matches(boxes, true_boxes, min_face_px)
    errors = np.linalg.norm(
        np.asarray(landmarks, np.float64).reshape(-1, 5, 2)[predicted_indices] - true_landmarks[true_indices], axis=2
    ).mean(1)
    errors /= box_sizes(true_boxes[true_indices]).clip(1e-9)
    return errors[~np.isnan(errors)]
