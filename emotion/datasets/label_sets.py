"""Label sets that a classifier can learn, and the mapping of a data set to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import SPLITS, Dataset, majority_vote
from emotion.errors import DataError, ModelError
from emotion.expressions import FER2013_LABELS, FERPLUS_LABELS, UNCERTAIN, translate_label
from emotion.formatting import format_list
from emotion.model_store.card_parts import is_valid_label
from emotion.model_store.store import ModelBundle
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

LabelCounts = NDArray[np.integer]


@dataclass(frozen=True)
class LabelSet:
    """The labels that a classifier learns.

    Attributes:
        name: Of the set.
        labels: In the order of the classifier's outputs; () for the labels of the data set.
        title: A short name for people, translated where it is shown.
        description: A sentence for people, translated where it is shown.
        mapping: Label of a data set -> label of this set, or None where its faces are left out.
        is_vote_based: The label of a face is the majority of its FER+ votes.
    """

    name: str
    labels: tuple[str, ...]
    title: str
    description: str
    mapping: Mapping[str, str | None]
    is_vote_based: bool = False


def _identity_mapping(labels: tuple[str, ...]) -> Mapping[str, str | None]:
    """Map every known label to itself where the set has it, else to None."""
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
        label_set.name: label_set
        for label_set in (
            _make_label_set(
                "fer2013",
                FER2013_LABELS,
                gettext_noop("7 expressions (FER-2013)"),
                gettext_noop("The labels of FER-2013."),
            ),
            _make_label_set(
                "ferplus",
                FERPLUS_LABELS,
                gettext_noop("8 expressions (FER+)"),
                gettext_noop("The majority of ten votes; faces without a majority are left out."),
                is_vote_based=True,
            ),
            _make_label_set(
                "four",
                _FOUR_LABELS,
                gettext_noop("4 expressions: angry, fear, happy, sad"),
                gettext_noop("Without disgust, surprise and neutral, as in a course project."),
            ),
            _make_label_set(
                "four-normal",
                _FOUR_NORMAL_LABELS,
                gettext_noop("4 expressions: happy, sad, angry, normal"),
                gettext_noop("As in a course project; its “normal” is called neutral."),
            ),
            LabelSet(
                "own",
                (),
                gettext_noop("the labels of the data set"),
                gettext_noop("All labels of the data set."),
                MappingProxyType({}),
            ),
        )
    }
)


def get_label_set(name: str) -> LabelSet:
    """Return the label set of that name; raises `DataError` where there is none."""
    if name not in LABEL_SETS:
        raise DataError(
            _("There is no label set {name!r}; choose one of {names}.").format(name=name, names=", ".join(LABEL_SETS))
        )
    return LABEL_SETS[name]


def native_label_set(label_names: Sequence[str]) -> str:
    """Return the name of the label set that keeps all labels of a data set."""
    return "fer2013" if tuple(label_names) == FER2013_LABELS else "own"


def resolve_labels(label_set: LabelSet, label_names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels that a classifier learns from a data set with `label_names`."""
    return label_set.labels or label_names


@dataclass(frozen=True)
class TaskDataset:
    """A data set in the labels of a label set.

    Attributes:
        data: The faces that have a label of the set, without votes.
        rows: int32 (n,), their rows in the original data set, ascending.
        label_set: The label set.
        excluded_counts: Faces that are left out, by label of the original data set.
    """

    data: Dataset
    rows: NDArray[np.int32]
    label_set: LabelSet
    excluded_counts: Mapping[str, int]


def default_label_set(network_default: str, label_names: Sequence[str]) -> str:
    """Return the label set that a form preselects: that of the network for FER-2013, else "own"."""
    return network_default if native_label_set(label_names) == "fer2013" else "own"


def map_labels(data: Dataset, label_set: LabelSet) -> TaskDataset:
    """Map the labels of a data set; raises `DataError` where FER+ votes are missing or no face is left."""
    if label_set.is_vote_based:
        if data.votes is None:
            raise missing_votes_error(data.source, label_set)
        names, labels = FERPLUS_LABELS, majority_vote(data)
    else:
        names, indices = _index_labels(data.label_names, label_set)
        labels = indices[data.labels]
    kept = np.flatnonzero(labels >= 0)
    if kept.size == 0:
        raise _no_faces_error(data.source, names, data.label_names)
    excluded = np.bincount(data.labels[labels < 0], minlength=len(data.label_names))
    excluded_counts = {name: int(count) for name, count in zip(data.label_names, excluded, strict=True) if count}
    mapped = replace(
        data.take(kept), labels=labels[kept].astype(np.int8), label_names=names, votes=None, has_votes=None
    )
    return TaskDataset(mapped, kept.astype(np.int32), label_set, excluded_counts)


def map_counts(
    source: str, label_names: tuple[str, ...], counts: LabelCounts, label_set: LabelSet
) -> tuple[tuple[str, ...], LabelCounts]:
    """Return the labels and row counts that `map_labels` gives, without reading the faces.

    Args:
        source: Name of the data set, for messages.
        label_names: Its labels.
        counts: Rows of each label in each split (labels, 3).
        label_set: A set that is not based on votes.

    Raises:
        DataError: No face is left.
    """
    names, indices = _index_labels(label_names, label_set)
    mapped = np.zeros((len(names), len(SPLITS)), np.int64)
    kept = indices >= 0
    np.add.at(mapped, indices[kept], np.asarray(counts)[kept])
    if not mapped.any():
        raise _no_faces_error(source, names, label_names)
    return names, mapped


def _index_labels(label_names: tuple[str, ...], label_set: LabelSet) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """The labels of a set, and the index among them of each of `label_names`, -1 for none."""
    names = resolve_labels(label_set, label_names)
    mapping = label_set.mapping or {name: name for name in label_names}
    indices = [names.index(new) if (new := mapping.get(old)) else -1 for old in label_names]
    return names, np.array(indices, np.int8)


def missing_votes_error(source: str, label_set: LabelSet) -> DataError:
    """Return the error of a vote-based label set for a data set without FER+ votes."""
    return DataError(
        _(
            "The data set {source} has no FER+ votes, which the label set {name!r} needs; give "
            "fer2013new.csv or choose another label set."
        ).format(source=source, name=label_set.name)
    )


def _no_faces_error(source: str, label_names: Sequence[str], available: Sequence[str]) -> DataError:
    return DataError(
        _("No face of {source} has one of the labels {names}; it has {available}: choose another label set.").format(
            source=source,
            names=format_list(map(translate_label, label_names)),
            available=format_list(map(translate_label, available)),
        )
    )


def count_labels(data: Dataset) -> LabelCounts:
    """Count the rows of each label in each split, (labels, 3)."""
    counts = np.zeros((len(data.label_names), len(SPLITS)), np.int64)
    np.add.at(counts, (data.labels, data.split), 1)
    return counts


def check_splits(source: str, counts: LabelCounts) -> None:
    """Raise `DataError` where a split is empty, before hours of training are lost."""
    for split, rows in zip(SPLITS, counts.sum(axis=0), strict=True):
        if rows == 0:
            raise DataError(
                _("The data set {source} has no {split} rows; each of {names} needs some.").format(
                    source=source, split=_(split), names=format_list(map(_, SPLITS))
                )
            )


def check_classes(source: str, label_names: Sequence[str], counts: LabelCounts) -> None:
    """Raise `DataError` where `check_labels` does, or where a label has no training face."""
    check_labels(source, label_names)
    empty = [name for name, rows in zip(label_names, counts[:, 0], strict=True) if rows == 0]
    if empty:
        raise DataError(
            _("The data set {source} has no training face for {names}; add some or choose other labels.").format(
                source=source, names=format_list(map(translate_label, empty))
            )
        )


def check_labels(source: str, label_names: Sequence[str]) -> None:
    """Raise `DataError` for fewer than two labels, or one that cannot be displayed."""
    if len(label_names) < 2:
        raise DataError(
            _("{source} has only the label {names}; a classifier needs two or more.").format(
                source=source, names=", ".join(label_names)
            )
        )
    for name in label_names:
        if name == UNCERTAIN.name or not is_valid_label(name):
            raise DataError(
                _("The label {name!r} of {source} is reserved or cannot be part of a file name; rename it.").format(
                    name=name, source=source
                )
            )


def check_teacher(bundle: ModelBundle, heads: Mapping[str, Sequence[str]]) -> None:
    """Raise `ModelError` where a teacher model lacks one of the `heads` (name -> labels), or has other labels in it."""
    for name, labels in heads.items():
        if name not in bundle.heads or bundle.heads[name].labels != tuple(labels):
            raise ModelError(
                _("{folder} has no head {name} with the labels {names}; choose another teacher.").format(
                    folder=bundle.folder, name=name, names=", ".join(labels)
                )
            )
