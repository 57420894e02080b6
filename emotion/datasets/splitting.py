"""Divide labeled faces into training, validation and test: every label in the same shares, no group divided."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.translation.messages import gettext as _

SplitRatios = tuple[float, float, float]
_HOLDOUT_RATIO: Final = 0.1  # of every label, for each split that a data set lacks
_MAX_SHOWN_TEXT: Final = 40  # characters of a text in a message


def parse_split_ratios(text: str) -> SplitRatios:
    """Parse "80/10/10" as training/validation/test: (0.8, 0.1, 0.1).

    Raises:
        DataError: The text is not three numbers from 0 up with a training share.
    """
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError:
        numbers = []
    total = sum(numbers)
    if len(numbers) != 3 or not math.isfinite(total) or min(numbers) < 0 or numbers[0] <= 0:
        raise DataError(
            _("The split is {text!r}; expected training/validation/test, such as 80/10/10.").format(
                text=text[:_MAX_SHOWN_TEXT]
            )
        )
    training, validation, test = (number / total for number in numbers)
    return training, validation, test


def holdout_ratios(has_split: Sequence[bool]) -> SplitRatios:
    """Return the shares of a training split that is also the source of the splits that are not there."""
    validation, test = (0.0 if there else _HOLDOUT_RATIO for there in has_split[1:])
    return 1 - validation - test, validation, test


def expected_split_counts(num_rows: int, split_ratios: SplitRatios) -> tuple[int, int, int]:
    """Return how many rows of one label `split_groups` puts into each split where no two rows share a group."""
    counts = _target_counts(num_rows, split_ratios)
    for split in (1, 2):
        if split_ratios[split] > 0 and counts[split] == 0 and counts[0] > 1:
            counts[[0, split]] += (-1, 1)
    training, validation, test = counts.tolist()
    return training, validation, test


def split_groups(
    labels: NDArray[np.integer],
    groups: NDArray[np.integer],
    split_ratios: SplitRatios,
    seed: int,
    existing_split: NDArray[np.int8] | None = None,
) -> NDArray[np.int8]:
    """Assign a split to every row; the rows of a group share one.

    Each label gets the ratios as nearly as its groups allow, and at least one of its groups in each split with a
    share, where it has as many groups and none of them holds other labels. Large groups are assigned first, equally
    large ones in random order.

    Args:
        labels: (n,), from 0 up.
        groups: (n,), equal numbers for rows that must share a split.
        split_ratios: Shares of the splits, sum 1.
        seed: Of the random order.
        existing_split: (n,), the splits of rows that keep them, -1 for others: what has trained a network must not
            test it later, also where a new row joins their groups. A row that joins a group joins its split, that of
            test before that of validation and that of training.

    Returns:
        int8 (n,), indices into `SPLITS`.
    """
    if len(labels) == 0:
        return np.zeros(0, np.int8)
    _, member = np.unique(groups, return_inverse=True)
    counts = np.zeros((member.max() + 1, int(labels.max()) + 1), np.int64)
    np.add.at(counts, (member, labels), 1)
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(1), kind="stable")]
    group_split = np.full(len(counts), -1, np.int8)
    assigner = _SplitAssigner(counts, split_ratios)
    if existing_split is not None:
        np.maximum.at(group_split, member, existing_split)
        for group in np.flatnonzero(group_split >= 0):
            assigner.record(int(group_split[group]), counts[group])
    for group in order[group_split[order] < 0]:
        group_split[group] = assigner.assign(counts[group])
    split = group_split[member]
    return split if existing_split is None else np.where(existing_split >= 0, existing_split, split)


def hold_out_groups(
    labels: NDArray[np.integer],
    groups: NDArray[np.integer],
    split_ratios: SplitRatios,
    keys: NDArray[np.uint64],
) -> NDArray[np.int8]:
    """Assign a split to every row by keys, so that what has trained a network does not test it once rows are added.

    The groups of a label are ordered by their smallest keys. The first ones are its test rows and the next ones its
    validation rows, each as many as `expected_split_counts` allows, and at least the smallest group. With more rows,
    the ends of these two parts move little: from training to test a group would have to pass the validation rows.

    Args:
        labels: (n,), from 0 up; a group has the label of most of its rows.
        groups: (n,), equal numbers for rows that must share a split.
        split_ratios: Shares of the splits, sum 1.
        keys: uint64 (n,), of each row the same whatever other rows there are, evenly distributed.

    Returns:
        int8 (n,), indices into `SPLITS`.
    """
    _, member = np.unique(groups, return_inverse=True)
    counts = np.zeros((member.max(initial=-1) + 1, labels.max(initial=-1) + 1), np.int64)
    np.add.at(counts, (member, labels), 1)
    group_keys = np.full(len(counts), np.iinfo(np.uint64).max)
    np.minimum.at(group_keys, member, keys)
    sizes, group_split = counts.sum(1), np.zeros(len(counts), np.int8)
    group_labels = counts.argmax(1) if counts.size else np.zeros(0, np.intp)
    for label in np.unique(group_labels):
        left = np.flatnonzero(group_labels == label)
        left = left[np.argsort(group_keys[left], kind="stable")]
        targets = expected_split_counts(int(sizes[left].sum()), split_ratios)
        for split in (2, 1):
            is_chosen = _choose_first(sizes[left], targets[split])
            group_split[left[is_chosen]] = split
            left = left[~is_chosen]
    return group_split[member]


def _choose_first(sizes: NDArray[np.integer], num_rows: int) -> NDArray[np.bool_]:
    """Mark the first groups that have so many rows together, without larger ones; the smallest one if none has."""
    is_chosen = np.zeros(len(sizes), bool)
    for index, size in enumerate(sizes.tolist()):
        is_chosen[index] = size <= num_rows
        num_rows -= size * bool(is_chosen[index])
    if num_rows > 0 and not is_chosen.any() and len(sizes) > 1:
        is_chosen[sizes.argmin()] = True
    return is_chosen


class _SplitAssigner:
    """Keeps how many rows each label still lacks in each split; arrays are (splits, labels)."""

    def __init__(self, counts: NDArray[np.int64], split_ratios: SplitRatios) -> None:
        self._is_enabled = np.array(split_ratios) > 0
        self._deficit = np.stack([_target_counts(int(column.sum()), split_ratios) for column in counts.T], axis=1)
        self._is_empty = np.repeat(self._is_enabled[:, None], counts.shape[1], axis=1)
        self._num_groups_left = (counts > 0).sum(axis=0)  # groups of each label without a split

    def assign(self, label_counts: NDArray[np.int64]) -> int:
        """Return the split for a group with so many rows of each label."""
        has_label = label_counts > 0
        # The last groups of a label must not all join the first ones.
        is_last = has_label & (self._num_groups_left <= self._is_empty.sum(axis=0))
        is_allowed = self._is_empty[:, is_last].any(axis=1)
        if not is_allowed.any():
            is_allowed = self._is_enabled
        need = np.where(is_allowed, (self._deficit @ label_counts).astype(float), -np.inf)
        split = int(need.argmax())
        self.record(split, label_counts)
        return split

    def record(self, split: int, label_counts: NDArray[np.int64]) -> None:
        """Count a group with so many rows of each label as one of a split."""
        has_label = label_counts > 0
        self._deficit[split] -= label_counts
        self._is_empty[split, has_label] = False
        self._num_groups_left[has_label] -= 1


def _target_counts(num_rows: int, split_ratios: SplitRatios) -> NDArray[np.int64]:
    """How many rows of a label each split should have, whole numbers (3,) with the sum `num_rows`."""
    exact = np.array(split_ratios) * num_rows
    targets = np.floor(exact).astype(np.int64)
    for i in np.argsort(targets - exact, kind="stable")[: num_rows - int(targets.sum())]:
        targets[i] += 1
    return targets
