"""Compute the losses of a face detector and assign its grid cells to the true faces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from emotion.recognition.detectors.onnx_detector import STRIDES
from emotion.training.detector.batches import DetectionTargets
from emotion.training.keras_support.keras_types import Tensor


class DetectionLosses(NamedTuple):
    """Hold the three scalar parts of the detection loss."""

    score: Tensor
    box: Tensor
    landmarks: Tensor


def detection_losses(
    predictions: Tensor, anchors: NDArray[np.float32], targets: DetectionTargets, num_candidates: int = 10
) -> DetectionLosses:
    """Compute the losses of raw predictions, each divided by the sum of the target scores.

    Cells are assigned to faces by their predicted score and overlap: task-aligned assignment (Feng et al. 2021,
    "TOOD", with the exponents 0.5 and 6). Score: quality focal loss (Li et al. 2020, "Generalized focal loss")
    with the target score of the assignment. Box: DIoU loss (Zheng et al. 2020, "Distance-IoU loss"). Landmarks:
    mean absolute error relative to the face size, sqrt(width * height).

    Args:
        predictions: Raw network outputs float32 (batch, cells, 15): score logit, box (4), landmarks (10).
        anchors: Float32 (cells, 3): x and y of the cell center and the stride, in pixels.
        targets: The true faces of the batch.
        num_candidates: The number of cells that are candidates for each face.

    Returns:
        The scalar losses.
    """
    anchor_tensor = tf.constant(anchors)
    boxes, landmarks = _decode_boxes(predictions, anchor_tensor)
    num_cells = tf.shape(predictions)[1]
    pairs, pair_scores = _assign_task_aligned(
        tf.stop_gradient(predictions[..., 0]), tf.stop_gradient(boxes), anchor_tensor, targets, num_candidates
    )
    face, cell = pairs[:, 0], pairs[:, 1]
    positions = tf.stack([tf.gather(targets.image_index, face), cell], axis=1)
    target_scores = tf.scatter_nd(positions, pair_scores, tf.stack([tf.shape(predictions)[0], num_cells]))
    score_sum = tf.maximum(tf.reduce_sum(pair_scores), 1.0)
    cell_weights = tf.maximum(targets.cell_mask, tf.cast(target_scores > 0, tf.float32))
    logits = predictions[..., 0]
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(target_scores, logits)
    score_loss = tf.reduce_sum(tf.square(target_scores - tf.sigmoid(logits)) * entropy * cell_weights) / score_sum
    true_boxes = tf.gather(targets.boxes, face)
    box_loss = tf.reduce_sum(_diou_loss(tf.gather_nd(boxes, positions), true_boxes) * pair_scores) / score_sum
    face_sizes = tf.sqrt(tf.reduce_prod(true_boxes[:, 2:] - true_boxes[:, :2], axis=1))
    landmark_errors = (
        tf.reduce_mean(tf.abs(tf.gather_nd(landmarks, positions) - tf.gather(targets.landmarks, face)), axis=1)
        / face_sizes
    )
    has_landmarks = tf.gather(targets.has_landmarks, face)
    return DetectionLosses(
        score_loss, box_loss, tf.reduce_sum(landmark_errors * has_landmarks * pair_scores) / score_sum
    )


def _decode_boxes(predictions: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Decode predictions to boxes (batch, cells, 4) and landmarks (batch, cells, 10) in pixels."""
    cell_centers, strides = anchors[:, :2], anchors[:, 2:]
    centers = cell_centers + predictions[..., 1:3] * strides
    half_sizes = tf.exp(tf.clip_by_value(predictions[..., 3:5], -5.0, 5.0)) * strides / 2
    landmarks = tf.tile(cell_centers, [1, 5]) + predictions[..., 5:] * strides
    return tf.concat([centers - half_sizes, centers + half_sizes], axis=-1), landmarks


def _assign_task_aligned(
    scores: Tensor, boxes: Tensor, anchors: Tensor, targets: DetectionTargets, num_candidates: int
) -> tuple[Tensor, Tensor]:
    """Assign cells to faces.

    Returns:
        Index pairs int32 (m, 2) of a face and its cell, and the target scores (m,): the best overlap of the face,
        scaled by the metric of the cell relative to the best cell of that face.
    """
    overlap = _iou(tf.gather(boxes, targets.image_index), targets.boxes[:, None])  # (n, cells)
    metric = tf.sqrt(tf.sigmoid(tf.gather(scores, targets.image_index))) * overlap**6
    centers = (targets.boxes[:, :2] + targets.boxes[:, 2:]) / 2
    # The smallest faces may contain no cell center.
    half_sizes = tf.maximum((targets.boxes[:, 2:] - targets.boxes[:, :2]) / 2, float(STRIDES[0]))
    is_inside = tf.reduce_all(tf.abs(anchors[None, :, :2] - centers[:, None]) < half_sizes[:, None], axis=-1)
    # Early in training no predicted box may overlap a face; the small constant still assigns cells inside it.
    metric = tf.where(is_inside, metric + 1e-9, 0.0)
    best, cell = tf.math.top_k(metric, num_candidates)
    face = tf.repeat(tf.range(tf.shape(metric)[0]), num_candidates)
    cell, best = tf.reshape(cell, [-1]), tf.reshape(best, [-1])
    positive = tf.where(best > 0)[:, 0]
    face, cell, best = (tf.gather(value, positive) for value in (face, cell, best))
    cell_overlap = tf.gather_nd(overlap, tf.stack([face, cell], axis=1))
    # Each cell is assigned to one face only: the one with the best overlap, the first one in a tie.
    num_cells = tf.shape(scores)[1]
    cell_index, num_batch_cells = (
        tf.gather(targets.image_index, face) * num_cells + cell,
        tf.shape(scores)[0] * num_cells,
    )
    assigned = tf.where(
        cell_overlap >= tf.gather(tf.math.unsorted_segment_max(cell_overlap, cell_index, num_batch_cells), cell_index)
    )[:, 0]
    first_face = tf.math.unsorted_segment_min(
        tf.gather(face, assigned), tf.gather(cell_index, assigned), num_batch_cells
    )
    assigned = tf.boolean_mask(
        assigned, tf.gather(face, assigned) == tf.gather(first_face, tf.gather(cell_index, assigned))
    )
    face, cell, best, cell_overlap = (tf.gather(value, assigned) for value in (face, cell, best, cell_overlap))
    num_faces = tf.shape(metric)[0]
    max_metric = tf.gather(tf.math.unsorted_segment_max(best, face, num_faces), face)
    max_overlap = tf.gather(tf.math.unsorted_segment_max(cell_overlap, face, num_faces), face)
    # The lower bound keeps a training signal for faces that no predicted box overlaps yet.
    return tf.stack([face, cell], axis=1), best / max_metric * tf.maximum(max_overlap, 0.1)


def _iou(a: Tensor, b: Tensor) -> Tensor:
    overlap_sizes = tf.maximum(tf.minimum(a[..., 2:], b[..., 2:]) - tf.maximum(a[..., :2], b[..., :2]), 0.0)
    intersection = tf.reduce_prod(overlap_sizes, axis=-1)
    area_sum = tf.reduce_prod(a[..., 2:] - a[..., :2], axis=-1) + tf.reduce_prod(b[..., 2:] - b[..., :2], axis=-1)
    return intersection / tf.maximum(area_sum - intersection, 1e-6)


def _diou_loss(a: Tensor, b: Tensor) -> Tensor:
    """Return 1 - IoU + squared distance of the centers over the squared diagonal of the box around both."""
    distance = tf.reduce_sum(tf.square(a[..., 2:] + a[..., :2] - b[..., 2:] - b[..., :2]), axis=-1) / 4
    enclosing_sizes = tf.maximum(a[..., 2:], b[..., 2:]) - tf.minimum(a[..., :2], b[..., :2])
    return 1 - _iou(a, b) + distance / tf.reduce_sum(tf.square(enclosing_sizes), axis=-1)
