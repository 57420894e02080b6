"""What a network said of every face of the validation split, epoch by epoch; all figures are computed from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.storage import replacing

ANSWERS: Final = "answers.npz"
EXAMPLES: Final = "examples.npz"
STRESS: Final = "stress.json"


@dataclass(frozen=True)
class Mistake:
    """A face that was named wrong: `row` of the data set, place `index` in the answers, and the probabilities."""

    index: int
    row: int
    label: int
    said: int
    confidence: float  # in what it said
    probability: float  # of the right label


@dataclass(frozen=True)
class Agreement:
    """Two runs on the faces that both answered: bool arrays (n,) by `rows` of the data set."""

    rows: NDArray[np.int32]
    said: NDArray[np.int8]  # names of the first run
    other_said: NDArray[np.int8]  # as places in the names of the first run, -1 where it has no such label
    labels: NDArray[np.int8]  # of the first run

    @property
    def agree(self) -> float:
        """The share of faces that both name alike, 0 to 1; 0 for no face."""
        return float((self.said == self.other_said).mean()) if len(self.rows) else 0.0

    @property
    def only_first(self) -> NDArray[np.int32]:
        """Rows that only the first names right."""
        return self.rows[(self.said == self.labels) & (self.other_said != self.labels)]

    @property
    def only_other(self) -> NDArray[np.int32]:
        """Rows that only the other names right."""
        return self.rows[(self.said != self.labels) & (self.other_said == self.labels)]

    @property
    def neither(self) -> NDArray[np.int32]:
        """Rows that both name wrong."""
        return self.rows[(self.said != self.labels) & (self.other_said != self.labels)]


@dataclass(frozen=True)
class Answers:
    """`rows` int32 (n,) of the data set, `labels` int8 (n,), `epochs` int32 (e,), `said` int8 (e, n), `probabilities`
    float16 (n, k) of the epoch `best`, `names` (k,) of the labels."""

    rows: NDArray[np.int32]
    labels: NDArray[np.int8]
    epochs: NDArray[np.int32]
    said: NDArray[np.int8]
    probabilities: NDArray[np.float16]
    best: int
    split: str
    names: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> Answers | None:
        """Those of a run, None where it has none. Raises `DataError` where the file is damaged."""
        path = folder / ANSWERS
        arrays = _read(path)
        if arrays is None:
            return None
        try:
            found = cls(
                arrays["rows"], arrays["labels"], arrays["epochs"], arrays["said"], arrays["probabilities"],
                int(arrays["best"]), str(arrays["split"]), tuple(str(name) for name in arrays["names"]),
            )  # fmt: skip
            found._check()
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DataError(_damaged(path)) from error
        return found

    def _check(self) -> None:
        n, e, k = len(self.rows), len(self.epochs), len(self.names)
        shapes = (self.rows.shape, self.labels.shape, self.said.shape, self.probabilities.shape)
        kinds = [a.dtype.kind for a in (self.rows, self.labels, self.epochs, self.said)]
        if shapes != ((n,), (n,), (e, n), (n, k)) or set(kinds) != {"i"} or self.probabilities.dtype.kind != "f":
            raise ValueError(f"shapes {shapes}")
        for values in (self.labels, self.said):
            if values.size and (values.min() < 0 or values.max() >= k):
                raise ValueError("labels beyond the names")

    def write(self, folder: Path) -> None:
        """Replace the file of a run."""
        _write(folder / ANSWERS, {
            "rows": self.rows, "labels": self.labels, "epochs": self.epochs, "said": self.said,
            "probabilities": self.probabilities.astype(np.float16), "best": np.int32(self.best),
            "split": np.array(self.split), "names": np.array(self.names),
        })  # fmt: skip

    def with_epoch(self, epoch: int, said: NDArray[np.int8], probabilities: NDArray, best: int) -> Answers:
        """With one more epoch in place of those from it on; `probabilities` (n, k) count where it is the best."""
        kept = self.epochs < epoch
        return replace(
            self,
            epochs=np.append(self.epochs[kept], np.int32(epoch)).astype(np.int32),
            said=np.concatenate([self.said[kept], said[None].astype(np.int8)]),
            probabilities=probabilities.astype(np.float16) if best == epoch else self.probabilities,
            best=best,
        )

    # ------------------------------------------------------------------ figures

    def answers(self, epoch: int | None = None) -> NDArray[np.int8]:
        """What it said (n,) after an epoch; None for the best. `DataError` where that epoch was not kept."""
        wanted = self.best if epoch is None else epoch
        places = np.flatnonzero(self.epochs == wanted)
        if places.size == 0:
            raise DataError(f"There are no answers of epoch {wanted}; those of {_span(self.epochs)} were kept.")
        return self.said[places[0]]

    def accuracy(self, epoch: int | None = None) -> float:
        """The share of right answers, 0 to 1."""
        return float((self.answers(epoch) == self.labels).mean()) if len(self.rows) else 0.0

    def confusion(self, epoch: int | None = None) -> NDArray[np.int64]:
        """Counts (k, k): rows are the labels, columns what was said."""
        k = len(self.names)
        cells = self.labels.astype(np.int64) * k + self.answers(epoch)
        return np.bincount(cells, minlength=k * k).reshape(k, k)

    def cell(self, label: int, said: int, epoch: int | None = None) -> NDArray[np.intp]:
        """The places of the faces in one cell of the confusion matrix, the surest first where it is the best epoch."""
        found = np.flatnonzero((self.labels == label) & (self.answers(epoch) == said))
        return found[np.argsort(-self.probabilities[found, said].astype(np.float64), kind="stable")]

    def per_class(self, epoch: int | None = None) -> list[dict[str, Any]]:
        """For each label `label`, `precision`, `recall`, `f1` (0 to 1, 0 where nothing was there to divide), `n`."""
        from sklearn.metrics import precision_recall_fscore_support

        columns = precision_recall_fscore_support(
            self.labels, self.answers(epoch), labels=range(len(self.names)),
            zero_division=0,  # pyright: ignore[reportArgumentType]
        )  # fmt: skip
        precision, recall, f1, support = (np.asarray(column) for column in columns)
        return [
            {"label": name, "precision": float(p), "recall": float(r), "f1": float(f), "n": int(n)}
            for name, p, r, f, n in zip(self.names, precision, recall, f1, support, strict=True)
        ]

    def reliability(self, bins: int = 15) -> list[dict[str, Any]]:
        """For each filled bin of confidence `low`, `high`, `n`, `confidence`, `accuracy`; of the best epoch."""
        from emotion.training.metrics import reliability

        return reliability(self.probabilities.astype(np.float64), self.labels, bins)

    def ece(self, bins: int = 15) -> float:
        """The expected calibration error of the best epoch, 0 to 1."""
        from emotion.training.metrics import expected_calibration_error

        return expected_calibration_error(self.probabilities.astype(np.float64), self.labels, bins)

    def mistakes(self, n: int = 24) -> list[Mistake]:
        """Up to `n` wrong answers of the best epoch, the surest first."""
        probabilities = self.probabilities.astype(np.float64)
        said = probabilities.argmax(1)
        wrong = np.flatnonzero(said != self.labels)
        chosen = wrong[np.argsort(-probabilities[wrong, said[wrong]], kind="stable")][:n]
        return [
            Mistake(int(i), int(self.rows[i]), int(self.labels[i]), int(said[i]), float(probabilities[i, said[i]]),
                    float(probabilities[i, self.labels[i]]))
            for i in chosen
        ]  # fmt: skip

    def agreement(self, other: Answers) -> Agreement:
        """What both said of the faces that both answered, at their best epochs."""
        rows, mine, theirs = np.intersect1d(self.rows, other.rows, return_indices=True)
        places = np.array([self.names.index(name) if name in self.names else -1 for name in other.names], np.int8)
        return Agreement(
            rows.astype(np.int32), self.answers()[mine], places[other.answers()[theirs]], self.labels[mine]
        )

    def contradicts(self, other: Answers) -> bool:
        """Whether a row has another true label there, so that the rows are those of another data set."""
        _, mine, theirs = np.intersect1d(self.rows, other.rows, return_indices=True)
        names, others = np.array(self.names), np.array(other.names)
        one, two = names[self.labels[mine]], others[other.labels[theirs]]
        return bool((one != two).any())


def _span(epochs: Sequence[int] | NDArray) -> str:
    return f"{min(epochs)} to {max(epochs)}" if len(epochs) else "none"


@dataclass(frozen=True)
class Examples:
    """A few fixed validation faces uint8 (m, size, size), their `labels` int8 (m,), and what was said of them after
    each of `epochs` int32 (e,): `probabilities` float16 (e, m, k)."""

    faces: NDArray[np.uint8]
    labels: NDArray[np.int8]
    epochs: NDArray[np.int32]
    probabilities: NDArray[np.float16]

    @classmethod
    def read(cls, folder: Path) -> Examples | None:
        """Those of a run, None where it has none. Raises `DataError` where the file is damaged."""
        path = folder / EXAMPLES
        arrays = _read(path)
        if arrays is None:
            return None
        try:
            one = cls(arrays["faces"], arrays["labels"], arrays["epochs"], arrays["probabilities"])
            m = len(one.faces)
            if one.probabilities.shape[:2] != (len(one.epochs), m) or one.labels.shape != (m,) or one.faces.ndim != 3:
                raise ValueError("shapes")
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(_damaged(path)) from error
        return one

    def write(self, folder: Path) -> None:
        """Replace the file of a run."""
        _write(folder / EXAMPLES, {
            "faces": self.faces, "labels": self.labels, "epochs": self.epochs,
            "probabilities": self.probabilities.astype(np.float16),
        })  # fmt: skip

    def with_epoch(self, epoch: int, probabilities: NDArray) -> Examples:
        """With one more epoch in place of those from it on."""
        kept = self.epochs < epoch
        return replace(
            self,
            epochs=np.append(self.epochs[kept], np.int32(epoch)).astype(np.int32),
            probabilities=np.concatenate([self.probabilities[kept], probabilities[None].astype(np.float16)]),
        )


def _read(path: Path) -> dict[str, NDArray] | None:
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except FileNotFoundError:
        return None
    except Exception as error:
        # No list of types, for NumPy promises none: damaged bytes bring out zlib.error, TokenError and more.
        raise DataError(_damaged(path)) from error


def _write(path: Path, arrays: dict[str, NDArray | np.generic]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]


def _damaged(path: Path) -> str:
    return f"{path} is damaged; make it again with python -m emotion evaluate {path.parent} --answers."
