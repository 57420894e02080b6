"""What a training needs of its data set, told from the counts of the catalogue before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from emotion.datasets.catalog import Entry
from emotion.datasets.label_sets import (
    LabelSet,
    apply_to_counts,
    check_classes,
    check_labels,
    check_splits,
    check_teacher,
    votes_missing,
)
from emotion.errors import DataError, ModelError
from emotion.expressions import FERPLUS_LABELS
from emotion.model_store.card import CARD
from emotion.model_store.store import Bundle
from emotion.storage import read_json
from emotion.training.classifier.zoo import NetworkCard


def check_entry(entry: Entry, card: NetworkCard, chosen: LabelSet, *, votes: bool = False) -> None:
    """Check that a network can learn a set of labels from a data set.

    Args:
        entry: What is known of the data set.
        card: The network.
        chosen: The set of labels.
        votes: Whether FER+ votes are given beside the data set.

    Raises:
        DataError: A label or a split has no face, or the votes are missing; as the training itself would say it.
    """
    counts = np.array(entry.counts)
    if chosen.by_votes:
        if not (entry.votes or votes):
            raise votes_missing(entry.name, chosen)
        check_splits(entry.name, counts)
        return
    names, counts = apply_to_counts(entry.name, entry.labels, counts, chosen)
    check_splits(entry.name, counts)
    if card.own:
        check_labels(entry.name, names)
    else:
        check_classes(entry.name, names, counts)


def largest_batch(entry: Entry, chosen: LabelSet) -> int:
    """How many training faces have one of the labels, at least 1; all of them where votes tell the labels."""
    counts = np.array(entry.counts)
    if not chosen.by_votes:
        with suppress(DataError):
            _, counts = apply_to_counts(entry.name, entry.labels, counts, chosen)
    return max(1, int(counts[:, 0].sum()))


def check_teachers(teachers: Sequence[Path], entry: Entry, *, votes: bool = False) -> None:
    """Check that models can teach the labels of a data set, by their cards alone.

    Args:
        teachers: The folders of the models.
        entry: What is known of the data set.
        votes: Whether FER+ votes are given beside the data set.

    Raises:
        EmotionError: A model has no card, lacks an answer, or has other labels.
    """
    answers = {"fer2013": entry.labels} | ({"ferplus": FERPLUS_LABELS} if entry.votes or votes else {})
    for folder in teachers:
        card = read_json(folder / CARD)
        if card is None:
            raise ModelError(f"There is no {CARD} in {folder}; choose a finished model.")
        check_teacher(Bundle(folder, card), answers)
