"""The face detector's network: anchor-free, one output for each cell of three grids."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from emotion.recognition.onnx_detector import STRIDES, VALUES
from emotion.training.keras_setup import Tensor

NAME = "glance"
POINTS = "points"  # how the names of the layers begin that only the landmarks need


def glance(stem: int = 16, early: int = 32, fine: int = 48, coarse: int = 80) -> keras.Model:
    """The project's own face detector, 0.14 M parameters.

    Input float32 (n, h, w, 3), RGB 0 to 255, h and w multiples of 32. Output float32 (n, cells, 15) as
    `emotion.recognition.onnx_detector.decode` reads it. Depthwise-separable residual blocks (Sandler et al. 2018,
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
