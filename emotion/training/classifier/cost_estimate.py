"""Estimate the duration and memory of a training on this machine."""

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
from emotion.training.classifier.networks.zoo import ArchitectureInfo, get_architecture
from emotion.training.runs.folder import CONFIG_FILE, read_history

_BASE_MEMORY_BYTES: Final = 900_000_000  # bytes that TensorFlow takes before training starts

_FULL_TRAINING_FACTOR: Final = 3  # duration of training all layers relative to training the head only

# GFLOPS of one core of the machine on which `ArchitectureInfo.train_ms_per_image` is measured.
_REFERENCE_GFLOPS: Final = 108.0


@dataclass(frozen=True)
class CostEstimate:
    """Hold the expected cost of a training; `is_measured` if it is derived from an earlier run on this machine."""

    num_parameters: int
    seconds_per_epoch: float
    memory_bytes: int
    is_measured: bool = False


def estimate_cost(
    plan: TrainingPlan, num_rows: int, *, num_classes: int | None = None, runs_folder: Path | None = None
) -> CostEstimate:
    """Estimate the cost of a training.

    Args:
        plan: The training to estimate.
        num_rows: The number of labeled faces in all splits, about 80% of which are training faces.
        num_classes: The number of classes, for the label set "own".
        runs_folder: A folder with earlier runs; finished epochs of the same network give a better estimate than the
            reference durations.

    Returns:
        The estimated cost.
    """
    architecture = get_architecture(plan.network)
    num_outputs = (
        len(LABEL_SETS[plan.label_set].labels) or num_classes or len(LABEL_SETS[architecture.label_set].labels)
    )
    size_factor = plan.width_factor**2  # filters are connected to filters, so that weights and time grow by the square
    num_parameters = round(architecture.count_parameters(num_outputs) * size_factor)
    # Pretrained weights are frozen: only the head is trained, and fewer activations stay in memory.
    is_frozen = plan.weights != "random"
    num_trainable = 65 * 1536 if is_frozen else num_parameters
    training_bytes = (
        num_parameters * 4
        + num_trainable * 16
        + num_rows * 48 * 48 * 2
        + plan.batch_size * architecture.activation_bytes // (4 if is_frozen else 1)
    )
    seconds_per_row = _find_seconds_per_row(architecture, runs_folder) if runs_folder is not None else None
    if seconds_per_row is not None:
        return CostEstimate(
            num_parameters, seconds_per_row * num_rows, _BASE_MEMORY_BYTES + training_bytes, is_measured=True
        )
    ms_per_row = (
        architecture.train_ms_per_image
        * size_factor
        * (_FULL_TRAINING_FACTOR if architecture.pretrained_note and not is_frozen else 1)
        * _REFERENCE_GFLOPS
        / measure_gflops()
    )
    seconds_per_epoch = num_rows * ms_per_row / 1000 / (os.cpu_count() or 1)
    return CostEstimate(num_parameters, seconds_per_epoch, _BASE_MEMORY_BYTES + training_bytes)


def _find_seconds_per_row(architecture: ArchitectureInfo, runs_folder: Path) -> float | None:
    """Return the seconds per row and epoch in the newest run of the network with two full epochs, None without one."""
    from emotion.storage import read_json

    folders = sorted(runs_folder.iterdir(), key=os.path.getmtime, reverse=True) if runs_folder.is_dir() else []
    for folder in folders:
        try:
            config = read_json(folder / CONFIG_FILE) or {}
            rows = config.get("rows")
            # The first epoch includes graph tracing.
            seconds = [float(row.get("seconds") or 0) for row in read_history(folder)][1:]
        except (EmotionError, OSError):
            continue
        if config.get("network") == architecture.name and isinstance(rows, int) and rows > 0 and seconds:
            return float(np.median(seconds)) / rows
    return None


@lru_cache(maxsize=1)
def measure_gflops() -> float:
    """Measure the GFLOPS of one core of this machine in matrix multiplication, within 0.05 seconds.

    The matrices are small enough to be multiplied on a single core, and the best of many repetitions hardly depends
    on other load.
    """
    side = 96
    matrix = np.random.default_rng(0).random((side, side)).astype(np.float32)
    best_seconds, deadline = math.inf, time.perf_counter() + 0.05
    while time.perf_counter() < deadline:
        start = time.perf_counter()
        np.matmul(matrix, matrix)
        best_seconds = min(best_seconds, time.perf_counter() - start)
    return 2 * side**3 / best_seconds / 1e9
