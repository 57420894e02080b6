from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from emotion.datasets import catalog
from emotion.datasets.catalog import DatasetInfo, list_datasets
from emotion.datasets.loaders import load_dataset
from emotion.expressions import FER2013_LABELS
from tests.training.making import arrays_of, dataset, pictures, write_fer2013, write_npz, write_picture


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data/ of this test only, with sets/ in it."""
    folder = tmp_path / "data"
    (folder / "sets").mkdir(parents=True)
    monkeypatch.setattr(catalog, "DATASETS_FOLDER", folder / "sets")
    monkeypatch.delenv(catalog.DATA_ENV_VAR, raising=False)
    return folder


def only() -> DatasetInfo:
    (found,), errors = list_datasets()
    assert errors == []
    return found


def as_loaded(entry: DatasetInfo) -> DatasetInfo:
    """What the entry should say, counted from the rows themselves."""
    rows = load_dataset(entry.path)
    counts = np.zeros((len(rows.label_names), 3), int)
    np.add.at(counts, (rows.labels, rows.split), 1)
    return DatasetInfo(
        entry.name, entry.path, rows.label_names, tuple(map(tuple, counts.tolist())), rows.votes is not None
    )


def write_tree(folder: Path, counts: dict[str, int], seed: int = 0) -> Path:
    for place, (label, count) in enumerate(counts.items()):
        for number, image in enumerate(pictures(count, seed + place)):
            write_picture(folder / label / f"{number}.png", image)
    return folder


def test_nothing_is_there(data: Path) -> None:
    assert list_datasets() == ([], [])
    (data / "sets").rmdir()
    data.rmdir()
    assert list_datasets() == ([], [])


def test_files_say_what_they_hold(data: Path) -> None:
    write_npz(data / "voted.npz", arrays_of(dataset(20, 7, 5)))
    entry = only()
    assert (entry.name, entry.num_faces, entry.split_counts, entry.has_ferplus) == ("voted", 32, (20, 7, 5), True)
    assert entry == as_loaded(entry)
    (data / "voted.npz").unlink()
    write_fer2013(data / "fer2013.csv", dataset(20, 7, 5, votes=False))
    entry = only()
    assert entry.labels == FER2013_LABELS
    assert entry == as_loaded(entry)


def test_a_csv_without_splits_says_how_it_is_shared_out(data: Path) -> None:
    lines = write_fer2013(data / "all.csv", dataset(93, votes=False)).read_text().splitlines()
    (data / "all.csv").write_text("\n".join(line.rpartition(",")[0] for line in lines))
    assert only() == as_loaded(only())


@pytest.mark.parametrize(
    "splits", [("train", "validation", "test"), ("train", "valid", "test"), ("train", "test"), ("",)]
)
def test_folders_say_what_they_hold(data: Path, splits: tuple[str, ...]) -> None:
    for number, split in enumerate(splits):
        write_tree(data / "sets" / "mine" / split, {"happy": 31, "yawn": 12}, seed=10 * number)
    entry = only()
    assert (entry.name, entry.labels) == ("mine", ("happy", "yawn"))
    assert entry == as_loaded(entry)


def test_what_changed_is_seen(data: Path) -> None:
    folder = write_tree(data / "sets" / "mine", {"happy": 3})
    assert only().num_faces == 3
    write_picture(folder / "sad" / "late.png", pictures(1)[0])
    assert (only().num_faces, only().labels) == (4, ("happy", "sad"))
    write_picture(folder / "sad" / "later.png", pictures(1)[0])
    assert only().num_faces == 5


def test_what_is_no_data_set_is_refused_with_a_sentence(data: Path) -> None:
    (data / "sets" / "empty").mkdir()
    (data / "sets" / ".mine.building" / "set" / "train" / "happy").mkdir(parents=True)
    (data / "broken.npz").write_bytes(b"PK no archive")
    np.savez(data / "other.npz", faces=pictures(2))
    np.savez(data / "labels.npz", images=pictures(2), label=np.array([0, 9]), usage=np.array([0, 0]))
    (data / "votes.csv").write_text("Usage,Image name,neutral\n")
    (data / "empty.csv").write_text("emotion,pixels,Usage\n")
    (data / "notes.txt").write_text("not looked at")
    found, said = list_datasets()
    assert found == []
    for name in ("empty", "broken.npz", "other.npz", "labels.npz", "votes.csv", "empty.csv"):
        assert sum(name in sentence for sentence in said) >= 1, name
    assert len(said) == 6


def test_the_environment_names_one_more(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_npz(tmp_path / "fer.npz", arrays_of(dataset(7)))
    monkeypatch.setenv(catalog.DATA_ENV_VAR, str(file))
    assert only().path == file
    monkeypatch.setenv(catalog.DATA_ENV_VAR, str(tmp_path))  # a folder with files
    assert only().path == file
    monkeypatch.setenv(catalog.DATA_ENV_VAR, str(write_tree(tmp_path / "tree", {"happy": 2})))  # is one itself
    assert only().name == "tree"
    monkeypatch.setenv(catalog.DATA_ENV_VAR, str(tmp_path / "nowhere"))
    assert "nowhere" in list_datasets().errors[0]
    monkeypatch.setenv(catalog.DATA_ENV_VAR, os.path.relpath(file))
    assert only().path == file


def test_two_of_the_same_name_can_be_told_apart(data: Path) -> None:
    write_tree(data / "sets" / "fer", {"happy": 2})
    write_npz(data / "fer.npz", arrays_of(dataset(7)))
    assert sorted(entry.name for entry in list_datasets().datasets) == ["fer", "fer (2)"]
