"""The multi-head networks of this project: gray faces 0 to 255 in, logits by head out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

import keras
import tensorflow as tf
from keras import layers

from emotion.training.classifier.networks.mobilenet import face_mobilenet
from emotion.training.keras_support.keras_types import Tensor

# Operations that run in parallel make the last bits of a result depend on their order. In sequence, each on all cores,
# a training that is repeated or resumed gives the same weights, and takes no longer.
with suppress(RuntimeError):  # it cannot be set after the first operation of a process
    tf.config.threading.set_inter_op_parallelism_threads(1)


def seresnet(
    heads: Mapping[str, int], dropout: float = 0.4, widths: tuple[int, int, int] = (64, 128, 176)
) -> keras.Model:
    """The project's own classifier: four squeeze-and-excitation residual blocks, 1.3 M parameters.

    He et al. 2016, "Deep residual learning"; Hu et al. 2018, "Squeeze-and-excitation networks". The image is halved
    early, since convolutions at 48 px cost the most time and improve the least; the last two blocks have one size.

    Args:
        heads: The number of classes by head.
        dropout: The dropout rate before the heads.
        widths: Channels of the first, of the second and of the last two blocks.

    Returns:
        A network of float32 (n, h, w, 1), gray 0 to 255, of any size from 32 (it is fully convolutional and trained at
        48), to logits (n, classes) by head.
    """
    early, middle, late = widths
    faces = keras.Input((None, None, 1), name="faces")
    x = standardize(faces)
    x = layers.ReLU()(_conv_bn(x, 32))
    x = layers.MaxPooling2D(2)(x)  # 24
    x = layers.MaxPooling2D(2)(_se_residual_block(x, early))  # 12
    x = layers.MaxPooling2D(2)(_se_residual_block(x, middle))  # 6
    x = _se_residual_block(_se_residual_block(x, late), late)
    x = layers.GlobalAveragePooling2D(name="features")(x)  # (n, late)
    x = layers.Dropout(dropout)(x)
    outputs = {name: layers.Dense(classes, name=name)(x) for name, classes in heads.items()}
    return keras.Model(faces, outputs, name="seresnet")


def seresnet_wide(heads: Mapping[str, int]) -> keras.Model:
    """`seresnet` with half more computation for every face, 2.6 M parameters."""
    return seresnet(heads, widths=(64, 160, 256))


def standardize(faces: Tensor) -> Tensor:
    """Standardize every image to mean 0 and deviation 1, inside the graph, so that no caller can forget it."""
    ops = keras.ops
    mean = ops.mean(faces, axis=(1, 2, 3), keepdims=True)
    centered = ops.subtract(faces, mean)
    variance = ops.mean(ops.square(centered), axis=(1, 2, 3), keepdims=True)
    # A floor of 4 gray levels, or the noise of a blank image would be amplified.
    return ops.divide(centered, ops.maximum(ops.sqrt(variance), 4.0))


def _conv_bn(x: Tensor, filters: int, kernel_size: int = 3) -> Tensor:
    x = layers.Conv2D(filters, kernel_size, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    return layers.BatchNormalization(momentum=0.98)(x)


def _se_residual_block(x: Tensor, filters: int) -> Tensor:
    """Add two convolutions, weighted by channel, to the input."""
    y = layers.ReLU()(_conv_bn(x, filters))
    y = _conv_bn(y, filters)
    weights = layers.GlobalAveragePooling2D(keepdims=True)(y)
    weights = layers.Conv2D(filters // 8, 1, activation="relu")(weights)
    weights = layers.Conv2D(filters, 1, activation="sigmoid")(weights)
    y = layers.Multiply()([y, weights])
    shortcut = x if x.shape[-1] == filters else _conv_bn(x, filters, 1)
    return layers.ReLU()(layers.Add()([y, shortcut]))


CLASSIFIER_NETWORKS: Mapping[str, Callable[[Mapping[str, int]], keras.Model]] = MappingProxyType(
    {"seresnet": seresnet, "seresnet-wide": seresnet_wide, "face-mobilenet": face_mobilenet}
)
