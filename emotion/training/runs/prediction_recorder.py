"""Keep what a network said of the validation faces after each epoch: answers.npz, examples.npz. No Keras here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset
from emotion.errors import DataError
from emotion.training.runs.predictions import Answers, Examples

_FACES: Final = 12  # examples


class Recorder:
    """Held by a training; `keep` is called after each epoch, before its checkpoint is written.

    `rows` int32 (n,) are the rows of the whole data set that `public` holds. Records of epochs after `epoch`, the last
    whole one, are dropped; where an earlier file is damaged or of other faces, they begin anew.
    """

    def __init__(
        self, folder: Path, public: Dataset, rows: NDArray[np.int32], names: tuple[str, ...], epoch: int
    ) -> None:
        self._folder = folder
        self._shown = examples_of(public.labels, len(names))
        n, k = len(public), len(names)
        self._answers = Answers(
            rows, public.labels.astype(np.int8), np.empty(0, np.int32), np.empty((0, n), np.int8),
            np.zeros((n, k), np.float16), 0, "public", names,
        )  # fmt: skip
        self._examples = Examples(
            public.images[self._shown], public.labels[self._shown].astype(np.int8), np.empty(0, np.int32),
            np.empty((0, len(self._shown), k), np.float16),
        )  # fmt: skip
        self._go_on(epoch)

    def _go_on(self, epoch: int) -> None:
        try:
            answers, examples = Answers.read(self._folder), Examples.read(self._folder)
        except DataError:
            return  # only pictures of the past are lost; the epochs to come are kept
        mine = self._answers
        if answers is not None and answers.names == mine.names and np.array_equal(answers.rows, mine.rows):
            kept = answers.epochs <= epoch
            best = answers.best if answers.best <= epoch else 0  # it will be learned again
            self._answers = replace(answers, epochs=answers.epochs[kept], said=answers.said[kept], best=best)
        if examples is not None and np.array_equal(examples.faces, self._examples.faces):
            kept = examples.epochs <= epoch
            self._examples = replace(examples, epochs=examples.epochs[kept], probabilities=examples.probabilities[kept])

    def keep(self, epoch: int, probabilities: NDArray[np.floating], best: int) -> None:
        """Write what was said after `epoch` (from 1): probabilities (n, k); `best` is the best epoch so far."""
        said = probabilities.argmax(1).astype(np.int8)
        self._answers = self._answers.with_epoch(epoch, said, probabilities, best)
        self._examples = self._examples.with_epoch(epoch, probabilities[self._shown])
        self._answers.write(self._folder)
        self._examples.write(self._folder)


def keep_best(folder: Path, answers: Answers) -> None:
    """Write `answers`, those of a finished network: one epoch, its best; other epochs of the same faces stay."""
    try:
        before = Answers.read(folder)
    except DataError:
        before = None  # it is what shall be mended
    if before is not None and before.names == answers.names and np.array_equal(before.rows, answers.rows):
        others = before.epochs != answers.best
        order = np.argsort(epochs := np.append(before.epochs[others], answers.epochs))
        said = np.concatenate([before.said[others], answers.said])
        answers = replace(answers, epochs=epochs[order], said=said[order])
    answers.write(folder)


def examples_of(labels: NDArray[np.integer], classes: int, seed: int = 0) -> NDArray[np.intp]:
    """The places of up to twelve faces, always the same ones, of every label in turn."""
    rng = np.random.default_rng(seed)
    of_each = [rng.permutation(np.flatnonzero(labels == label)) for label in range(classes)]
    turns = [found[turn] for turn in range(_FACES) for found in of_each if turn < len(found)]
    return np.array(turns[:_FACES], np.intp)
