"""Turn a trained network into a model folder: model.keras, model.onnx (checked to agree), card.json."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime

from emotion.bundles import CARD, sha256_of
from emotion.errors import ModelError
from emotion.files import replacing, write_atomic, write_json
from emotion.training.runs import CONFIG, HISTORY, REPORT

# Both compute in float32, in another order.
TOLERANCE = 1e-3


def export_network(network: keras.Model, folder: Path, size: int) -> float:
    """Write model.keras and model.onnx and return their largest difference in logits.

    The exported outputs are named after the heads; the batch size is free, the side is `size`. Raises
    `ModelError` where the two do not agree within `TOLERANCE`.
    """
    # A copy that was never compiled: the optimizer would double the size of the file.
    bare = keras.Model.from_config(network.get_config())
    bare.set_weights(network.get_weights())
    with replacing(folder / "model.keras") as path:
        bare.save(path)
    faces = np.random.default_rng(0).integers(0, 256, (16, size, size, 1)).astype(np.float32)
    expected = {name: np.asarray(value) for name, value in network(faces, training=False).items()}
    write_atomic(folder / "model.onnx", _to_onnx(network, size).SerializeToString())
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    got = dict(zip(expected, session.run(list(expected), {"faces": faces}), strict=True))
    difference = max(float(np.abs(got[name] - expected[name]).max()) for name in expected)
    if not difference < TOLERANCE:
        raise ModelError(
            f"The exported network differs from the trained one by {difference:.2g}; at most {TOLERANCE} is right."
        )
    return difference


def _to_onnx(network: keras.Model, size: int) -> onnx.ModelProto:
    """Keras' own export, with the outputs named after the heads."""
    names = list(network.output)
    signature = [keras.InputSpec(shape=(None, size, size, 1), dtype="float32", name="faces")]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "network.onnx"
        network.export(path, format="onnx", verbose=False, input_signature=signature)
        exported = onnx.load(path)
    renamed = {old.name: name for old, name in zip(exported.graph.output, _in_order(names, exported), strict=True)}
    renamed[exported.graph.input[0].name] = "faces"
    for value in (*exported.graph.output, *exported.graph.input):
        value.name = renamed[value.name]
    for node in exported.graph.node:
        node.input[:] = [renamed.get(n, n) for n in node.input]
        node.output[:] = [renamed.get(n, n) for n in node.output]
    onnx.checker.check_model(exported)
    return exported


def _in_order(names: list[str], exported: onnx.ModelProto) -> list[str]:
    """The heads in the order of the exported outputs, which carry their names or stand in sorted order."""
    found = [
        next((n for n in names if n in output.name.split(":")[0].split("/")), None) for output in exported.graph.output
    ]
    return [str(n) for n in found] if None not in found and len(set(found)) == len(names) else sorted(names)


def write_card(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """card.json: the given facts, date, versions, and size and sha256 of every file of the folder."""
    names = ("model.keras", "model.onnx", HISTORY, CONFIG, REPORT)
    files = [folder / name for name in names if (folder / name).is_file()]
    card = {
        **facts,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {p.name: {"bytes": p.stat().st_size, "sha256": sha256_of(p)} for p in files},
        "versions": {name: version(name) for name in ("tensorflow", "keras", "onnx", "onnxruntime", "numpy")},
    }
    write_json(folder / CARD, card)
    return card
