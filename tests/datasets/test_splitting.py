"""Splits of labeled groups: ratios, whole groups, every label in every split."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.datasets.splitting import (
    expected_split_counts,
    hold_out_groups,
    holdout_ratios,
    parse_split_ratios,
    split_groups,
)
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


def hold_out(labels: list[int], groups: list[int] | None = None, seed: int = 0) -> np.ndarray:
    keys = np.random.default_rng(seed).integers(0, 2**64, len(labels), np.uint64)
    return hold_out_groups(np.array(labels, int), np.array(groups or range(len(labels)), int), RATIOS, keys)


@pytest.mark.parametrize("num_rows", range(60))
def test_single_rows_are_held_out_as_expected(num_rows: int) -> None:
    assert tuple(np.bincount(hold_out([0] * num_rows), minlength=3)) == expected_split_counts(num_rows, RATIOS)


@given(rows=ROWS, seed=st.integers(0, 5))
def test_a_group_is_held_out_as_a_whole_in_any_order_of_the_rows(rows: list[tuple[int, int]], seed: int) -> None:
    labels, groups = np.array([row[0] for row in rows], int), np.array([row[1] for row in rows], int)
    rng = np.random.default_rng(seed)
    keys, order = rng.integers(0, 2**64, len(rows), np.uint64), rng.permutation(len(rows))
    split = hold_out_groups(labels, groups, RATIOS, keys)
    assert all(len(set(split[groups == group].tolist())) == 1 for group in set(groups.tolist()))
    np.testing.assert_array_equal(hold_out_groups(labels[order], groups[order], RATIOS, keys[order]), split[order])


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_a_label_with_enough_groups_is_held_out_for_every_split(sizes: list[int]) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes).tolist()
    split = hold_out([0] * len(groups), groups)
    if len(sizes) >= 3:
        assert set(split.tolist()) == {0, 1, 2}
    assert (split == 0).any()


@given(num_rows=st.integers(60, 300), growth=st.floats(0.01, 1), seed=st.integers(0, 50))
def test_what_has_trained_a_network_does_not_test_it_after_rows_are_added(
    num_rows: int, growth: float, seed: int
) -> None:
    num_after = num_rows + round(growth * num_rows)
    labels, groups = np.zeros(num_after, int), np.arange(num_after)
    keys = np.random.default_rng(seed).integers(0, 2**64, num_after, np.uint64)
    before = hold_out_groups(labels[:num_rows], groups[:num_rows], RATIOS, keys[:num_rows])
    after = hold_out_groups(labels, groups, RATIOS, keys)[:num_rows]
    assert not ((before == 0) & (after == 2)).any()
