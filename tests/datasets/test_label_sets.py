"""Label sets: which faces of a data set have a label in them, and the labels that no classifier can have."""

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
def test_mapped_faces_keep_their_labels(name: str, labels: tuple[str, ...]) -> None:
    data = dataset(70, 14, 14)
    task = map_labels(data, get_label_set(name))
    assert task.data.label_names == labels
    original = [data.label_names[label] for label in data.labels[task.rows]]
    assert original == [labels[label] for label in task.data.labels]
    np.testing.assert_array_equal(task.data.images, data.images[task.rows])
    np.testing.assert_array_equal(task.data.split, data.split[task.rows])
    assert set(original) == set(labels)
    assert task.excluded_counts == {label: 14 for label in FER2013_LABELS if label not in labels}
    assert len(task.rows) + sum(task.excluded_counts.values()) == len(data)


def test_ferplus_labels_are_the_majority_of_the_votes() -> None:
    data = dataset(80, 20)
    task = map_labels(data, get_label_set("ferplus"))
    assert task.data.label_names == FERPLUS_LABELS
    majority = majority_vote(data)
    np.testing.assert_array_equal(task.rows, np.flatnonzero(majority >= 0))
    np.testing.assert_array_equal(task.data.labels, majority[majority >= 0])
    with pytest.raises(DataError, match=r"fer2013.csv has no FER\+ votes, which the label set 'ferplus' needs"):
        map_labels(dataset(20, votes=False), get_label_set("ferplus"))


def test_own_label_set_keeps_the_labels_of_the_data_set() -> None:
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
    names=st.sampled_from([FER2013_LABELS, tuple("abcdefg"), ("happy", "sad", "a", "b", "c", "d", "e")]),
    label_set=st.sampled_from([label_set for label_set in LABEL_SETS.values() if not label_set.is_vote_based]),
)
def test_mapped_counts_equal_the_counts_of_the_mapped_faces(
    labels: list[int], splits: list[int], names: tuple[str, ...], label_set: LabelSet
) -> None:
    n = len(labels)
    data = Dataset(np.zeros((n, 1, 1), np.uint8), np.array(labels, np.int8), np.array(splits[:n], np.int8), names)
    try:
        expected = map_labels(data, label_set).data
    except DataError as error:
        with pytest.raises(DataError, match=re.escape(str(error))):
            map_counts(data.source, names, count_labels(data), label_set)
        return
    mapped_names, counts = map_counts(data.source, names, count_labels(data), label_set)
    assert mapped_names == expected.label_names
    np.testing.assert_array_equal(counts, count_labels(expected))


@pytest.mark.parametrize(
    ("network_default", "names", "expected"),
    [
        ("fer2013", FER2013_LABELS, "fer2013"),
        ("four", FER2013_LABELS, "four"),
        ("fer2013", ("angry", "happy", "sad", "surprise", "neutral"), "own"),
        ("four-normal", ("happy", "sad", "angry", "neutral"), "own"),
        ("fer2013", FER2013_LABELS[::-1], "own"),
    ],
)
def test_default_label_set_is_own_for_labels_other_than_fer2013(
    network_default: str, names: tuple[str, ...], expected: str
) -> None:
    assert default_label_set(network_default, names) == expected


def test_label_without_a_training_face_is_refused() -> None:
    data = dataset(70, 7)
    check(data)
    data.split[data.labels == 1] = 1
    with pytest.raises(DataError, match="has no training face for disgust; add some"):
        check(data)


def test_mapping_attribute_agrees_with_map_labels() -> None:
    data = dataset(70)
    for label_set in LABEL_SETS.values():
        if label_set.is_vote_based or not label_set.labels:
            continue
        task = map_labels(data, label_set)
        for row, label in zip(task.rows, task.data.labels, strict=True):
            assert label_set.mapping[data.label_names[data.labels[row]]] == label_set.labels[label]
        assert {name for name, new in label_set.mapping.items() if new is None} >= set(task.excluded_counts)


def one_face_per_label(*names: str) -> Dataset:
    n = len(names)
    return Dataset(np.zeros((n, 48, 48), np.uint8), np.arange(n, dtype=np.int8), np.zeros(n, np.int8), names)


@pytest.mark.parametrize(
    "name",
    ["unsure", " sad", "a\nb", "x" * 101, "字" * 40, "n/a", "a\\b", "../up", ".x", "sad?"],
)
def test_labels_that_cannot_be_displayed_are_refused(name: str) -> None:
    check(one_face_per_label("happy", "bored", "label", "x1"))
    with pytest.raises(DataError, match="is reserved or cannot be part of a file name"):
        check(one_face_per_label("happy", name))


def test_single_label_is_refused() -> None:
    with pytest.raises(DataError, match="has only the label happy"):
        check(one_face_per_label("happy"))
