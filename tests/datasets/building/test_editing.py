"""Changing the label of a face of a data set, and removing a face."""

from __future__ import annotations

import csv
import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from emotion.datasets.building.builder import build_dataset
from emotion.datasets.building.config import DatasetBuildConfig
from emotion.datasets.building.editing import relabel_face, remove_face
from emotion.datasets.building.existing import read_existing_faces
from emotion.datasets.metadata import FACES_FILE, METADATA_FILE, SYNTHETIC_FACES_FILE
from emotion.datasets.readers.loaders import load_dataset
from emotion.errors import DataError
from emotion.jobs.process_record import ProcessRecord
from emotion.jobs.reporter import JobReporter
from tests.training.making import random_images, write_image


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A data set of twelve faces, with one face alone under "grin"."""
    for number, image in enumerate(random_images(11)):
        write_image(tmp_path / "photos" / ("happy" if number % 2 else "sad") / f"{number}.png", image)
    write_image(tmp_path / "photos" / "grin" / "0.png", random_images(1, seed=5)[0])
    folder = tmp_path / "sets" / ".mine.building"
    folder.mkdir(parents=True)
    build_dataset(
        tmp_path / "photos", folder.parent / "mine", DatasetBuildConfig(pre_cropped=True), folder, JobReporter(folder)
    )
    return folder.parent / "mine"


def read_rows(folder: Path) -> dict[str, dict[str, str]]:
    rows = csv.DictReader((folder / FACES_FILE).read_text(encoding="utf-8-sig").splitlines())
    return {row["photo"]: row for row in rows}


def test_face_gets_another_label_in_its_split(mine: Path) -> None:
    before = read_rows(mine)["happy/3.png"]
    pixels = (mine / before["file"]).read_bytes()
    relabel_face(mine, before["file"], "Sadness")
    after = read_rows(mine)["happy/3.png"]
    assert (after["label"], after["split"], after["digest"]) == ("sad", before["split"], before["digest"])
    assert (mine / after["file"]).read_bytes() == pixels
    assert not (mine / before["file"]).exists()
    metadata = json.loads((mine / METADATA_FILE).read_text())
    assert sum(counts["sad"] for counts in metadata["counts"].values()) == 7
    assert metadata["faces"] == len(load_dataset(mine)) == 12


def test_label_whose_last_face_gets_another_one_is_gone(mine: Path) -> None:
    relabel_face(mine, read_rows(mine)["grin/0.png"]["file"], "brand new")
    assert load_dataset(mine).label_names == ("happy", "sad", "brand new")
    assert json.loads((mine / METADATA_FILE).read_text())["labels"] == ["happy", "sad", "brand new"]


def test_face_is_removed(mine: Path) -> None:
    remove_face(mine, read_rows(mine)["sad/4.png"]["file"])
    assert "sad/4.png" not in read_rows(mine)
    assert json.loads((mine / METADATA_FILE).read_text())["faces"] == len(load_dataset(mine)) == 11


def test_edited_data_set_can_be_extended(mine: Path, tmp_path: Path) -> None:
    relabel_face(mine, read_rows(mine)["happy/3.png"]["file"], "sad")
    remove_face(mine, read_rows(mine)["happy/5.png"]["file"])
    write_image(tmp_path / "more" / "happy" / "new.png", random_images(1, seed=8)[0])
    folder = mine.with_name(".mine.building")
    config = DatasetBuildConfig(pre_cropped=True)
    build_dataset(tmp_path / "more", mine, config, folder, JobReporter(folder), mode="extend")
    assert (read_rows(mine)["happy/3.png"]["label"], len(load_dataset(mine))) == ("sad", 12)


def test_a_corrected_label_stays_when_the_same_photo_is_added_again(mine: Path, tmp_path: Path) -> None:
    relabel_face(mine, read_rows(mine)["happy/3.png"]["file"], "sad")
    (mine / SYNTHETIC_FACES_FILE).write_text('{"added": []}')
    write_image(tmp_path / "more" / "happy" / "new.png", random_images(1, seed=8)[0])
    shutil.copy(tmp_path / "photos" / "happy" / "3.png", tmp_path / "more" / "happy" / "3.png")
    folder = mine.with_name(".mine.building")
    config = DatasetBuildConfig(pre_cropped=True)
    build_dataset(tmp_path / "more", mine, config, folder, JobReporter(folder), mode="extend")
    assert (read_rows(mine)["happy/3.png"]["label"], len(load_dataset(mine))) == ("sad", 13)
    with (mine / "rejected.csv").open(encoding="utf-8-sig") as file:
        assert [(row["name"], row["reason"]) for row in csv.DictReader(file)] == [("happy/3.png", "two labels")]
    assert (mine / SYNTHETIC_FACES_FILE).is_file()


def test_a_data_set_does_not_change_while_faces_are_added(mine: Path) -> None:
    """The job would replace the data set with what it read before."""
    ProcessRecord.from_current_process("running").write(mine.with_name(".mine.building"))
    file = read_rows(mine)["happy/3.png"]["file"]
    with pytest.raises(DataError, match="Faces are being added to mine right now"):
        relabel_face(mine, file, "sad")
    with pytest.raises(DataError, match="Faces are being added to mine right now"):
        remove_face(mine, file)
    assert (mine / file).is_file()


@pytest.mark.parametrize("file", ["train/happy/99999.png", "../../photos/happy/1.png", "dataset.json", ""])
def test_only_faces_of_the_data_set_are_changed(mine: Path, file: str) -> None:
    with pytest.raises(DataError, match="There is no face"):
        remove_face(mine, file)


def test_label_without_a_letter_is_refused(mine: Path) -> None:
    with pytest.raises(DataError, match="has no letter"):
        relabel_face(mine, read_rows(mine)["sad/4.png"]["file"], "...")


def test_data_set_that_was_not_built_here_is_not_changed(tmp_path: Path) -> None:
    write_image(tmp_path / "other" / "train" / "happy" / "1.png", random_images(1)[0])
    with pytest.raises(DataError, match="was not built on this page"):
        remove_face(tmp_path / "other", "train/happy/1.png")


def test_last_face_stays(mine: Path) -> None:
    rows = list(read_rows(mine).values())
    for row in rows[1:]:
        remove_face(mine, row["file"])
    with pytest.raises(DataError, match="delete the data set instead"):
        remove_face(mine, rows[0]["file"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [(",", ";", "has other columns than file, label"), (",1.0,", ",0 98,", "faces.csv is damaged")],
)
def test_a_table_that_another_program_has_saved_is_refused_and_no_face_is_lost(
    mine: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    table = mine / FACES_FILE
    file = read_rows(mine)["sad/4.png"]["file"]
    table.write_text(table.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    use = partial(relabel_face, mine, file, "happy") if new == ";" else partial(list, read_existing_faces(mine))
    with pytest.raises(DataError, match=message):
        use()
    assert (mine / file).is_file()
