"""Train a network of the zoo with one head on one set of labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.augmentation import NO_AUGMENTATION, augment, resize_images
from emotion.datasets.dataset import Dataset
from emotion.datasets.label_sets import TaskDataset
from emotion.training.classifier.batches import WHOLE
from emotion.training.classifier.classifier_training import ClassifierTraining, check_split_sizes
from emotion.training.classifier.config import MIN_LEARNING_RATE, PLATEAU_FACTOR, PLATEAU_PATIENCE, TrainingPlan
from emotion.training.classifier.networks.zoo import get_architecture
from emotion.training.classifier.networks.zoo_networks import build_network
from emotion.training.loop import train_epochs
from emotion.training.metrics import cross_entropy
from emotion.training.parallel.group import WorkerGroup
from emotion.training.parallel.layers import with_parallel_layers
from emotion.training.runs.run_context import RunContext

_MAX_BATCH_PIXELS: Final = 1_200_000  # of one batch of the validation: 520 faces of 48 pixels, 19 of 250


def fit_zoo_classifier(task: TaskDataset, plan: TrainingPlan, run: RunContext) -> keras.Model:
    """Train a network of the zoo in `run.folder`, from its checkpoint on where there is one.

    The best epoch is the first one with the highest accuracy on the validation split.

    Args:
        task: The faces with the labels to learn.
        plan: The settings.
        run: Where to write, and who follows it.

    Returns:
        The network with the weights of the best epoch.

    Raises:
        DataError: A split has too few faces.
        TrainingStopped, DivergenceError, EmotionError: See `train_epochs`.
    """
    check_split_sizes(task, plan.batch_size)
    return train_epochs(SingleHeadTraining(task, plan, run.folder, run.group), run)


def preprocess_input(images: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Return the input of a network: float32 (n, size, size, 1), gray 0 to 255, of uint8 (n, h, w)."""
    return resize_images(images, size)[..., None].astype(np.float32)


class _ZooBatches:
    """The batches of one epoch, or `part` of each; what they hold depends on seed, epoch and index alone."""

    def __init__(
        self, data: Dataset, rows: NDArray[np.intp], plan: TrainingPlan, size: int, epoch: int, part: slice = WHOLE
    ) -> None:
        self._images, self._labels, self._plan, self._size, self._epoch = data.images, data.labels, plan, size, epoch
        self._part = part
        self._rows = rows[np.random.default_rng((plan.seed, epoch)).permutation(len(rows))]
        # Drawn once for all epochs and then alternated, so that each face is seen from both sides in turn.
        sides = (np.random.default_rng(plan.seed).integers(0, 2, len(data)) + epoch) % 2 == 1
        self._flip_mask = sides & plan.horizontal_flip

    def __len__(self) -> int:
        return len(self._rows) // self._plan.batch_size

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], dict[str, NDArray[np.int32]]]:
        """Return faces as from `preprocess_input` and their labels (n,) by head."""
        plan = self._plan
        rows = self._rows[index * plan.batch_size : (index + 1) * plan.batch_size]
        flip, images = self._flip_mask[rows], self._images[rows]
        if plan.augmentation != NO_AUGMENTATION:
            rng = np.random.default_rng((plan.seed, self._epoch, index))
            images = augment(images, self._size, flip, plan.augmentation, rng)
        else:
            images[flip] = images[flip, :, ::-1]
        images, labels = images[self._part], self._labels[rows][self._part]
        return preprocess_input(images, self._size), {plan.label_set: labels.astype(np.int32)}


class SingleHeadTraining(ClassifierTraining[TrainingPlan]):
    """A network of the zoo with its optimizer, and what early stopping and the plateau schedule count."""

    def __init__(self, task: TaskDataset, plan: TrainingPlan, folder: Path, group: WorkerGroup | None = None) -> None:
        super().__init__(task, folder, plan.label_set)
        self.config = plan
        keras.utils.set_random_seed(plan.seed)
        self._size = get_architecture(plan.network).input_size
        self._train_rows = task.data.rows_in("train")
        self._validation = task.data.take(task.data.rows_in("validation"))
        self.network = build_network(
            plan.network,
            plan.label_set,
            len(task.data.label_names),
            plan.weights,
            width_factor=plan.width_factor,
            dropout_factor=plan.dropout_factor,
        )
        self.export_network = self.network
        self._part = WHOLE
        if group is not None:
            self.network = with_parallel_layers(self.network, group, plan.batch_size)
            self._part = group.rows(plan.batch_size)
        self._compile()
        self._min_loss, self._stale_epochs, self._plateau_epochs = np.inf, 0, 0
        self._learning_rate = plan.learning_rate

    def _compile(self) -> None:
        plan = self.config
        rate: Any = plan.learning_rate
        if plan.lr_schedule == "cosine":
            num_steps = plan.epochs * (len(self._train_rows) // plan.batch_size)
            rate = keras.optimizers.schedules.CosineDecay(plan.learning_rate, max(1, num_steps))
        optimizers: dict[str, Callable[[], keras.optimizers.Optimizer]] = {
            "adam": lambda: keras.optimizers.Adam(rate),
            "sgd": lambda: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
            "adamw": lambda: keras.optimizers.AdamW(rate),
            "rmsprop": lambda: keras.optimizers.RMSprop(rate),
        }
        optimizer = optimizers[plan.optimizer]()
        self.network.compile(
            optimizer,
            loss={plan.label_set: keras.losses.SparseCategoricalCrossentropy(from_logits=True)},
            metrics={plan.label_set: [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]},
        )
        optimizer.build(self.network.trainable_variables)

    def extra_state(self) -> tuple[float, ...]:
        """Return what early stopping and the plateau schedule count."""
        return self._min_loss, self._stale_epochs, self._plateau_epochs, self._learning_rate

    def restore(self, epochs_done: int, extra_state: Sequence[float]) -> None:
        """Continue the recorded predictions and the counts after the last whole epoch."""
        super().restore(epochs_done, extra_state)
        if extra_state:
            self._min_loss, stale_epochs, plateau_epochs, self._learning_rate = extra_state
            self._stale_epochs, self._plateau_epochs = int(stale_epochs), int(plateau_epochs)

    def is_complete(self) -> bool:
        """Return whether early stopping ends the training."""
        return 0 < self.config.early_stopping_patience <= self._stale_epochs

    def start_epoch(self, epoch: int) -> _ZooBatches:
        """Return the batches of an epoch."""
        return _ZooBatches(self._task.data, self._train_rows, self.config, self._size, epoch, self._part)

    def predict_validation(self) -> dict[str, NDArray[np.float32]]:
        """Return the logits of the head."""
        batch_size = max(1, _MAX_BATCH_PIXELS // self._size**2)
        images, head = self._validation.images, self.config.label_set
        parts: list[Any] = [
            self.network.predict_on_batch(preprocess_input(images[i : i + batch_size], self._size))
            for i in range(0, len(images), batch_size)
        ]
        return {head: np.concatenate([part[head] for part in parts])}

    def measure(self, logits: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
        """Return loss and accuracy."""
        predicted, labels = logits[self.config.label_set], self._validation.labels
        accuracy = float((predicted.argmax(1) == labels).mean())
        return {"val_loss": cross_entropy(predicted, labels), "val_accuracy": accuracy}

    def end_epoch(self, row: Mapping[str, float], best_epoch: int) -> None:
        """Record the predictions, count the epochs without progress, and adapt the learning rate."""
        super().end_epoch(row, best_epoch)
        self._update_patience(row["val_loss"])

    def _update_patience(self, loss: float) -> None:
        """Count the epochs without a smaller loss, and lower the learning rate on a plateau."""
        if loss < self._min_loss:
            self._min_loss, self._stale_epochs, self._plateau_epochs = loss, 0, 0
            return
        self._stale_epochs, self._plateau_epochs = self._stale_epochs + 1, self._plateau_epochs + 1
        if self.config.lr_schedule == "plateau" and self._plateau_epochs >= PLATEAU_PATIENCE:
            minimum = min(MIN_LEARNING_RATE, self.config.learning_rate)
            self._learning_rate, self._plateau_epochs = max(minimum, self._learning_rate * PLATEAU_FACTOR), 0
            self.network.optimizer.learning_rate = self._learning_rate
