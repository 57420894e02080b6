"""What a network said of every face of the validation split, epoch by epoch; all figures are computed from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.storage import atomic_path

PREDICTIONS_FILE: Final = "predictions.npz"
EXAMPLES_FILE: Final = "tracked_examples.npz"
ROBUSTNESS_FILE: Final = "robustness.json"


@dataclass(frozen=True)
class Misclassification:
    """A face that was named wrong: `row` of the data set, place `index` in the answers, and the probabilities."""

    index: int
    row: int
    label: int
    predicted: int
    confidence: float  # in what it said
    label_prob: float  # of the right label


@dataclass(frozen=True)
class PredictionComparison:
    """Two runs on the faces that both answered: bool arrays (n,) by `rows` of the data set."""

    rows: NDArray[np.int32]
    predicted: NDArray[np.int8]  # names of the first run
    other_predicted: NDArray[np.int8]  # as places in the names of the first run, -1 where it has no such label
    labels: NDArray[np.int8]  # of the first run

    @property
    def agreement_rate(self) -> float:
        """The share of faces that both name alike, 0 to 1; 0 for no face."""
        return float((self.predicted == self.other_predicted).mean()) if len(self.rows) else 0.0

    @property
    def only_first_correct(self) -> NDArray[np.int32]:
        """Rows that only the first names right."""
        return self.rows[(self.predicted == self.labels) & (self.other_predicted != self.labels)]

    @property
    def only_other_correct(self) -> NDArray[np.int32]:
        """Rows that only the other names right."""
        return self.rows[(self.predicted != self.labels) & (self.other_predicted == self.labels)]

    @property
    def neither_correct(self) -> NDArray[np.int32]:
        """Rows that both name wrong."""
        return self.rows[(self.predicted != self.labels) & (self.other_predicted != self.labels)]


@dataclass(frozen=True)
class Predictions:
    """`rows` int32 (n,) of the data set, `labels` int8 (n,), `epochs` int32 (e,), `predicted` int8 (e, n), `probabilities`
    float16 (n, k) of the epoch `best_epoch`, `class_names` (k,) of the labels."""

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
        """Those of a run, None where it has none. Raises `DataError` where the file is damaged."""
        path = folder / PREDICTIONS_FILE
        arrays = _read_npz(path)
        if arrays is None:
            return None
        try:
            found = cls(
                arrays["rows"],
                arrays["labels"],
                arrays["epochs"],
                arrays["predicted"],
                arrays["probabilities"],
                int(arrays["best_epoch"]),
                str(arrays["split"]),
                tuple(str(name) for name in arrays["class_names"]),
            )
            found._validate()
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DataError(_damaged_message(path)) from error
        return found

    def _validate(self) -> None:
        n, e, k = len(self.rows), len(self.epochs), len(self.class_names)
        shapes = (self.rows.shape, self.labels.shape, self.predicted.shape, self.probabilities.shape)
        kinds = [a.dtype.kind for a in (self.rows, self.labels, self.epochs, self.predicted)]
        if shapes != ((n,), (n,), (e, n), (n, k)) or set(kinds) != {"i"} or self.probabilities.dtype.kind != "f":
            raise ValueError(f"shapes {shapes}")
        for values in (self.labels, self.predicted):
            if values.size and (values.min() < 0 or values.max() >= k):
                raise ValueError("labels beyond the names")

    def save(self, folder: Path) -> None:
        """Replace the file of a run."""
        _write_npz(
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
        """With one more epoch in place of those from it on; `probabilities` (n, k) count where it is the best."""
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
        """What it said (n,) after an epoch; None for the best. `DataError` where that epoch was not kept."""
        wanted = self.best_epoch if epoch is None else epoch
        places = np.flatnonzero(self.epochs == wanted)
        if places.size == 0:
            raise DataError(
                f"There are no answers of epoch {wanted}; those of {_format_epoch_range(self.epochs)} were kept."
            )
        return self.predicted[places[0]]

    def accuracy(self, epoch: int | None = None) -> float:
        """The share of right answers, 0 to 1."""
        return float((self.at_epoch(epoch) == self.labels).mean()) if len(self.rows) else 0.0

    def confusion_matrix(self, epoch: int | None = None) -> NDArray[np.int64]:
        """Counts (k, k): rows are the labels, columns what was said."""
        k = len(self.class_names)
        cells = self.labels.astype(np.int64) * k + self.at_epoch(epoch)
        return np.bincount(cells, minlength=k * k).reshape(k, k)

    def confusion_cell(self, label: int, predicted: int, epoch: int | None = None) -> NDArray[np.intp]:
        """The places of the faces in one cell of the confusion matrix, the surest first where it is the best epoch."""
        found = np.flatnonzero((self.labels == label) & (self.at_epoch(epoch) == predicted))
        return found[np.argsort(-self.probabilities[found, predicted].astype(np.float64), kind="stable")]

    def per_class(self, epoch: int | None = None) -> list[dict[str, Any]]:
        """For each label `label`, `precision`, `recall`, `f1` (0 to 1, 0 where nothing was there to divide), `n`."""
        from sklearn.metrics import precision_recall_fscore_support

        columns = precision_recall_fscore_support(
            self.labels,
            self.at_epoch(epoch),
            labels=range(len(self.class_names)),
            zero_division=0,  # pyright: ignore[reportArgumentType]
        )
        precision, recall, f1, support = (np.asarray(column) for column in columns)
        return [
            {"label": name, "precision": float(p), "recall": float(r), "f1": float(f), "n": int(n)}
            for name, p, r, f, n in zip(self.class_names, precision, recall, f1, support, strict=True)
        ]

    def reliability_bins(self, num_bins: int = 15) -> list[dict[str, Any]]:
        """For each filled bin of confidence `low`, `high`, `n`, `confidence`, `accuracy`; of the best epoch."""
        from emotion.training.metrics import reliability_bins

        return reliability_bins(self.probabilities.astype(np.float64), self.labels, num_bins)

    def ece(self, num_bins: int = 15) -> float:
        """The expected calibration error of the best epoch, 0 to 1."""
        from emotion.training.metrics import expected_calibration_error

        return expected_calibration_error(self.probabilities.astype(np.float64), self.labels, num_bins)

    def misclassifications(self, n: int = 24) -> list[Misclassification]:
        """Up to `n` wrong answers of the best epoch, the surest first."""
        probabilities = self.probabilities.astype(np.float64)
        said = probabilities.argmax(1)
        wrong = np.flatnonzero(said != self.labels)
        chosen = wrong[np.argsort(-probabilities[wrong, said[wrong]], kind="stable")][:n]
        return [
            Misclassification(
                int(i),
                int(self.rows[i]),
                int(self.labels[i]),
                int(said[i]),
                float(probabilities[i, said[i]]),
                float(probabilities[i, self.labels[i]]),
            )
            for i in chosen
        ]

    def compare(self, other: Predictions) -> PredictionComparison:
        """What both said of the faces that both answered, at their best epochs."""
        rows, mine, theirs = np.intersect1d(self.rows, other.rows, return_indices=True)
        places = np.array(
            [self.class_names.index(name) if name in self.class_names else -1 for name in other.class_names], np.int8
        )
        return PredictionComparison(
            rows.astype(np.int32), self.at_epoch()[mine], places[other.at_epoch()[theirs]], self.labels[mine]
        )

    def conflicts_with(self, other: Predictions) -> bool:
        """Whether a row has another true label there, so that the rows are those of another data set."""
        _, mine, theirs = np.intersect1d(self.rows, other.rows, return_indices=True)
        names, others = np.array(self.class_names), np.array(other.class_names)
        one, two = names[self.labels[mine]], others[other.labels[theirs]]
        return bool((one != two).any())


def _format_epoch_range(epochs: Sequence[int] | NDArray) -> str:
    return f"{min(epochs)} to {max(epochs)}" if len(epochs) else "none"


@dataclass(frozen=True)
class TrackedExamples:
    """A few fixed validation faces uint8 (m, size, size), their `labels` int8 (m,), and what was said of them after
    each of `epochs` int32 (e,): `probabilities` float16 (e, m, k)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int8]
    epochs: NDArray[np.int32]
    probabilities: NDArray[np.float16]

    @classmethod
    def load(cls, folder: Path) -> TrackedExamples | None:
        """Those of a run, None where it has none. Raises `DataError` where the file is damaged."""
        path = folder / EXAMPLES_FILE
        arrays = _read_npz(path)
        if arrays is None:
            return None
        try:
            one = cls(arrays["images"], arrays["labels"], arrays["epochs"], arrays["probabilities"])
            m = len(one.images)
            if one.probabilities.shape[:2] != (len(one.epochs), m) or one.labels.shape != (m,) or one.images.ndim != 3:
                raise ValueError("shapes")
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(_damaged_message(path)) from error
        return one

    def save(self, folder: Path) -> None:
        """Replace the file of a run."""
        _write_npz(
            folder / EXAMPLES_FILE,
            {
                "images": self.images,
                "labels": self.labels,
                "epochs": self.epochs,
                "probabilities": self.probabilities.astype(np.float16),
            },
        )

    def with_epoch(self, epoch: int, probabilities: NDArray) -> TrackedExamples:
        """With one more epoch in place of those from it on."""
        kept = self.epochs < epoch
        return replace(
            self,
            epochs=np.append(self.epochs[kept], np.int32(epoch)).astype(np.int32),
            probabilities=np.concatenate([self.probabilities[kept], probabilities[None].astype(np.float16)]),
        )


def _read_npz(path: Path) -> dict[str, NDArray] | None:
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except FileNotFoundError:
        return None
    except Exception as error:
        # No list of types, for NumPy promises none: damaged bytes bring out zlib.error, TokenError and more.
        raise DataError(_damaged_message(path)) from error


def _write_npz(path: Path, arrays: dict[str, NDArray | np.generic]) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]


def _damaged_message(path: Path) -> str:
    return f"{path} is damaged; make it again with emotion classifier evaluate {path.parent} --save-predictions."
