"""A small upscaler with a card, as an ONNX network without training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import helper

from tests.generation.making import Change, write_card, write_onnx


def write_upscaler(folder: Path, change: Change | None = None) -> Path:
    """Write an upscaler that repeats every pixel in 4 x 4 pixels, with a card, which `change` may modify."""
    repeat = helper.make_node(
        "Resize",
        ["faces", "", "scales"],
        ["large_faces"],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    write_onnx(
        folder / "model.onnx",
        [repeat],
        {"faces": [None, 48, 48, 1]},
        {"large_faces": [None, 192, 192, 1]},
        {"scales": np.array([1, 4, 4, 1])},
        {},
    )
    card = {
        "kind": "upscaler",
        "name": folder.name,
        "input": {"size": 48, "color_mode": "grayscale", "range": [0, 255]},
        "output": {"size": 192, "color_mode": "grayscale", "range": [0, 255]},
        "metrics": {},
    }
    return write_card(folder, card, change)
