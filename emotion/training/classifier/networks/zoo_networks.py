"""Build the single-head networks of the zoo: gray faces 0 to 255 in, logits out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import keras
from keras import layers

from emotion.errors import ModelError
from emotion.training.classifier.networks import multi_head
from emotion.training.classifier.networks.zoo import get_architecture
from emotion.training.keras_support.keras_types import Tensor
from emotion.translation.messages import gettext as _


def build_network(
    name: str,
    head: str,
    num_classes: int,
    weights: str = "random",
    *,
    width_factor: float = 1.0,
    dropout_factor: float = 1.0,
) -> keras.Model:
    """Build a network of float32 (n, size, size, 1), gray 0 to 255, to logits (n, classes) of `head`.

    Args:
        name: The network.
        head: The name of its output.
        num_classes: The number of labels.
        weights: "random", "imagenet" or a file of ImageNet weights.
        width_factor: Of the number of filters and units; only for networks that do not lock it.
        dropout_factor: Of the dropout rates; only for networks that do not lock it.

    Raises:
        ModelError: The weights cannot be loaded.
    """
    if name in multi_head.CLASSIFIER_NETWORKS:
        return multi_head.CLASSIFIER_NETWORKS[name]({head: num_classes})
    size = get_architecture(name).input_size
    faces = keras.Input((size, size, 1), name="faces")
    x = (
        _apply_pretrained(faces, name, weights)
        if name in PRETRAINED_BACKBONES
        else _CUSTOM_BACKBONES[name](layers.Rescaling(1 / 255)(faces), width_factor, dropout_factor)
    )
    return keras.Model(faces, {head: layers.Dense(num_classes, name=head)(x)}, name=name)


def _mlp(x: Tensor, width: float, dropout: float) -> Tensor:
    """Two hidden layers on the pixels, without dropout."""
    x = layers.Flatten()(x)  # (n, 2304)
    x = layers.Dense(_scale(512, width), activation="relu")(x)
    return layers.Dense(_scale(256, width), activation="relu")(x)


def _cnn_3conv(x: Tensor, width: float, dropout: float) -> Tensor:
    """The network of its notebook; most of its 6.9 million parameters are in the first dense layer."""
    x = layers.Conv2D(_scale(32, width), 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)  # 125
    x = layers.Conv2D(_scale(32, width), 3, activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)  # 61
    x = layers.Conv2D(_scale(64, width), 3, activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)  # 29
    x = layers.Flatten()(x)  # (n, 53824)
    x = layers.Dropout(0.25 * dropout)(layers.Dense(_scale(128, width), activation="relu")(x))
    return layers.Dropout(0.25 * dropout)(layers.Dense(_scale(64, width), activation="relu")(x))


def _cnn_4conv(x: Tensor, width: float, dropout: float) -> Tensor:
    for filters in (32, 64, 128, 128):  # 48 -> 24 -> 12 -> 6 -> 3
        x = layers.Conv2D(_scale(filters, width), 3, padding="same", activation="relu")(x)
        x = layers.Dropout(0.25 * dropout)(layers.MaxPooling2D(2)(x))
    x = layers.Flatten()(x)  # (n, 1152)
    return layers.Dropout(0.5 * dropout)(layers.Dense(_scale(128, width), activation="relu")(x))


def _cnn_augmented(x: Tensor, width: float, dropout: float) -> Tensor:
    for filters in (32, 64, 128, 256):  # 48 -> 24 -> 12 -> 6 -> 3
        x = layers.Conv2D(_scale(filters, width), 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Dropout(0.2 * dropout)(layers.MaxPooling2D(2)(x))
    x = layers.Flatten()(x)  # (n, 2304)
    return layers.Dropout(0.4 * dropout)(layers.Dense(_scale(128, width), activation="relu")(x))


def _scale(size: int, factor: float) -> int:
    return max(1, round(size * factor))


_CUSTOM_BACKBONES: Final[Mapping[str, Callable[[Tensor, float, float], Tensor]]] = MappingProxyType(
    {
        "mlp": _mlp,
        "cnn-3conv-250": _cnn_3conv,
        "cnn-4conv": _cnn_4conv,
        "cnn-augmented": _cnn_augmented,
    }
)
# The preprocessing of their ImageNet training: means by channel, or -1 to 1.
_IMAGENET_OFFSETS: Final = (-103.939, -116.779, -123.68)
PRETRAINED_BACKBONES: Final[Mapping[str, tuple[Callable[..., keras.Model], float, Any]]] = MappingProxyType(
    {
        "inception-resnet-v2": (keras.applications.InceptionResNetV2, 1 / 127.5, -1.0),
        "vgg16": (keras.applications.VGG16, 1.0, _IMAGENET_OFFSETS),
        "resnet50": (keras.applications.ResNet50, 1.0, _IMAGENET_OFFSETS),
        "resnet101": (keras.applications.ResNet101, 1.0, _IMAGENET_OFFSETS),
    }
)


def _apply_pretrained(faces: Tensor, name: str, weights: str) -> Tensor:
    """A network of ImageNet without its classifier. Its weights are frozen unless they are random."""
    make, scale, offset = PRETRAINED_BACKBONES[name]
    size = get_architecture(name).input_size
    base = _load_backbone(make, name, weights, size)
    base.trainable = weights == "random"
    x = layers.Concatenate()([faces, faces, faces])  # (n, 80, 80, 3)
    x = layers.Rescaling(scale, offset)(x)
    x = base(x) if base.trainable else base(x, training=False)
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dropout(0.5)(layers.Dense(64, activation="relu")(x))


def _load_backbone(constructor: Callable[..., keras.Model], name: str, weights: str, size: int) -> keras.Model:
    shape = (size, size, 3)
    if weights == "imagenet":
        try:
            return constructor(include_top=False, weights="imagenet", input_shape=shape)
        except Exception as error:  # Keras promises no type for what a network does
            raise ModelError(
                _(
                    "The ImageNet weights of {network} could not be downloaded ({reason}); connect to the internet, "
                    "give their file, or start with random weights."
                ).format(network=name, reason=_shorten_message(error))
            ) from error
    base = constructor(include_top=False, weights=None, input_shape=shape)
    if weights != "random":
        path = Path(weights)
        if not path.is_file():
            raise ModelError(
                _(
                    "There is no {path}; give a file of ImageNet weights without top, or start with random weights."
                ).format(path=path)
            )
        try:
            base.load_weights(path)
        except Exception as error:  # h5py and Keras promise no type for damaged bytes
            raise ModelError(
                _("{name} has no weights of {network} without top ({reason}).").format(
                    name=path.name, network=name, reason=_shorten_message(error)
                )
            ) from error
    return base


def _shorten_message(error: Exception) -> str:
    words = " ".join(str(error).split())
    return words[:100] or type(error).__name__
