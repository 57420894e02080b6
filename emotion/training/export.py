"""Export a trained network to model.keras and model.onnx, and compare their outputs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from emotion.errors import ModelError
from emotion.model_store.store import KERAS_FILE, compute_sha256
from emotion.recognition.trial_run import trust_network
from emotion.storage import atomic_path, write_atomic
from emotion.translation.messages import gettext as _

# In logits; both compute in float32, but in different orders.
TOLERANCE = 1e-3
_GRAY_TOLERANCE = 0.1  # in gray levels
_ANGLE_TOLERANCE = 0.05  # in degrees, the values of a features network with the largest numbers
FEATURES_LAYER = "features"  # the layer of a classifier with the means over the image


def export_classifier(network: keras.Model, folder: Path, input_size: int) -> float:
    """Write model.keras and model.onnx of a classifier.

    The ONNX outputs are named after the heads and, where there are any, after the maps of `build_cam_outputs`; the
    batch size is free.

    Args:
        network: The trained network.
        folder: The folder of the files.
        input_size: The side of the input in pixels.

    Returns:
        The largest difference of the two in logits.

    Raises:
        ModelError: The difference is `TOLERANCE` or more.
    """
    faces = np.random.default_rng(0).integers(0, 256, (16, input_size, input_size, 1)).astype(np.float32)
    _save_keras(network, folder)
    with_maps = keras.Model(network.inputs, dict(network.output) | build_cam_outputs(network))
    return _export_onnx(with_maps, folder, [faces], [(None, input_size, input_size, 1)], list(with_maps.output))


def build_cam_outputs(network: keras.Model) -> dict[str, Any]:
    """Return class activation maps "HEAD_map" (n, h, w, classes), whose mean over the image are the logits of HEAD.

    Empty where a network has no `FEATURES_LAYER`. A dense layer of a mean is the mean of the dense layer (Zhou et al.
    2016, "Learning deep features for discriminative localization").
    """
    if not has_cam(network):
        return {}
    layer = network.get_layer(FEATURES_LAYER).input
    return {
        f"{name}_map": keras.layers.Identity(name=f"{name}_map")(network.get_layer(name)(layer))
        for name in network.output
        if name != "face"
    }


def has_cam(network: keras.Model) -> bool:
    """Return whether a network has class activation maps."""
    return any(
        layer.name == FEATURES_LAYER and isinstance(layer, keras.layers.GlobalAveragePooling2D)
        for layer in network.layers
    )


def export_detector(network: keras.Model, folder: Path) -> float:
    """Write model.keras and model.onnx of a face detector and return their largest difference.

    Batch size, height and width are free. Raises `ModelError` where the difference is `TOLERANCE` or more.
    """
    images = np.random.default_rng(0).integers(0, 256, (1, 96, 128, 3)).astype(np.float32)
    _save_keras(network, folder)
    return _export_onnx(network, folder, [images], [(None, None, None, 3)], ["faces"])


def export_features(network: keras.Model, folder: Path, input_size: int) -> float:
    """Write model.keras and model.onnx of a features network and return their largest difference.

    The batch size is free. Raises `ModelError` where the difference is `_ANGLE_TOLERANCE` or more.
    """
    faces = np.random.default_rng(0).integers(0, 256, (16, input_size, input_size, 1)).astype(np.float32)
    _save_keras(network, folder)
    shapes = [(None, input_size, input_size, 1)]
    return _export_onnx(network, folder, [faces], shapes, list(network.output), _ANGLE_TOLERANCE)


def export_generator(network: keras.Model, folder: Path) -> float:
    """Write model.keras and model.onnx of a generator and return their largest difference in gray levels.

    The batch size is free. Raises `ModelError` where the difference is `_GRAY_TOLERANCE` or more.
    """
    rng = np.random.default_rng(0)
    latents, weights = (rng.standard_normal((16, put.shape[-1])).astype(np.float32) for put in network.inputs)
    shapes = [(None, value.shape[1]) for value in (latents, weights)]
    _save_keras(network, folder)
    return _export_onnx(network, folder, [latents, weights], shapes, ["faces"], _GRAY_TOLERANCE)


def export_upscaler(network: keras.Model, folder: Path) -> float:
    """Write model.keras and model.onnx of an upscaler and return their largest difference in gray levels.

    The batch size is free. Raises `ModelError` where the difference is `_GRAY_TOLERANCE` or more.
    """
    shape = network.inputs[0].shape[1:]
    faces = np.random.default_rng(0).integers(0, 256, (4, *shape)).astype(np.float32)
    _save_keras(network, folder)
    return _export_onnx(network, folder, [faces], [(None, *shape)], network.output_names, _GRAY_TOLERANCE)


def _save_keras(network: keras.Model, folder: Path) -> None:
    # A copy that is not compiled: the optimizer would double the size of the file.
    bare = keras.Model.from_config(network.get_config())
    bare.set_weights(network.get_weights())
    with atomic_path(folder / KERAS_FILE) as path:
        bare.save(path)
    trust_network(compute_sha256(folder / KERAS_FILE))


def _export_onnx(
    network: keras.Model,
    folder: Path,
    samples: list[NDArray[np.float32]],
    input_shapes: Sequence[tuple[int | None, ...]],
    output_names: list[str],
    tolerance: float = TOLERANCE,
) -> float:
    outputs = network(samples if len(samples) > 1 else samples[0], training=False)
    expected = {name: np.asarray(outputs[name] if isinstance(outputs, dict) else outputs) for name in output_names}
    exported = to_onnx(network, input_shapes, output_names)
    write_atomic(folder / "model.onnx", exported.SerializeToString())
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    feed = {value.name: sample for value, sample in zip(network.inputs, samples, strict=True)}
    exported_outputs = dict(zip(output_names, session.run(output_names, feed), strict=True))
    difference = max(float(np.abs(exported_outputs[name] - expected[name]).max()) for name in output_names)
    if not difference < tolerance:
        raise ModelError(
            _(
                "The exported network differs from the trained one by {difference:.2g}; expected less than {tolerance}."
            ).format(difference=difference, tolerance=tolerance)
        )
    trust_network(compute_sha256(folder / "model.onnx"))
    return difference


def to_onnx(
    network: keras.Model, input_shapes: Sequence[tuple[int | None, ...]], output_names: list[str]
) -> onnx.ModelProto:
    """Export by Keras, with the names that inputs and outputs have in the network."""
    read = [value.name for value in network.inputs]
    specs = [
        keras.InputSpec(shape=shape, dtype="float32", name=name) for shape, name in zip(input_shapes, read, strict=True)
    ]
    signature = [specs if len(specs) > 1 else specs[0]]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "network.onnx"
        network.export(path, format="onnx", verbose=False, input_signature=signature)
        exported = onnx.load(path)
    renamed = {
        old.name: name
        for old, name in zip(exported.graph.output, _order_output_names(output_names, exported), strict=True)
    }
    renamed |= {old.name: name for old, name in zip(exported.graph.input, read, strict=True)}
    for value in (*exported.graph.output, *exported.graph.input):
        value.name = renamed[value.name]
    for node in exported.graph.node:
        node.input[:] = [renamed.get(n, n) for n in node.input]
        node.output[:] = [renamed.get(n, n) for n in node.output]
    onnx.checker.check_model(exported)
    return exported


def _order_output_names(output_names: list[str], onnx_model: onnx.ModelProto) -> list[str]:
    """Return the names in the order of the exported outputs, which contain them or are sorted by them."""
    found = [
        next((n for n in output_names if n in output.name.split(":")[0].split("/")), None)
        for output in onnx_model.graph.output
    ]
    return (
        [str(n) for n in found] if None not in found and len(set(found)) == len(output_names) else sorted(output_names)
    )
