"""A features network that gives the same answer for each crop, as an ONNX model with a card."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emotion.model_store.store import ModelBundle, compute_sha256, open_model
from emotion.movements import MOVEMENT_NAMES
from emotion.recognition.features.outputs import MOVES, NUM_ERRORS, NUM_VALUES, POINTS, POSE

SIZE = 48


@dataclass
class Answer:
    """What the network says about each crop; errors are in the units of the values."""

    points: NDArray[np.floating]
    pose: tuple[float, float, float] = (0, 0, 0)
    movements: NDArray[np.floating] = field(default_factory=lambda: np.zeros(len(MOVEMENT_NAMES)))
    error: float = 0.004
    face_logit: float = 9.0


def make_bundle(folder: Path, answer: Answer, **changes: Any) -> ModelBundle:
    """Write the model; `changes` are fields of its card."""
    values = np.zeros(NUM_VALUES, np.float32)
    values[POINTS], values[POSE], values[MOVES] = answer.points.ravel(), answer.pose, answer.movements
    rows = {
        "values": values,
        "log_errors": np.full(NUM_ERRORS, np.log(answer.error), np.float32),
        "face": np.array([answer.face_logit], np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", ["faces", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        *(helper.make_node("Add", ["nothing", f"row_{name}"], [name]) for name in rows),
    ]
    constants = [
        numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
        numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
        *(numpy_helper.from_array(row, f"row_{name}") for name, row in rows.items()),
    ]
    faces = helper.make_tensor_value_info("faces", TensorProto.FLOAT, [None, SIZE, SIZE, 1])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, len(row)]) for name, row in rows.items()]
    graph = helper.make_graph(nodes, "constant", [faces], outputs, constants)
    folder.mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    card = {
        "kind": "features",
        "input": {"size": SIZE},
        "movements": MOVEMENT_NAMES,
        "shown_movements": ["mouthSmileLeft", "jawOpen"],
        "error_calibration": {"points": 1.0, "pose": 1.0, "movements": 1.0},
        "files": {"model.onnx": {"sha256": compute_sha256(folder / "model.onnx")}},
    }
    (folder / "card.json").write_text(json.dumps(card | changes))
    return open_model(folder)
