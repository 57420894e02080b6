"""Check whether a data set and teachers suit a training, from catalog and cards alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.catalog import DatasetInfo
from emotion.datasets.label_sets import (
    LabelSet,
    check_classes,
    check_labels,
    check_splits,
    check_teacher,
    get_label_set,
    map_counts,
    missing_votes_error,
)
from emotion.errors import DataError, ModelError
from emotion.expressions import FERPLUS_LABELS
from emotion.model_store.card import CARD_FILE, parse_card
from emotion.model_store.store import ModelBundle
from emotion.storage import read_json
from emotion.training.classifier.networks.zoo import ArchitectureInfo, get_architecture
from emotion.translation.messages import gettext as _


def check_dataset(
    dataset: DatasetInfo, architecture: ArchitectureInfo, label_set: LabelSet, *, has_votes: bool = False
) -> None:
    """Check that a network can learn a set of labels from a data set.

    Args:
        dataset: The entry of the data set in the catalog.
        architecture: The network.
        label_set: The labels to learn.
        has_votes: Whether FER+ votes are given in a file of their own.

    Raises:
        DataError: A label or a split has no face, or the votes are missing; with the message of the training.
    """
    counts = np.array(dataset.counts)
    if label_set.is_vote_based:
        if not (dataset.has_ferplus or has_votes):
            raise missing_votes_error(dataset.name, label_set)
        check_splits(dataset.name, counts)
        return
    names, counts = map_counts(dataset.name, dataset.labels, counts, label_set)
    check_splits(dataset.name, counts)
    if architecture.is_native:
        check_labels(dataset.name, names)
    else:
        check_classes(dataset.name, names, counts)


def max_batch_size(dataset: DatasetInfo, label_set: LabelSet) -> int:
    """Return how many training faces have one of the labels, at least 1; all of them where votes decide the labels."""
    return max(1, int(_map_counts(dataset, label_set)[:, 0].sum()))


def count_rows(dataset: DatasetInfo, network: str, label_set_name: str) -> int:
    """Return how many faces of all splits a training reads or learns, as the configuration of its run has it."""
    if get_architecture(network).is_native:  # it reads all faces; those without a label of one head may have another
        return dataset.num_faces
    return int(_map_counts(dataset, get_label_set(label_set_name)).sum())


def _map_counts(dataset: DatasetInfo, label_set: LabelSet) -> NDArray[np.integer]:
    """Return the faces of each label of a set in each split; of the data set where votes decide or none is left."""
    counts = np.array(dataset.counts)
    if not label_set.is_vote_based:
        with suppress(DataError):
            _, counts = map_counts(dataset.name, dataset.labels, counts, label_set)
    return counts


def check_teachers(teachers: Sequence[Path], dataset: DatasetInfo, *, has_votes: bool = False) -> None:
    """Check by their cards that models can be teachers for the labels of a data set.

    Args:
        teachers: The folders of the models.
        dataset: The entry of the data set in the catalog.
        has_votes: Whether FER+ votes are given in a file of their own.

    Raises:
        EmotionError: A model has no card, lacks a head, or has other labels.
    """
    head_labels = {"fer2013": dataset.labels} | (
        {"ferplus": FERPLUS_LABELS} if dataset.has_ferplus or has_votes else {}
    )
    for folder in teachers:
        card = read_json(folder / CARD_FILE)
        if card is None:
            raise ModelError(
                _("There is no {file} in {folder}; choose a finished model.").format(file=CARD_FILE, folder=folder)
            )
        check_teacher(ModelBundle(folder, parse_card(folder / CARD_FILE, card)), head_labels)
