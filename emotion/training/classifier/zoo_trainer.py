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

from emotion.datasets.augmentation import NONE, augment, resized
from emotion.datasets.dataset import Dataset
from emotion.datasets.label_sets import Lesson
from emotion.errors import DataError
from emotion.recognition.classification import softmax
from emotion.training.checkpoints import load_checkpoint, save_checkpoint, values_of
from emotion.training.classifier.config import LEAST_RATE, PLATEAU_FACTOR, PLATEAU_PATIENCE, LessonPlan
from emotion.training.classifier.zoo import card_of
from emotion.training.classifier.zoo_networks import build
from emotion.training.loop import check_finite, run_epochs
from emotion.training.metrics import cross_entropy
from emotion.training.runs.folder import append_history
from emotion.training.runs.prediction_recorder import Recorder
from emotion.training.runs.step_monitor import Watch
from emotion.training.tensorboard import Events

_PIXELS: Final = 1_200_000  # of one batch while it is measured: 520 faces of 48 pixels, 19 of 250


class _Enough(Exception):
    """Patience is at its end."""


def train_network(
    lesson: Lesson,
    plan: LessonPlan,
    folder: Path,
    watch: Watch,
    on_epoch: Callable[[int, float, dict[str, float]], bool] = lambda epoch, seconds, row: False,
    *,
    finish: bool = False,
) -> keras.Model:
    """Train into `folder`, going on where a checkpoint there ends, and return the network with its best weights.

    Best is the first epoch with the highest accuracy on the public split. `finish`: learn no more. `on_epoch` as
    `trainer.train` has it. Raises `DataError` where a split is too small, `Stopped` where somebody asked for it,
    `Diverged` where the loss is no longer a number.
    """
    data = lesson.data
    if len(data.rows("training")) < plan.batch or len(data.rows("public")) == 0:
        raise DataError(
            f"{len(data.rows('training'))} training and {len(data.rows('public'))} public faces have these labels; "
            f"at least {plan.batch} (a batch) and 1 are needed."
        )
    state = NetworkTraining(lesson, plan, folder, watch)
    if finish:
        return state.best_network()
    try:
        return run_epochs(state, plan.epochs, on_epoch, Events(folder) if plan.tensorboard else None)
    except _Enough:
        return state.best_network()


def faces_of(images: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """What a network of that size reads: float32 (n, size, size, 1), grey 0 to 255."""
    return resized(images, size)[..., None].astype(np.float32)


class _Batches:
    """The batches of one epoch; what they hold depends on seed, epoch and position alone."""

    def __init__(self, data: Dataset, rows: NDArray[np.intp], plan: LessonPlan, size: int, epoch: int) -> None:
        self._images, self._labels, self._plan, self._size, self._epoch = data.images, data.labels, plan, size, epoch
        self._rows = rows[np.random.default_rng((plan.seed, epoch)).permutation(len(rows))]
        # Drawn once for all epochs and then alternated, so that each face is seen from both sides in turn.
        sides = (np.random.default_rng(plan.seed).integers(0, 2, len(data)) + epoch) % 2 == 1
        self._flip = sides & plan.flip

    def __len__(self) -> int:
        return len(self._rows) // self._plan.batch

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        plan = self._plan
        rows = self._rows[index * plan.batch : (index + 1) * plan.batch]
        flip, images = self._flip[rows], self._images[rows]
        if plan.augmentation != NONE:
            rng = np.random.default_rng((plan.seed, self._epoch, index))
            images = augment(images, self._size, flip, plan.augmentation, rng)
        else:
            images[flip] = images[flip, :, ::-1]
        return faces_of(images, self._size), self._labels[rows].astype(np.int32)


class NetworkTraining:
    """A training between two epochs: network, optimizer, rate, patience, best weights, all in one checkpoint file."""

    def __init__(self, lesson: Lesson, plan: LessonPlan, folder: Path, watch: Watch) -> None:
        self._plan, self._folder, self._watch, self._data = plan, folder, watch, lesson.data
        keras.utils.set_random_seed(plan.seed)
        self._size = card_of(plan.network).size
        self._head = plan.labels
        self._rows = lesson.data.rows("training")
        public = lesson.data.rows("public")
        self._public = lesson.data.take(public)
        self._network = build(plan.network, self._head, len(lesson.data.label_names), plan.weights)
        self._compile()
        self.epoch, self._best_score, self._best_epoch = 0, -1.0, 0
        self._least_loss, self._waited, self._on_plateau, self._rate = np.inf, 0, 0, plan.learning_rate
        self._best = values_of(self._network.weights)
        self._restore()
        names = lesson.data.label_names
        self._records = Recorder(folder, self._public, lesson.rows[public], names, self.epoch)

    def _compile(self) -> None:
        plan = self._plan
        rate: Any = plan.learning_rate
        if plan.schedule == "cosine":
            steps = plan.epochs * (len(self._rows) // plan.batch)
            rate = keras.optimizers.schedules.CosineDecay(plan.learning_rate, max(1, steps))
        optimizers: dict[str, Callable[[], keras.optimizers.Optimizer]] = {
            "adam": lambda: keras.optimizers.Adam(rate),
            "sgd": lambda: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
            "rmsprop": lambda: keras.optimizers.RMSprop(rate),
        }
        optimizer = optimizers[plan.optimiser]()
        self._network.compile(
            optimizer,
            loss={self._head: keras.losses.SparseCategoricalCrossentropy(from_logits=True)},
            metrics={self._head: [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]},
        )
        optimizer.build(self._network.trainable_variables)

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Learn one epoch, measure it, keep it."""
        plan = self._plan
        if plan.patience and self._waited >= plan.patience:
            raise _Enough
        started = time.monotonic()
        logs = self._learn(_Batches(self._data, self._rows, plan, self._size, epoch), epoch)
        rate = np.asarray(self._network.optimizer.learning_rate).item()
        probabilities, measured = self._measure()
        # The last step may have spoiled what only the public split shows.
        check_finite((logs["loss"], measured["val_loss"]), epoch, self._best_epoch, plan.learning_rate)
        row = {
            "epoch": epoch + 1,
            "seconds": time.monotonic() - started - self._watch.paused,
            "learning_rate": rate,
            **logs,
            **measured,
        }
        self.epoch = epoch + 1
        if measured["val_accuracy"] > self._best_score:
            self._best_score, self._best_epoch = measured["val_accuracy"], epoch + 1
            self._best = values_of(self._network.weights)
        self._be_patient(measured["val_loss"])
        self._records.keep(epoch + 1, probabilities, self._best_epoch)
        append_history(self._folder, row)
        self._save()
        return row

    def _be_patient(self, loss: float) -> None:
        """Count the epochs without a smaller loss, and lower the rate on a plateau."""
        if loss < self._least_loss:
            self._least_loss, self._waited, self._on_plateau = loss, 0, 0
            return
        self._waited, self._on_plateau = self._waited + 1, self._on_plateau + 1
        if self._plan.schedule == "plateau" and self._on_plateau >= PLATEAU_PATIENCE:
            least = min(LEAST_RATE, self._plan.learning_rate)
            self._rate, self._on_plateau = max(least, self._rate * PLATEAU_FACTOR), 0
            self._network.optimizer.learning_rate = self._rate

    def _learn(self, batches: _Batches, epoch: int) -> dict[str, float]:
        """One pass over the batches; the next one is made while one is learned."""
        logs: list[tuple[float, float]] = []
        network, steps = self._network, len(batches)
        self._watch.begin(epoch + 1, steps)
        with ThreadPoolExecutor(max_workers=1) as ahead:
            coming = ahead.submit(batches.__getitem__, 0)
            for index in range(steps):
                faces, labels = coming.result()
                if index + 1 < steps:
                    coming = ahead.submit(batches.__getitem__, index + 1)
                network.reset_metrics()
                one: Any = network.train_on_batch(faces, {self._head: labels}, return_dict=True)
                logs.append((one["loss"], one["accuracy"]))
                self._watch.step(index + 1, one, self._rate_now)
        loss, accuracy = np.mean(np.asarray(logs, np.float64), axis=0)
        return {"loss": float(loss), "accuracy": float(accuracy)}

    def _rate_now(self) -> float:
        return np.asarray(self._network.optimizer.learning_rate).item()

    def _measure(self) -> tuple[NDArray[np.float64], dict[str, float]]:
        """Probabilities (n, k) of the public split, and the `val_…` columns of the history."""
        many = max(1, _PIXELS // self._size**2)
        images, labels = self._public.images, self._public.labels
        parts: list[Any] = [
            self._network.predict_on_batch(faces_of(images[i : i + many], self._size))
            for i in range(0, len(images), many)
        ]
        logits = np.concatenate([part[self._head] for part in parts])
        accuracy = float((logits.argmax(1) == labels).mean())
        return softmax(logits), {"val_loss": cross_entropy(logits, labels), "val_accuracy": accuracy}

    def best_network(self) -> keras.Model:
        """The network with the weights of the best epoch."""
        self._network.set_weights(self._best)
        return self._network

    def _variables(self) -> list[Any]:
        # Dropout's random state is among the network's variables, momentum and step among the optimizer's.
        return [*self._network.variables, *self._network.optimizer.variables]

    def _save(self) -> None:
        patience = (self._least_loss, self._waited, self._on_plateau, self._rate)
        progress = (self.epoch, self._best_score, self._best_epoch, *patience)
        save_checkpoint(self._folder, self._variables(), self._best, progress)

    def _restore(self) -> None:
        saved = load_checkpoint(self._folder, self._variables(), self._best, progress=7)
        if saved is not None:
            self._best, (epoch, self._best_score, best, self._least_loss, waited, plateau, self._rate) = saved
            self.epoch, self._best_epoch = int(epoch), int(best)
            self._waited, self._on_plateau = int(waited), int(plateau)
