"""Trees of image files: labels, splits, order, sizes, and files that are left out."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotion.datasets.readers.loaders import load_dataset
from emotion.expressions import FER2013_LABELS
from tests.datasets.helpers import FOLDERS, assert_equal, count_images, get_error, write_tree
from tests.training.making import (
    USAGES,
    dataset,
    random_images,
    write_ferplus,
    write_image,
)


def test_file_names_of_fer2013_give_split_and_order(tmp_path: Path) -> None:
    data = dataset(20, 15, 10)
    for row, (image, label, split) in enumerate(zip(data.images, data.labels, data.split, strict=True)):
        folder = tmp_path / "faces" / ("train" if split == 0 else "test") / FER2013_LABELS[label]
        write_image(folder / f"{USAGES[split]}_{row:05d}.png", image)
    assert_equal(load_dataset(tmp_path / "faces"), replace(data, votes=None, has_votes=None))
    votes = write_ferplus(tmp_path / "fer2013new.csv", data)
    assert_equal(load_dataset(tmp_path / "faces", votes), data)


@pytest.mark.parametrize(
    "label_folders", [FER2013_LABELS, ("Anger", "disgusted", "FEARFUL", "Happiness", "sadness", "surprised", "normal")]
)
def test_tree_with_splits_is_read(tmp_path: Path, label_folders: tuple[str, ...]) -> None:
    data = dataset(30, 14, 14, votes=False)
    write_tree(tmp_path, data, label_folders=label_folders, splits=True)
    assert count_images(load_dataset(tmp_path)) == count_images(data)


def test_labels_have_the_order_of_fer2013_with_contempt_last(tmp_path: Path) -> None:
    for name in ("surprise", "contempt", "angry"):
        write_image(tmp_path / name / "a.png", random_images(1)[0])
    assert load_dataset(tmp_path).label_names == ("angry", "surprise", "contempt")


def test_images_become_gray_squares_of_48_pixels(tmp_path: Path) -> None:
    gray = random_images(1)[0]
    write_image(tmp_path / "happy" / "a.png", np.repeat(gray[..., None], 3, axis=2))
    np.testing.assert_array_equal(load_dataset(tmp_path).images, [gray])
    wide = np.full((96, 200, 3), 255, np.uint8)  # the middle is 52 to 148
    wide[:, 52:148] = 40
    write_image(tmp_path / "happy" / "a.png", wide)
    np.testing.assert_array_equal(load_dataset(tmp_path).images, np.full((1, 48, 48), 40))
    small = np.zeros((20, 10), np.uint8)
    small[5:15] = 200
    write_image(tmp_path / "happy" / "a.png", small)
    np.testing.assert_array_equal(load_dataset(tmp_path).images, np.full((1, 48, 48), 200))


def test_unreadable_image_is_left_out_with_a_note(tmp_path: Path) -> None:
    data = dataset(7, 7, 7, votes=False)
    write_tree(tmp_path, data, splits=True)
    (tmp_path / "train" / "happy" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (tmp_path / "train" / "happy" / "empty.png").touch()
    (tmp_path / "train" / "happy" / "read me.txt").write_text("not an image")
    loaded = load_dataset(tmp_path)
    assert count_images(loaded) == count_images(data)
    assert [note.partition(": ")[0] for note in loaded.notes] == ["train/happy/broken.jpg", "train/happy/empty.png"]


def test_folder_without_a_meaning_is_left_out_with_a_note_and_hidden_files_without(tmp_path: Path) -> None:
    data = dataset(14, 7, 7, votes=False)
    write_tree(tmp_path, data, splits=True)
    for hidden in ("train/happy/.ipynb_checkpoints/a.png", "train/.cache/happy/a.png", "__MACOSX/train/happy/a.png"):
        write_image(tmp_path / hidden, random_images(1)[0])
    (tmp_path / "train" / "happy" / "._a.png").write_bytes(b"\0\5\x16\7")
    write_image(tmp_path / "extra" / "yawn" / "a.png", random_images(1)[0])
    write_image(tmp_path / "test" / "cover.png", random_images(1)[0])
    (tmp_path / "test" / "sad" / "phone.heic").write_bytes(b"\0\0\0 ftypheic")
    loaded = load_dataset(tmp_path)
    assert count_images(loaded) == count_images(data)
    assert [note.partition(": ")[0] for note in loaded.notes] == ["extra", "test", "test/sad/phone.heic"]
    shutil.rmtree(tmp_path / "train")
    shutil.rmtree(tmp_path / "validation")
    shutil.rmtree(tmp_path / "test")
    write_image(tmp_path / "test" / "cover.png", random_images(1)[0])
    shutil.rmtree(tmp_path / "extra")
    assert "test: 1 image is left out" in get_error(lambda: load_dataset(tmp_path))


def test_linked_folders_are_read_once(tmp_path: Path) -> None:
    write_tree(tmp_path / "else", dataset(14, 7, 7, votes=False), splits=True)
    (tmp_path / "mine").mkdir()
    for split in FOLDERS:
        (tmp_path / "mine" / split).symlink_to(tmp_path / "else" / split)
    (tmp_path / "else" / "train" / "happy" / "again").symlink_to(tmp_path / "else" / "train")
    assert len(load_dataset(tmp_path / "mine")) == 28


def test_error_of_an_invalid_tree_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in get_error(lambda: load_dataset(tmp_path / "empty"))
    (tmp_path / "pictureless" / "train" / "happy").mkdir(parents=True)
    assert str(tmp_path / "pictureless") in get_error(lambda: load_dataset(tmp_path / "pictureless"))
    write_image(tmp_path / "odd" / "train" / "happy" / "a.png", random_images(1)[0])
    write_image(tmp_path / "odd" / "train" / "2019" / "happy" / "a.png", random_images(1)[0])
    message = get_error(lambda: load_dataset(tmp_path / "odd"))
    assert str(tmp_path / "odd" / "train" / "2019") in message
    for number in range(128):
        write_image(tmp_path / "many" / f"label {number}" / "a.png", random_images(1)[0])
    assert "128 labels" in get_error(lambda: load_dataset(tmp_path / "many"))


def test_folder_names_are_normalized_to_labels(tmp_path: Path) -> None:
    for number, name in enumerate(("Yawn", "contempt", "Anger", " a  smirk ", "yawn")):
        write_image(tmp_path / "train" / name / f"{number}.png", random_images(1, number)[0])
    write_image(tmp_path / "train" / "__MACOSX" / "a.png", random_images(1)[0])
    write_image(tmp_path / "train" / ".hidden" / "a.png", random_images(1)[0])
    data = load_dataset(tmp_path)
    assert data.label_names == ("angry", "contempt", "a smirk", "yawn")
    assert np.bincount(data.labels).tolist() == [1, 1, 1, 2]


@pytest.mark.parametrize("wrapped", ["", "faces", "archive/faces"])
def test_folders_around_a_tree_are_ignored(tmp_path: Path, wrapped: str) -> None:
    data = dataset(30, 14, 14, votes=False)
    write_tree(tmp_path / wrapped, data, splits=True)
    assert count_images(load_dataset(tmp_path)) == count_images(data)
    for name in ("happy", "yawn"):
        write_image(tmp_path / "other" / wrapped / name / "2019" / "a.png", random_images(1)[0])
        write_image(tmp_path / "other" / wrapped / name / "a.png", random_images(1)[0])
    assert load_dataset(tmp_path / "other").label_names == ("happy", "yawn")


def test_images_have_the_requested_size(tmp_path: Path) -> None:
    wide = np.full((96, 200, 3), 255, np.uint8)
    wide[:, 52:148] = 40
    write_image(tmp_path / "happy" / "a.png", wide)
    np.testing.assert_array_equal(load_dataset(tmp_path, size=80).images, np.full((1, 80, 80), 40))
