"""Share out labelled faces among training, validation and test: every label fairly, no group torn apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError

SplitRatios = tuple[float, float, float]
_HOLDOUT_RATIO = 0.1  # of every label is held out for each split that a data set lacks


def parse_split_ratios(text: str) -> SplitRatios:
    """ "80/10/10" -> (0.8, 0.1, 0.1): training, validation, test. Raises `DataError`."""
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError:
        numbers = []
    whole = sum(numbers)
    if len(numbers) != 3 or not math.isfinite(whole) or min(numbers) < 0 or numbers[0] <= 0:
        raise DataError(f"The split {text[:40]!r} was expected as training/validation/test, such as 80/10/10.")
    training, validation, test = (number / whole for number in numbers)
    return training, validation, test


def holdout_ratios(has_split: Sequence[bool]) -> SplitRatios:
    """What training keeps and gives to validation and test where these are not among the `has_split` of the splits."""
    validation, test = (0.0 if there else _HOLDOUT_RATIO for there in has_split[1:])
    return 1 - validation - test, validation, test


def expected_split_counts(num_rows: int, split_ratios: SplitRatios) -> tuple[int, int, int]:
    """How `split_groups` shares out the rows of one label of which no two belong together."""
    counts = _target_counts(num_rows, split_ratios)
    for split in (1, 2):
        if split_ratios[split] > 0 and counts[split] == 0 and counts[0] > 1:
            counts[[0, split]] += (-1, 1)
    training, validation, test = counts.tolist()
    return training, validation, test


def split_groups(
    labels: NDArray[np.integer], groups: NDArray[np.integer], split_ratios: SplitRatios, seed: int
) -> NDArray[np.int8]:
    """A split (n,), index into `SPLITS`, for rows with `labels` (n,) from 0 up; rows with the same number in
    `groups` (n,) come into the same one.

    Each label gets the `split_ratios` (sum 1) as nearly as its groups allow, and at least one of its groups in each split
    that has a share, where it has as many and none of them holds other labels, too. Large groups choose first;
    chance, by `seed`, decides among equals.
    """
    if len(labels) == 0:
        return np.zeros(0, np.int8)
    _, member = np.unique(groups, return_inverse=True)
    counts = np.zeros((member.max() + 1, int(labels.max()) + 1), np.int64)
    np.add.at(counts, (member, labels), 1)
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(1), kind="stable")]
    home = np.zeros(len(counts), np.int8)
    plan = _SplitAssigner(counts, split_ratios)
    for group in order:
        home[group] = plan.assign(counts[group])
    return home[member]


class _SplitAssigner:
    """How much each label still lacks in each split."""

    def __init__(self, counts: NDArray[np.int64], split_ratios: SplitRatios) -> None:
        self._is_enabled = np.array(split_ratios) > 0
        self._deficit = np.stack([_target_counts(int(column.sum()), split_ratios) for column in counts.T], axis=1)
        self._is_empty = np.repeat(
            self._is_enabled[:, None], counts.shape[1], axis=1
        )  # splits without a group of the label
        self._num_groups_left = (counts > 0).sum(axis=0)  # groups of the label that have no place yet

    def assign(self, label_counts: NDArray[np.int64]) -> int:
        """The split for a group with so many rows of each label."""
        here = label_counts > 0
        # The last groups of a label must not all follow the first ones.
        last = here & (self._num_groups_left <= self._is_empty.sum(axis=0))
        allowed = self._is_empty[:, last].any(axis=1)
        need = np.where(
            allowed if allowed.any() else self._is_enabled, (self._deficit @ label_counts).astype(float), -np.inf
        )
        split = int(need.argmax())
        self._deficit[split] -= label_counts
        self._is_empty[split, here] = False
        self._num_groups_left[here] -= 1
        return split


def _target_counts(num_rows: int, split_ratios: SplitRatios) -> NDArray[np.int64]:
    """How many of the rows of a label each split should have, whole numbers (3,) with the sum `rows`."""
    exact = np.array(split_ratios) * num_rows
    targets = np.floor(exact).astype(np.int64)
    for i in np.argsort(targets - exact, kind="stable")[: num_rows - int(targets.sum())]:
        targets[i] += 1
    return targets
