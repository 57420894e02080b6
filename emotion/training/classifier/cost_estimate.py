"""Estimate how long a training takes on this machine."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from emotion.datasets.label_sets import LABEL_SETS
from emotion.errors import EmotionError
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.zoo import ArchitectureInfo, get_architecture
from emotion.training.runs.folder import CONFIG_FILE, read_history

_BASE_MEMORY_BYTES: Final = 900_000_000  # bytes that TensorFlow takes before it learns anything


_FULL_TRAINING_FACTOR: Final = 3  # times as long as to look only: to learn in all layers


_REFERENCE_GFLOPS: Final = (
    108.0  # GFLOPS of one core of the machine that `ArchitectureInfo.train_ms_per_image` was measured on
)


@dataclass(frozen=True)
class CostEstimate:
    """The expected cost of a training; `is_measured`: derived from an earlier run on this machine."""

    num_parameters: int
    seconds_per_epoch: float
    memory_bytes: int
    is_measured: bool = False


def estimate_cost(
    plan: TrainingPlan, num_rows: int, *, num_classes: int | None = None, runs_folder: Path | None = None
) -> CostEstimate:
    """For `num_rows` faces that have one of the labels, about eight of ten of which teach.

    `num_classes`: how many labels it has, for the label set "own". `runs_folder`: a folder whose finished epochs of
    the same network tell the time better than the table does."""
    architecture = get_architecture(plan.network)
    width = len(LABEL_SETS[plan.label_set].labels) or num_classes or len(LABEL_SETS[architecture.label_set].labels)
    parameters = architecture.count_parameters(width)
    frozen = plan.weights != "random"  # then only what stands on top learns, and what lies below need not be kept
    trainable = 65 * 1536 if frozen else parameters
    size = (
        parameters * 4
        + trainable * 16
        + num_rows * 48 * 48 * 2
        + plan.batch_size * architecture.activation_bytes // (4 if frozen else 1)
    )
    seconds = _find_seconds_per_row(architecture, runs_folder) if runs_folder is not None else None
    if seconds is not None:
        return CostEstimate(parameters, seconds * num_rows, _BASE_MEMORY_BYTES + size, is_measured=True)
    each = (
        architecture.train_ms_per_image
        * (_FULL_TRAINING_FACTOR if architecture.pretrained_note and not frozen else 1)
        * _REFERENCE_GFLOPS
        / measure_gflops()
    )
    seconds = num_rows * each / 1000 / (os.cpu_count() or 1)
    return CostEstimate(parameters, seconds, _BASE_MEMORY_BYTES + size)


def _find_seconds_per_row(architecture: ArchitectureInfo, runs_folder: Path) -> float | None:
    """Seconds a row of an epoch in the newest run of the network with two whole epochs; None where there is none."""
    from emotion.storage import read_json

    folders = sorted(runs_folder.iterdir(), key=os.path.getmtime, reverse=True) if runs_folder.is_dir() else []
    for folder in folders:
        try:
            config = read_json(folder / CONFIG_FILE) or {}
            rows = config.get("rows")
            seconds = [float(row.get("seconds") or 0) for row in read_history(folder)][1:]  # the first one traces, too
        except (EmotionError, OSError):
            continue
        if config.get("network") == architecture.name and isinstance(rows, int) and rows > 0 and seconds:
            return float(np.median(seconds)) / rows
    return None


@lru_cache(maxsize=1)
def measure_gflops() -> float:
    """GFLOPS of one core of this machine in the product of two matrices, measured in a twentieth of a second.

    Matrices so small that one core does it alone: what else is at work now hardly counts in the best of many.
    """
    side = 96
    one = np.random.default_rng(0).random((side, side)).astype(np.float32)
    best, until = math.inf, time.perf_counter() + 0.05
    while time.perf_counter() < until:
        started = time.perf_counter()
        np.matmul(one, one)
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best / 1e9
