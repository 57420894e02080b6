"""The epoch loop that all trainings share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Protocol

import keras

from emotion.errors import DivergenceError
from emotion.training.runs.step_monitor import TrainingStopped
from emotion.training.tensorboard import TensorBoardWriter


class ResumableTraining(Protocol):
    """A training between two epochs."""

    epoch: int  # how many are done

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Learn one epoch (from 0), measure it, keep it; returns its row of the history."""
        ...

    def best_network(self) -> keras.Model:
        """The network with the weights of the best epoch."""
        ...


def run_epochs(
    state: ResumableTraining,
    epochs: int,
    on_epoch: Callable[[int, float, dict[str, float]], bool],
    tensorboard_writer: TensorBoardWriter | None = None,
) -> keras.Model:
    """Run what is left of `epochs` and return the best network; `TrainingStopped` where `on_epoch` asks for it. `tensorboard_writer` gets
    every row of the history."""
    started = time.monotonic()
    for epoch in range(state.epoch, epochs):
        row = state.run_epoch(epoch)
        if tensorboard_writer is not None:
            tensorboard_writer.write(row)
        if on_epoch(epoch + 1, time.monotonic() - started, row) and epoch + 1 < epochs:
            raise TrainingStopped(f"Stopped after epoch {epoch + 1} of {epochs}.")
    return state.best_network()


def check_finite(losses: Iterable[float], epoch: int, best_epoch: int, learning_rate: float) -> None:
    """`DivergenceError` where a loss of `epoch` (from 0) is no longer a number."""
    if not all(map(math.isfinite, losses)):
        before = f"the best epoch before it, {best_epoch}, is kept" if epoch else "nothing was learned"
        raise DivergenceError(
            f"The training diverged in epoch {epoch + 1}, the loss is no longer a number: {before}; "
            f"try a smaller learning rate than {learning_rate}."
        )
