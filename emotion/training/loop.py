"""The epoch loop of all trainings: prefetch, history, best epoch, checkpoint, pause and stop."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import keras
import numpy as np

from emotion.errors import DivergenceError, EmotionError
from emotion.training.checkpoints import copy_values, load_checkpoint, save_checkpoint
from emotion.training.keras_support.bfloat16 import computed_in_bfloat16
from emotion.training.parallel.group import GroupEnded, WorkerGroup
from emotion.training.runs.folder import append_history
from emotion.training.runs.run_context import RunContext
from emotion.training.runs.step_monitor import TrainingStopped
from emotion.training.tensorboard import TensorBoardWriter
from emotion.translation.messages import gettext as _

_Batch = TypeVar("_Batch", covariant=True)
_Config = TypeVar("_Config", bound="EpochConfig")


class Batches(Protocol[_Batch]):
    """The batches of one epoch, by index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> _Batch: ...


class EpochConfig(Protocol):
    """What the loop reads of a training's configuration."""

    @property
    def epochs(self) -> int:
        """How many epochs a complete training has."""
        ...

    @property
    def learning_rate(self) -> float:
        """The highest learning rate."""
        ...


class Training(ABC, Generic[_Config]):
    """One kind of training, as `train_epochs` runs it.

    Attributes:
        config: Its configuration.
        network: The network whose weights are kept where an epoch is the best one.
        export_network: The network that gets these weights at the end; it has the same weights in the same order.
        loss_name: The loss among the values of a step that steps.csv shows.
        uses_bfloat16: Whether convolutions and matrix products may be computed in bfloat16.
    """

    config: _Config
    network: keras.Model
    export_network: keras.Model
    loss_name: ClassVar[str] = "loss"
    uses_bfloat16: ClassVar[bool] = False

    @abstractmethod
    def variables(self) -> Sequence[Any]:
        """Return all variables that a resumed training needs; a dropout's random state is among them."""

    def extra_state(self) -> tuple[float, ...]:
        """Return the numbers of a checkpoint that only this kind of training has."""
        return ()

    def restore(self, epochs_done: int, extra_state: Sequence[float]) -> None:
        """Prepare for the next epoch; `extra_state` is that of the checkpoint, empty for a new training."""

    def is_complete(self) -> bool:
        """Return whether the training ends before its last epoch."""
        return False

    @abstractmethod
    def start_epoch(self, epoch: int) -> Batches[Any]:
        """Return the batches of `epoch` (from 0), which depend on seed, epoch and index alone."""

    @abstractmethod
    def train_step(self, batch: Any, index: int) -> Mapping[str, float]:
        """Train on one batch and return its losses and metrics, which the history has the means of."""

    @abstractmethod
    def scheduled_values(self, epoch: int) -> dict[str, float]:
        """Return `learning_rate` and whatever else is scheduled by epoch, for the history."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Return the columns of the history that are measured on the validation split."""

    @abstractmethod
    def score(self, metrics: Mapping[str, float]) -> float:
        """Return what the best epoch has the most of, from the values of `validate`; not finite after a divergence."""

    @abstractmethod
    def describe(self, row: Mapping[str, float]) -> str:
        """Return the most telling value of a row of the history, for people."""

    def end_epoch(self, row: Mapping[str, float], best_epoch: int) -> None:
        """Keep what belongs to an epoch besides its row; called before row and checkpoint are written."""


def train_epochs(training: Training[Any], run: RunContext) -> keras.Model:
    """Train the epochs that are left and return the network with the weights of the best epoch.

    Args:
        training: What is trained.
        run: Where to, and who follows it. Its monitor can end the training early, after one epoch at least.

    Returns:
        `training.export_network`.

    Raises:
        TrainingStopped: Somebody asked for it; the same call continues after the last whole epoch.
        DivergenceError: A loss is not a finite number.
        EmotionError: The checkpoint is damaged or of another training, there is no epoch to export, or another worker
            is gone.
    """
    with computed_in_bfloat16() if training.uses_bfloat16 else nullcontext():
        if run.group is not None and not run.group.is_leader:
            _follow_epochs(training, run.group)
            return training.export_network
        loop = _EpochLoop(training, run)
        if not run.export_only:
            loop.run()
            if run.group is not None:
                run.group.end()
        elif loop.epoch == 0:
            raise EmotionError(_("{folder} has no whole epoch yet; train at least one.").format(folder=run.folder))
    training.export_network.set_weights(loop.best_weights)
    return training.export_network


def _follow_epochs(training: Training[Any], group: WorkerGroup) -> None:
    """Train the epochs that worker 0 starts; it alone validates and writes."""
    try:
        while True:
            epoch = group.receive_epoch(training.variables())
            with closing(prefetch(training.start_epoch(epoch))) as ready:
                for index, batch in enumerate(ready):
                    training.train_step(batch, index)
    except GroupEnded as end:
        if reason := str(end):
            raise EmotionError(reason) from end


class _EpochAbandoned(Exception):
    """The training is to finish within an epoch, of which nothing is kept."""


class _EpochLoop:
    """A training between two epochs, all of it in one checkpoint file."""

    def __init__(self, training: Training[Any], run: RunContext) -> None:
        self._training, self._run = training, run
        self.epoch, self._best_score, self._best_epoch = 0, -math.inf, 0
        self.best_weights = copy_values(training.network.weights)
        num_progress = 3 + len(training.extra_state())
        saved = load_checkpoint(run.folder, training.variables(), self.best_weights, num_progress)
        extra_state: Sequence[float] = ()
        if saved is not None:
            self.best_weights, (epoch, self._best_score, best_epoch, *extra_state) = saved
            self.epoch, self._best_epoch = int(epoch), int(best_epoch)
        training.restore(self.epoch, extra_state)

    def run(self) -> None:
        training, run, epochs = self._training, self._run, self._training.config.epochs
        tensorboard_writer = TensorBoardWriter(run.folder) if run.tensorboard else None
        while self.epoch < epochs and not training.is_complete() and not self._is_finishing():
            try:
                row = self._run_epoch(self.epoch)
            except _EpochAbandoned:
                return
            if tensorboard_writer is not None:
                tensorboard_writer.write(row)
            run.reporter.progress(self.epoch, epochs, f"epoch {self.epoch} of {epochs}, {training.describe(row)}")
            if run.reporter.stop_requested and self.epoch < epochs:
                raise TrainingStopped(f"Stopped after epoch {self.epoch} of {epochs}.")

    def _is_finishing(self) -> bool:
        return self.epoch > 0 and self._run.monitor.finish_requested

    def _run_epoch(self, epoch: int) -> dict[str, float]:
        training, run = self._training, self._run
        started = time.monotonic()
        trained = self._train_epoch(epoch)
        self._check_finite(trained.values())
        metrics = training.validate()
        score = training.score(metrics)
        # The last step may have spoiled what only the validation split shows; an infinite variance even gives finite
        # losses.
        self._check_finite([score, *(value for name, value in metrics.items() if name.endswith("loss"))])
        weights = copy_values(training.network.weights)
        self._check_finite(float(np.sum(values, dtype=np.float64)) for values in weights)
        row = {
            "epoch": epoch + 1,
            "seconds": time.monotonic() - started - run.monitor.paused_seconds,
            **training.scheduled_values(epoch),
            **trained,
            **metrics,
        }
        self.epoch = epoch + 1
        if score > self._best_score:
            self._best_score, self._best_epoch = score, self.epoch
            self.best_weights = weights
        training.end_epoch(row, self._best_epoch)
        append_history(run.folder, row)
        progress = (self.epoch, self._best_score, self._best_epoch, *training.extra_state())
        save_checkpoint(run.folder, training.variables(), self.best_weights, progress)
        return row

    def _train_epoch(self, epoch: int) -> dict[str, float]:
        """Train on all batches of an epoch and return the means of their values.

        Not Keras' `fit`: called for one epoch at a time it waits 20 s whenever it takes down its pipeline.
        """
        training, monitor = self._training, self._run.monitor
        if self._run.group is not None:
            self._run.group.start_epoch(epoch, training.variables())
        batches = training.start_epoch(epoch)
        monitor.start_epoch(epoch + 1, len(batches))

        def get_learning_rate() -> float:
            return training.scheduled_values(epoch)["learning_rate"]

        logs: list[Mapping[str, float]] = []
        with closing(prefetch(batches)) as ready:
            for index, batch in enumerate(ready):
                log = training.train_step(batch, index)
                logs.append(log)
                monitor.end_step(index + 1, {**log, "loss": log[training.loss_name]}, get_learning_rate)
                if self._run.group is None and self._is_finishing():  # other workers would wait for their batch
                    raise _EpochAbandoned
        return {name: _mean(log[name] for log in logs if name in log) for name in logs[0]}

    def _check_finite(self, values: Iterable[float]) -> None:
        if not all(map(math.isfinite, values)):
            text = (
                _(
                    "The training diverged in epoch {epoch}, the loss is not a finite number: the best epoch before "
                    "it, {best}, is kept; try a smaller learning rate than {rate}."
                )
                if self.epoch
                else _(
                    "The training diverged in epoch {epoch}, the loss is not a finite number: nothing was learned; "
                    "try a smaller learning rate than {rate}."
                )
            )
            epoch, rate = self.epoch + 1, self._training.config.learning_rate
            raise DivergenceError(text.format(epoch=epoch, best=self._best_epoch, rate=rate))


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(np.fromiter(values, np.float64)))


def prefetch(batches: Batches[_Batch]) -> Generator[_Batch, None, None]:
    """Yield all batches; a thread makes the next one while the caller works on one."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        make: Callable[[int], _Batch] = batches.__getitem__
        next_batch = executor.submit(make, 0)
        for index in range(len(batches)):
            batch = next_batch.result()
            if index + 1 < len(batches):
                next_batch = executor.submit(make, index + 1)
            yield batch
