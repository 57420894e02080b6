"""The network that enlarges gray faces four times, in Keras."""

from __future__ import annotations

from typing import Final

import keras
from keras import layers

from emotion.generation.upscaling.config import NETWORK_NAME, SCALE, SMALL_SIDE
from emotion.training.keras_support.keras_types import Tensor

OUTPUT: Final = "large_faces"
_MAX_GRAY: Final = 255.0


def build_upscaler() -> keras.Model:
    """Build a network from gray faces float32 (n, 48, 48, 1) to (n, 192, 192, 1), both 0 to 255; 0.3 M parameters.

    A small U-Net (Ronneberger et al. 2015), whose lower levels see the whole face, adds detail to the bilinearly
    enlarged face; most convolutions work at 48 pixels and less, and pixels are shuffled at the end (Shi et al. 2016,
    "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network"). The
    mean of every 4 x 4 pixels of the output is the pixel of the input (back-projection, Irani and Peleg 1991): reduced
    again it is the same face, on which a classifier sees the same expression.
    """
    faces = keras.Input((SMALL_SIDE, SMALL_SIDE, 1), name="faces")
    scaled = layers.Rescaling(2 / _MAX_GRAY, -1.0)(faces)
    top = _residual_block(_conv2d(scaled, 32))
    middle = _residual_block(_conv2d(layers.AveragePooling2D(2)(top), 64, 1))
    bottom = _residual_block(_conv2d(layers.AveragePooling2D(2)(middle), 96, 1))
    middle = _residual_block(layers.Add()([middle, _upsample(bottom, 64)]))
    top = _residual_block(layers.Add()([top, _upsample(middle, 32)]))
    detail = _shuffle_pixels(_conv2d(_leaky_relu(top), 64))  # (n, 96, 96, 16)
    detail = _shuffle_pixels(_conv2d(_leaky_relu(_conv2d(_leaky_relu(detail), 16)), 4))  # (n, 192, 192, 1)
    enlarged = layers.Add()([layers.UpSampling2D(SCALE, interpolation="bilinear")(scaled), detail])
    difference = layers.Subtract()([scaled, layers.AveragePooling2D(SCALE)(enlarged)])
    enlarged = layers.Add()([enlarged, layers.UpSampling2D(SCALE)(difference)])
    pixels = layers.Rescaling(_MAX_GRAY / 2, _MAX_GRAY / 2)(enlarged)
    return keras.Model(faces, layers.ReLU(max_value=_MAX_GRAY, name=OUTPUT)(pixels), name=NETWORK_NAME)


def _leaky_relu(x: Tensor) -> Tensor:
    return layers.LeakyReLU(negative_slope=0.2)(x)


def _conv2d(x: Tensor, filters: int, kernel_size: int = 3) -> Tensor:
    return layers.Conv2D(filters, kernel_size, padding="same", kernel_initializer="he_normal")(x)


def _residual_block(x: Tensor) -> Tensor:
    channels = x.shape[-1]
    residual = _conv2d(_leaky_relu(x), channels)
    last = layers.Conv2D(channels, 3, padding="same", kernel_initializer="zeros")
    return layers.Add()([x, last(_leaky_relu(residual))])


def _upsample(x: Tensor, filters: int) -> Tensor:
    return layers.UpSampling2D(2, interpolation="bilinear")(_conv2d(x, filters, 1))


def _shuffle_pixels(x: Tensor) -> Tensor:
    """Turn the channels of a position, (n, h, w, 4c), into 2 x 2 positions of c channels."""
    height, width, channels = x.shape[1], x.shape[2], x.shape[3] // 4
    x = layers.Reshape((height, width, 2, 2 * channels))(x)
    x = layers.Permute((1, 3, 2, 4))(x)
    return layers.Reshape((2 * height, 2 * width, channels))(x)
