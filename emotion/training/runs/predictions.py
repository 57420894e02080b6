"""The predictions of a classifier for the validation split by epoch, and the metrics computed from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.training.runs.npz_files import damaged_message, read_npz, write_npz
from emotion.translation.messages import gettext as _

if TYPE_CHECKING:  # it loads scikit-learn, which a page needs only for these figures
    from emotion.training.metrics import LabelScores, ReliabilityBin

PREDICTIONS_FILE: Final = "predictions.npz"
ROBUSTNESS_FILE: Final = "robustness.json"


@dataclass(frozen=True)
class Misclassification:
    """A face with a wrong prediction: its `row` in the data set and its `index` among the predictions."""

    index: int
    row: int
    label: int
    predicted: int
    confidence: float  # the probability of `predicted`
    label_prob: float  # the probability of `label`


@dataclass(frozen=True)
class PredictionComparison:
    """Two runs on the faces that both predicted, `rows` of the data set."""

    rows: NDArray[np.int32]
    predicted: NDArray[np.int8]  # classes of the first run
    other_predicted: NDArray[np.int8]  # also as classes of the first run, -1 where it has no such class
    labels: NDArray[np.int8]  # of the first run

    @property
    def agreement_rate(self) -> float:
        """The share of faces with the same prediction, 0 to 1; 0 for no face."""
        return float((self.predicted == self.other_predicted).mean()) if len(self.rows) else 0.0

    @property
    def only_first_correct(self) -> NDArray[np.int32]:
        """Rows that only the first run predicts correctly."""
        return self.rows[(self.predicted == self.labels) & (self.other_predicted != self.labels)]

    @property
    def only_other_correct(self) -> NDArray[np.int32]:
        """Rows that only the other run predicts correctly."""
        return self.rows[(self.predicted != self.labels) & (self.other_predicted == self.labels)]

    @property
    def neither_correct(self) -> NDArray[np.int32]:
        """Rows that both runs predict wrongly."""
        return self.rows[(self.predicted != self.labels) & (self.other_predicted != self.labels)]


@dataclass(frozen=True)
class Predictions:
    """The predictions of a run.

    Attributes:
        rows: int32 (n,), the rows of the data set.
        labels: int8 (n,).
        epochs: int32 (e,), from 1.
        predicted: int8 (e, n), the class after each epoch.
        probabilities: float16 (n, k) of the epoch `best_epoch`.
        best_epoch: The best epoch so far.
        split: The name of the split.
        class_names: The k names of the classes.
    """

    rows: NDArray[np.int32]
    labels: NDArray[np.int8]
    epochs: NDArray[np.int32]
    predicted: NDArray[np.int8]
    probabilities: NDArray[np.float16]
    best_epoch: int
    split: str
    class_names: tuple[str, ...]

    @classmethod
    def load(cls, folder: Path) -> Predictions | None:
        """Read the file of a run, None without one; `DataError` where it is damaged."""
        path = folder / PREDICTIONS_FILE
        arrays = read_npz(path)
        if arrays is None:
            return None
        try:
            predictions = cls(
                arrays["rows"],
                arrays["labels"],
                arrays["epochs"],
                arrays["predicted"],
                arrays["probabilities"],
                int(arrays["best_epoch"]),
                str(arrays["split"]),
                tuple(str(name) for name in arrays["class_names"]),
            )
            predictions._validate()
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DataError(damaged_message(path)) from error
        return predictions

    def _validate(self) -> None:
        n, e, k = len(self.rows), len(self.epochs), len(self.class_names)
        shapes = (self.rows.shape, self.labels.shape, self.predicted.shape, self.probabilities.shape)
        kinds = [a.dtype.kind for a in (self.rows, self.labels, self.epochs, self.predicted)]
        if shapes != ((n,), (n,), (e, n), (n, k)) or set(kinds) != {"i"} or self.probabilities.dtype.kind != "f":
            raise ValueError(f"shapes {shapes}")
        for values in (self.labels, self.predicted):
            if values.size and (values.min() < 0 or values.max() >= k):
                raise ValueError("labels without a name")

    def save(self, folder: Path) -> None:
        """Replace the file of a run."""
        write_npz(
            folder / PREDICTIONS_FILE,
            {
                "rows": self.rows,
                "labels": self.labels,
                "epochs": self.epochs,
                "predicted": self.predicted,
                "probabilities": self.probabilities.astype(np.float16),
                "best_epoch": np.int32(self.best_epoch),
                "split": np.array(self.split),
                "class_names": np.array(self.class_names),
            },
        )

    def with_epoch(
        self, epoch: int, predicted: NDArray[np.int8], probabilities: NDArray, best_epoch: int
    ) -> Predictions:
        """Return a copy in which an epoch replaces itself and all later ones."""
        kept = self.epochs < epoch
        return replace(
            self,
            epochs=np.append(self.epochs[kept], np.int32(epoch)).astype(np.int32),
            predicted=np.concatenate([self.predicted[kept], predicted[None].astype(np.int8)]),
            probabilities=probabilities.astype(np.float16) if best_epoch == epoch else self.probabilities,
            best_epoch=best_epoch,
        )

    # ------------------------------------------------------------------ figures

    def at_epoch(self, epoch: int | None = None) -> NDArray[np.int8]:
        """Return the predictions (n,) after an epoch, None for the best; `DataError` where it was not recorded."""
        epoch = self.best_epoch if epoch is None else epoch
        indices = np.flatnonzero(self.epochs == epoch)
        if indices.size == 0:
            if not len(self.epochs):
                raise DataError(_("There are no predictions of epoch {epoch}; choose one of none.").format(epoch=epoch))
            text = _("There are no predictions of epoch {epoch}; choose one of {first} to {last}.")
            raise DataError(text.format(epoch=epoch, first=int(min(self.epochs)), last=int(max(self.epochs))))
        return self.predicted[indices[0]]

    def accuracy(self, epoch: int | None = None) -> float:
        """Return the share of correct predictions, 0 to 1."""
        return float((self.at_epoch(epoch) == self.labels).mean()) if len(self.rows) else 0.0

    def confusion_matrix(self, epoch: int | None = None) -> NDArray[np.int64]:
        """Return counts (k, k): rows are labels, columns predictions."""
        k = len(self.class_names)
        cells = self.labels.astype(np.int64) * k + self.at_epoch(epoch)
        return np.bincount(cells, minlength=k * k).reshape(k, k)

    def confusion_cell(self, label: int, predicted: int, epoch: int | None = None) -> NDArray[np.intp]:
        """Return the indices of the faces in a cell of the confusion matrix, most probable first."""
        indices = np.flatnonzero((self.labels == label) & (self.at_epoch(epoch) == predicted))
        return indices[np.argsort(-self.probabilities[indices, predicted].astype(np.float64), kind="stable")]

    def per_class(self, epoch: int | None = None) -> list[LabelScores]:
        """Return the scores of each class; one without a denominator is 0."""
        from emotion.training.metrics import scores_by_class

        scores = scores_by_class(self.labels, self.at_epoch(epoch), self.class_names)
        return [{"label": name, **values} for name, values in scores.items()]

    def reliability_bins(self, num_bins: int = 15) -> list[ReliabilityBin]:
        """Return `metrics.reliability_bins` of the best epoch."""
        from emotion.training.metrics import reliability_bins

        return reliability_bins(self.probabilities.astype(np.float64), self.labels, num_bins)

    def ece(self, num_bins: int = 15) -> float:
        """Return the expected calibration error of the best epoch, 0 to 1."""
        from emotion.training.metrics import expected_calibration_error

        return expected_calibration_error(self.probabilities.astype(np.float64), self.labels, num_bins)

    def misclassifications(self, n: int = 24) -> list[Misclassification]:
        """Return up to `n` wrong predictions of the best epoch, by falling confidence."""
        probabilities = self.probabilities.astype(np.float64)
        predicted = probabilities.argmax(1)
        wrong = np.flatnonzero(predicted != self.labels)
        chosen = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:n]
        return [
            Misclassification(
                int(i),
                int(self.rows[i]),
                int(self.labels[i]),
                int(predicted[i]),
                float(probabilities[i, predicted[i]]),
                float(probabilities[i, self.labels[i]]),
            )
            for i in chosen
        ]

    def compare(self, other: Predictions) -> PredictionComparison:
        """Compare the best epochs of two runs on the faces that both predicted."""
        rows, own, others = np.intersect1d(self.rows, other.rows, return_indices=True)
        classes = np.array(
            [self.class_names.index(name) if name in self.class_names else -1 for name in other.class_names], np.int8
        )
        return PredictionComparison(
            rows.astype(np.int32), self.at_epoch()[own], classes[other.at_epoch()[others]], self.labels[own]
        )

    def conflicts_with(self, other: Predictions) -> bool:
        """Return whether a row has different labels, so that the runs have different data sets."""
        _, own, others = np.intersect1d(self.rows, other.rows, return_indices=True)
        own_labels = np.array(self.class_names)[self.labels[own]]
        other_labels = np.array(other.class_names)[other.labels[others]]
        return bool((own_labels != other_labels).any())
