"""The face detector's network and what it is taught: anchor-free, one answer for each cell of three grids."""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from emotion.recognition.glance import STRIDES, VALUES
from emotion.training.networks import Tensor

NAME = "glance"
POINTS = "points"  # how the names of the layers begin that only the landmarks need


def glance(stem: int = 16, early: int = 32, fine: int = 48, coarse: int = 80) -> keras.Model:
    """The project's own face detector, 0.14 M parameters.

    Input float32 (n, h, w, 3), RGB 0 to 255, h and w multiples of 32. Output float32 (n, cells, 15) as
    `emotion.recognition.glance.decode` reads it. Depthwise-separable residual blocks (Sandler et al. 2018,
    "MobileNetV2", without the expansion) and a top-down path (Lin et al. 2017, "Feature pyramid networks"), three
    heads as in Wu et al. 2023, "YuNet". The first two convolutions are plain: at their size a depthwise one costs
    almost as much time. Two thirds of the time go into strides 2 and 4, so the widths rise late. Numbers of
    channels are multiples of 16, what a processor computes at once.
    """
    photos = keras.Input((None, None, 3), name="photos")
    x = layers.ReLU()(_convolution(photos, stem, stride=2))
    x = layers.ReLU()(_convolution(x, early, stride=2))
    x = _block(x, fine, stride=2)
    for _ in range(4):
        x = _block(x, fine)
    eighth, x = x, _block(x, coarse, stride=2)
    for _ in range(3):
        x = _block(x, coarse, kernel=5)
    sixteenth, x = x, _block(x, coarse, stride=2)
    for _ in range(2):
        x = _block(x, coarse, kernel=5)
    sixteenth = _block(layers.Add()([sixteenth, layers.UpSampling2D(2)(x)]), coarse)
    down = layers.ReLU()(_convolution(sixteenth, fine, 1))
    eighth = _block(layers.Add()([eighth, layers.UpSampling2D(2)(down)]), fine)
    heads = [_head(grid, str(stride)) for grid, stride in zip((eighth, sixteenth, x), STRIDES, strict=True)]
    answers = layers.Concatenate(axis=1, name="faces")(heads)
    return keras.Model(photos, answers, name=NAME)


def _convolution(x: Tensor, filters: int, kernel: int = 3, stride: int = 1, name: str | None = None) -> Tensor:
    padding = "valid" if stride > 1 else "same"
    convolved = layers.Conv2D(filters, kernel, stride, padding, use_bias=False, name=name and f"{name}_convolution")
    normal = layers.BatchNormalization(momentum=0.98, name=name and f"{name}_norm")
    return normal(convolved(_padded(x, kernel, stride)))


def _block(x: Tensor, filters: int, kernel: int = 3, stride: int = 1, name: str | None = None) -> Tensor:
    """`name` begins the names of its layers that learn."""
    y = _convolution(_depthwise(x, kernel, stride, name and f"{name}_depth"), filters, 1, name=name)
    if stride == 1 and x.shape[-1] == filters:
        y = layers.Add()([x, y])
    return layers.ReLU()(y)


def _depthwise(x: Tensor, kernel: int = 3, stride: int = 1, name: str | None = None) -> Tensor:
    padding = "valid" if stride > 1 else "same"
    convolved = layers.DepthwiseConv2D(kernel, stride, padding, use_bias=False, name=name and f"{name}_convolution")
    normal = layers.BatchNormalization(momentum=0.98, name=name and f"{name}_norm")
    return layers.ReLU()(normal(convolved(_padded(x, kernel, stride))))


def _padded(x: Tensor, kernel: int, stride: int) -> Tensor:
    # Keras' "same" pads a halving convolution at the lower and right side only; YuNet's and most others do both.
    return layers.ZeroPadding2D(kernel // 2)(x) if stride > 1 else x


def _head(x: Tensor, name: str) -> Tensor:
    """One row of 15 values for each cell: score, box and points, each from a branch of its own.

    That of the points shares nothing with the others: they do not ask which way a face is tilted, so what they share
    does not tell it.
    """
    tilted = _depthwise(_block(x, x.shape[-1], kernel=5, name=f"{POINTS}_{name}_1"), name=f"{POINTS}_{name}_2")
    y = _block(x, x.shape[-1])
    score, place = layers.Conv2D(1, 1), layers.Conv2D(4, 1)
    point = layers.Conv2D(10, 1, name=f"{POINTS}_{name}")
    answers = layers.Concatenate()([score(_depthwise(y)), place(_depthwise(y)), point(tilted)])
    # One face in a hundred cells, three cells wide: what a start that knows nothing should say.
    score.bias.assign([np.log(0.01 / 0.99)])  # pyright: ignore[reportOptionalMemberAccess]
    place.bias.assign([0.0, 0.0, np.log(3.0), np.log(3.0)])  # pyright: ignore[reportOptionalMemberAccess]
    return layers.Reshape((-1, VALUES))(answers)


class Wanted(NamedTuple):
    """What a batch shows: all its faces in one list, n of them."""

    photo: Tensor  # int32 (n,) index in the batch
    box: Tensor  # float32 (n, 4) x1, y1, x2, y2
    points: Tensor  # float32 (n, 10)
    points_known: Tensor  # float32 (n,) 0 or 1
    counts: Tensor  # float32 (batch, cells) 0 where a cell lies in an ignored region


class Losses(NamedTuple):
    """The three parts of the loss; `score` falls with the quality of the boxes that it predicts."""

    score: Tensor
    box: Tensor
    points: Tensor


def detection_losses(answers: Tensor, cells: NDArray[np.float32], wanted: Wanted, candidates: int = 10) -> Losses:
    """Losses of raw answers (batch, cells, 15), each divided by the sum of what the scores should be.

    Which cells answer for a face is decided by their own score and overlap: task-aligned assignment (Feng et al.
    2021, "TOOD", with the exponents 0.5 and 6). Score: quality focal loss (Li et al. 2020, "Generalized focal
    loss"). Box: DIoU loss (Zheng et al. 2020, "Distance-IoU loss"). Points: distances in sides of the face.
    `cells` float32 (cells, 3): x, y, stride.
    """
    places = tf.constant(cells)
    boxes, points = _placed(answers, places)
    number = tf.shape(answers)[1]
    rows, target = _assigned(tf.stop_gradient(answers[..., 0]), tf.stop_gradient(boxes), places, wanted, candidates)
    face, cell = rows[:, 0], rows[:, 1]
    at = tf.stack([tf.gather(wanted.photo, face), cell], axis=1)
    aims = tf.scatter_nd(at, target, tf.stack([tf.shape(answers)[0], number]))
    total = tf.maximum(tf.reduce_sum(target), 1.0)
    counted = tf.maximum(wanted.counts, tf.cast(aims > 0, tf.float32))
    logits = answers[..., 0]
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(aims, logits)
    score = tf.reduce_sum(tf.square(aims - tf.sigmoid(logits)) * entropy * counted) / total
    true_box = tf.gather(wanted.box, face)
    box = tf.reduce_sum(_diou_loss(tf.gather_nd(boxes, at), true_box) * target) / total
    side = tf.sqrt(tf.reduce_prod(true_box[:, 2:] - true_box[:, :2], axis=1))
    error = tf.reduce_mean(tf.abs(tf.gather_nd(points, at) - tf.gather(wanted.points, face)), axis=1) / side
    known = tf.gather(wanted.points_known, face)
    return Losses(score, box, tf.reduce_sum(error * known * target) / total)


def _placed(answers: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes (batch, cells, 4) and points (batch, cells, 10) in pixels."""
    centre, stride = places[:, :2], places[:, 2:]
    middle = centre + answers[..., 1:3] * stride
    half = tf.exp(tf.clip_by_value(answers[..., 3:5], -5.0, 5.0)) * stride / 2
    points = tf.tile(centre, [1, 5]) + answers[..., 5:] * stride
    return tf.concat([middle - half, middle + half], axis=-1), points


def _assigned(scores: Tensor, boxes: Tensor, places: Tensor, wanted: Wanted, candidates: int) -> tuple[Tensor, Tensor]:
    """Pairs int32 (m, 2) of a face and the cell that answers for it, and the score (m,) which that cell should
    give: the overlap of its box, in relation to the best cell of that face."""
    overlap = _iou(tf.gather(boxes, wanted.photo), wanted.box[:, None])  # (n, cells)
    metric = tf.sqrt(tf.sigmoid(tf.gather(scores, wanted.photo))) * overlap**6
    middle = (wanted.box[:, :2] + wanted.box[:, 2:]) / 2
    # The smallest faces may lie between the centres of all cells.
    half = tf.maximum((wanted.box[:, 2:] - wanted.box[:, :2]) / 2, float(STRIDES[0]))
    inside = tf.reduce_all(tf.abs(places[None, :, :2] - middle[:, None]) < half[:, None], axis=-1)
    # An early network's boxes may not overlap at all; then any cell inside is better than none.
    metric = tf.where(inside, metric + 1e-9, 0.0)
    best, cell = tf.math.top_k(metric, candidates)
    face = tf.repeat(tf.range(tf.shape(metric)[0]), candidates)
    cell, best = tf.reshape(cell, [-1]), tf.reshape(best, [-1])
    there = tf.where(best > 0)[:, 0]
    face, cell, best = (tf.gather(value, there) for value in (face, cell, best))
    good = tf.gather_nd(overlap, tf.stack([face, cell], axis=1))
    # A cell answers for one face only: the one that it overlaps best, the first of equals.
    number = tf.shape(scores)[1]
    place, places_there = tf.gather(wanted.photo, face) * number + cell, tf.shape(scores)[0] * number
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
