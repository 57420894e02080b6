"""Small targets of a teacher, and the files that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.movements import MOVEMENT_NAMES

BLENDSHAPES = ("_neutral", *MOVEMENT_NAMES)


def mean_points() -> NDArray[np.float64]:
    """Return 68 points (68, 2) on circles, the middles of the eyes at 0.3 and 0.7 of the side."""
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    points = 0.5 + 0.4 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    ring = 0.05 * np.stack([np.cos(angles[::11][:6]), np.sin(angles[::11][:6])], axis=1)
    ring -= ring.mean(0)
    points[36:42], points[42:48] = ring + np.array([0.3, 0.4]), ring + np.array([0.7, 0.4])
    return points


def teacher_arrays(count: int, seed: int = 0) -> dict[str, Any]:
    """Return the arrays of a teacher for `count` faces; it does not find every tenth one."""
    rng = np.random.default_rng(seed)
    found = np.arange(count) % 10 != 9
    shift = rng.uniform(-0.1, 0.1, (count, 1, 2))
    values = {
        "points": mean_points() + shift,
        "pose": rng.uniform(-30, 30, (count, 3)),
        "blendshapes": rng.uniform(0, 1, (count, len(BLENDSHAPES))),
    }
    for array in values.values():
        array[~found] = np.nan
    halves = {name: array.astype(np.float16) for name, array in values.items()}
    return {"found": found, "blendshape_names": np.array(BLENDSHAPES), **halves}


def photo_arrays(count: int, side: int = 40, seed: int = 0) -> dict[str, Any]:
    """Return the arrays of a file of photos; two faces a photo."""
    arrays = teacher_arrays(count, seed)
    rng = np.random.default_rng(seed)
    crops = rng.integers(0, 256, (count, side, side), dtype=np.uint8)
    for crop, points in zip(crops, arrays["points"], strict=True):
        if np.isfinite(points).all():  # something that can be learned: a bright square where the face is
            x, y = np.clip((points.mean(0) * side).astype(int), 4, side - 4)
            crop[y - 4 : y + 4, x - 4 : x + 4] = 255
    return arrays | {"crops": crops, "photo": np.array([f"{index // 2}.jpg" for index in range(count)])}


def write_targets(path: Path, arrays: dict[str, Any]) -> Path:
    """Write a file of targets."""
    np.savez(path, allow_pickle=True, **arrays)
    return path
