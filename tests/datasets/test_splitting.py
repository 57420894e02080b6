from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.datasets.splitting import expected_split_counts, holdout_ratios, parse_split_ratios, split_groups
from emotion.errors import DataError

SHARES = (0.8, 0.1, 0.1)
ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), max_size=80)
ANY_SHARES = st.sampled_from([SHARES, (0.5, 0.25, 0.25), (1.0, 0.0, 0.0), (0.6, 0.4, 0.0), (0.34, 0.33, 0.33)])


def split_of(labels: list[int], groups: list[int] | None = None, shares=SHARES, seed: int = 1) -> np.ndarray:
    return split_groups(np.array(labels, np.int8), np.array(groups or range(len(labels))), shares, seed)


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("80/10/10", (0.8, 0.1, 0.1)),
        ("2/1/1", (0.5, 0.25, 0.25)),
        ("1/0/0", (1, 0, 0)),
        (" 8 / 1.5/.5", (0.8, 0.15, 0.05)),
    ],
)
def test_shares(text: str, shares: tuple[float, ...]) -> None:
    assert parse_split_ratios(text) == pytest.approx(shares)


@pytest.mark.parametrize(
    "text", ["", "80", "80/20", "80/10/10/0", "0/50/50", "a/b/c", "-80/10/10", "nan/1/1", "inf/1/1"]
)
def test_shares_that_make_no_sense(text: str) -> None:
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
def test_single_pictures_are_shared_out_exactly(rows: int, counts: tuple[int, ...]) -> None:
    got = np.bincount(split_of([0] * rows), minlength=3)
    assert tuple(got) == counts


@pytest.mark.parametrize("given_splits", [(True, v, t) for v in (True, False) for t in (True, False)])
def test_what_is_told_before_is_what_is_held_out(given_splits: tuple[bool, ...]) -> None:
    shares = holdout_ratios(given_splits)
    assert [share > 0 for share in shares] == [True, *(not there for there in given_splits[1:])]
    for rows in range(60):
        assert expected_split_counts(rows, shares) == tuple(
            np.bincount(split_of([0] * rows, shares=shares), minlength=3)
        )


@given(rows=ROWS, shares=ANY_SHARES, seed=st.integers(0, 5))
def test_no_group_is_torn_apart(rows: list[tuple[int, int]], shares: tuple[float, float, float], seed: int) -> None:
    labels, groups = [label for label, _ in rows], [group for _, group in rows]
    split = split_of(labels, groups, shares, seed)
    homes = {group: set(split[np.array(groups) == group].tolist()) for group in groups}
    assert all(len(home) == 1 for home in homes.values())
    assert all(shares[s] > 0 for s in split)
    np.testing.assert_array_equal(split, split_of(labels, groups, shares, seed))


@given(sizes=st.lists(st.lists(st.integers(1, 9), max_size=12), min_size=1, max_size=4), shares=ANY_SHARES)
def test_every_label_is_in_every_split_if_it_can_be(sizes: list[list[int]], shares: tuple[float, float, float]) -> None:
    labels, groups = [], []
    for label, of_label in enumerate(sizes):
        for size in of_label:
            groups += [groups[-1] + 1 if groups else 0] * size
            labels += [label] * size
    split = split_of(labels, groups, shares)
    places = sum(share > 0 for share in shares)
    for label, of_label in enumerate(sizes):
        seen = set(split[np.array(labels, int) == label].tolist())
        assert len(seen) == min(places, len(of_label))


@given(counts=st.lists(st.integers(0, 60), min_size=1, max_size=5), seed=st.integers(0, 9))
def test_shares_are_kept_by_every_label(counts: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    split = split_of(labels.tolist(), seed=seed)
    for label, count in enumerate(counts):
        got = Counter(split[labels == label].tolist())
        for place, share in enumerate(SHARES):
            assert math.floor(share * count) <= got[place] + 2
            assert got[place] <= math.ceil(share * count) + (count <= 10)


def test_another_seed_is_another_split() -> None:
    assert len({split_of([0] * 40, seed=seed).tobytes() for seed in range(5)}) == 5
