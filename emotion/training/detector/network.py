"""The face detector's network: anchor-free, one output for each cell of three grids."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from emotion.recognition.detectors.onnx_detector import STRIDES, VALUES_PER_CELL
from emotion.training.detector.config import NETWORK_NAME
from emotion.training.keras_support.keras_types import Tensor

LANDMARK_PREFIX = "points"  # how the names of the layers begin that only the landmarks need


def build_glance(
    stem_filters: int = 16, early_filters: int = 32, fine_filters: int = 48, coarse_filters: int = 80
) -> keras.Model:
    """Build the project's own face detector, 0.14 M parameters.

    Input float32 (n, h, w, 3), RGB 0 to 255, h and w multiples of 32. Output float32 (n, cells, 15) as
    `onnx_detector.decode_predictions` reads it. Depthwise-separable residual blocks (Sandler et al. 2018,
    "MobileNetV2", without the expansion) and a top-down path (Lin et al. 2017, "Feature pyramid networks"), three
    heads as in Wu et al. 2023, "YuNet". The first two convolutions are plain: at their size a depthwise one costs
    almost as much time. Two thirds of the time go into strides 2 and 4, so the widths rise late. Numbers of
    channels are multiples of 16, what a processor computes at once.
    """
    photos = keras.Input((None, None, 3), name="photos")
    x = layers.ReLU()(_conv_bn(photos, stem_filters, stride=2))
    x = layers.ReLU()(_conv_bn(x, early_filters, stride=2))
    x = _residual_block(x, fine_filters, stride=2)
    for _ in range(4):
        x = _residual_block(x, fine_filters)
    eighth, x = x, _residual_block(x, coarse_filters, stride=2)
    for _ in range(3):
        x = _residual_block(x, coarse_filters, kernel_size=5)
    sixteenth, x = x, _residual_block(x, coarse_filters, stride=2)
    for _ in range(2):
        x = _residual_block(x, coarse_filters, kernel_size=5)
    sixteenth = _residual_block(layers.Add()([sixteenth, layers.UpSampling2D(2)(x)]), coarse_filters)
    down = layers.ReLU()(_conv_bn(sixteenth, fine_filters, 1))
    eighth = _residual_block(layers.Add()([eighth, layers.UpSampling2D(2)(down)]), fine_filters)
    heads = [_detection_head(grid, str(stride)) for grid, stride in zip((eighth, sixteenth, x), STRIDES, strict=True)]
    outputs = layers.Concatenate(axis=1, name="faces")(heads)
    return keras.Model(photos, outputs, name=NETWORK_NAME)


def _conv_bn(x: Tensor, filters: int, kernel_size: int = 3, stride: int = 1, name: str | None = None) -> Tensor:
    padding = "valid" if stride > 1 else "same"
    convolved = layers.Conv2D(
        filters, kernel_size, stride, padding, use_bias=False, name=name and f"{name}_convolution"
    )
    normal = layers.BatchNormalization(momentum=0.98, name=name and f"{name}_norm")
    return normal(convolved(_pad_input(x, kernel_size, stride)))


def _residual_block(x: Tensor, filters: int, kernel_size: int = 3, stride: int = 1, name: str | None = None) -> Tensor:
    """`name` begins the names of its layers that learn."""
    y = _conv_bn(_depthwise_conv(x, kernel_size, stride, name and f"{name}_depth"), filters, 1, name=name)
    if stride == 1 and x.shape[-1] == filters:
        y = layers.Add()([x, y])
    return layers.ReLU()(y)


def _depthwise_conv(x: Tensor, kernel_size: int = 3, stride: int = 1, name: str | None = None) -> Tensor:
    padding = "valid" if stride > 1 else "same"
    convolved = layers.DepthwiseConv2D(
        kernel_size, stride, padding, use_bias=False, name=name and f"{name}_convolution"
    )
    normal = layers.BatchNormalization(momentum=0.98, name=name and f"{name}_norm")
    return layers.ReLU()(normal(convolved(_pad_input(x, kernel_size, stride))))


def _pad_input(x: Tensor, kernel_size: int, stride: int) -> Tensor:
    # Keras' "same" pads a halving convolution at the lower and right side only; YuNet's and most others do both.
    return layers.ZeroPadding2D(kernel_size // 2)(x) if stride > 1 else x


def _detection_head(x: Tensor, name: str) -> Tensor:
    """Return one row of 15 values for each cell: score, box and landmarks, each from a branch of its own.

    The landmark branch shares no features with the others, since these do not depend on the tilt of a face.
    """
    tilted = _depthwise_conv(
        _residual_block(x, x.shape[-1], kernel_size=5, name=f"{LANDMARK_PREFIX}_{name}_1"),
        name=f"{LANDMARK_PREFIX}_{name}_2",
    )
    y = _residual_block(x, x.shape[-1])
    score, place = layers.Conv2D(1, 1), layers.Conv2D(4, 1)
    point = layers.Conv2D(10, 1, name=f"{LANDMARK_PREFIX}_{name}")
    outputs = layers.Concatenate()([score(_depthwise_conv(y)), place(_depthwise_conv(y)), point(tilted)])
    # The prior of an untrained network: one face in a hundred cells, three cells wide.
    score.bias.assign([np.log(0.01 / 0.99)])  # pyright: ignore[reportOptionalMemberAccess]
    place.bias.assign([0.0, 0.0, np.log(3.0), np.log(3.0)])  # pyright: ignore[reportOptionalMemberAccess]
    return layers.Reshape((-1, VALUES_PER_CELL))(outputs)
