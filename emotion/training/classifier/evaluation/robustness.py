"""Evaluate a classifier on blurred, darkened, rotated, occluded, downscaled and noisy faces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.label_sets import TaskDataset
from emotion.faces import Scores
from emotion.storage import read_json, write_json
from emotion.training.runs.predictions import ROBUSTNESS_FILE
from emotion.translation.messages import gettext_noop

FaceBatch = NDArray[np.uint8]

# Enough for accuracies to about one percentage point, at one or two minutes for the slowest network.
_MAX_FACES: Final = 1000
_HARMLESS_SEVERITIES: Final = {"downscale": 48.0}  # of the other kinds 0


class Corruption(NamedTuple):
    """Hold a corruption of one severity; `apply(face, rng)` maps a gray face uint8 (s, s) to one of the same shape."""

    kind: str
    severity: float
    unit: str
    apply: Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]


def iter_corruptions() -> Iterator[Corruption]:
    """Yield all corruptions by kind and severity; severities in pixels refer to a face of 48 x 48."""
    for kind, unit, severities, make_corruption in _CORRUPTIONS:
        for severity in severities:
            yield Corruption(kind, severity, unit, make_corruption(severity))


def _blur(sigma: float) -> Any:
    return lambda face, rng: cv2.GaussianBlur(face, (0, 0), sigma * len(face) / 48) if sigma else face


def _brightness(offset: float) -> Any:
    return lambda face, rng: np.clip(face.astype(np.int16) + round(offset), 0, 255).astype(np.uint8)


def _rotation(degrees: float) -> Any:
    def corrupt(face: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        center = (len(face) - 1) / 2
        angle = degrees if rng.random() < 0.5 else -degrees
        matrix = cv2.getRotationMatrix2D((center, center), angle, 1.0)
        return cv2.warpAffine(face, matrix, face.shape[::-1], borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)

    return corrupt


def _occlusion(area_fraction: float) -> Any:
    def corrupt(face: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        side = round(len(face) * area_fraction**0.5)
        y, x = rng.integers(0, len(face) - side + 1, 2)
        face = face.copy()
        face[y : y + side, x : x + side] = 128
        return face

    return corrupt


def _downscale(size_px: float) -> Any:
    def corrupt(face: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        side = len(face)
        if size_px >= side:
            return face
        small = cv2.resize(face, (int(size_px), int(size_px)), interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR).astype(np.uint8)

    return corrupt


def _noise(sigma: float) -> Any:
    return lambda face, rng: np.clip(face + rng.normal(0, sigma, face.shape), 0, 255).astype(np.uint8)


_CORRUPTIONS: Final = (
    ("blur", gettext_noop("pixels"), (0.0, 0.5, 1.0, 1.5, 2.0, 3.0), _blur),
    ("brightness", gettext_noop("gray levels"), (-100.0, -50.0, 0.0, 50.0, 100.0), _brightness),
    ("rotation", gettext_noop("degrees"), (0.0, 10.0, 20.0, 30.0, 45.0), _rotation),
    ("occlusion", gettext_noop("share of the face"), (0.0, 0.05, 0.1, 0.2, 0.3), _occlusion),
    ("downscale", gettext_noop("pixels a side"), (48.0, 32.0, 24.0, 16.0, 12.0), _downscale),
    ("noise", gettext_noop("gray levels"), (0.0, 5.0, 10.0, 20.0, 40.0), _noise),
)


def evaluate_robustness(
    predict: Callable[[FaceBatch], NDArray[np.integer]], task: TaskDataset, folder: Path, split: str = "validation"
) -> dict[str, Any]:
    """Evaluate a classifier under all corruptions and write robustness.json.

    Args:
        predict: Maps gray faces uint8 (n, h, w) to label indices (n,).
        task: The labeled data; up to 1000 faces of it are used, the same ones on each call.
        folder: The run folder to write to.
        split: The split of the faces.

    Returns:
        `split`, `n` (number of faces) and `rows` with `corruption`, `severity`, `unit`, `accuracy` and
        `macro_recall`, as written.
    """
    data = task.data
    rows = np.random.default_rng(0).permutation(data.rows_in(split))[:_MAX_FACES]
    images, labels = data.images[rows], data.labels[rows]
    clean_scores = _score_predictions(predict(images), labels)
    result_rows = []
    for corruption in iter_corruptions():
        rng = np.random.default_rng(1)
        corrupted = np.stack([corruption.apply(image, rng) for image in images])
        scores = clean_scores if np.array_equal(corrupted, images) else _score_predictions(predict(corrupted), labels)
        result_rows.append(
            {"corruption": corruption.kind, "severity": corruption.severity, "unit": corruption.unit, **scores}
        )
    result = {"split": split, "n": len(rows), "rows": result_rows}
    write_json(folder / ROBUSTNESS_FILE, result)
    return result


class BreakingPoint(NamedTuple):
    """The mildest corruption of a kind that changes the predicted label of a face."""

    kind: str
    severity: float
    unit: str
    face: NDArray[np.uint8]  # the corrupted face, gray (size, size)
    label: str  # predicted for it
    confidence: float


def find_breaking_points(
    face: NDArray[np.uint8], predict: Callable[[FaceBatch], Sequence[Scores]]
) -> dict[str, BreakingPoint]:
    """Find how much of each corruption changes the predicted label of a face.

    Args:
        face: A gray face uint8 (size, size).
        predict: Maps gray faces uint8 (n, size, size) to the scores of each.

    Returns:
        The breaking point by kind, for the kinds that change the label.
    """
    corruptions = sorted(iter_corruptions(), key=lambda one: abs(one.severity - _HARMLESS_SEVERITIES.get(one.kind, 0)))
    corrupted = np.stack([one.apply(face, np.random.default_rng(1)) for one in corruptions])
    (clean,), predicted = predict(face[None]), predict(corrupted)
    found = dict[str, BreakingPoint]()
    for one, image, scores in zip(corruptions, corrupted, predicted, strict=True):
        if scores.label != clean.label:
            point = BreakingPoint(one.kind, one.severity, one.unit, image, scores.label, scores.confidence)
            found.setdefault(one.kind, point)
    return found


def _score_predictions(predicted: NDArray[np.integer], labels: NDArray[np.integer]) -> dict[str, float]:
    recalls = [float((predicted[labels == label] == label).mean()) for label in np.unique(labels)]
    return {"accuracy": float((predicted == labels).mean()), "macro_recall": float(np.mean(recalls))}


def read_robustness(folder: Path) -> dict[str, Any] | None:
    """Read the result of `evaluate_robustness`, None without the file; raise `JobError` if it is damaged."""
    return read_json(folder / ROBUSTNESS_FILE)
