"""Sets of labels that a network can learn, and how the labels of a data set become them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import SPLITS, Dataset, ferplus_majority
from emotion.errors import DataError, ModelError
from emotion.expressions import FER2013_LABELS, FERPLUS_LABELS, RESERVED, UNSURE
from emotion.model_store.card import is_word
from emotion.model_store.store import Bundle

Counts = NDArray[np.integer]


@dataclass(frozen=True)
class LabelSet:
    """`labels` in the order of the network's answers; `mapping` gives each label of a data set one of them, or None
    where its faces are left out. With `by_votes` the label of a face is what most FER+ voters saw."""

    name: str
    labels: tuple[str, ...]
    title: str
    origin: str
    mapping: Mapping[str, str | None]
    by_votes: bool = False


def _only(labels: tuple[str, ...]) -> Mapping[str, str | None]:
    """Every known label to itself where the set has it, else to None."""
    known = dict.fromkeys((*FER2013_LABELS, *FERPLUS_LABELS))
    return MappingProxyType({name: name if name in labels else None for name in known})


def _set(name: str, labels: tuple[str, ...], title: str, origin: str, *, by_votes: bool = False) -> LabelSet:
    return LabelSet(name, labels, title, origin, _only(labels), by_votes)


_FOUR: Final = ("angry", "fear", "happy", "sad")
_FOUR_NORMAL: Final = ("happy", "sad", "angry", "neutral")

LABEL_SETS: Final[Mapping[str, LabelSet]] = MappingProxyType(
    {
        one.name: one
        for one in (
            _set("fer2013", FER2013_LABELS, "7 expressions (FER-2013)", "the labels of FER-2013"),
            _set("ferplus", FERPLUS_LABELS, "8 expressions (FER+)",
                 "what most of ten voters saw; faces without a majority are left out", by_votes=True),
            _set("four", _FOUR, "4 expressions: angry, fear, happy, sad",
                 "a course project that left disgust, surprise and neutral out"),
            _set("four-normal", _FOUR_NORMAL, "4 expressions: happy, sad, angry, normal",
                 "a course project with own photos; its “normal” is neutral here"),
            LabelSet("own", (), "the labels of the data set", "whatever the data set has", MappingProxyType({})),
        )
    }
)  # fmt: skip


def label_set(name: str) -> LabelSet:
    """The set of that name; `DataError` where there is none."""
    if name not in LABEL_SETS:
        raise DataError(f"There is no label set {name!r}; choose one of {', '.join(LABEL_SETS)}.")
    return LABEL_SETS[name]


def learned_whole(label_names: Sequence[str]) -> str:
    """The name of the set with just these labels: what the project's own recogniser learns, which leaves none out."""
    return "fer2013" if tuple(label_names) == FER2013_LABELS else "own"


def labels_for(chosen: LabelSet, label_names: tuple[str, ...]) -> tuple[str, ...]:
    """The labels that a network learns from a data set with `label_names`."""
    return chosen.labels or label_names


@dataclass(frozen=True)
class Lesson:
    """A data set in the labels of a set: `rows` int32 (n,) are the rows of the whole data set that stayed, in order.

    `data` has no votes: its labels are the only answers.
    """

    data: Dataset
    rows: NDArray[np.int32]
    chosen: LabelSet
    left_out: Mapping[str, int]  # how many faces of each label of the data set teach nothing here


def default_labels(first: str, label_names: Sequence[str]) -> str:
    """The name of the set that a training on `label_names` starts with: `first`, the network's own, for FER-2013, else
    the labels of the data set itself."""
    return first if learned_whole(label_names) == "fer2013" else "own"


def apply(data: Dataset, chosen: LabelSet) -> Lesson:
    """The faces that have a label of the set. `DataError` where FER+ votes are missing or no face is left."""
    if chosen.by_votes:
        if data.votes is None:
            raise votes_missing(data.source, chosen)
        names, labels = FERPLUS_LABELS, ferplus_majority(data)
    else:
        names, places = _places(data.label_names, chosen)
        labels = places[data.labels]
    kept = np.flatnonzero(labels >= 0)
    if kept.size == 0:
        raise _none_left(data.source, names, data.label_names)
    out = np.bincount(data.labels[labels < 0], minlength=len(data.label_names))
    left_out = {name: int(n) for name, n in zip(data.label_names, out, strict=True) if n}
    taken = replace(data.take(kept), labels=labels[kept].astype(np.int8), label_names=names, votes=None, named=None)
    return Lesson(taken, kept.astype(np.int32), chosen, left_out)


def apply_to_counts(
    source: str, label_names: tuple[str, ...], counts: Counts, chosen: LabelSet
) -> tuple[tuple[str, ...], Counts]:
    """What `apply` makes of the labels of a data set and of their rows in each split, (labels, 3); for a set that goes
    by labels, not by votes."""
    names, places = _places(label_names, chosen)
    taken = np.zeros((len(names), len(SPLITS)), np.int64)
    kept = places >= 0
    np.add.at(taken, places[kept], np.asarray(counts)[kept])
    if not taken.any():
        raise _none_left(source, names, label_names)
    return names, taken


def _places(label_names: tuple[str, ...], chosen: LabelSet) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """The labels that are learned, and the place of each of `label_names` among them, -1 for none."""
    names = labels_for(chosen, label_names)
    mapping = chosen.mapping or {name: name for name in label_names}
    places = [names.index(new) if (new := mapping.get(old)) else -1 for old in label_names]
    return names, np.array(places, np.int8)


def votes_missing(source: str, chosen: LabelSet) -> DataError:
    """What is wrong where a set goes by FER+ votes and a data set has none."""
    return DataError(
        f"The data set {source} has no FER+ votes, which the labels {chosen.name!r} need; give fer2013new.csv or "
        "choose other labels."
    )


def _none_left(source: str, names: Sequence[str], there: Sequence[str]) -> DataError:
    return DataError(f"No face of {source} has one of the labels {', '.join(names)}; it has {', '.join(there)}.")


def count_table(data: Dataset) -> Counts:
    """How many rows each label has in each split, (labels, 3)."""
    counts = np.zeros((len(data.label_names), len(SPLITS)), np.int64)
    np.add.at(counts, (data.labels, data.split), 1)
    return counts


def check_splits(source: str, counts: Counts) -> None:
    """`DataError` where a split is empty: said now, not after hours of training."""
    for split, rows in zip(SPLITS, counts.sum(axis=0), strict=True):
        if rows == 0:
            raise DataError(f"The data set {source} has no {split} rows; all of {', '.join(SPLITS)} are needed.")


def check_classes(source: str, names: Sequence[str], counts: Counts) -> None:
    """`check_labels`, and `DataError` where one has no training face: the network could never learn to say it."""
    check_labels(source, names)
    empty = [name for name, rows in zip(names, counts[:, 0], strict=True) if rows == 0]
    if empty:
        raise DataError(
            f"The data set {source} has no training face for {', '.join(empty)}; add some or choose other labels."
        )


def check_labels(source: str, names: Sequence[str]) -> None:
    """`DataError` where a recogniser of these labels could not be used: fewer than two, or one that cannot be shown."""
    if len(names) < 2:
        raise DataError(f"{source} has one label only, {', '.join(names)}; a recogniser tells two or more apart.")
    for name in names:
        if name in RESERVED or name == UNSURE.name or not is_word(name):
            raise DataError(
                f"The label {name!r} of {source} cannot be shown, cannot be a part of a file's name, or tables "
                "have another column of this name; call it something else."
            )


def check_teacher(bundle: Bundle, answers: Mapping[str, Sequence[str]]) -> None:
    """`ModelError` where a model lacks one of the `answers` (labels by name), or has other labels in it."""
    for name, labels in answers.items():
        if name not in bundle.heads or bundle.heads[name].labels != tuple(labels):
            raise ModelError(
                f"{bundle.folder} cannot teach the answer {name} with {', '.join(labels)}; choose a recogniser that "
                "gives it."
            )
