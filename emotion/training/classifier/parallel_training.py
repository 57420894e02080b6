"""Train a classifier by several workers, as processes of this machine or on several machines."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from emotion.datasets.readers.hard_negatives import mine_hard_negatives
from emotion.datasets.readers.loaders import load_dataset
from emotion.errors import EmotionError, JobError, SettingsError
from emotion.jobs.reporter import JobReporter
from emotion.results.serialization import PROGRAM
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.networks.zoo import get_architecture
from emotion.training.classifier.recipes import Recipe
from emotion.training.classifier.train import make_recipe
from emotion.training.parallel.connecting import (
    LOCAL_HOST,
    GroupAddress,
    join_group,
    lead_group,
    parse_address,
    read_token,
)
from emotion.training.parallel.group import WorkerGroup
from emotion.training.runs.run_context import RunContext
from emotion.training.runs.step_monitor import TrainingStopped

_CONTEXT: Final = multiprocessing.get_context("spawn")  # TensorFlow cannot be forked
_JOIN_SECONDS: Final = 10.0  # for a process that ends, and for one that is killed
_THREADS_VAR: Final = "TF_NUM_INTRAOP_THREADS"  # read by TensorFlow when it is loaded


@dataclass(frozen=True)
class Workers:
    """The workers of a training.

    Attributes:
        count: How many there are, at least 2.
        address: HOST:PORT of worker 0 where they are on several machines, which are started by hand; None for processes
            of this machine.
    """

    count: int
    address: str | None = None

    def make_group_address(self, recipe: Recipe, batch_size: int) -> GroupAddress:
        """Return where they meet; `SettingsError` where a batch has fewer rows than there are workers."""
        if batch_size < self.count:
            raise SettingsError(
                f"A batch of {batch_size} cannot be divided among {self.count} workers: give fewer workers, or a "
                "larger --batch-size."
            )
        identity = _identify(recipe)
        if self.address is None:
            return GroupAddress(LOCAL_HOST, 0, secrets.token_hex(), self.count, identity)
        return GroupAddress(*parse_address(self.address), read_token(), self.count, identity)


def share_cores(num_workers: int) -> None:
    """Let TensorFlow use a part of the cores in this process and its children; call it before TensorFlow is loaded."""
    os.environ.setdefault(_THREADS_VAR, str(max(1, (os.cpu_count() or 1) // num_workers)))


@contextmanager
def lead_training(recipe: Recipe, plan: TrainingPlan, workers: Workers, reporter: JobReporter) -> Iterator[WorkerGroup]:
    """Wait until all other workers are there, as worker 0; those of this machine are started, and end with the block.

    Raises:
        JobError: The address cannot be used, or a worker of this machine ended too early.
        SettingsError: There are more workers than rows of a batch.
        TrainingStopped: Somebody asked for it while workers were missing.
    """
    address = workers.make_group_address(recipe, plan.batch_size)
    processes: list[BaseProcess] = []

    def start_workers(port: int) -> None:
        if workers.address is None:
            meeting = replace(address, port=port)
            for rank in range(1, workers.count):
                process = _CONTEXT.Process(target=_run_worker, args=(plan, meeting, rank), daemon=True)
                process.start()
                processes.append(process)

    def check() -> None:
        reporter.progress(0, plan.epochs, f"Waiting for {workers.count - 1} other workers")
        if reporter.stop_requested:
            raise TrainingStopped("Stopped before all workers were there.")
        for rank, process in enumerate(processes, 1):
            if process.exitcode is not None:
                raise JobError(
                    f"Worker {rank} ended before it was ready (exit code {process.exitcode}): see its message, or give "
                    "fewer workers."
                )

    try:
        with lead_group(address, start_workers, check) as group:
            yield group
    finally:
        for process in processes:
            process.join(_JOIN_SECONDS)
            process.kill()
            process.join(_JOIN_SECONDS)


def follow_training(recipe: Recipe, plan: TrainingPlan, workers: Workers, rank: int) -> None:
    """Train as a worker of another machine until worker 0 ends the training; nothing is written here.

    Raises:
        JobError: Worker 0 does not answer, refuses this worker, or is gone.
        EmotionError: The training ended with an error.
    """
    _follow(recipe, workers.make_group_address(recipe, plan.batch_size), rank)


def _follow(recipe: Recipe, address: GroupAddress, rank: int) -> None:
    group = join_group(address, rank)
    try:
        recipe.fit(RunContext.from_folder(Path(), group=group))
    finally:
        group.end()


def _run_worker(plan: TrainingPlan, address: GroupAddress, rank: int) -> None:
    """Be a worker of this machine."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they reach all processes of a job; worker 0 decides
        signal.signal(number, signal.SIG_IGN)
    try:
        _follow(load_recipe(plan), address, rank)
    except EmotionError as error:
        print(f"emotion: worker {rank}: {error}", file=sys.stderr)
        sys.exit(1)


def load_recipe(plan: TrainingPlan) -> Recipe:
    """Load the data of a plan."""
    size = get_architecture(plan.network).input_size
    data = load_dataset(Path(plan.data), Path(plan.ferplus_csv) if plan.ferplus_csv else None, size)
    crops = mine_hard_negatives(Path(plan.negatives_dir)) if plan.negatives_dir else None
    return make_recipe(data, plan, crops)


def _identify(recipe: Recipe) -> str:
    """Return a hash of all that must be the same for all workers."""
    data = recipe.task.data
    digest = hashlib.sha256(json.dumps([PROGRAM, recipe.settings()], sort_keys=True, default=str).encode())
    for values in (data.images, data.labels, data.split, data.votes):
        digest.update(b"" if values is None else values.tobytes())
    return digest.hexdigest()
