"""How well a classifier does where faces are blurred, dark, turned, covered, small or noisy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.label_sets import TaskDataset
from emotion.storage import read_json, write_json
from emotion.training.runs.predictions import ROBUSTNESS_FILE

FaceBatch = NDArray[np.uint8]

_MAX_FACES: Final = 1000  # faces: one in a hundred is worth a point, and the slowest network takes a minute or two


class Corruption(NamedTuple):
    """One way to spoil faces: `apply(face uint8 (s, s), rng)` of the same shape."""

    kind: str
    severity: float
    unit: str
    apply: Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]


def iter_corruptions() -> Iterator[Corruption]:
    """Every kind of change, from none of it to much; pixels are those of a face of 48."""
    for kind, unit, amounts, make in _CORRUPTIONS:
        for amount in amounts:
            yield Corruption(kind, amount, unit, make(amount))


def _blur(sigma: float) -> Any:
    return lambda face, rng: cv2.GaussianBlur(face, (0, 0), sigma * len(face) / 48) if sigma else face


def _brightness(offset: float) -> Any:
    return lambda face, rng: np.clip(face.astype(np.int16) + round(offset), 0, 255).astype(np.uint8)


def _rotation(degrees: float) -> Any:
    def change(face: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        middle = (len(face) - 1) / 2
        way = degrees if rng.random() < 0.5 else -degrees
        matrix = cv2.getRotationMatrix2D((middle, middle), way, 1.0)
        return cv2.warpAffine(face, matrix, face.shape[::-1], borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)

    return change


def _occlusion(area_fraction: float) -> Any:
    def change(face: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        side = round(len(face) * area_fraction**0.5)
        y, x = rng.integers(0, len(face) - side + 1, 2)
        face = face.copy()
        face[y : y + side, x : x + side] = 128
        return face

    return change


def _downscale(size_px: float) -> Any:
    def change(face: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        side = len(face)
        if size_px >= side:
            return face
        small = cv2.resize(face, (int(size_px), int(size_px)), interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR).astype(np.uint8)

    return change


def _noise(sigma: float) -> Any:
    return lambda face, rng: np.clip(face + rng.normal(0, sigma, face.shape), 0, 255).astype(np.uint8)


_CORRUPTIONS: Final = (
    ("blur", "pixels", (0.0, 0.5, 1.0, 1.5, 2.0, 3.0), _blur),
    ("brightness", "gray levels", (-100.0, -50.0, 0.0, 50.0, 100.0), _brightness),
    ("rotation", "degrees", (0.0, 10.0, 20.0, 30.0, 45.0), _rotation),
    ("occlusion", "share of the face", (0.0, 0.05, 0.1, 0.2, 0.3), _occlusion),
    ("downscale", "pixels a side", (48.0, 32.0, 24.0, 16.0, 12.0), _downscale),
    ("noise", "gray levels", (0.0, 5.0, 10.0, 20.0, 40.0), _noise),
)


def evaluate_robustness(
    predict: Callable[[FaceBatch], NDArray[np.integer]], task: TaskDataset, folder: Path, split: str = "validation"
) -> dict[str, Any]:
    """Write robustness.json: `rows` of corruption, severity, unit, accuracy and macro_recall on up to a thousand
    faces of a split, always the same ones. `predict`: gray faces uint8 (n, h, w) to the places (n,) of their
    labels."""
    data = task.data
    rows = np.random.default_rng(0).permutation(data.rows_in(split))[:_MAX_FACES]
    images, labels = data.images[rows], data.labels[rows]
    untouched = _score_predictions(predict(images), labels)
    lines = []
    for case in iter_corruptions():
        rng = np.random.default_rng(1)
        changed = np.stack([case.apply(image, rng) for image in images])
        right = untouched if np.array_equal(changed, images) else _score_predictions(predict(changed), labels)
        lines.append({"corruption": case.kind, "severity": case.severity, "unit": case.unit, **right})
    result = {"split": split, "n": len(rows), "rows": lines}
    write_json(folder / ROBUSTNESS_FILE, result)
    return result


def _score_predictions(predicted: NDArray[np.integer], labels: NDArray[np.integer]) -> dict[str, float]:
    recalls = [float((predicted[labels == label] == label).mean()) for label in np.unique(labels)]
    return {"accuracy": float((predicted == labels).mean()), "macro_recall": float(np.mean(recalls))}


def read_robustness(folder: Path) -> dict[str, Any] | None:
    """What `evaluate_robustness` wrote, None without the file. Raises `JobError` where it is damaged."""
    return read_json(folder / ROBUSTNESS_FILE)
