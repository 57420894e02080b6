"""Rows, FER+ majorities and vote distributions against slow oracles."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emotion.datasets import dataset as datasets_dataset
from emotion.datasets.dataset import (
    Dataset,
    clean_votes,
    expression_distribution,
    is_non_face,
    majority_vote,
    vote_distribution,
)
from tests.training.making import (
    dataset,
    random_images,
)


def test_rows_are_selected_by_split_and_by_number() -> None:
    data = dataset(4, 3, 2)
    assert [data.rows_in(split).tolist() for split in datasets_dataset.SPLITS] == [[0, 1, 2, 3], [4, 5, 6], [7, 8]]
    part = data.take(np.array([8, 0]))
    assert len(part) == 2
    for name in ("images", "labels", "split", "votes", "has_votes"):
        np.testing.assert_array_equal(getattr(part, name), getattr(data, name)[[8, 0]])
    assert replace(data, votes=None, has_votes=None).take(np.array([1])).votes is None
    assert len(data.take(np.array([], np.intp))) == 0


VOTES = hnp.arrays(
    np.int8,
    st.tuples(st.integers(1, 12), st.just(10)),
    elements=st.one_of(
        st.integers(0, 10),
        st.sampled_from((0, 0, 0, 1, 2, 5)),
        st.integers(0, 127),
    ),
)


@pytest.mark.slow
@given(votes=VOTES, data=st.data())
def test_majority_equals_a_slow_oracle(votes: np.ndarray, data: st.DataObject) -> None:
    has_votes = np.array(data.draw(st.lists(st.booleans(), min_size=len(votes), max_size=len(votes))))
    faces = Dataset(
        random_images(len(votes)),
        np.zeros(len(votes), np.int8),
        np.zeros(len(votes), np.int8),
        votes=votes,
        has_votes=has_votes,
    )
    before = votes.copy()
    cleaned, majority, non_face = clean_votes(votes), majority_vote(faces), is_non_face(faces)
    for row, counts in enumerate(votes.tolist()):
        kept = [0 if c == 1 else c for c in counts]
        assert cleaned[row].tolist() == kept
        winners = [i for i in range(8) if sum(kept) and Fraction(kept[i], sum(kept)) > Fraction(1, 2)]
        assert majority[row] == (winners[0] if winners and has_votes[row] else -1)
        assert non_face[row] == (sum(counts) > 0 and Fraction(counts[9], sum(counts)) > Fraction(1, 2))
    np.testing.assert_array_equal(votes, before)
    assert majority.dtype == cleaned.dtype == np.int8


def test_vote_distribution_counts_votes_for_expressions_only() -> None:
    data = dataset(6)
    assert data.votes is not None
    assert data.has_votes is not None
    data.votes[:] = [
        [5, 3, 0, 0, 0, 0, 0, 0, 2, 0],  # two unknown votes
        [9, 1, 0, 0, 0, 0, 0, 0, 0, 0],  # a single vote is an outlier
        [4, 0, 0, 0, 0, 0, 0, 0, 3, 3],  # most votes are for no expression
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        [0, 10, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    data.has_votes[:] = [True] * 5 + [False]
    expected = np.zeros((6, 8))
    expected[0, :2], expected[1, 0] = (5 / 8, 3 / 8), 1
    np.testing.assert_allclose(vote_distribution(data), expected, rtol=1e-6)
    assert vote_distribution(dataset(4, votes=False)).tolist() == [[0] * 8] * 4
    assert vote_distribution(data.take(np.array([], np.intp))).shape == (0, 8)


def test_expression_distribution_counts_the_label_as_a_further_vote() -> None:
    data = dataset(5)
    assert data.votes is not None
    assert data.has_votes is not None
    data.labels[:] = [0, 0, 3, 4, 5]  # angry, angry, happy, sad, surprise
    data.votes[:] = [
        [6, 0, 0, 0, 4, 0, 0, 0, 0, 0],  # neutral and angry
        [9, 1, 0, 0, 0, 0, 0, 0, 0, 0],  # neutral
        [0, 0, 0, 0, 0, 0, 0, 0, 8, 2],  # most voters named no expression
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],  # no face
        [0, 10, 0, 0, 0, 0, 0, 0, 0, 0],  # happy, but FER+ leaves the row out
    ]
    data.has_votes[:] = [True] * 4 + [False]
    expected = np.zeros((5, 8))
    expected[0, [0, 4]] = 0.6 / 1.5, (0.4 + 0.5) / 1.5
    expected[1, [0, 4]] = 1 / 1.5, 0.5 / 1.5
    expected[2, 1] = expected[4, 2] = 1  # the label alone
    np.testing.assert_allclose(expression_distribution(data, 0.5), expected, rtol=1e-6)
    np.testing.assert_allclose(expression_distribution(data, 0.0)[:2], vote_distribution(data)[:2], rtol=1e-6)


def test_without_votes_only_blank_images_are_non_faces() -> None:
    data = dataset(4, votes=False)
    data.images[1], data.images[2] = 0, 255
    data.images[3] = 7
    data.images[3, 0, 0] = 9  # a speck of dust on a blank image
    assert majority_vote(data).tolist() == [-1] * 4
    assert is_non_face(data).tolist() == [False, True, True, True]
    empty = data.take(np.array([], np.intp))
    assert len(majority_vote(empty)) == len(is_non_face(empty)) == 0


@pytest.mark.slow
def test_fer2013_has_the_published_counts(real: Dataset) -> None:
    assert len(real) == 35_887
    assert [len(real.rows_in(split)) for split in datasets_dataset.SPLITS] == [28_709, 3_589, 3_589]
    assert np.bincount(real.labels).tolist() == [4953, 547, 5121, 8989, 6077, 4002, 6198]
    assert (majority_vote(real)[real.rows_in("test")] >= 0).sum() == 3_153
