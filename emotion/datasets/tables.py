"""Data sets in numbers and tables: counts, near-duplicates, blank pictures, two labellings, what was left out."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.datasets.builder import REJECTED, REJECTED_COLUMNS
from emotion.datasets.dataset import SPLITS, Dataset, is_blank, majority_vote
from emotion.datasets.label_sets import count_labels
from emotion.expressions import FERPLUS_LABELS

MAJORITY_LABELS: Final = (*FERPLUS_LABELS, "no majority")


# ------------------------------------------------------------------ counts


def counts_table(data: Dataset) -> pd.DataFrame:
    """One line for each label and split: `label`, `split`, `count`; 0 where there is none."""
    numbers = count_labels(data)
    return pd.DataFrame(
        {
            "label": [label for label in data.label_names for _ in SPLITS],
            "split": [*SPLITS] * len(data.label_names),
            "count": numbers.ravel().tolist(),
        }
    )


def counts_by_label(data: Dataset) -> pd.DataFrame:
    """One line for each label: `label`, a column for each split, `all`."""
    numbers = count_labels(data)
    columns = {word: numbers[:, i].tolist() for i, word in enumerate(SPLITS)}
    return pd.DataFrame({"label": [*data.label_names], **columns, "all": numbers.sum(axis=1).tolist()})


def rows_table(data: Dataset, rows: NDArray[np.intp]) -> pd.DataFrame:
    """Some rows of a data set: `row`, `label`, `split`."""
    return pd.DataFrame(
        {
            "row": rows.tolist(),
            "label": [data.label_names[i] for i in data.labels[rows]],
            "split": [SPLITS[i] for i in data.split[rows]],
        }
    )


def find_blank_rows(data: Dataset) -> NDArray[np.intp]:
    """The rows whose picture is of a single grey."""
    return np.flatnonzero(is_blank(data.images))


# ------------------------------------------------------------------ duplicates


class DuplicateGroup(NamedTuple):
    """Rows of a data set that are nearly the same picture, and whether they lie in several splits or have several
    labels."""

    rows: tuple[int, ...]
    spans_splits: bool
    has_label_conflict: bool


def find_duplicate_groups(data: Dataset, groups: NDArray[np.intp]) -> list[DuplicateGroup]:
    """All groups of two and more, those across splits first, then those with several labels.

    `groups` (n,) as from `duplicates.near_groups`; blank pictures are left out, since all of them look alike.
    """
    flat = is_blank(data.images)
    members: dict[int, list[int]] = {}
    for row, group in enumerate(groups.tolist()):
        if not flat[row]:
            members.setdefault(group, []).append(row)
    found = [
        DuplicateGroup(tuple(rows), len(set(data.split[rows].tolist())) > 1, len(set(data.labels[rows].tolist())) > 1)
        for rows in members.values()
        if len(rows) > 1
    ]
    return sorted(found, key=lambda one: (not one.spans_splits, not one.has_label_conflict, one.rows))


def duplicates_table(data: Dataset, duplicate_groups: Sequence[DuplicateGroup]) -> pd.DataFrame:
    """One line for each row: `group` (from 1), `row`, `label`, `split`, `spans_splits`, `has_label_conflict`."""
    rows = np.array([row for one in duplicate_groups for row in one.rows], np.intp)
    table = rows_table(data, rows)
    table.insert(0, "group", [number for number, one in enumerate(duplicate_groups, 1) for _ in one.rows])
    return table.assign(
        spans_splits=[one.spans_splits for one in duplicate_groups for _ in one.rows],
        has_label_conflict=[one.has_label_conflict for one in duplicate_groups for _ in one.rows],
    )


# ------------------------------------------------------------------ two labellings


def agreement_matrix(data: Dataset) -> NDArray[np.int64]:
    """How many faces FER-2013 calls one thing (rows, `label_names`) and most people of FER+ another (columns,
    `MAJORITY_LABELS`). For data sets with votes."""
    out = np.zeros((len(data.label_names), len(MAJORITY_LABELS)), np.int64)
    np.add.at(out, (data.labels, majority_vote(data)), 1)  # -1 is the last column
    return out


def agreement_table(data: Dataset) -> pd.DataFrame:
    """One line for each cell of `agreement_matrix`: `label`, `majority`, `count`, `share` (0 to 1, of the label)."""
    numbers = agreement_matrix(data)
    shares = numbers / np.maximum(1, numbers.sum(axis=1, keepdims=True))
    return pd.DataFrame(
        {
            "label": [label for label in data.label_names for _ in MAJORITY_LABELS],
            "majority": [*MAJORITY_LABELS] * len(data.label_names),
            "count": numbers.ravel().tolist(),
            "share": shares.ravel().tolist(),
        }
    )


def count_agreements(data: Dataset) -> tuple[int, int]:
    """How many faces have the same label in both, and how many have a FER+ label at all."""
    numbers = agreement_matrix(data)
    same = sum(
        int(numbers[i, MAJORITY_LABELS.index(label)])
        for i, label in enumerate(data.label_names)
        if label in MAJORITY_LABELS
    )
    return same, int(numbers[:, :-1].sum())


def find_largest_disagreement(data: Dataset) -> tuple[int, int]:
    """Row and column of the cell of `agreement_matrix` with the most faces that have two different labels."""
    numbers = agreement_matrix(data)[:, :-1].copy()
    for i, label in enumerate(data.label_names):
        if label in FERPLUS_LABELS:
            numbers[i, FERPLUS_LABELS.index(label)] = 0
    row, column = np.unravel_index(int(numbers.argmax()), numbers.shape)
    return int(row), int(column)


def find_agreement_rows(data: Dataset, label: int, majority: int) -> NDArray[np.intp]:
    """The rows of a cell of `agreement_matrix`."""
    said = majority if majority < len(FERPLUS_LABELS) else -1
    return np.flatnonzero((data.labels == label) & (majority_vote(data) == said))


# ------------------------------------------------------------------ what was left out


class RejectedPhoto(NamedTuple):
    """A photo that gave no face; `thumbnail` is a path in the folder of the data set, "" for none."""

    name: str
    label: str
    reason: str
    message: str
    thumbnail: str


def read_rejected(folder: Path) -> list[RejectedPhoto]:
    """What a preparation left out; empty where there is no list that makes sense."""
    try:
        with open(folder / f"{REJECTED}.csv", newline="", encoding="utf-8-sig", errors="replace") as file:
            rows = list(csv.DictReader(file))
    except (OSError, csv.Error):
        return []
    return [RejectedPhoto(*(str(row.get(name) or "") for name in REJECTED_COLUMNS)) for row in rows]


# ------------------------------------------------------------------ pictures


def tile_faces(faces: NDArray[np.uint8], num_columns: int, scale: int = 2) -> NDArray[np.uint8]:
    """Grey faces uint8 (n, s, s) side by side in rows of `num_columns`, `scale` times as large, as one picture, RGB uint8;
    what the last row lacks is white. n must be at least 1."""
    count, side = len(faces), faces.shape[1]
    across = min(num_columns, count)
    down = -(-count // across)
    filled = np.full((down * across, side, side), 255, np.uint8)
    filled[:count] = faces
    tiled = filled.reshape(down, across, side, side).swapaxes(1, 2).reshape(down * side, across * side)
    return np.repeat(tiled.repeat(scale, axis=0).repeat(scale, axis=1)[..., None], 3, axis=2)
