"""Which runs can be compared, and why others cannot."""

from pathlib import Path
from typing import Any

import pytest

from emotion.training.finished_runs.groups import describe_group, explain_difference, group_runs
from emotion.training.run_listing import RunSummary, load_run
from emotion.training.tables import format_settings, get_data_name, remove_folders, runs_table
from tests.pages.runs_making import make_run


def load(folder: Path, **config: Any) -> RunSummary:
    run = load_run(make_run(folder, **config))
    assert run is not None
    return run


@pytest.fixture
def reference(tmp_path: Path) -> RunSummary:
    return load(tmp_path / "reference", data="/somewhere/fer2013.npz")


def test_the_same_faces_and_labels_can_be_compared_wherever_the_file_is(tmp_path: Path, reference: RunSummary) -> None:
    other = load(tmp_path / "other", data="fer2013.npz", seed=2, batch_size=8)
    assert explain_difference(other, reference) == ""


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"data": "own/my-faces"}, "other data: my-faces"),
        ({"data": "fer2013.npz", "label_set": "four"}, "other labels: 4: angry, fear, happy, sad"),
        ({"data": "fer2013.npz", "rows": 17}, "another number of faces in fer2013"),
        ({"data": "fer2013.npz", "kind": "detector"}, "another kind of model"),
    ],
)
def test_the_reason_names_the_difference(
    tmp_path: Path, reference: RunSummary, config: dict[str, Any], reason: str
) -> None:
    assert explain_difference(load(tmp_path / "other", **config), reference) == reason


def test_own_labels_differ_by_their_names_and_not_by_their_order(tmp_path: Path) -> None:
    one, two, three = (
        load(tmp_path / str(i), data="mine", label_set="own", label_names=names)
        for i, names in enumerate((["happy", "sad"], ["sad", "happy"], ["sad", "bored"]))
    )
    assert explain_difference(one, two) == ""
    assert explain_difference(one, three) == "other labels: 2 of its data"


def test_the_largest_group_comes_first(tmp_path: Path, reference: RunSummary) -> None:
    runs = {
        "lonely": load(tmp_path / "lonely", data="mine"),
        "reference": reference,
        "other": load(tmp_path / "other", data="fer2013.npz"),
    }
    groups = list(group_runs(runs).values())
    assert [list(group) for group in groups] == [["reference", "other"], ["lonely"]]
    assert describe_group(groups[0]) == "fer2013 · 7 (FER-2013)"


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"source": "fer2013.npz", "data": "/x/y.npz"}, "fer2013"),
        ({"data": r"C:\sets\my.faces"}, "my.faces"),
        ({"data": "/home/somebody/data/sets/own/"}, "own"),
        ({"data": 7}, ""),
        ({}, ""),
    ],
)
def test_a_data_set_is_named_without_folder(config: dict[str, Any], name: str) -> None:
    assert get_data_name(config) == name


def test_settings_have_no_absolute_paths() -> None:
    config = {"data": "/home/somebody/faces.npz", "teachers": ["/a/b", r"D:\c\d"], "inner": {"init_from": "/e/f"}}
    assert remove_folders(config) == {"data": "faces.npz", "teachers": ["b", "d"], "inner": {"init_from": "f"}}
    assert "/" not in "".join(format_settings(config).values())


def test_the_table_has_data_and_tags(reference: RunSummary) -> None:
    (row,) = runs_table({"reference": reference}).to_dict("records")
    assert (row["data"], row["labels"], row["tags"], row["note"]) == ("fer2013", "7 (FER-2013)", [], "")
