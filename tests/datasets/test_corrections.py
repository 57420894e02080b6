"""The data set of corrected labels: what training reads of it, changes, and folders that are not its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emotion.datasets.catalog import get_dataset_info
from emotion.datasets.corrections import FolderCorrections, MemoryCorrections
from emotion.datasets.metadata import read_metadata
from emotion.datasets.readers.loaders import load_dataset
from emotion.errors import DataError, EmotionError
from tests.training.making import random_images


@pytest.fixture
def corrections(tmp_path: Path) -> FolderCorrections:
    return FolderCorrections(tmp_path / "corrections")


def test_labels_are_found_again_and_can_change(corrections: FolderCorrections) -> None:
    first, second = random_images(2, 0)
    for store in (corrections, MemoryCorrections()):
        assert store.find_label(first) is None
        store.set_label(first, "sad")
        store.set_label(second, "happy")
        store.set_label(first, "fear")
        assert (store.find_label(first), store.find_label(second)) == ("fear", "happy")
        assert store.count_faces() == 2
        store.remove(first)
        store.remove(first)
        assert (store.find_label(first), store.count_faces()) == (None, 1)


def test_training_reads_the_same_pixels(corrections: FolderCorrections) -> None:
    images = random_images(10, 1)
    for image in images:
        corrections.set_label(image, "sad")
    data = load_dataset(corrections.folder)
    assert data.label_names == ("sad",)
    assert sorted(map(np.ndarray.tobytes, data.images)) == sorted(map(np.ndarray.tobytes, images))
    assert np.bincount(data.split, minlength=3).tolist() == [8, 1, 1]
    info = get_dataset_info(corrections.folder)
    assert (info.num_faces, info.labels) == (10, ("sad",))


def test_metadata_count_the_faces_and_keep_their_day(corrections: FolderCorrections) -> None:
    first, second = random_images(2, 2)
    corrections.set_label(first, "sad")
    before = read_metadata(corrections.folder)
    corrections.set_label(second, "angry")
    after = read_metadata(corrections.folder)
    assert before is not None
    assert after is not None
    assert (before["faces"], after["faces"]) == (1, 2)
    assert after["labels"] == ["angry", "sad"]
    assert after["created"] == before["created"]
    assert after["sha256"] != before["sha256"]


def test_without_a_face_there_is_no_data_set(corrections: FolderCorrections) -> None:
    (image,) = random_images(1, 3)
    corrections.set_label(image, "sad")
    corrections.remove(image)
    assert not corrections.folder.exists()


def test_a_label_that_is_no_folder_name_has_one(corrections: FolderCorrections) -> None:
    first, second = random_images(2, 4)
    corrections.set_label(first, "../up/x")
    corrections.set_label(second, "...")
    folders = {path.parent.name for path in corrections.folder.glob("train/*/*.png")}
    assert folders == {"-up-x", "no name"}
    assert not (corrections.folder.parent / "up").exists()


def test_a_folder_that_is_not_of_this_program_is_left_alone(corrections: FolderCorrections) -> None:
    (image,) = random_images(1, 5)
    own = corrections.folder / "train" / "sad" / "mine.png"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"x")
    with pytest.raises(EmotionError, match="holds files that are no data set of this program"):
        corrections.set_label(image, "sad")
    assert [path.name for path in corrections.folder.rglob("*") if path.is_file()] == ["mine.png"]


def test_files_of_a_person_survive_the_last_removal(corrections: FolderCorrections) -> None:
    (image,) = random_images(1, 6)
    corrections.set_label(image, "sad")
    (corrections.folder / "notes.txt").write_text("mine")
    corrections.remove(image)
    assert (corrections.folder / "notes.txt").read_text() == "mine"
    assert corrections.count_faces() == 0


def test_a_disk_that_is_full_is_one_sentence(corrections: FolderCorrections, monkeypatch: pytest.MonkeyPatch) -> None:
    (image,) = random_images(1, 7)

    def fail(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emotion.datasets.corrections.write_atomic", fail)
    with pytest.raises(DataError, match="No space left on device"):
        corrections.set_label(image, "sad")


def test_files_in_memory_are_sorted_by_label() -> None:
    store = MemoryCorrections()
    for image, label in zip(random_images(3, 8), ("sad", "sad", "happy"), strict=True):
        store.set_label(image, label)
    files = store.list_files()
    assert sorted(path.split("/")[0] for path in files) == ["happy", "sad", "sad"]
    assert all(png.startswith(b"\x89PNG") for png in files.values())
