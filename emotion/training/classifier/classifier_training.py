"""What the trainings of all classifiers share: a step, the score of an epoch, and the recorded predictions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.label_sets import TaskDataset
from emotion.errors import DataError
from emotion.recognition.classification import softmax
from emotion.training.keras_support.optimizers import get_learning_rate
from emotion.training.loop import EpochConfig, Training
from emotion.training.runs.prediction_recorder import PredictionRecorder
from emotion.translation.messages import gettext as _

_Config = TypeVar("_Config", bound=EpochConfig)


class ClassifierTraining(Training[_Config]):
    """A compiled classifier; its best epoch has the highest mean of the heads' accuracies on the validation split.

    `task_head` is the head with the labels of the data set.
    """

    def __init__(self, task: TaskDataset, folder: Path, task_head: str) -> None:
        self._task, self._folder, self._task_head = task, folder, task_head

    def variables(self) -> list[Any]:
        """Return those of network and optimizer."""
        return [*self.network.variables, *self.network.optimizer.variables]

    def restore(self, epochs_done: int, extra_state: Sequence[float]) -> None:
        """Continue the recorded predictions after the last whole epoch."""
        rows = self._task.data.rows_in("validation")
        self._recorder = PredictionRecorder(
            self._folder, self._task.data.take(rows), self._task.rows[rows], self._task.data.label_names, epochs_done
        )

    def train_step(self, batch: Sequence[Any], index: int) -> dict[str, float]:
        """Train once and return loss and accuracies."""
        self.network.reset_metrics()
        log: Mapping[str, float] = self.network.train_on_batch(*batch, return_dict=True)  # pyright: ignore[reportAssignmentType]
        accuracies = {name: value for name, value in log.items() if name.endswith("accuracy")}
        return {"loss": log["loss"], **accuracies}

    def scheduled_values(self, epoch: int) -> dict[str, float]:
        """Return the learning rate after the last step."""
        return {"learning_rate": get_learning_rate(self.network.optimizer)}

    @abstractmethod
    def predict_validation(self) -> dict[str, NDArray[np.float32]]:
        """Return logits (n, classes) by head for the validation split; more rows may follow."""

    @abstractmethod
    def measure(self, logits: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
        """Return the columns of the history for the logits of `predict_validation`."""

    def validate(self) -> dict[str, float]:
        """Predict the validation split and measure the logits."""
        logits = self.predict_validation()
        num_rows = len(self._task.data.rows_in("validation"))
        self._probabilities = softmax(logits[self._task_head][:num_rows])
        return self.measure(logits)

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return the mean accuracy of the heads."""
        return float(np.mean([value for name, value in metrics.items() if name.endswith("_accuracy")]))

    def describe(self, row: Mapping[str, float]) -> str:
        """Return the accuracy on the labels of the data set in words."""
        return f"validation accuracy {row.get('val_accuracy', row.get('val_fer2013_accuracy', np.nan)):.1%}"

    def end_epoch(self, row: Mapping[str, float], best_epoch: int) -> None:
        """Record the predictions of the epoch."""
        self._recorder.append(int(row["epoch"]), self._probabilities, best_epoch)


def check_split_sizes(task: TaskDataset, batch_size: int) -> None:
    """Raise `DataError` where the training rows fill no batch, or the validation split is empty."""
    num_train, num_validation = (len(task.data.rows_in(split)) for split in ("train", "validation"))
    if num_train < batch_size or num_validation == 0:
        raise DataError(
            _(
                "{training} training and {validation} validation faces have these labels; at least {needed} (a "
                "batch) and 1 are needed."
            ).format(training=num_train, validation=num_validation, needed=batch_size)
        )
