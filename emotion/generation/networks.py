"""GAN architectures: conditional generators with their discriminators, in Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import keras
from keras import layers

from emotion.training.keras_support.keras_types import Tensor

LATENT_DIM: Final = 128
FACE_SIZE: Final = 48
_BASE_SIZE: Final = 6  # pixels; three upsamplings give FACE_SIZE


class GanNetworks(NamedTuple):
    """A generator and its discriminator.

    Attributes:
        generator: latents float32 (n, 128) and expression weights float32 (n, classes) to faces float32
            (n, 48, 48, 1), gray, about -1 to 1.
        discriminator: such faces and expression weights to logits float32 (n, 1), high for real faces.
    """

    generator: keras.Model
    discriminator: keras.Model


def build_residual(num_classes: int) -> GanNetworks:
    """Build the default pair: residual blocks without normalization, 1.1 and 0.8 M parameters, 36 and 20 M MACs.

    The design follows Huang et al. 2024, "The GAN is dead; long live the GAN! A modern GAN baseline", with plain
    convolutions of half the channels in place of grouped ones, which are slow to train on a CPU. A mapping of latent
    and expression scales and shifts the features of every block (Perez et al. 2018, "FiLM"), so that the expression
    acts at every resolution. No layer works at 48 pixels, where it would cost most: the generator draws four pixels for
    each position, and the discriminator reads four. The last convolution of a block starts at zero, which keeps
    networks without normalization stable (Zhang et al. 2019, "Fixup initialization").
    """
    latent, expression = _make_generator_inputs(num_classes)
    style = layers.Concatenate()([latent, layers.Dense(64, use_bias=False)(expression)])
    for _ in range(2):
        style = _leaky_relu(layers.Dense(192, kernel_initializer="he_normal")(style))
    x = layers.Reshape((_BASE_SIZE, _BASE_SIZE, 64))(layers.Dense(_BASE_SIZE * _BASE_SIZE * 64)(style))
    for filters, num_blocks in ((192, 2), (128, 2), (64, 1)):
        x = _conv2d(x, filters, 1) if filters == 192 else _upsample(x, filters)
        for _ in range(num_blocks):
            x = _residual_block(x, style)
    # From 0, so that no difference between the four pixels of a position is left of the initial weights.
    pixels = _conv2d(_modulate(_leaky_relu(x), style), 4, kernel_initializer="zeros")
    faces = _depth_to_space(pixels)
    generator = keras.Model([latent, expression], faces, name="residual")

    faces, expression = _make_discriminator_inputs(num_classes)
    x = _residual_block(_conv2d(_space_to_depth(faces), 48))  # (n, 24, 24, 48)
    for filters, num_blocks in ((96, 1), (192, 2)):  # (n, 12, 12, 96), (n, 6, 6, 192)
        x = _downsample(x, filters)
        for _ in range(num_blocks):
            x = _residual_block(x)
    x = _downsample(x, 256)  # (n, 3, 3, 256)
    # Flattened, because global average pooling would drop the position of the features.
    x = layers.Dense(192, kernel_initializer="he_normal")(layers.Flatten()(_leaky_relu(x)))
    logit = _projection_logit(_leaky_relu(x), expression, 192)
    return GanNetworks(generator, keras.Model([faces, expression], logit, name="residual_discriminator"))


def build_dcgan_upsampling(num_classes: int) -> GanNetworks:
    """Build the baseline pair: a DCGAN (Radford et al. 2016) with upsampling in place of transposed convolutions.

    The generator has batch normalization, the discriminator dropout; both get the expression as an additional input.
    """
    latent, expression = _make_generator_inputs(num_classes)
    x = layers.Dense(_BASE_SIZE * _BASE_SIZE * 128)(layers.Concatenate()([latent, expression]))
    x = layers.Reshape((_BASE_SIZE, _BASE_SIZE, 128))(x)
    for filters in (128, 64, 32):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(layers.UpSampling2D(2)(x))
        x = _leaky_relu(layers.BatchNormalization(momentum=0.9)(x))
    faces = layers.Conv2D(1, 3, padding="same", activation="tanh")(x)
    generator = keras.Model([latent, expression], faces, name="dcgan_upsampling")

    faces, expression = _make_discriminator_inputs(num_classes)
    expression_map = layers.Reshape((FACE_SIZE, FACE_SIZE, 1))(layers.Dense(FACE_SIZE * FACE_SIZE)(expression))
    x = layers.Concatenate()([faces, expression_map])
    for filters in (32, 64, 128):
        x = layers.Dropout(0.25)(_leaky_relu(layers.Conv2D(filters, 3, 2, padding="same")(x)))
    logit = layers.Dense(1)(layers.Flatten()(x))
    return GanNetworks(generator, keras.Model([faces, expression], logit, name="dcgan_upsampling_discriminator"))


# The keys are `config.GAN_NETWORKS`.
GAN_BUILDERS: Mapping[str, Callable[[int], GanNetworks]] = MappingProxyType(
    {"residual": build_residual, "dcgan-upsampling": build_dcgan_upsampling}
)


def with_pixel_output(generator: keras.Model) -> keras.Model:
    """Return the generator with the output "faces" float32 (n, 48, 48, 1) in 0 to 255, not rounded, for export.

    Its inputs are named "latent" and "expression".
    """
    latent, expression = _make_generator_inputs(generator.inputs[1].shape[-1])
    faces = layers.Rescaling(127.5, 127.5)(generator([latent, expression]))
    faces = layers.ReLU(max_value=255.0, name="faces")(faces)
    return keras.Model([latent, expression], faces, name=generator.name)


def _make_generator_inputs(num_classes: int) -> tuple[Tensor, Tensor]:
    return keras.Input((LATENT_DIM,), name="latent"), keras.Input((num_classes,), name="expression")


def _make_discriminator_inputs(num_classes: int) -> tuple[Tensor, Tensor]:
    return keras.Input((FACE_SIZE, FACE_SIZE, 1), name="faces"), keras.Input((num_classes,), name="expression")


def _leaky_relu(x: Tensor) -> Tensor:
    return layers.LeakyReLU(negative_slope=0.2)(x)


def _conv2d(x: Tensor, filters: int, kernel_size: int = 3, kernel_initializer: str = "he_normal") -> Tensor:
    return layers.Conv2D(filters, kernel_size, padding="same", kernel_initializer=kernel_initializer)(x)


def _residual_block(x: Tensor, style: Tensor | None = None) -> Tensor:
    """Add three convolutions to `x`; the middle one has half the channels, modulated by `style`."""
    channels = x.shape[-1]
    residual = _conv2d(_leaky_relu(x), channels // 2, 1)
    if style is not None:
        residual = _modulate(residual, style)
    residual = _conv2d(_leaky_relu(residual), channels // 2)
    return layers.Add()([x, _conv2d(_leaky_relu(residual), channels, 1, kernel_initializer="zeros")])


def _modulate(x: Tensor, style: Tensor) -> Tensor:
    """Multiply features (n, h, w, c) by 1 + scale and add shift, both (n, c) and 0 at the start of a training."""
    filters = x.shape[-1]
    scale, shift = (
        layers.Reshape((1, 1, filters))(layers.Dense(filters, kernel_initializer="zeros")(style)) for _ in range(2)
    )
    return layers.Add()([x, layers.Multiply()([x, scale]), shift])


def _upsample(x: Tensor, filters: int) -> Tensor:
    """Double the resolution; the 1x1 convolution comes first, where there are fewer pixels."""
    return layers.UpSampling2D(2, interpolation="bilinear")(_conv2d(x, filters, 1))


def _downsample(x: Tensor, filters: int) -> Tensor:
    """Halve the resolution; the 1x1 convolution comes last, where there are fewer pixels."""
    return _conv2d(layers.AveragePooling2D(2)(x), filters, 1)


def _space_to_depth(x: Tensor) -> Tensor:
    """Turn every 2 x 2 pixels of gray faces (n, h, w, 1) into the channels of one position, (n, h/2, w/2, 4)."""
    height, width = x.shape[1] // 2, x.shape[2] // 2
    x = layers.Permute((1, 3, 2, 4))(layers.Reshape((height, 2, width, 2))(x))
    return layers.Reshape((height, width, 4))(x)


def _depth_to_space(x: Tensor) -> Tensor:
    """Undo `_space_to_depth`."""
    height, width = x.shape[1:3]
    x = layers.Permute((1, 3, 2, 4))(layers.Reshape((height, width, 2, 2))(x))
    return layers.Reshape((2 * height, 2 * width, 1))(x)


def _projection_logit(x: Tensor, expression: Tensor, units: int) -> Tensor:
    """Return the logit of a projection discriminator (Miyato and Koyama 2018), (n, 1)."""
    projection = layers.Dot(axes=1)([x, layers.Dense(units, use_bias=False)(expression)])
    return layers.Add()([layers.Dense(1)(x), projection])
