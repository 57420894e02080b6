"""Loading data sets: the splits that are held out, and paths that are not data sets."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.datasets.dataset import Dataset
from emotion.datasets.duplicates import group_near_duplicates
from emotion.datasets.readers.fer2013_files import with_votes
from emotion.datasets.readers.loaders import load_dataset
from emotion.expressions import FER2013_LABELS
from tests.datasets.helpers import assert_equal, count_images, get_error, write_tree
from tests.training.making import (
    csv_lines,
    dataset,
    random_images,
    write_image,
)


def test_csv_without_usage_is_split_with_near_duplicates_together(tmp_path: Path) -> None:
    data = dataset(140, votes=False)
    data.images[7] = np.clip(data.images[0].astype(int) + 2, 0, 255)  # a near-duplicate with the same label
    (tmp_path / "train.csv").write_text("\n".join(line.rpartition(",")[0] for line in csv_lines(data)))
    loaded = load_dataset(tmp_path / "train.csv")
    assert_equal(replace(loaded, split=data.split), data)
    assert_equal(load_dataset(tmp_path / "train.csv"), loaded)
    counts = Counter(zip(loaded.labels.tolist(), loaded.split.tolist(), strict=True))
    assert counts == {(label, split): (16, 2, 2)[split] for label in range(7) for split in range(3)}
    assert loaded.split[7] == loaded.split[0]


@pytest.mark.parametrize("given_splits", [(0,), (0, 1), (0, 2)])
def test_missing_splits_are_held_out_of_the_training_split(tmp_path: Path, given_splits: tuple[int, ...]) -> None:
    data = dataset(*(140 if split in given_splits else 0 for split in range(3)), votes=False)
    write_tree(tmp_path, data, splits=True)
    loaded = load_dataset(tmp_path)
    before, after = ({image: (label, split) for image, label, split in count_images(part)} for part in (data, loaded))
    assert before.keys() == after.keys()
    moved = {image for image in before if before[image] != after[image]}
    assert {(before[image][0], after[image][0]) for image in moved} == {(n, n) for n in FER2013_LABELS}
    assert {before[image][1] for image in moved} == {0}
    assert {after[image][1] for image in moved} == {0, 1, 2} - set(given_splits)
    missing = {1, 2} - set(given_splits)
    assert Counter(after[image] for image in moved) == {(name, s): 2 for name in FER2013_LABELS for s in missing}


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    twins=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=40),
    labels=st.lists(st.sampled_from((0, 3)), min_size=60, max_size=60),
)
def test_equal_images_are_held_out_together(
    tmp_path_factory: pytest.TempPathFactory, twins: list[tuple[int, int]], labels: list[int]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    images = random_images(60)
    for copy, original in twins:
        images[copy] = images[original]
    write_tree(root, Dataset(images, np.array(labels, np.int8), np.zeros(60, np.int8)), splits=False)
    data = load_dataset(root)
    assert len(data) == 60
    splits_of: dict[bytes, set[int]] = {}
    for image, split in zip(data.images, data.split, strict=True):
        splits_of.setdefault(image.tobytes(), set()).add(int(split))
    assert all(len(splits) == 1 for splits in splits_of.values())
    assert_equal(load_dataset(root), data)


def test_tree_without_splits_holds_out_a_tenth_of_every_label(tmp_path: Path) -> None:
    sizes = {0: 40, 3: 100, 6: 9}
    labels = np.repeat(list(sizes), list(sizes.values())).astype(np.int8)
    write_tree(tmp_path, Dataset(random_images(149), labels, np.zeros(149, np.int8)), splits=False)
    data = load_dataset(tmp_path)
    assert data.label_names == ("angry", "happy", "neutral")
    counts = Counter(zip(data.labels.tolist(), data.split.tolist(), strict=True))
    assert counts == {
        (0, 0): 32,
        (0, 1): 4,
        (0, 2): 4,
        (1, 0): 80,
        (1, 1): 10,
        (1, 2): 10,
        (2, 0): 7,
        (2, 1): 1,
        (2, 2): 1,
    }


def test_near_duplicates_are_held_out_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for name in ("happy", "sad"):
        for number in range(30):
            face = cv2.resize(rng.integers(0, 256, (6, 6)).astype(np.uint8), (48, 48))
            write_image(tmp_path / name / f"{number}.png", face)
            write_image(tmp_path / name / f"{number}b.png", np.clip(face.astype(int) + 9, 0, 255).astype(np.uint8))
    data = load_dataset(tmp_path)
    assert set(data.split) == {0, 1, 2}
    groups = group_near_duplicates(data.images)
    assert len(set(groups)) < len(groups)
    for group in set(groups):
        assert len(set(data.split[groups == group])) == 1


def write_frames(folder: Path, seed: int, count: int) -> None:
    """Write images as of one person in front of a camera: near-duplicates, none equal."""
    rng = np.random.default_rng(seed)
    face = cv2.resize(rng.integers(0, 256, (6, 6)).astype(np.uint8), (48, 48)).astype(int)
    for number in range(count):
        write_image(folder / f"{seed}-{number}.png", np.clip(face + rng.integers(-4, 5, (48, 48)), 0, 255))


def test_frames_of_one_person_share_a_split_and_every_split_has_a_person(tmp_path: Path) -> None:
    for index, name in enumerate(("happy", "sad")):
        for person in range(4):
            write_frames(tmp_path / name, 10 * index + person, 20)
    data = load_dataset(tmp_path)
    counts = Counter(zip(data.labels.tolist(), data.split.tolist(), strict=True))
    assert counts == {(label, split): 40 if split == 0 else 20 for label in (0, 1) for split in (0, 1, 2)}


def test_label_of_a_single_person_is_in_every_split(tmp_path: Path) -> None:
    write_frames(tmp_path / "happy", 1, 30)
    write_frames(tmp_path / "sad", 2, 20)
    data = load_dataset(tmp_path)
    counts = Counter(zip(data.labels.tolist(), data.split.tolist(), strict=True))
    assert counts == {(0, 0): 24, (0, 1): 3, (0, 2): 3, (1, 0): 16, (1, 1): 2, (1, 2): 2}


def test_paths_that_are_not_data_sets_are_refused(tmp_path: Path) -> None:
    assert "nowhere.csv" in get_error(lambda: load_dataset(tmp_path / "nowhere.csv"))
    (tmp_path / "faces.tar").touch()
    assert "faces.tar" in get_error(lambda: load_dataset(tmp_path / "faces.tar"))
    assert "votes.csv" in get_error(lambda: with_votes(dataset(1), tmp_path / "votes.csv"))
