"""The features network: a gray crop in; points, pose, movements and their expected errors out."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from emotion.recognition.features.outputs import (
    ERRORS_OUTPUT,
    FACE_OUTPUT,
    NUM_ERRORS,
    NUM_VALUES,
    POINT_ERRORS,
    POSE_ERRORS,
    VALUES_OUTPUT,
)
from emotion.training.classifier.networks.multi_head import standardize
from emotion.training.features.config import NETWORK_NAME
from emotion.training.features.values import ValueStatistics
from emotion.training.keras_support.keras_types import Tensor

# Expected errors of an untrained network, in sides of the crop, degrees and shares of a movement.
_FIRST_POINT_ERROR, _FIRST_POSE_ERROR, _FIRST_MOVE_ERROR = 0.03, 6.0, 0.1


def build_features_network(
    size: int, widths: tuple[int, int, int, int] = (16, 32, 80, 160), hidden: int = 160
) -> keras.Model:
    """Build the features network.

    Residual blocks (He et al. 2016, "Deep residual learning") at three sizes, then a dense layer over all places, since
    a mean over the image would lose where things are. No squeeze-and-excitation: it costs time in 8 bits.

    Args:
        size: The side of the crops in pixels, a multiple of 16.
        widths: Channels at the four sizes.
        hidden: Width of the dense layer.

    Returns:
        A network of float32 (n, size, size, 1), gray 0 to 255, to the outputs of `recognition.features.outputs`:
        "values" (n, values), "log_errors" (n, errors) and "face" (n, 1), the logit that it is one. While it is trained,
        its values are standardized, see `fold_statistics`.
    """
    faces = keras.Input((size, size, 1), name="faces")
    x = layers.ReLU()(_conv_bn(standardize(faces), widths[0], stride=2))
    for filters in widths[1:]:
        x = layers.ReLU()(_conv_bn(x, filters, stride=2))
        x = _residual_block(x, filters)
    x = layers.Dense(hidden, use_bias=False)(layers.Flatten()(x))
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.98)(x))
    values = layers.Dense(NUM_VALUES, name=VALUES_OUTPUT)(x)
    first = np.full(NUM_ERRORS, _FIRST_MOVE_ERROR)
    first[POINT_ERRORS], first[POSE_ERRORS] = _FIRST_POINT_ERROR, _FIRST_POSE_ERROR
    errors = layers.Dense(NUM_ERRORS, name=ERRORS_OUTPUT)
    outputs = {VALUES_OUTPUT: values, ERRORS_OUTPUT: errors(x), FACE_OUTPUT: layers.Dense(1, name=FACE_OUTPUT)(x)}
    errors.bias.assign(np.log(first))  # pyright: ignore[reportOptionalMemberAccess]
    return keras.Model(faces, outputs, name=NETWORK_NAME)


def fold_statistics(network: keras.Model, statistics: ValueStatistics) -> None:
    """Change the last layer so that a network of standardized values gives them in their own units."""
    layer = network.get_layer(VALUES_OUTPUT)
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel * statistics.deviation, bias * statistics.deviation + statistics.mean])


def _conv_bn(x: Tensor, filters: int, stride: int = 1) -> Tensor:
    convolution = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False, kernel_initializer="he_normal")
    return layers.BatchNormalization(momentum=0.98)(convolution(x))


def _residual_block(x: Tensor, filters: int) -> Tensor:
    y = _conv_bn(layers.ReLU()(_conv_bn(x, filters)), filters)
    return layers.ReLU()(layers.Add()([x, y]))
