"""Keep what a network said of the validation faces after each epoch: predictions.npz, tracked_examples.npz. No Keras here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset
from emotion.errors import DataError
from emotion.training.runs.predictions import Predictions, TrackedExamples

_NUM_EXAMPLES: Final = 12  # examples


class PredictionRecorder:
    """Held by a training; `append` is called after each epoch, before its checkpoint is written.

    `rows` int32 (n,) are the rows of the whole data set that `validation` holds. Records of epochs after `last_epoch`, the last
    whole one, are dropped; where an earlier file is damaged or of other faces, they begin anew.
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
            answers, examples = Predictions.load(self._folder), TrackedExamples.load(self._folder)
        except DataError:
            return  # only pictures of the past are lost; the epochs to come are kept
        mine = self._predictions
        if answers is not None and answers.class_names == mine.class_names and np.array_equal(answers.rows, mine.rows):
            kept = answers.epochs <= last_epoch
            best = answers.best_epoch if answers.best_epoch <= last_epoch else 0  # it will be learned again
            self._predictions = replace(
                answers, epochs=answers.epochs[kept], predicted=answers.predicted[kept], best_epoch=best
            )
        if examples is not None and np.array_equal(examples.images, self._examples.images):
            kept = examples.epochs <= last_epoch
            self._examples = replace(examples, epochs=examples.epochs[kept], probabilities=examples.probabilities[kept])

    def append(self, epoch: int, probabilities: NDArray[np.floating], best_epoch: int) -> None:
        """Write what was said after `last_epoch` (from 1): probabilities (n, k); `best_epoch` is the best epoch so far."""
        said = probabilities.argmax(1).astype(np.int8)
        self._predictions = self._predictions.with_epoch(epoch, said, probabilities, best_epoch)
        self._examples = self._examples.with_epoch(epoch, probabilities[self._example_indices])
        self._predictions.save(self._folder)
        self._examples.save(self._folder)


def save_final_predictions(folder: Path, predictions: Predictions) -> None:
    """Write `predictions`, those of a finished network: one epoch, its best; other epochs of the same faces stay."""
    try:
        before = Predictions.load(folder)
    except DataError:
        before = None  # it is what shall be mended
    if (
        before is not None
        and before.class_names == predictions.class_names
        and np.array_equal(before.rows, predictions.rows)
    ):
        others = before.epochs != predictions.best_epoch
        order = np.argsort(epochs := np.append(before.epochs[others], predictions.epochs))
        said = np.concatenate([before.predicted[others], predictions.predicted])
        predictions = replace(predictions, epochs=epochs[order], predicted=said[order])
    predictions.save(folder)


def pick_examples(labels: NDArray[np.integer], num_classes: int, seed: int = 0) -> NDArray[np.intp]:
    """The places of up to twelve faces, always the same ones, of every label in turn."""
    rng = np.random.default_rng(seed)
    of_each = [rng.permutation(np.flatnonzero(labels == label)) for label in range(num_classes)]
    turns = [found[turn] for turn in range(_NUM_EXAMPLES) for found in of_each if turn < len(found)]
    return np.array(turns[:_NUM_EXAMPLES], np.intp)
