"""The networks that learn to make faces: each pair is a generator and a discriminator, both told the expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import keras
from keras import layers

from emotion.training.keras_setup import Tensor  # with it comes the order of operations that makes runs repeatable

LATENT: Final = 128
SIDE: Final = 48
_START: Final = 6  # pixels; doubled three times


class Pair(NamedTuple):
    """Two networks that learn from each other.

    `generator`: latent float32 (n, 128) and expression float32 (n, classes), its weights, -> faces float32
    (n, 48, 48, 1), grey about -1 to 1. `discriminator`: such faces and expression -> logit (n, 1), high for real.
    """

    generator: keras.Model
    discriminator: keras.Model


def residual(classes: int) -> Pair:
    """The project's own pair: residual blocks without any normalisation (Huang et al. 2024, "The GAN is dead; long
    live the GAN! A modern GAN baseline"), 2.0 and 1.2 M parameters, 79 and 30 million multiplications a face.

    Latent and expression are mixed first, and what comes out also scales and shifts the features of every block
    (Perez et al. 2018, "FiLM"), so that one expression reaches all sizes of detail. Most weights stand where they
    cost least, at 6 and 12 pixels. The second convolution of a block starts at zero, which is what keeps networks
    without normalisation calm (Zhang et al. 2019, "Fixup initialization").
    """
    latent, expression = _inputs(classes)
    style = layers.Concatenate()([latent, layers.Dense(64, use_bias=False)(expression)])
    for _ in range(2):
        style = _leaky(layers.Dense(192, kernel_initializer="he_normal")(style))
    x = layers.Dense(_START * _START * 160)(style)
    x = layers.Reshape((_START, _START, 160))(x)
    x = _block(x, 160, style)
    for filters in (96, 48):
        x = _block(_doubled(x, filters), filters, style)
    x = _styled(_convolution(_leaky(_doubled(x, 32)), 16), style)
    faces = _convolution(_leaky(x), 1)
    generator = keras.Model([latent, expression], faces, name="residual")

    faces, expression = _seen(classes)
    x = _halved(_halved(faces, 32), 64)  # 12
    x = _halved(_block(x, 32), 128)  # 6
    x = _halved(_block(x, 128), 192)  # 3
    x = layers.Dense(192, kernel_initializer="he_normal")(layers.Flatten()(_leaky(x)))
    # Global average pooling here would lose where in the face things are.
    logit = _projection(_leaky(x), expression, 192)
    return Pair(generator, keras.Model([faces, expression], logit, name="residual_critic"))


def dcgan_upsampling(classes: int) -> Pair:
    """The plain pair to compare with: convolutions with up-sampling and batch normalisation against convolutions with
    dropout (Radford et al. 2016, "DCGAN"), the expression given beside the input."""
    latent, expression = _inputs(classes)
    x = layers.Dense(_START * _START * 128)(layers.Concatenate()([latent, expression]))
    x = layers.Reshape((_START, _START, 128))(x)
    for filters in (128, 64, 32):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(layers.UpSampling2D(2)(x))
        x = _leaky(layers.BatchNormalization(momentum=0.9)(x))
    faces = layers.Conv2D(1, 3, padding="same", activation="tanh")(x)
    generator = keras.Model([latent, expression], faces, name="dcgan_upsampling")

    faces, expression = _seen(classes)
    plane = layers.Reshape((SIDE, SIDE, 1))(layers.Dense(SIDE * SIDE)(expression))
    x = layers.Concatenate()([faces, plane])
    for filters in (32, 64, 128):
        x = layers.Dropout(0.25)(_leaky(layers.Conv2D(filters, 3, 2, padding="same")(x)))
    logit = layers.Dense(1)(layers.Flatten()(x))
    return Pair(generator, keras.Model([faces, expression], logit, name="dcgan_upsampling_critic"))


NETWORKS: Mapping[str, Callable[[int], Pair]] = MappingProxyType(
    {"residual": residual, "dcgan-upsampling": dcgan_upsampling}
)


def greys(generator: keras.Model) -> keras.Model:
    """The generator as it is used: inputs "latent" and "expression", output "faces" float32 (n, 48, 48, 1), 0 to 255,
    not yet rounded."""
    latent, expression = _inputs(generator.inputs[1].shape[-1])
    faces = layers.Rescaling(127.5, 127.5)(generator([latent, expression]))
    faces = layers.ReLU(max_value=255.0, name="faces")(faces)
    return keras.Model([latent, expression], faces, name=generator.name)


def _inputs(classes: int) -> tuple[Tensor, Tensor]:
    return keras.Input((LATENT,), name="latent"), keras.Input((classes,), name="expression")


def _seen(classes: int) -> tuple[Tensor, Tensor]:
    return keras.Input((SIDE, SIDE, 1), name="seen"), keras.Input((classes,), name="asked")


def _leaky(x: Tensor) -> Tensor:
    return layers.LeakyReLU(negative_slope=0.2)(x)


def _convolution(x: Tensor, filters: int, kernel: int = 3, initial: str = "he_normal") -> Tensor:
    return layers.Conv2D(filters, kernel, padding="same", kernel_initializer=initial)(x)


def _block(x: Tensor, filters: int, style: Tensor | None = None) -> Tensor:
    """Two convolutions added to what came in; the inner one has `filters` channels and follows the style."""
    y = _convolution(_leaky(x), filters)
    if style is not None:
        y = _styled(y, style)
    return layers.Add()([x, _convolution(_leaky(y), x.shape[-1], initial="zeros")])


def _styled(x: Tensor, style: Tensor) -> Tensor:
    """Features (n, h, w, c) times 1 + scale, plus shift, both (n, c) and 0 at the start."""
    filters = x.shape[-1]
    scale, shift = (
        layers.Reshape((1, 1, filters))(layers.Dense(filters, kernel_initializer="zeros")(style)) for _ in range(2)
    )
    return layers.Add()([x, layers.Multiply()([x, scale]), shift])


def _doubled(x: Tensor, filters: int) -> Tensor:
    """Twice the side; the channels are mixed before, where there are fewer pixels."""
    return layers.UpSampling2D(2, interpolation="bilinear")(_convolution(x, filters, 1))


def _halved(x: Tensor, filters: int) -> Tensor:
    x = x if x.shape[-1] == 1 else _leaky(x)
    return layers.Conv2D(filters, 4, 2, padding="same", kernel_initializer="he_normal")(x)


def _projection(x: Tensor, expression: Tensor, width: int) -> Tensor:
    """How real, plus how well it fits the expression (Miyato and Koyama 2018, "cGANs with projection
    discriminator")."""
    fit = layers.Dot(axes=1)([x, layers.Dense(width, use_bias=False)(expression)])
    return layers.Add()([layers.Dense(1)(x), fit])
