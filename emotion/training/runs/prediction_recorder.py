"""Record predictions of the validation split after each epoch in predictions.npz and tracked_examples.npz."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset
from emotion.errors import DataError
from emotion.training.runs.predictions import Predictions
from emotion.training.runs.tracked_examples import TrackedExamples

_NUM_EXAMPLES: Final = 12


class PredictionRecorder:
    """Writes the predictions of a training; `append` is called after each epoch, before its checkpoint is written.

    `rows` int32 (n,) are the rows of `validation` in the whole data set. Predictions after `last_epoch`, the last whole
    epoch, are removed, and all of them where the file is damaged or of other faces.
    """

    def __init__(
        self, folder: Path, validation: Dataset, rows: NDArray[np.int32], class_names: tuple[str, ...], last_epoch: int
    ) -> None:
        self._folder = folder
        self._example_indices = pick_examples(validation.labels, len(class_names))
        n, k = len(validation), len(class_names)
        self._predictions = Predictions(
            rows,
            validation.labels.astype(np.int8),
            np.empty(0, np.int32),
            np.empty((0, n), np.int8),
            np.zeros((n, k), np.float16),
            0,
            "validation",
            class_names,
        )
        self._examples = TrackedExamples(
            validation.images[self._example_indices],
            validation.labels[self._example_indices].astype(np.int8),
            np.empty(0, np.int32),
            np.empty((0, len(self._example_indices), k), np.float16),
        )
        self._load_existing(last_epoch)

    def _load_existing(self, last_epoch: int) -> None:
        try:
            predictions, examples = Predictions.load(self._folder), TrackedExamples.load(self._folder)
        except DataError:
            return  # only the display of past epochs is lost
        if predictions is not None and _have_same_faces(predictions, self._predictions):
            kept = predictions.epochs <= last_epoch
            best_epoch = predictions.best_epoch if predictions.best_epoch <= last_epoch else 0  # it is trained again
            self._predictions = replace(
                predictions,
                epochs=predictions.epochs[kept],
                predicted=predictions.predicted[kept],
                best_epoch=best_epoch,
            )
        if examples is not None and np.array_equal(examples.images, self._examples.images):
            kept = examples.epochs <= last_epoch
            self._examples = replace(examples, epochs=examples.epochs[kept], probabilities=examples.probabilities[kept])

    def append(self, epoch: int, probabilities: NDArray[np.floating], best_epoch: int) -> None:
        """Write the probabilities (n, k) after `epoch` (from 1); `best_epoch` is the best one so far."""
        predicted = probabilities.argmax(1).astype(np.int8)
        self._predictions = self._predictions.with_epoch(epoch, predicted, probabilities, best_epoch)
        self._examples = self._examples.with_epoch(epoch, probabilities[self._example_indices])
        self._predictions.save(self._folder)
        self._examples.save(self._folder)


def save_final_predictions(folder: Path, predictions: Predictions) -> None:
    """Write the predictions of a finished network for its best epoch; other epochs of the same faces stay."""
    try:
        recorded = Predictions.load(folder)
    except DataError:
        recorded = None  # a damaged file is replaced
    if recorded is not None and _have_same_faces(recorded, predictions):
        others = recorded.epochs != predictions.best_epoch
        order = np.argsort(epochs := np.append(recorded.epochs[others], predictions.epochs))
        predicted = np.concatenate([recorded.predicted[others], predictions.predicted])
        predictions = replace(predictions, epochs=epochs[order], predicted=predicted[order])
    predictions.save(folder)


def _have_same_faces(first: Predictions, second: Predictions) -> bool:
    return first.class_names == second.class_names and np.array_equal(first.rows, second.rows)


def pick_examples(labels: NDArray[np.integer], num_classes: int, seed: int = 0) -> NDArray[np.intp]:
    """Return the indices of up to twelve faces, always the same ones, from the classes in turn."""
    rng = np.random.default_rng(seed)
    by_class = [rng.permutation(np.flatnonzero(labels == label)) for label in range(num_classes)]
    examples = [indices[i] for i in range(_NUM_EXAMPLES) for indices in by_class if i < len(indices)]
    return np.array(examples[:_NUM_EXAMPLES], np.intp)
