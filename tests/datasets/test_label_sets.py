"""A data set in the labels of a set: which faces stay, and as what."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.datasets.dataset import Dataset, majority_vote
from emotion.datasets.label_sets import (
    LABEL_SETS,
    LabelSet,
    check_classes,
    count_labels,
    default_label_set,
    get_label_set,
    map_counts,
    map_labels,
)
from emotion.errors import DataError
from emotion.expressions import FER2013_LABELS, FERPLUS_LABELS
from tests.training.making import dataset


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("fer2013", FER2013_LABELS),
        ("four", ("angry", "fear", "happy", "sad")),
        ("four-normal", ("happy", "sad", "angry", "neutral")),
        ("own", FER2013_LABELS),
    ],
)
def test_each_face_keeps_its_word(name: str, labels: tuple[str, ...]) -> None:
    data = dataset(70, 14, 14)
    lesson = map_labels(data, get_label_set(name))
    assert lesson.data.label_names == labels
    words = [data.label_names[label] for label in data.labels[lesson.rows]]
    assert words == [labels[label] for label in lesson.data.labels]
    np.testing.assert_array_equal(lesson.data.images, data.images[lesson.rows])
    np.testing.assert_array_equal(lesson.data.split, data.split[lesson.rows])
    assert set(words) == set(labels)
    assert lesson.excluded_counts == {word: 14 for word in FER2013_LABELS if word not in labels}
    assert len(lesson.rows) + sum(lesson.excluded_counts.values()) == len(data)


def test_ferplus_goes_by_the_votes() -> None:
    data = dataset(80, 20)
    lesson = map_labels(data, get_label_set("ferplus"))
    assert lesson.data.label_names == FERPLUS_LABELS
    majority = majority_vote(data)
    np.testing.assert_array_equal(lesson.rows, np.flatnonzero(majority >= 0))
    np.testing.assert_array_equal(lesson.data.labels, majority[majority >= 0])
    with pytest.raises(DataError, match=r"fer2013.csv has no FER\+ votes, which the labels 'ferplus' need"):
        map_labels(dataset(20, votes=False), get_label_set("ferplus"))


def test_labels_of_the_data_set_itself() -> None:
    data = replace(dataset(20, votes=False), label_names=tuple("abcdefg"))
    assert map_labels(data, get_label_set("own")).data.label_names == tuple("abcdefg")
    with pytest.raises(DataError, match=r"No face of fer2013\.csv has one of the labels angry, fear, happy, sad"):
        map_labels(data, get_label_set("four"))
    with pytest.raises(DataError, match="There is no label set 'five'; choose one of fer2013, "):
        get_label_set("five")


def check(data: Dataset) -> None:
    check_classes(data.source, data.label_names, count_labels(data))


@given(
    labels=st.lists(st.integers(0, 6), min_size=1, max_size=60),
    splits=st.lists(st.integers(0, 2), min_size=60, max_size=60),
    words=st.sampled_from([FER2013_LABELS, tuple("abcdefg"), ("happy", "sad", "a", "b", "c", "d", "e")]),
    chosen=st.sampled_from([one for one in LABEL_SETS.values() if not one.is_vote_based]),
)
def test_counts_become_what_the_faces_become(
    labels: list[int], splits: list[int], words: tuple[str, ...], chosen: LabelSet
) -> None:
    n = len(labels)
    data = Dataset(np.zeros((n, 1, 1), np.uint8), np.array(labels, np.int8), np.array(splits[:n], np.int8), words)
    try:
        expected = map_labels(data, chosen).data
    except DataError as error:
        with pytest.raises(DataError, match=re.escape(str(error))):
            map_counts(data.source, words, count_labels(data), chosen)
        return
    names, counts = map_counts(data.source, words, count_labels(data), chosen)
    assert names == expected.label_names
    np.testing.assert_array_equal(counts, count_labels(expected))


@pytest.mark.parametrize(
    ("first", "names", "expected"),
    [
        ("fer2013", FER2013_LABELS, "fer2013"),
        ("four", FER2013_LABELS, "four"),
        ("fer2013", ("angry", "happy", "sad", "surprise", "neutral"), "own"),
        ("four-normal", ("happy", "sad", "angry", "neutral"), "own"),
        ("fer2013", FER2013_LABELS[::-1], "own"),
    ],
)
def test_other_labels_than_those_of_fer2013_are_learned_as_they_are(
    first: str, names: tuple[str, ...], expected: str
) -> None:
    assert default_label_set(first, names) == expected


def test_a_label_without_a_training_face() -> None:
    data = dataset(70, 7)
    check(data)
    data.split[data.labels == 1] = 1
    with pytest.raises(DataError, match="has no training face for disgust; add some"):
        check(data)


def test_the_mapping_that_is_shown_is_the_one_that_is_done() -> None:
    data = dataset(70)
    for chosen in LABEL_SETS.values():
        if chosen.is_vote_based or not chosen.labels:
            continue
        lesson = map_labels(data, chosen)
        for row, label in zip(lesson.rows, lesson.data.labels, strict=True):
            assert chosen.mapping[data.label_names[data.labels[row]]] == chosen.labels[label]
        assert {name for name, new in chosen.mapping.items() if new is None} >= set(lesson.excluded_counts)


def labelled(*names: str) -> Dataset:
    """A training face of each label."""
    n = len(names)
    return Dataset(np.zeros((n, 48, 48), np.uint8), np.arange(n, dtype=np.int8), np.zeros(n, np.int8), names)


@pytest.mark.parametrize(
    "name",
    ["unsure", " sad", "a\nb", "x" * 101, "字" * 40, "n/a", "a\\b", "../up", ".x", "sad?"],
)
def test_labels_that_cannot_be_used_are_said_before_the_first_step(name: str) -> None:
    check(labelled("happy", "bored", "label", "x1"))
    with pytest.raises(DataError, match="cannot be shown, or cannot be a part of a file's name"):
        check(labelled("happy", name))


def test_one_label_alone_is_nothing_to_learn() -> None:
    with pytest.raises(DataError, match="has one label only, happy"):
        check(labelled("happy"))
