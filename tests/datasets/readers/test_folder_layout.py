"""Splits and labels from folder names, for every common layout of a data set."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.datasets.readers.folder_layout import is_hidden, parse_layout, parse_split
from emotion.errors import DataError


@pytest.mark.parametrize(
    ("number", "names"),
    [
        (0, ("train", "Training", "train_set", "Training set", " TRAIN ", "train-data", "trainset", "train_images")),
        (1, ("val", "valid", "validation", "dev", "Validation Set", "PublicTest", "public_test", "dev_set")),
        (2, ("test", "testing", "Test set", "PrivateTest", "private", "test-dataset")),
        (None, ("", "data", "dataset", "set", "happy", "trainer", "tests and more", "contest", "extra")),
    ],
)
def test_folder_names_of_splits_are_recognized(number: int | None, names: tuple[str, ...]) -> None:
    assert {name: parse_split(name) for name in names} == dict.fromkeys(names, number)


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("happy/a.png", False),
        ("../happy/a.png", False),
        ("happy/__a.png", False),
        ("happy/._a.png", True),
        ("happy/.ipynb_checkpoints/a.png", True),
        ("__MACOSX/happy/a.png", True),
        ("a/b/c/.d/e.png", True),
    ],
)
def test_hidden_and_system_paths_are_recognized(path: str, hidden: bool) -> None:
    assert is_hidden(path) is hidden


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (["faces/happy/1.jpg", "faces/sad/2.jpg", "faces/cover.jpg"], ["happy", "sad", ""]),
        (["faces/happy/1.jpg", "faces/sad/2.jpg", "cover.jpg"], ["happy", "sad", ""]),
        (["bored/old/1.jpg", "bored/old/2.jpg", "calm/3.jpg"], ["bored", "bored", "calm"]),
        (["bored/1.jpg", "bored/2.jpg", "bored/old/3.jpg"], ["bored", "bored", "bored"]),
        (["smile/anna/1.jpg", "smile/ben/2.jpg", "smile/3.jpg"], ["smile", "smile", "smile"]),
        (["faces/train/bored/1.jpg", "faces/test/bored/2.jpg", "faces/cover.jpg"], ["bored", "bored", ""]),
        (["train/bored/1.jpg", "test/bored/2.jpg", "happy/3.jpg", "more/4.jpg"], ["bored", "bored", "happy", ""]),
    ],
)
def test_images_beside_the_label_folders_change_no_label(paths: list[str], labels: list[str]) -> None:
    assert [placement.label for placement in parse_layout(paths, Path("root")).placements] == labels


def test_split_may_be_above_or_below_the_label() -> None:
    paths = ["train/yawn/1.jpg", "Dev Set/yawn/2.jpg", "test/yawn/3.jpg"]
    assert [placement.split for placement in parse_layout(paths, Path("root")).placements] == [0, 1, 2]
    paths = ["yawn/train/1.jpg", "yawn/valid/2.jpg", "happy/test/3.jpg", "happy/4.jpg"]
    assert [placement.split for placement in parse_layout(paths, Path("root")).placements] == [0, 1, 2, -1]


def test_notes_count_the_images_without_a_label() -> None:
    paths = ["all/train/yawn/1.jpg", "all/test/yawn/2.jpg", "all/more/yawn/3.jpg", "all/more/4.jpg", "all/test/5.jpg"]
    notes = parse_layout(paths, Path("root")).notes
    assert [note.partition(" left out")[0] for note in notes] == ["all/more: 2 images are", "all/test: 1 image is"]


def test_photos_sorted_by_year_are_refused() -> None:
    with pytest.raises(DataError, match="2019 names no known expression"):
        parse_layout(["2019/happy/1.jpg", "2020/sad/2.jpg"], Path("root"))


@given(
    paths=st.lists(st.lists(st.text(string.ascii_letters + " .-", min_size=1), min_size=1, max_size=4).map("/".join))
)
def test_every_image_has_a_label_or_is_counted_in_a_note(paths: list[str]) -> None:
    layout = parse_layout(paths, Path("root"))
    assert len(layout.placements) == len(paths)
    assert bool(layout.notes) == any(not placement.label for placement in layout.placements)
