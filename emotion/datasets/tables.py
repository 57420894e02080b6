"""Tables of a data set: counts, near-duplicates, blank images, agreement of its labels with FER+."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.datasets.dataset import SPLITS, Dataset, is_blank, majority_vote
from emotion.datasets.label_sets import count_labels
from emotion.expressions import FERPLUS_LABELS
from emotion.translation.messages import gettext_noop

MAJORITY_LABELS: Final = (*FERPLUS_LABELS, gettext_noop("no majority"))


def counts_table(data: Dataset) -> pd.DataFrame:
    """Return one row per label and split: `label`, `split`, `count`."""
    counts = count_labels(data)
    return pd.DataFrame(
        {
            "label": [label for label in data.label_names for _ in SPLITS],
            "split": [*SPLITS] * len(data.label_names),
            "count": counts.ravel().tolist(),
        }
    )


def counts_by_label(data: Dataset) -> pd.DataFrame:
    """Return one row per label: `label`, a column for each split, `all`."""
    counts = count_labels(data)
    columns = {split: counts[:, i].tolist() for i, split in enumerate(SPLITS)}
    return pd.DataFrame({"label": [*data.label_names], **columns, "all": counts.sum(axis=1).tolist()})


def rows_table(data: Dataset, rows: NDArray[np.intp]) -> pd.DataFrame:
    """Return rows of a data set: `row`, `label`, `split`."""
    return pd.DataFrame(
        {
            "row": rows.tolist(),
            "label": [data.label_names[i] for i in data.labels[rows]],
            "split": [SPLITS[i] for i in data.split[rows]],
        }
    )


def find_blank_rows(data: Dataset) -> NDArray[np.intp]:
    """Return the rows whose image is of a single shade of gray."""
    return np.flatnonzero(is_blank(data.images))


class DuplicateGroup(NamedTuple):
    """Rows of a data set that are nearly the same image, and whether they have several splits or labels."""

    rows: tuple[int, ...]
    spans_splits: bool
    has_label_conflict: bool


def find_duplicate_groups(data: Dataset, groups: NDArray[np.intp]) -> list[DuplicateGroup]:
    """Return all groups of two and more, those across splits first, then those with several labels.

    Args:
        data: The data set.
        groups: (n,), as `duplicates.group_near_duplicates` returns them. Blank images are left out: all of them are
            near-duplicates.
    """
    blank = is_blank(data.images)
    members: dict[int, list[int]] = {}
    for row, group in enumerate(groups.tolist()):
        if not blank[row]:
            members.setdefault(group, []).append(row)
    duplicate_groups = [
        DuplicateGroup(tuple(rows), len(set(data.split[rows].tolist())) > 1, len(set(data.labels[rows].tolist())) > 1)
        for rows in members.values()
        if len(rows) > 1
    ]
    return sorted(
        duplicate_groups, key=lambda group: (not group.spans_splits, not group.has_label_conflict, group.rows)
    )


def duplicates_table(data: Dataset, duplicate_groups: Sequence[DuplicateGroup]) -> pd.DataFrame:
    """Return one row per image: `group` (from 1), `row`, `label`, `split`, `spans_splits`, `has_label_conflict`."""
    rows = np.array([row for group in duplicate_groups for row in group.rows], np.intp)
    table = rows_table(data, rows)
    table.insert(0, "group", [number for number, group in enumerate(duplicate_groups, 1) for _ in group.rows])
    return table.assign(
        spans_splits=[group.spans_splits for group in duplicate_groups for _ in group.rows],
        has_label_conflict=[group.has_label_conflict for group in duplicate_groups for _ in group.rows],
    )


def agreement_matrix(data: Dataset) -> NDArray[np.int64]:
    """Count the faces by their label (rows, `label_names`) and their FER+ majority (columns, `MAJORITY_LABELS`)."""
    counts = np.zeros((len(data.label_names), len(MAJORITY_LABELS)), np.int64)
    np.add.at(counts, (data.labels, majority_vote(data)), 1)  # -1 is the last column
    return counts


def agreement_table(data: Dataset) -> pd.DataFrame:
    """Return one row per cell of `agreement_matrix`: `label`, `majority`, `count`, `share` (0 to 1, of the label)."""
    counts = agreement_matrix(data)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    return pd.DataFrame(
        {
            "label": [label for label in data.label_names for _ in MAJORITY_LABELS],
            "majority": [*MAJORITY_LABELS] * len(data.label_names),
            "count": counts.ravel().tolist(),
            "share": shares.ravel().tolist(),
        }
    )


def count_agreements(data: Dataset) -> tuple[int, int]:
    """Count the faces whose FER+ majority is their label, and all that have a FER+ majority."""
    counts = agreement_matrix(data)
    num_equal = sum(
        int(counts[i, MAJORITY_LABELS.index(label)])
        for i, label in enumerate(data.label_names)
        if label in MAJORITY_LABELS
    )
    return num_equal, int(counts[:, :-1].sum())


def find_largest_disagreement(data: Dataset) -> tuple[int, int]:
    """Return row and column of the largest cell of `agreement_matrix` whose two labels differ."""
    counts = agreement_matrix(data)[:, :-1].copy()
    for i, label in enumerate(data.label_names):
        if label in FERPLUS_LABELS:
            counts[i, FERPLUS_LABELS.index(label)] = 0
    row, column = np.unravel_index(int(counts.argmax()), counts.shape)
    return int(row), int(column)


def find_agreement_rows(data: Dataset, label: int, majority: int) -> NDArray[np.intp]:
    """Return the rows of the data set in one cell of `agreement_matrix`."""
    vote = majority if majority < len(FERPLUS_LABELS) else -1
    return np.flatnonzero((data.labels == label) & (majority_vote(data) == vote))


def tile_faces(faces: NDArray[np.uint8], num_columns: int, scale: int = 2) -> NDArray[np.uint8]:
    """Tile faces into one RGB uint8 image; empty tiles of the last row are white.

    Args:
        faces: Gray uint8 (n, side, side), n at least 1.
        num_columns: Faces per row.
        scale: Whole factor by which each face is enlarged.
    """
    count, side = len(faces), faces.shape[1]
    num_columns = min(num_columns, count)
    num_rows = -(-count // num_columns)
    tiles = np.full((num_rows * num_columns, side, side), 255, np.uint8)
    tiles[:count] = faces
    tiled = tiles.reshape(num_rows, num_columns, side, side).swapaxes(1, 2)
    tiled = tiled.reshape(num_rows * side, num_columns * side)
    return np.repeat(tiled.repeat(scale, axis=0).repeat(scale, axis=1)[..., None], 3, axis=2)
