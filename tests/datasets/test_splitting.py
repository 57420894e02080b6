"""Splits of labeled groups: ratios, whole groups, every label in every split."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.datasets.splitting import expected_split_counts, holdout_ratios, parse_split_ratios, split_groups
from emotion.errors import DataError

RATIOS = (0.8, 0.1, 0.1)
ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), max_size=80)
ANY_RATIOS = st.sampled_from([RATIOS, (0.5, 0.25, 0.25), (1.0, 0.0, 0.0), (0.6, 0.4, 0.0), (0.34, 0.33, 0.33)])


def split_of(labels: list[int], groups: list[int] | None = None, ratios=RATIOS, seed: int = 1) -> np.ndarray:
    return split_groups(np.array(labels, np.int8), np.array(groups or range(len(labels))), ratios, seed)


@pytest.mark.parametrize(
    ("text", "ratios"),
    [
        ("80/10/10", (0.8, 0.1, 0.1)),
        ("2/1/1", (0.5, 0.25, 0.25)),
        ("1/0/0", (1, 0, 0)),
        (" 8 / 1.5/.5", (0.8, 0.15, 0.05)),
    ],
)
def test_ratios_are_parsed(text: str, ratios: tuple[float, ...]) -> None:
    assert parse_split_ratios(text) == pytest.approx(ratios)


@pytest.mark.parametrize(
    "text", ["", "80", "80/20", "80/10/10/0", "0/50/50", "a/b/c", "-80/10/10", "nan/1/1", "inf/1/1"]
)
def test_invalid_ratios_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="80/10/10"):
        parse_split_ratios(text)


@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        (0, (0, 0, 0)),
        (1, (1, 0, 0)),
        (3, (1, 1, 1)),
        (4, (2, 1, 1)),
        (10, (8, 1, 1)),
        (100, (80, 10, 10)),
        (15, (12, 2, 1)),
    ],
)
def test_single_rows_are_split_exactly(rows: int, counts: tuple[int, ...]) -> None:
    split_counts = np.bincount(split_of([0] * rows), minlength=3)
    assert tuple(split_counts) == counts


@pytest.mark.parametrize("given_splits", [(True, v, t) for v in (True, False) for t in (True, False)])
def test_expected_counts_equal_the_counts_of_the_split(given_splits: tuple[bool, ...]) -> None:
    ratios = holdout_ratios(given_splits)
    assert [ratio > 0 for ratio in ratios] == [True, *(not there for there in given_splits[1:])]
    for rows in range(60):
        assert expected_split_counts(rows, ratios) == tuple(
            np.bincount(split_of([0] * rows, ratios=ratios), minlength=3)
        )


@given(rows=ROWS, ratios=ANY_RATIOS, seed=st.integers(0, 5))
def test_every_group_is_in_one_split(
    rows: list[tuple[int, int]], ratios: tuple[float, float, float], seed: int
) -> None:
    labels, groups = [label for label, _ in rows], [group for _, group in rows]
    split = split_of(labels, groups, ratios, seed)
    splits = {group: set(split[np.array(groups) == group].tolist()) for group in groups}
    assert all(len(group_splits) == 1 for group_splits in splits.values())
    assert all(ratios[s] > 0 for s in split)
    np.testing.assert_array_equal(split, split_of(labels, groups, ratios, seed))


@given(sizes=st.lists(st.lists(st.integers(1, 9), max_size=12), min_size=1, max_size=4), ratios=ANY_RATIOS)
def test_label_with_enough_groups_is_in_every_split(sizes: list[list[int]], ratios: tuple[float, float, float]) -> None:
    labels, groups = [], []
    for label, of_label in enumerate(sizes):
        for size in of_label:
            groups += [groups[-1] + 1 if groups else 0] * size
            labels += [label] * size
    split = split_of(labels, groups, ratios)
    num_splits = sum(ratio > 0 for ratio in ratios)
    for label, of_label in enumerate(sizes):
        label_splits = set(split[np.array(labels, int) == label].tolist())
        assert len(label_splits) == min(num_splits, len(of_label))


@given(counts=st.lists(st.integers(0, 60), min_size=1, max_size=5), seed=st.integers(0, 9))
def test_every_label_keeps_the_ratios(counts: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    split = split_of(labels.tolist(), seed=seed)
    for label, count in enumerate(counts):
        split_counts = Counter(split[labels == label].tolist())
        for index, ratio in enumerate(RATIOS):
            assert math.floor(ratio * count) <= split_counts[index] + 2
            assert split_counts[index] <= math.ceil(ratio * count) + (count <= 10)


def test_seed_changes_the_split() -> None:
    assert len({split_of([0] * 40, seed=seed).tobytes() for seed in range(5)}) == 5


def test_rows_with_a_split_keep_it_and_further_ones_restore_the_ratios() -> None:
    labels, groups = np.zeros(40, np.int64), np.arange(40)
    existing = np.full(40, -1, np.int8)
    existing[:10] = 0
    split = split_groups(labels, groups, (0.8, 0.1, 0.1), 1, existing)
    assert (split[:10] == 0).all()
    assert np.bincount(split).tolist() == [32, 4, 4]


def test_rows_with_a_split_keep_it_when_a_new_row_joins_their_groups() -> None:
    existing = np.array([0, 2, -1, 1], np.int8)
    split = split_groups(np.zeros(4, np.int64), np.array([0, 0, 0, 1]), (0.8, 0.1, 0.1), 1, existing)
    assert split.tolist() == [0, 2, 2, 1]


def test_row_that_joins_a_group_joins_its_split() -> None:
    existing = np.array([2, -1, -1, 0], np.int8)
    split = split_groups(np.zeros(4, np.int64), np.array([0, 0, 1, 2]), (1.0, 0.0, 0.0), 1, existing)
    assert split.tolist() == [2, 2, 0, 0]
