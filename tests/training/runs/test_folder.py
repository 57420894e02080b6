"""A history is read whatever happened to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import EmotionError
from emotion.model_store.store import compute_sha256
from emotion.training.runs.folder import (
    CHECKPOINT_FILE,
    CONFIG_FILE,
    HISTORY_FILE,
    append_history,
    build_card,
    read_history,
    write_card,
    write_config,
)

WHOLE = "epoch,seconds,loss\n1,12.5,2.25\n2,11.75,1.5\n"
ROWS = [{"epoch": "1", "seconds": "12.5", "loss": "2.25"}, {"epoch": "2", "seconds": "11.75", "loss": "1.5"}]


def history(folder: Path, text: str | bytes) -> list[dict[str, str]]:
    (folder / HISTORY_FILE).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_history(folder)


def test_a_missing_file_or_folder_is_no_rows(tmp_path: Path) -> None:
    assert read_history(tmp_path) == []
    assert read_history(tmp_path / "nowhere") == []


def test_rows_are_text_by_column(tmp_path: Path) -> None:
    assert history(tmp_path, WHOLE) == ROWS
    assert history(tmp_path, WHOLE.replace("\n", "\r\n")) == ROWS


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_an_incomplete_last_line_is_left_out(tmp_path: Path, length: int) -> None:
    whole_lines = WHOLE[:length].count("\n")
    assert history(tmp_path, WHOLE[:length]) == ROWS[: max(0, whole_lines - 1)]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "2",
        "2,11",
        "2,11,1.5,7",
        ",,",
        ",,,",
        "2,11,one",
        "2,11,1.5.5",
        "<<<<<<<,=======,>>>>>>>",
        '2,"11,1.5',
        "\0\0\0\0",
        "1,11.0,0." + "x" * 200_000,
    ],
)
def test_a_damaged_line_is_left_out_and_the_others_stay(tmp_path: Path, line: str) -> None:
    first, second, third, _ = WHOLE.split("\n")
    assert history(tmp_path, "\n".join([first, second, line, third, ""])) == ROWS


def test_more_columns_than_this_program_writes_are_kept(tmp_path: Path) -> None:
    text = "epoch,seconds,temperature of the room,loss\n1,12.5,,nan\n2,11.75,21,-inf\n"
    assert history(tmp_path, text) == [
        {"epoch": "1", "seconds": "12.5", "temperature of the room": "", "loss": "nan"},
        {"epoch": "2", "seconds": "11.75", "temperature of the room": "21", "loss": "-inf"},
    ]


def test_only_a_heading_is_no_rows(tmp_path: Path) -> None:
    assert history(tmp_path, "epoch,seconds,loss\n") == []
    assert history(tmp_path, "garbage\n") == []
    assert history(tmp_path, "") == []
    assert history(tmp_path, "\n\n\n") == []


@given(junk=st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    for row in history(folder, b"epoch,loss\n" + junk):
        assert row.keys() == {"epoch", "loss"}
        assert all(float(cell or 0) is not None for cell in row.values())


def test_the_card_has_every_file_of_a_model_and_no_other(tmp_path: Path) -> None:
    ours = {"model.onnx", "model.keras", "history.csv", "config.json", "report.json"}
    for name in (*ours, ".0a1b2c3d.part.onnx", "notes.csv", "checkpoint.npz", "state.json", "log.txt"):
        (tmp_path / name).write_bytes(name.encode())
    write_card(tmp_path, {"kind": "classifier", "name": "mine"})
    card = json.loads((tmp_path / "card.json").read_text())
    assert (card["kind"], card["name"]) == ("classifier", "mine")
    assert card["files"] == {name: {"bytes": len(name), "sha256": compute_sha256(tmp_path / name)} for name in ours}
    assert set(card["versions"]) >= {"tensorflow", "keras", "onnxruntime"}
    again = build_card(tmp_path, {**card, "created": "then", "name": "yours"})  # what it knew stays
    assert (again["created"], again["name"], again["versions"]) == ("then", "yours", card["versions"])
    (tmp_path / "report.json").unlink()
    assert set(build_card(tmp_path, {})["files"]) == ours - {"report.json"}


def test_later_epochs_are_replaced(tmp_path: Path) -> None:
    for epoch, loss in ((1, 2.0), (2, 1.0), (3, 0.5), (2, 0.75)):
        append_history(tmp_path, {"epoch": epoch, "loss": loss})
    assert read_history(tmp_path) == [{"epoch": "1", "loss": "2"}, {"epoch": "2", "loss": "0.75"}]


def test_settings_are_written_once_and_cannot_change(tmp_path: Path) -> None:
    settings = {"epochs": 3, "progressive_sizes": (32, 48), "mosaic": {"image_size": 320}}
    write_config(tmp_path, "classifier", settings)
    write_config(tmp_path, "classifier", {**settings, "epochs": 4})  # no epoch was trained yet
    assert json.loads((tmp_path / CONFIG_FILE).read_text())["epochs"] == 4
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"")
    write_config(tmp_path, "classifier", {**settings, "epochs": 4})
    with pytest.raises(EmotionError, match="holds a training with other settings; choose another folder"):
        write_config(tmp_path, "classifier", settings)
    assert json.loads((tmp_path / CONFIG_FILE).read_text())["epochs"] == 4
    write_config(tmp_path, "classifier", {**settings, "epochs": 5}, growing=("epochs",))
    with pytest.raises(EmotionError, match=r"it differs in epochs\)"):
        write_config(tmp_path, "classifier", {**settings, "epochs": 3}, growing=("epochs",))
    write_config(tmp_path, "classifier", {**settings, "epochs": 5})
    with pytest.raises(EmotionError, match=r"it differs in seed\)"):  # a setting that the file does not know
        write_config(tmp_path, "classifier", {**settings, "epochs": 5, "seed": 1})
