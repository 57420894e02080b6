"""Sets of labels that a network can learn, and how the labels of a data set become them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.bundles import is_word
from emotion.errors import DataError
from emotion.faces import FER2013_LABELS, FERPLUS_LABELS, RESERVED, UNSURE
from emotion.training.datasets import Dataset, ferplus_majority


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


def apply(data: Dataset, chosen: LabelSet) -> Lesson:
    """The faces that have a label of the set. `DataError` where FER+ votes are missing or no face is left."""
    if chosen.by_votes:
        if data.votes is None:
            raise DataError(
                f"The data set {data.source} has no FER+ votes, which the labels {chosen.name!r} need; give "
                "fer2013new.csv or choose other labels."
            )
        names, labels = FERPLUS_LABELS, ferplus_majority(data)
    else:
        names = labels_for(chosen, data.label_names)
        mapping = chosen.mapping or {name: name for name in data.label_names}
        places = [names.index(new) if (new := mapping.get(old)) else -1 for old in data.label_names]
        labels = np.array(places, np.int8)[data.labels]
    kept = np.flatnonzero(labels >= 0)
    if kept.size == 0:
        raise DataError(
            f"No face of {data.source} has one of the labels {', '.join(names)}; it has {', '.join(data.label_names)}."
        )
    out = np.bincount(data.labels[labels < 0], minlength=len(data.label_names))
    left_out = {name: int(n) for name, n in zip(data.label_names, out, strict=True) if n}
    taken = replace(data.take(kept), labels=labels[kept].astype(np.int8), label_names=names, votes=None, named=None)
    return Lesson(taken, kept.astype(np.int32), chosen, left_out)


def check_classes(data: Dataset) -> None:
    """`check_labels`, and `DataError` where one has no training face: the network could never learn to say it."""
    check_labels(data)
    counts = np.bincount(data.labels[data.rows("training")], minlength=len(data.label_names))
    empty = [name for name, n in zip(data.label_names, counts, strict=True) if n == 0]
    if empty:
        raise DataError(
            f"The data set {data.source} has no training face for {', '.join(empty)}; add some or choose other labels."
        )


def check_labels(data: Dataset) -> None:
    """`DataError` where a recogniser of these labels could not be used: fewer than two, or one that cannot be shown."""
    names = data.label_names
    if len(names) < 2:
        raise DataError(f"{data.source} has one label only, {', '.join(names)}; a recogniser tells two or more apart.")
    for name in names:
        if name in RESERVED or name == UNSURE.name or not is_word(name):
            raise DataError(
                f"The label {name!r} of {data.source} cannot be shown, cannot be a part of a file's name, or tables "
                "have another column of this name; call it something else."
            )
