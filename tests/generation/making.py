"""Small generators and classifiers with cards, as ONNX networks without training."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emotion.expressions import FER2013_LABELS
from emotion.model_store.store import compute_sha256

Change = Callable[[dict[str, Any]], object]
LATENT_DIM = 6


def write_generator(folder: Path, change: Change | None = None, labels: Sequence[str] = FER2013_LABELS) -> Path:
    """Write a generator of smooth random images with a card, which `change` may modify.

    The expression influences an image as much as the seed does.
    """
    rng = np.random.default_rng(3)
    waves = np.stack(
        [
            np.outer(np.sin((i % 4 + 1) * np.arange(48) / 9 + i), np.cos((i // 4 + 1) * np.arange(48) / 9))
            for i in range(8)
        ]
    ).reshape(8, 48 * 48)
    constants = {
        "weights": rng.normal(0, 25, (LATENT_DIM + len(labels), 8)),
        "waves": waves,
        "middle": np.array(128.0),
        "least": np.array(0.0),
        "most": np.array(255.0),
    }
    nodes = [
        helper.make_node("Concat", ["latent", "expression"], ["inputs"], axis=1),
        helper.make_node("MatMul", ["inputs", "weights"], ["factors"]),
        helper.make_node("MatMul", ["factors", "waves"], ["image"]),
        helper.make_node("Add", ["image", "middle"], ["bright"]),
        helper.make_node("Clip", ["bright", "least", "most"], ["clipped"]),
        helper.make_node("Reshape", ["clipped", "shape"], ["faces"]),
    ]
    write_onnx(
        folder / "model.onnx",
        nodes,
        {"latent": [None, LATENT_DIM], "expression": [None, len(labels)]},
        {"faces": [None, 48, 48, 1]},
        constants,
        {"shape": np.array([-1, 48, 48, 1])},
    )
    return write_card(
        folder,
        {
            "kind": "generator",
            "name": folder.name,
            "latent_dim": LATENT_DIM,
            "labels": list(labels),
            "truncation": 0.75,
            "output": {"size": 48, "color_mode": "grayscale", "range": [0, 255]},
            "metrics": {},
        },
        change,
    )


def write_classifier(folder: Path, change: Change | None = None, labels: Sequence[str] = FER2013_LABELS) -> Path:
    """Write a classifier with ten features of random filters and one head "fer2013"."""
    rng = np.random.default_rng(4)
    constants = {
        "scale": np.array(1 / 255),
        "filters": rng.normal(0, 0.1, (48 * 48, 10)),
        "head": rng.normal(0, 1, (10, len(labels))),
        "bias": rng.normal(0, 0.01, len(labels)),
    }
    nodes = [
        helper.make_node("Flatten", ["faces"], ["flat"]),
        helper.make_node("Mul", ["flat", "scale"], ["x"]),
        helper.make_node("MatMul", ["x", "filters"], ["filtered"]),
        helper.make_node("Relu", ["filtered"], ["features"]),
        helper.make_node("MatMul", ["features", "head"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["fer2013"]),
    ]
    write_onnx(
        folder / "model.onnx", nodes, {"faces": [None, 48, 48, 1]}, {"fer2013": [None, len(labels)]}, constants, {}
    )
    return write_card(
        folder,
        {
            "kind": "classifier",
            "name": folder.name,
            "input": {"size": 48},
            "default_head": "fer2013",
            "metrics": {},
            "heads": {"fer2013": {"output": "fer2013", "labels": list(labels), "temperature": 1.0}},
        },
        change,
    )


def write_onnx(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, list],
    outputs: dict[str, list],
    constants: dict[str, NDArray],
    integers: dict[str, NDArray],
) -> None:
    """Write a network; `constants` become float32, `integers` int64."""
    path.parent.mkdir(parents=True, exist_ok=True)
    graph = helper.make_graph(
        list(nodes),
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [
            *(numpy_helper.from_array(np.asarray(v, np.float32), name) for name, v in constants.items()),
            *(numpy_helper.from_array(np.asarray(v, np.int64), name) for name, v in integers.items()),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def write_card(folder: Path, card: dict[str, Any], change: Change | None) -> Path:
    files = [folder / name for name in ("model.onnx", "model.keras") if (folder / name).is_file()]
    card["files"] = {path.name: {"bytes": 0, "sha256": compute_sha256(path)} for path in files}
    if change is not None:
        change(card)
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


# --- what needs TensorFlow ---------------------------------------------------------------------------------


def build_tiny_networks(num_classes: int) -> Any:
    """Return networks that train fast, with the state that a resume must restore: moving averages, a dropout's seed."""
    import keras
    from keras import layers

    from emotion.generation.networks import LATENT_DIM, GanNetworks

    latent, expression = keras.Input((LATENT_DIM,), name="latent"), keras.Input((num_classes,), name="expression")
    x = layers.BatchNormalization()(layers.Dense(12 * 12)(layers.Concatenate()([latent, expression])))
    x = layers.UpSampling2D(4)(layers.Reshape((12, 12, 1))(x))
    generator = keras.Model([latent, expression], layers.Conv2D(1, 3, padding="same")(x), name="tiny")
    faces, expression = keras.Input((48, 48, 1), name="faces"), keras.Input((num_classes,), name="expression")
    x = layers.LeakyReLU(negative_slope=0.2)(layers.Conv2D(6, 8, 8)(faces))
    x = layers.Concatenate()([layers.Dropout(0.2)(layers.Flatten()(x)), expression])
    return GanNetworks(generator, keras.Model([faces, expression], layers.Dense(1)(x), name="tiny_discriminator"))


def use_tiny_networks(patch: pytest.MonkeyPatch) -> None:
    """Build tiny networks for every name."""
    from emotion.generation import networks
    from emotion.generation.config import GAN_NETWORKS

    patch.setattr(networks, "GAN_BUILDERS", dict.fromkeys(GAN_NETWORKS, build_tiny_networks))


def add_file(folder: Path, name: str, content: bytes) -> None:
    """Write a file of a model, and name it in the card."""
    (folder / name).write_bytes(content)
    card = json.loads((folder / "card.json").read_text())
    card["files"][name] = {"sha256": compute_sha256(folder / name)}
    (folder / "card.json").write_text(json.dumps(card))


def write_guidance_classifier(folder: Path, labels: Sequence[str] = FER2013_LABELS) -> Path:
    """Write an untrained classifier with model.keras."""
    import keras

    from emotion.training.export import export_classifier
    from tests.training.making import tiny

    folder.mkdir(parents=True)
    keras.utils.set_random_seed(9)
    export_classifier(tiny({"fer2013": len(labels), "face": 1}), folder, 48)
    write_card(
        folder,
        {
            "kind": "classifier",
            "name": folder.name,
            "input": {"size": 48},
            "default_head": "fer2013",
            "metrics": {},
            "heads": {"fer2013": {"output": "fer2013", "labels": list(labels), "temperature": 1.0}},
            "face_head": {"output": "face", "threshold": 0.5},
        },
        None,
    )
    return folder
