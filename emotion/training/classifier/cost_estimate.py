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
from threadpoolctl import threadpool_limits

from emotion.datasets.label_sets import LABEL_SETS
from emotion.errors import EmotionError
from emotion.jobs.process_record import STATE_FILE, ProcessRecord
from emotion.storage import read_json
from emotion.training.classifier.config import NATIVE_NETWORKS, TrainingPlan
from emotion.training.classifier.networks.zoo import ArchitectureInfo, get_architecture
from emotion.training.runs.folder import CONFIG_FILE, read_history

_BASE_MEMORY_BYTES: Final = 900_000_000  # bytes that TensorFlow takes before training starts

_FULL_TRAINING_FACTOR: Final = 3  # duration of training all layers relative to training the head only
_OVERHEAD_SECONDS: Final = 15.0  # of one core, to load TensorFlow, to trace the network, to export and to score it
_MAX_SIZE_RATIO: Final = 4.0  # between data sets whose epochs are compared: small ones have other costs than steps
_MAX_COMPARED_RUNS: Final = 5

_BFLOAT16_DURATION: Final = 0.52  # of a training step, relative to float32: docs/experiments.md
_CPU_FILE: Final = Path("/proc/cpuinfo")  # of Linux
_BFLOAT16_FLAG: Final = "amx_bf16"

# GFLOPS of one core of the machine on which `ArchitectureInfo.train_ms_per_image` is measured.
_REFERENCE_GFLOPS: Final = 108.0
_MIN_REPETITIONS: Final = 100  # of a multiplication that takes some 20 microseconds


@dataclass(frozen=True)
class CostEstimate:
    """Hold the expected cost of a training.

    Attributes:
        num_parameters: Of the network.
        seconds_per_epoch: The time of an epoch.
        overhead_seconds: The time before the first epoch and after the last one.
        memory_bytes: The memory during the training.
        is_measured: Whether the time of an epoch is that of an earlier run on this machine.
    """

    num_parameters: int
    seconds_per_epoch: float
    overhead_seconds: float
    memory_bytes: int
    is_measured: bool = False

    def total_seconds(self, epochs: int) -> float:
        """Return the time of a training of so many epochs."""
        return self.overhead_seconds + epochs * self.seconds_per_epoch


def estimate_cost(
    plan: TrainingPlan, num_rows: int, *, num_classes: int | None = None, runs_folder: Path | None = None
) -> CostEstimate:
    """Estimate the cost of a training.

    Args:
        plan: The training to estimate.
        num_rows: The number of labeled faces in all splits, about 80% of which are training faces.
        num_classes: The number of classes, for the label set "own".
        runs_folder: A folder with earlier runs; those of the same network on a data set of similar size give a better
            estimate than the reference durations.

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
    is_frozen = plan.weights != "random" or bool(plan.trained_heads)
    num_trainable = 65 * 1536 if is_frozen else num_parameters
    training_bytes = (
        num_parameters * 4
        + num_trainable * 16
        + num_rows * 48 * 48 * 2
        + plan.batch_size * architecture.activation_bytes // (4 if is_frozen else 1)
    )
    runs = _list_measured_runs(runs_folder) if runs_folder is not None else []
    overheads = [run.overhead_seconds for run in runs[:_MAX_COMPARED_RUNS] if run.overhead_seconds > 0]
    reference = _OVERHEAD_SECONDS * _REFERENCE_GFLOPS / measure_gflops() * _measure_slowdown(1)
    overhead = min(overheads, default=reference)  # a run that waited or paused took longer
    memory_bytes = _BASE_MEMORY_BYTES + training_bytes
    for run in runs:
        is_similar = 1 / _MAX_SIZE_RATIO <= run.num_rows / num_rows <= _MAX_SIZE_RATIO
        of_run = run.network, run.is_frozen, run.has_teachers
        if is_similar and of_run == (plan.network, is_frozen, bool(plan.teachers)):
            seconds = run.seconds_per_epoch / run.num_rows * num_rows * size_factor / run.width_factor**2
            return CostEstimate(num_parameters, seconds, overhead, memory_bytes, is_measured=True)
    ms_per_row = (
        architecture.train_ms_per_image
        * size_factor
        * _relative_duration(architecture, is_frozen)
        * (_BFLOAT16_DURATION if plan.network in NATIVE_NETWORKS and computes_bfloat16() else 1)
        * _REFERENCE_GFLOPS
        / measure_gflops()
    )
    cores = os.cpu_count() or 1
    seconds = num_rows * ms_per_row / 1000 / cores * _measure_slowdown(cores)
    return CostEstimate(num_parameters, seconds, overhead, memory_bytes)


def _relative_duration(architecture: ArchitectureInfo, is_frozen: bool) -> float:
    """Return the duration of an epoch relative to the reference, which freezes pretrained networks and no other."""
    if architecture.pretrained_note:
        return 1 if is_frozen else _FULL_TRAINING_FACTOR
    return 1 / _FULL_TRAINING_FACTOR if is_frozen else 1


@dataclass(frozen=True)
class _MeasuredRun:
    network: str
    is_frozen: bool
    has_teachers: bool  # each image also passes through them
    width_factor: float
    num_rows: int
    seconds_per_epoch: float
    overhead_seconds: float  # 0 where it is not known


def _list_measured_runs(runs_folder: Path) -> list[_MeasuredRun]:
    """List the runs with two full epochs or more, the newest first."""
    folders = sorted(runs_folder.iterdir(), key=os.path.getmtime, reverse=True) if runs_folder.is_dir() else []
    return [run for folder in folders if (run := _measure_run(folder)) is not None]


def _measure_run(folder: Path) -> _MeasuredRun | None:
    try:
        config = read_json(folder / CONFIG_FILE) or {}
        # The first epoch includes graph tracing.
        seconds = [float(row.get("seconds") or 0) for row in read_history(folder)][1:]
    except (EmotionError, OSError):
        return None
    network, rows, width_factor = config.get("network"), config.get("rows"), config.get("width_factor", 1.0)
    if not isinstance(network, str) or not isinstance(rows, int) or rows <= 0 or not seconds:
        return None
    if not isinstance(width_factor, int | float) or width_factor <= 0:
        return None
    is_frozen = config.get("weights", "random") != "random" or bool(config.get("trained_heads"))
    median = float(np.median(seconds))
    return _MeasuredRun(
        network=network,
        is_frozen=is_frozen,
        has_teachers=bool(config.get("teachers")),
        width_factor=width_factor,
        num_rows=rows,
        seconds_per_epoch=median,
        overhead_seconds=_measure_overhead(folder, median * (len(seconds) + 1)),
    )


def _measure_overhead(folder: Path, epoch_seconds: float) -> float:
    """Return how much longer the job of a run took than its epochs; 0 where that is not known, as of a resumed run."""
    try:
        record = ProcessRecord.read(folder)
        ended_at = (folder / STATE_FILE).stat().st_mtime
    except (EmotionError, OSError):
        return 0.0
    return max(0.0, ended_at - record.process_started_at - epoch_seconds) if record.status == "done" else 0.0


def _measure_slowdown(num_threads: int) -> float:
    """Return how much longer a process with so many busy threads takes beside the present load of this machine."""
    if not hasattr(os, "getloadavg"):  # on Windows
        return 1.0
    return max(1.0, (os.getloadavg()[0] + num_threads) / (os.cpu_count() or 1))


@lru_cache(maxsize=1)
def computes_bfloat16() -> bool:
    """Return whether this processor is known to train twice as fast in bfloat16: one with AMX, under Linux."""
    try:
        return _BFLOAT16_FLAG in _CPU_FILE.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


@lru_cache(maxsize=1)
def measure_gflops() -> float:
    """Measure the GFLOPS of one core of this machine in matrix multiplication, the best of many, within 0.05 seconds.

    On a busy machine it takes longer, since other processes interrupt most multiplications, but not all of so many.
    """
    side, best_seconds = 96, math.inf
    matrix = np.random.default_rng(0).random((side, side)).astype(np.float32)
    deadline, count = time.perf_counter() + 0.05, 0
    with threadpool_limits(1):  # several threads would wait for the slowest of them
        while count < _MIN_REPETITIONS or time.perf_counter() < deadline:
            start = time.perf_counter()
            np.matmul(matrix, matrix)
            best_seconds = min(best_seconds, time.perf_counter() - start)
            count += 1
    return 2 * side**3 / best_seconds / 1e9
