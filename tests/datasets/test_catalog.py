"""The list of data sets: counts without reading the images, changes, and files that are not data sets."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from emotion.datasets import catalog
from emotion.datasets.catalog import DatasetInfo, get_dataset_info, list_datasets
from emotion.datasets.metadata import METADATA_FILE, read_metadata
from emotion.datasets.readers.loaders import load_dataset
from emotion.errors import DataError
from emotion.expressions import FER2013_LABELS
from tests.hostile import NAN, Harm, displace, garble, loop, put
from tests.training.making import dataset, random_images, to_arrays, write_fer2013, write_image, write_npz


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data/ with sets/ in it."""
    folder = tmp_path / "data"
    (folder / "sets").mkdir(parents=True)
    monkeypatch.setattr(catalog, "DATASETS_FOLDER", folder / "sets")
    monkeypatch.delenv(catalog.DATA_ENV_VAR, raising=False)
    return folder


def get_single() -> DatasetInfo:
    (info,), errors = list_datasets()
    assert errors == []
    return info


def count_rows(info: DatasetInfo) -> DatasetInfo:
    """The expected info, counted in the loaded rows."""
    rows = load_dataset(info.path)
    counts = np.zeros((len(rows.label_names), 3), int)
    np.add.at(counts, (rows.labels, rows.split), 1)
    return DatasetInfo(
        info.name, info.path, rows.label_names, tuple(map(tuple, counts.tolist())), rows.votes is not None
    )


def write_tree(folder: Path, counts: dict[str, int], seed: int = 0) -> Path:
    for index, (label, count) in enumerate(counts.items()):
        for number, image in enumerate(random_images(count, seed + index)):
            write_image(folder / label / f"{number}.png", image)
    return folder


def test_missing_folders_give_an_empty_list(data: Path) -> None:
    assert list_datasets() == ([], [])
    (data / "sets").rmdir()
    data.rmdir()
    assert list_datasets() == ([], [])


def test_counts_of_files_equal_the_loaded_rows(data: Path) -> None:
    write_npz(data / "voted.npz", to_arrays(dataset(20, 7, 5)))
    info = get_single()
    assert (info.name, info.num_faces, info.split_counts, info.has_ferplus) == ("voted", 32, (20, 7, 5), True)
    assert info == count_rows(info)
    (data / "voted.npz").unlink()
    write_fer2013(data / "fer2013.csv", dataset(20, 7, 5, votes=False))
    info = get_single()
    assert info.labels == FER2013_LABELS
    assert info == count_rows(info)


def test_counts_of_a_csv_without_splits_are_those_held_out(data: Path) -> None:
    lines = write_fer2013(data / "all.csv", dataset(93, votes=False)).read_text().splitlines()
    (data / "all.csv").write_text("\n".join(line.rpartition(",")[0] for line in lines))
    assert get_single() == count_rows(get_single())


@pytest.mark.parametrize(
    "splits", [("train", "validation", "test"), ("train", "valid", "test"), ("train", "test"), ("",)]
)
def test_counts_of_folders_equal_the_loaded_rows(data: Path, splits: tuple[str, ...]) -> None:
    for number, split in enumerate(splits):
        write_tree(data / "sets" / "mine" / split, {"happy": 31, "yawn": 12}, seed=10 * number)
    info = get_single()
    assert (info.name, info.labels) == ("mine", ("happy", "yawn"))
    assert info == count_rows(info)


def test_changes_are_found(data: Path) -> None:
    folder = write_tree(data / "sets" / "mine", {"happy": 3})
    assert get_single().num_faces == 3
    write_image(folder / "sad" / "late.png", random_images(1)[0])
    assert (get_single().num_faces, get_single().labels) == (4, ("happy", "sad"))
    write_image(folder / "sad" / "later.png", random_images(1)[0])
    assert get_single().num_faces == 5


def test_each_file_that_is_not_a_data_set_gives_an_error(data: Path) -> None:
    (data / "sets" / "empty").mkdir()
    (data / "sets" / ".mine.building" / "set" / "train" / "happy").mkdir(parents=True)
    (data / "broken.npz").write_bytes(b"PK no archive")
    np.savez(data / "other.npz", faces=random_images(2))
    np.savez(data / "labels.npz", images=random_images(2), label=np.array([0, 9]), usage=np.array([0, 0]))
    (data / "votes.csv").write_text("Usage,Image name,neutral\n")
    (data / "empty.csv").write_text("emotion,pixels,Usage\n")
    (data / "notes.txt").write_text("not a data set")
    datasets, errors = list_datasets()
    assert datasets == []
    for name in ("empty", "broken.npz", "other.npz", "labels.npz", "votes.csv", "empty.csv"):
        assert sum(name in error for error in errors) >= 1, name
    assert len(errors) == 6


def test_a_path_that_no_system_accepts_is_one_sentence(data: Path) -> None:
    for path in ("x" * 300, str(data / ("x" * 300) / "fer2013.csv")):
        with pytest.raises(DataError, match="There is no "):
            get_dataset_info(Path(path))


def test_environment_variable_adds_a_data_set(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_npz(tmp_path / "fer.npz", to_arrays(dataset(7)))
    monkeypatch.setenv(catalog.DATA_ENV_VAR, str(file))
    assert get_single().path == file
    monkeypatch.setenv(catalog.DATA_ENV_VAR, str(tmp_path))  # a folder of tables
    assert get_single().path == file
    monkeypatch.setenv(catalog.DATA_ENV_VAR, str(write_tree(tmp_path / "tree", {"happy": 2})))  # a data set itself
    assert get_single().name == "tree"
    monkeypatch.setenv(catalog.DATA_ENV_VAR, str(tmp_path / "nowhere"))
    assert "nowhere" in list_datasets().errors[0]
    monkeypatch.setenv(catalog.DATA_ENV_VAR, os.path.relpath(file))
    assert get_single().path == file


def test_equal_names_are_numbered(data: Path) -> None:
    write_tree(data / "sets" / "fer", {"happy": 2})
    write_npz(data / "fer.npz", to_arrays(dataset(7)))
    assert sorted(info.name for info in list_datasets().datasets) == ["fer", "fer (2)"]


HARMS: dict[str, Harm] = {
    **garble(METADATA_FILE),
    **displace(METADATA_FILE),
    "photos are text": put(METADATA_FILE, photos="many"),
    "photos are NaN": put(METADATA_FILE, photos=NAN),
    "config is a list": put(METADATA_FILE, config=[1]),
    "counts are a number": put(METADATA_FILE, counts=7),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_data_set_with_an_odd_description_is_listed_like_the_others(data: Path, harm: Harm) -> None:
    for name in ("good", "harmed"):
        write_tree(data / "sets" / name, {"happy": 3, "sad": 3})
    harm(data / "sets" / "harmed")
    assert [info.name for info in list_datasets().datasets] == ["good", "harmed"]
    metadata = read_metadata(data / "sets" / "harmed")
    assert metadata is None or not set(metadata) & {"photos", "config", "counts"}


@pytest.mark.skipif(sys.platform == "win32", reason="there every name can be decoded")
def test_a_data_set_whose_name_cannot_be_decoded_is_listed(data: Path) -> None:
    folder = write_tree(data / "sets" / "faces", {"happy": 3, "sad": 3})
    os.rename(folder, os.fsencode(data) + b"/sets/\xff faces")
    assert get_single().name == "faces"


def test_links_that_lead_nowhere_are_no_data_sets(data: Path) -> None:
    loop(data / "sets" / "loop")
    loop(data / "sets" / "loop.npz")
    (data / "sets" / "gone").symlink_to(data / "nothing")
    assert list_datasets() == ([], [])
