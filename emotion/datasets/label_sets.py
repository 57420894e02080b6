"""Sets of labels that a network can learn, and how the labels of a data set become them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import SPLITS, Dataset, majority_vote
from emotion.errors import DataError, ModelError
from emotion.expressions import FER2013_LABELS, FERPLUS_LABELS, UNCERTAIN
from emotion.model_store.card import is_valid_label
from emotion.model_store.store import ModelBundle

LabelCounts = NDArray[np.integer]


@dataclass(frozen=True)
class LabelSet:
    """`labels` in the order of the network's answers; `mapping` gives each label of a data set one of them, or None
    where its faces are left out. With `is_vote_based` the label of a face is what most FER+ voters saw."""

    name: str
    labels: tuple[str, ...]
    title: str
    description: str
    mapping: Mapping[str, str | None]
    is_vote_based: bool = False


def _identity_mapping(labels: tuple[str, ...]) -> Mapping[str, str | None]:
    """Every known label to itself where the set has it, else to None."""
    known = dict.fromkeys((*FER2013_LABELS, *FERPLUS_LABELS))
    return MappingProxyType({name: name if name in labels else None for name in known})


def _make_label_set(
    name: str, labels: tuple[str, ...], title: str, description: str, *, is_vote_based: bool = False
) -> LabelSet:
    return LabelSet(name, labels, title, description, _identity_mapping(labels), is_vote_based)


_FOUR_LABELS: Final = ("angry", "fear", "happy", "sad")
_FOUR_NORMAL_LABELS: Final = ("happy", "sad", "angry", "neutral")

LABEL_SETS: Final[Mapping[str, LabelSet]] = MappingProxyType(
    {
        one.name: one
        for one in (
            _make_label_set("fer2013", FER2013_LABELS, "7 expressions (FER-2013)", "the labels of FER-2013"),
            _make_label_set(
                "ferplus",
                FERPLUS_LABELS,
                "8 expressions (FER+)",
                "what most of ten voters saw; faces without a majority are left out",
                is_vote_based=True,
            ),
            _make_label_set(
                "four",
                _FOUR_LABELS,
                "4 expressions: angry, fear, happy, sad",
                "a course project that left disgust, surprise and neutral out",
            ),
            _make_label_set(
                "four-normal",
                _FOUR_NORMAL_LABELS,
                "4 expressions: happy, sad, angry, normal",
                "a course project with own photos; its “normal” is neutral here",
            ),
            LabelSet("own", (), "the labels of the data set", "whatever the data set has", MappingProxyType({})),
        )
    }
)


def get_label_set(name: str) -> LabelSet:
    """The set of that name; `DataError` where there is none."""
    if name not in LABEL_SETS:
        raise DataError(f"There is no label set {name!r}; choose one of {', '.join(LABEL_SETS)}.")
    return LABEL_SETS[name]


def native_label_set(label_names: Sequence[str]) -> str:
    """The name of the set with just these labels: what the project's own classifier learns, which leaves none out."""
    return "fer2013" if tuple(label_names) == FER2013_LABELS else "own"


def resolve_labels(label_set: LabelSet, label_names: tuple[str, ...]) -> tuple[str, ...]:
    """The labels that a network learns from a data set with `label_names`."""
    return label_set.labels or label_names


@dataclass(frozen=True)
class TaskDataset:
    """A data set in the labels of a set: `rows` int32 (n,) are the rows of the whole data set that stayed, in order.

    `data` has no votes: its labels are the only answers.
    """

    data: Dataset
    rows: NDArray[np.int32]
    label_set: LabelSet
    excluded_counts: Mapping[str, int]  # how many faces of each label of the data set teach nothing here


def default_label_set(network_default: str, label_names: Sequence[str]) -> str:
    """The name of the set that a training on `label_names` starts with: `network_default`, the network's own, for FER-2013, else
    the labels of the data set itself."""
    return network_default if native_label_set(label_names) == "fer2013" else "own"


def map_labels(data: Dataset, label_set: LabelSet) -> TaskDataset:
    """The faces that have a label of the set. `DataError` where FER+ votes are missing or no face is left."""
    if label_set.is_vote_based:
        if data.votes is None:
            raise missing_votes_error(data.source, label_set)
        names, labels = FERPLUS_LABELS, majority_vote(data)
    else:
        names, places = _index_labels(data.label_names, label_set)
        labels = places[data.labels]
    kept = np.flatnonzero(labels >= 0)
    if kept.size == 0:
        raise _no_faces_error(data.source, names, data.label_names)
    out = np.bincount(data.labels[labels < 0], minlength=len(data.label_names))
    left_out = {name: int(n) for name, n in zip(data.label_names, out, strict=True) if n}
    taken = replace(data.take(kept), labels=labels[kept].astype(np.int8), label_names=names, votes=None, has_votes=None)
    return TaskDataset(taken, kept.astype(np.int32), label_set, left_out)


def map_counts(
    source: str, label_names: tuple[str, ...], counts: LabelCounts, label_set: LabelSet
) -> tuple[tuple[str, ...], LabelCounts]:
    """What `map_labels` makes of the labels of a data set and of their rows in each split, (labels, 3); for a set that goes
    by labels, not by votes."""
    names, places = _index_labels(label_names, label_set)
    taken = np.zeros((len(names), len(SPLITS)), np.int64)
    kept = places >= 0
    np.add.at(taken, places[kept], np.asarray(counts)[kept])
    if not taken.any():
        raise _no_faces_error(source, names, label_names)
    return names, taken


def _index_labels(label_names: tuple[str, ...], label_set: LabelSet) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """The labels that are learned, and the place of each of `label_names` among them, -1 for none."""
    names = resolve_labels(label_set, label_names)
    mapping = label_set.mapping or {name: name for name in label_names}
    places = [names.index(new) if (new := mapping.get(old)) else -1 for old in label_names]
    return names, np.array(places, np.int8)


def missing_votes_error(source: str, label_set: LabelSet) -> DataError:
    """What is wrong where a set goes by FER+ votes and a data set has none."""
    return DataError(
        f"The data set {source} has no FER+ votes, which the labels {label_set.name!r} need; give fer2013new.csv or "
        "choose other labels."
    )


def _no_faces_error(source: str, label_names: Sequence[str], available: Sequence[str]) -> DataError:
    return DataError(
        f"No face of {source} has one of the labels {', '.join(label_names)}; it has {', '.join(available)}."
    )


def count_labels(data: Dataset) -> LabelCounts:
    """How many rows each label has in each split, (labels, 3)."""
    counts = np.zeros((len(data.label_names), len(SPLITS)), np.int64)
    np.add.at(counts, (data.labels, data.split), 1)
    return counts


def check_splits(source: str, counts: LabelCounts) -> None:
    """`DataError` where a split is empty: said now, not after hours of training."""
    for split, rows in zip(SPLITS, counts.sum(axis=0), strict=True):
        if rows == 0:
            raise DataError(f"The data set {source} has no {split} rows; all of {', '.join(SPLITS)} are needed.")


def check_classes(source: str, label_names: Sequence[str], counts: LabelCounts) -> None:
    """`check_labels`, and `DataError` where one has no training face: the network could never learn to say it."""
    check_labels(source, label_names)
    empty = [name for name, rows in zip(label_names, counts[:, 0], strict=True) if rows == 0]
    if empty:
        raise DataError(
            f"The data set {source} has no training face for {', '.join(empty)}; add some or choose other labels."
        )


def check_labels(source: str, label_names: Sequence[str]) -> None:
    """`DataError` where a classifier of these labels could not be used: fewer than two, or one that cannot be shown."""
    if len(label_names) < 2:
        raise DataError(f"{source} has one label only, {', '.join(label_names)}; a classifier tells two or more apart.")
    for name in label_names:
        if name == UNCERTAIN.name or not is_valid_label(name):
            raise DataError(
                f"The label {name!r} of {source} cannot be shown, or cannot be a part of a file's name; call it something "
                "else."
            )


def check_teacher(bundle: ModelBundle, heads: Mapping[str, Sequence[str]]) -> None:
    """`ModelError` where a model lacks one of the `heads` (labels by name), or has other labels in it."""
    for name, labels in heads.items():
        if name not in bundle.heads or bundle.heads[name].labels != tuple(labels):
            raise ModelError(
                f"{bundle.folder} cannot teach the answer {name} with {', '.join(labels)}; choose a classifier that "
                "gives it."
            )
