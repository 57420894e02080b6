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
from emotion.training.classifier.config import LessonPlan
from emotion.training.classifier.zoo import NetworkCard, card_of
from emotion.training.runs.folder import CONFIG, read_history

_PROGRAM: Final = 900_000_000  # bytes that TensorFlow takes before it learns anything


_WHOLE: Final = 3  # times as long as to look only: to learn in all layers


_REFERENCE: Final = 108.0  # GFLOPS of one core of the machine that `NetworkCard.milliseconds` was measured on


@dataclass(frozen=True)
class Estimate:
    """What a training will most likely cost; `bytes` of memory. `measured`: told by an earlier run on this machine."""

    parameters: int
    seconds_an_epoch: float
    bytes: int
    measured: bool = False


def estimate(plan: LessonPlan, rows: int, *, classes: int | None = None, runs: Path | None = None) -> Estimate:
    """For `rows` faces that have one of the labels, about eight of ten of which teach.

    `classes`: how many labels it has, for the label set "own". `runs`: a folder whose finished epochs of the same
    network tell the time better than the table does.
    """
    card = card_of(plan.network)
    width = len(LABEL_SETS[plan.labels].labels) or classes or len(LABEL_SETS[card.label_set].labels)
    parameters = card.parameters_for(width)
    frozen = plan.weights != "random"  # then only what stands on top learns, and what lies below need not be kept
    trainable = 65 * 1536 if frozen else parameters
    size = parameters * 4 + trainable * 16 + rows * 48 * 48 * 2 + plan.batch * card.activations // (4 if frozen else 1)
    seconds = _earlier_seconds(card, runs) if runs is not None else None
    if seconds is not None:
        return Estimate(parameters, seconds * rows, _PROGRAM + size, measured=True)
    each = card.milliseconds * (_WHOLE if card.needs and not frozen else 1) * _REFERENCE / speed()
    seconds = rows * each / 1000 / (os.cpu_count() or 1)
    return Estimate(parameters, seconds, _PROGRAM + size)


def _earlier_seconds(card: NetworkCard, parent: Path) -> float | None:
    """Seconds a row of an epoch in the newest run of the network with two whole epochs; None where there is none."""
    from emotion.storage import read_json

    folders = sorted(parent.iterdir(), key=os.path.getmtime, reverse=True) if parent.is_dir() else []
    for folder in folders:
        try:
            config = read_json(folder / CONFIG) or {}
            rows = config.get("rows")
            seconds = [float(row.get("seconds") or 0) for row in read_history(folder)][1:]  # the first one traces, too
        except (EmotionError, OSError):
            continue
        if config.get("network") == card.name and isinstance(rows, int) and rows > 0 and seconds:
            return float(np.median(seconds)) / rows
    return None


@lru_cache(maxsize=1)
def speed() -> float:
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
