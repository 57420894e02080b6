"""Train one network of the zoo on one set of labels with Keras, epoch by epoch, resumably, into a run folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.augmentation import NO_AUGMENTATION, augment, resize_images
from emotion.datasets.dataset import Dataset
from emotion.datasets.label_sets import TaskDataset
from emotion.errors import DataError
from emotion.recognition.classification import softmax
from emotion.training.checkpoints import copy_values, load_checkpoint, save_checkpoint
from emotion.training.classifier.config import MIN_LEARNING_RATE, PLATEAU_FACTOR, PLATEAU_PATIENCE, TrainingPlan
from emotion.training.classifier.zoo import get_architecture
from emotion.training.classifier.zoo_networks import build_network
from emotion.training.loop import check_finite, run_epochs
from emotion.training.metrics import cross_entropy
from emotion.training.runs.folder import append_history
from emotion.training.runs.prediction_recorder import PredictionRecorder
from emotion.training.runs.step_monitor import StepMonitor
from emotion.training.tensorboard import TensorBoardWriter

_MAX_BATCH_PIXELS: Final = 1_200_000  # of one batch while it is measured: 520 faces of 48 pixels, 19 of 250


class _EarlyStop(Exception):
    """Patience is at its end."""


def fit_zoo_classifier(
    task: TaskDataset,
    plan: TrainingPlan,
    folder: Path,
    monitor: StepMonitor,
    on_epoch: Callable[[int, float, dict[str, float]], bool] = lambda epoch, seconds, row: False,
    *,
    export_only: bool = False,
) -> keras.Model:
    """Train into `folder`, going on where a checkpoint there ends, and return the network with its best weights.

    Best is the first epoch with the highest accuracy on the validation split. `export_only`: learn no more. `on_epoch` as
    for `fit_classifier`. Raises `DataError` where a split is too small, `TrainingStopped` where it was asked for,
    `DivergenceError` where the loss is no longer a number.
    """
    data = task.data
    if len(data.rows_in("train")) < plan.batch_size or len(data.rows_in("validation")) == 0:
        raise DataError(
            f"{len(data.rows_in('train'))} training and {len(data.rows_in('validation'))} validation faces have these "
            f"labels; at least {plan.batch_size} (a batch) and 1 are needed."
        )
    state = ZooClassifierState(task, plan, folder, monitor)
    if export_only:
        return state.best_network()
    try:
        return run_epochs(state, plan.epochs, on_epoch, TensorBoardWriter(folder) if plan.tensorboard else None)
    except _EarlyStop:
        return state.best_network()


def preprocess_input(images: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """What a network of that size reads: float32 (n, size, size, 1), grey 0 to 255."""
    return resize_images(images, size)[..., None].astype(np.float32)


class _ZooBatches:
    """The batches of one epoch; what they hold depends on seed, epoch and position alone."""

    def __init__(self, data: Dataset, rows: NDArray[np.intp], plan: TrainingPlan, size: int, epoch: int) -> None:
        self._images, self._labels, self._plan, self._size, self._epoch = data.images, data.labels, plan, size, epoch
        self._rows = rows[np.random.default_rng((plan.seed, epoch)).permutation(len(rows))]
        # Drawn once for all epochs and then alternated, so that each face is seen from both sides in turn.
        sides = (np.random.default_rng(plan.seed).integers(0, 2, len(data)) + epoch) % 2 == 1
        self._flip_mask = sides & plan.horizontal_flip

    def __len__(self) -> int:
        return len(self._rows) // self._plan.batch_size

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        plan = self._plan
        rows = self._rows[index * plan.batch_size : (index + 1) * plan.batch_size]
        flip, images = self._flip_mask[rows], self._images[rows]
        if plan.augmentation != NO_AUGMENTATION:
            rng = np.random.default_rng((plan.seed, self._epoch, index))
            images = augment(images, self._size, flip, plan.augmentation, rng)
        else:
            images[flip] = images[flip, :, ::-1]
        return preprocess_input(images, self._size), self._labels[rows].astype(np.int32)


class ZooClassifierState:
    """A training between two epochs: network, optimizer, rate, patience, best weights, all in one checkpoint file."""

    def __init__(self, task: TaskDataset, plan: TrainingPlan, folder: Path, monitor: StepMonitor) -> None:
        self._plan, self._folder, self._monitor, self._data = plan, folder, monitor, task.data
        keras.utils.set_random_seed(plan.seed)
        self._size = get_architecture(plan.network).input_size
        self._head = plan.label_set
        self._rows = task.data.rows_in("train")
        validation = task.data.rows_in("validation")
        self._validation = task.data.take(validation)
        self._network = build_network(plan.network, self._head, len(task.data.label_names), plan.weights)
        self._compile()
        self.epoch, self._best_score, self._best_epoch = 0, -1.0, 0
        self._min_loss, self._stale_epochs, self._plateau_epochs, self._learning_rate = np.inf, 0, 0, plan.learning_rate
        self._best_weights = copy_values(self._network.weights)
        self._restore()
        names = task.data.label_names
        self._recorder = PredictionRecorder(folder, self._validation, task.rows[validation], names, self.epoch)

    def _compile(self) -> None:
        plan = self._plan
        rate: Any = plan.learning_rate
        if plan.lr_schedule == "cosine":
            steps = plan.epochs * (len(self._rows) // plan.batch_size)
            rate = keras.optimizers.schedules.CosineDecay(plan.learning_rate, max(1, steps))
        optimizers: dict[str, Callable[[], keras.optimizers.Optimizer]] = {
            "adam": lambda: keras.optimizers.Adam(rate),
            "sgd": lambda: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
            "rmsprop": lambda: keras.optimizers.RMSprop(rate),
        }
        optimizer = optimizers[plan.optimizer]()
        self._network.compile(
            optimizer,
            loss={self._head: keras.losses.SparseCategoricalCrossentropy(from_logits=True)},
            metrics={self._head: [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]},
        )
        optimizer.build(self._network.trainable_variables)

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Learn one epoch, measure it, keep it."""
        plan = self._plan
        if plan.early_stopping_patience and self._stale_epochs >= plan.early_stopping_patience:
            raise _EarlyStop
        started = time.monotonic()
        logs = self._train_epoch(_ZooBatches(self._data, self._rows, plan, self._size, epoch), epoch)
        rate = np.asarray(self._network.optimizer.learning_rate).item()
        probabilities, measured = self._validate()
        # The last step may have spoiled what only the validation split shows.
        check_finite((logs["loss"], measured["val_loss"]), epoch, self._best_epoch, plan.learning_rate)
        row = {
            "epoch": epoch + 1,
            "seconds": time.monotonic() - started - self._monitor.paused_seconds,
            "learning_rate": rate,
            **logs,
            **measured,
        }
        self.epoch = epoch + 1
        if measured["val_accuracy"] > self._best_score:
            self._best_score, self._best_epoch = measured["val_accuracy"], epoch + 1
            self._best_weights = copy_values(self._network.weights)
        self._update_patience(measured["val_loss"])
        self._recorder.append(epoch + 1, probabilities, self._best_epoch)
        append_history(self._folder, row)
        self._save()
        return row

    def _update_patience(self, loss: float) -> None:
        """Count the epochs without a smaller loss, and lower the rate on a plateau."""
        if loss < self._min_loss:
            self._min_loss, self._stale_epochs, self._plateau_epochs = loss, 0, 0
            return
        self._stale_epochs, self._plateau_epochs = self._stale_epochs + 1, self._plateau_epochs + 1
        if self._plan.lr_schedule == "plateau" and self._plateau_epochs >= PLATEAU_PATIENCE:
            least = min(MIN_LEARNING_RATE, self._plan.learning_rate)
            self._learning_rate, self._plateau_epochs = max(least, self._learning_rate * PLATEAU_FACTOR), 0
            self._network.optimizer.learning_rate = self._learning_rate

    def _train_epoch(self, batches: _ZooBatches, epoch: int) -> dict[str, float]:
        """One pass over the batches; the next one is made while one is learned."""
        logs: list[tuple[float, float]] = []
        network, steps = self._network, len(batches)
        self._monitor.start_epoch(epoch + 1, steps)
        with ThreadPoolExecutor(max_workers=1) as executor:
            next_batch = executor.submit(batches.__getitem__, 0)
            for index in range(steps):
                faces, labels = next_batch.result()
                if index + 1 < steps:
                    next_batch = executor.submit(batches.__getitem__, index + 1)
                network.reset_metrics()
                one: Any = network.train_on_batch(faces, {self._head: labels}, return_dict=True)
                logs.append((one["loss"], one["accuracy"]))
                self._monitor.end_step(index + 1, one, self._get_learning_rate)
        loss, accuracy = np.mean(np.asarray(logs, np.float64), axis=0)
        return {"loss": float(loss), "accuracy": float(accuracy)}

    def _get_learning_rate(self) -> float:
        return np.asarray(self._network.optimizer.learning_rate).item()

    def _validate(self) -> tuple[NDArray[np.float64], dict[str, float]]:
        """Probabilities (n, k) of the validation split, and the `val_…` columns of the history."""
        many = max(1, _MAX_BATCH_PIXELS // self._size**2)
        images, labels = self._validation.images, self._validation.labels
        parts: list[Any] = [
            self._network.predict_on_batch(preprocess_input(images[i : i + many], self._size))
            for i in range(0, len(images), many)
        ]
        logits = np.concatenate([part[self._head] for part in parts])
        accuracy = float((logits.argmax(1) == labels).mean())
        return softmax(logits), {"val_loss": cross_entropy(logits, labels), "val_accuracy": accuracy}

    def best_network(self) -> keras.Model:
        """The network with the weights of the best epoch."""
        self._network.set_weights(self._best_weights)
        return self._network

    def _variables(self) -> list[Any]:
        # Dropout's random state is among the network's variables, momentum and step among the optimizer's.
        return [*self._network.variables, *self._network.optimizer.variables]

    def _save(self) -> None:
        patience = (self._min_loss, self._stale_epochs, self._plateau_epochs, self._learning_rate)
        progress = (self.epoch, self._best_score, self._best_epoch, *patience)
        save_checkpoint(self._folder, self._variables(), self._best_weights, progress)

    def _restore(self) -> None:
        saved = load_checkpoint(self._folder, self._variables(), self._best_weights, num_progress=7)
        if saved is not None:
            (
                self._best_weights,
                (epoch, self._best_score, best, self._min_loss, waited, plateau, self._learning_rate),
            ) = saved
            self.epoch, self._best_epoch = int(epoch), int(best)
            self._stale_epochs, self._plateau_epochs = int(waited), int(plateau)
