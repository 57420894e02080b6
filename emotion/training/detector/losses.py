"""The losses of a face detector, and which cell learns which face."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from emotion.recognition.onnx_detector import STRIDES
from emotion.training.detector.batches import DetectionTargets
from emotion.training.keras_setup import Tensor


class DetectionLosses(NamedTuple):
    """The three parts of the loss; `score` falls with the quality of the boxes that it predicts."""

    score: Tensor
    box: Tensor
    landmarks: Tensor


def detection_losses(
    predictions: Tensor, anchors: NDArray[np.float32], targets: DetectionTargets, num_candidates: int = 10
) -> DetectionLosses:
    """Losses of raw answers (batch, cells, 15), each divided by the sum of what the scores should be.

    Which cells answer for a face is decided by their own score and overlap: task-aligned assignment (Feng et al.
    2021, "TOOD", with the exponents 0.5 and 6). Score: quality focal loss (Li et al. 2020, "Generalized focal
    loss"). Box: DIoU loss (Zheng et al. 2020, "Distance-IoU loss"). Points: distances in sides of the face.
    `anchors` float32 (cells, 3): x, y, stride.
    """
    places = tf.constant(anchors)
    boxes, points = _decode_boxes(predictions, places)
    number = tf.shape(predictions)[1]
    rows, target = _assign_task_aligned(
        tf.stop_gradient(predictions[..., 0]), tf.stop_gradient(boxes), places, targets, num_candidates
    )
    face, cell = rows[:, 0], rows[:, 1]
    at = tf.stack([tf.gather(targets.image_index, face), cell], axis=1)
    aims = tf.scatter_nd(at, target, tf.stack([tf.shape(predictions)[0], number]))
    total = tf.maximum(tf.reduce_sum(target), 1.0)
    counted = tf.maximum(targets.cell_mask, tf.cast(aims > 0, tf.float32))
    logits = predictions[..., 0]
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(aims, logits)
    score = tf.reduce_sum(tf.square(aims - tf.sigmoid(logits)) * entropy * counted) / total
    true_box = tf.gather(targets.boxes, face)
    box = tf.reduce_sum(_diou_loss(tf.gather_nd(boxes, at), true_box) * target) / total
    side = tf.sqrt(tf.reduce_prod(true_box[:, 2:] - true_box[:, :2], axis=1))
    error = tf.reduce_mean(tf.abs(tf.gather_nd(points, at) - tf.gather(targets.landmarks, face)), axis=1) / side
    known = tf.gather(targets.has_landmarks, face)
    return DetectionLosses(score, box, tf.reduce_sum(error * known * target) / total)


def _decode_boxes(predictions: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes (batch, cells, 4) and points (batch, cells, 10) in pixels."""
    centre, stride = anchors[:, :2], anchors[:, 2:]
    middle = centre + predictions[..., 1:3] * stride
    half = tf.exp(tf.clip_by_value(predictions[..., 3:5], -5.0, 5.0)) * stride / 2
    points = tf.tile(centre, [1, 5]) + predictions[..., 5:] * stride
    return tf.concat([middle - half, middle + half], axis=-1), points


def _assign_task_aligned(
    scores: Tensor, boxes: Tensor, anchors: Tensor, targets: DetectionTargets, num_candidates: int
) -> tuple[Tensor, Tensor]:
    """Pairs int32 (m, 2) of a face and the cell that answers for it, and the score (m,) which that cell should
    give: the overlap of its box, in relation to the best cell of that face."""
    overlap = _iou(tf.gather(boxes, targets.image_index), targets.boxes[:, None])  # (n, cells)
    metric = tf.sqrt(tf.sigmoid(tf.gather(scores, targets.image_index))) * overlap**6
    middle = (targets.boxes[:, :2] + targets.boxes[:, 2:]) / 2
    # The smallest faces may lie between the centres of all cells.
    half = tf.maximum((targets.boxes[:, 2:] - targets.boxes[:, :2]) / 2, float(STRIDES[0]))
    inside = tf.reduce_all(tf.abs(anchors[None, :, :2] - middle[:, None]) < half[:, None], axis=-1)
    # An early network's boxes may not overlap at all; then any cell inside is better than none.
    metric = tf.where(inside, metric + 1e-9, 0.0)
    best, cell = tf.math.top_k(metric, num_candidates)
    face = tf.repeat(tf.range(tf.shape(metric)[0]), num_candidates)
    cell, best = tf.reshape(cell, [-1]), tf.reshape(best, [-1])
    there = tf.where(best > 0)[:, 0]
    face, cell, best = (tf.gather(value, there) for value in (face, cell, best))
    good = tf.gather_nd(overlap, tf.stack([face, cell], axis=1))
    # A cell answers for one face only: the one that it overlaps best, the first of equals.
    number = tf.shape(scores)[1]
    place, places_there = tf.gather(targets.image_index, face) * number + cell, tf.shape(scores)[0] * number
    won = tf.where(good >= tf.gather(tf.math.unsorted_segment_max(good, place, places_there), place))[:, 0]
    first = tf.math.unsorted_segment_min(tf.gather(face, won), tf.gather(place, won), places_there)
    won = tf.boolean_mask(won, tf.gather(face, won) == tf.gather(first, tf.gather(place, won)))
    face, cell, best, good = (tf.gather(value, won) for value in (face, cell, best, good))
    faces = tf.shape(metric)[0]
    strongest = tf.gather(tf.math.unsorted_segment_max(best, face, faces), face)
    overlaps = tf.gather(tf.math.unsorted_segment_max(good, face, faces), face)
    # A face that nothing overlaps yet still wants to be seen.
    return tf.stack([face, cell], axis=1), best / strongest * tf.maximum(overlaps, 0.1)


def _iou(a: Tensor, b: Tensor) -> Tensor:
    shared = tf.maximum(tf.minimum(a[..., 2:], b[..., 2:]) - tf.maximum(a[..., :2], b[..., :2]), 0.0)
    inner = tf.reduce_prod(shared, axis=-1)
    both = tf.reduce_prod(a[..., 2:] - a[..., :2], axis=-1) + tf.reduce_prod(b[..., 2:] - b[..., :2], axis=-1)
    return inner / tf.maximum(both - inner, 1e-6)


def _diou_loss(a: Tensor, b: Tensor) -> Tensor:
    """1 - IoU + squared distance of the centres over the squared diagonal of the box around both."""
    distance = tf.reduce_sum(tf.square(a[..., 2:] + a[..., :2] - b[..., 2:] - b[..., :2]), axis=-1) / 4
    around = tf.maximum(a[..., 2:], b[..., 2:]) - tf.minimum(a[..., :2], b[..., :2])
    return 1 - _iou(a, b) + distance / tf.reduce_sum(tf.square(around), axis=-1)
