import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emotion.cli.main import main
from emotion.datasets import catalog
from emotion.model_store import store
from emotion.model_store.store import list_models
from emotion.training import manager
from emotion.training.install import install_model
from emotion.training.run_listing import load_run
from emotion.training.runs.predictions import Predictions
from tests.pages.runs_making import EPOCHS, make_run, write_data

pytestmark = pytest.mark.slow

Open = Callable[..., Any]
MEASURED = [
    {"detector": "glance", "source": "wider", "ap50": 0.75, "ap30": 0.8, "ap50_find_all": 0.9, "num_faces": 5},
    {"detector": "haar", "source": "wider", "ap50": 0.25, "ap30": 0.3, "ap50_find_all": 0.2, "num_faces": 5},
    {"detector": "glance", "negatives": 40, "false_positives": 2},
    {"detector": "glance", "face_size": "16-24 px", "recall": None, "precision": None, "num_faces": 0},
]
ANSWERED = ["Training history", "Confusion", "By expression", "Calibration", "Mistakes", "Robustness", "Examples"]


@pytest.fixture
def runs(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where one's own runs are; there are none yet, and no data set."""
    monkeypatch.setattr(manager, "RUNS_FOLDER", tmp_path / "runs")
    monkeypatch.setattr(catalog, "DATASETS_FOLDER", tmp_path / "data" / "sets")
    monkeypatch.delenv(catalog.DATA_ENV_VAR, raising=False)
    return tmp_path / "runs"


@pytest.fixture
def look(runs: Path, open_page: Open) -> Callable[..., Any]:
    """`look(*folders)`: the Runs page with these runs chosen."""

    def open_it(*folders: Path) -> Any:
        page = open_page("runs", state={"selected_runs": [str(folder) for folder in folders]})
        assert not page.app.exception
        return page

    return open_it


def detector(folder: Path, report: dict[str, Any]) -> Path:
    """A detector's folder as far as this page looks into it."""
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"network")
    (folder / "history.csv").write_text("epoch,seconds,val_ap,val_ap_wider\n1,60,0.5,0.25\n2,60,0.75,0.5\n")
    (folder / "report.json").write_text(json.dumps(report))
    card = {
        "kind": "detector",
        "score_calibration": {"slope": 1, "offset": 0},
        "crop_geometry": {"scale": 1, "y_offset": 0},
        "created": "2026-01-02T03:04:05",
        "files": {"model.onnx": {"sha256": hashlib.sha256(b"network").hexdigest()}},
    }
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def charts(page: Any) -> int:
    return len(page.app.get("vega_lite_chart") or page.app.get("arrow_vega_lite_chart"))


def part(page: Any, name: str) -> Any:
    """Look at another part of the run."""
    (control,) = [one for one in page.app.button_group if str(one.key).startswith("runs_part")]
    control.set_value(name).run()
    assert not page.app.exception
    assert not page.app.error
    return page


def parts(page: Any) -> list[str]:
    (control,) = [one for one in page.app.button_group if str(one.key).startswith("runs_part")]
    return list(control.options)


def table(page: Any) -> Any:
    return page.app.dataframe[0].value


# ------------------------------------------------------------------ the shipped networks


def test_run_without_history_or_scores_is_shown(runs: Path, open_page: Open) -> None:
    page = open_page("runs")
    assert not page.app.error
    assert "no history" in page.words
    assert not page.app.metric


def test_run_with_scores_shows_test_accuracy(models: Path, runs: Path, open_page: Open) -> None:
    card = json.loads((models / "tiny" / "card.json").read_text())
    card["metrics"] = {"test": {"fer2013": {"accuracy": 0.7061, "accuracy_interval": [0.691, 0.72], "n": 3589}}}
    (models / "tiny" / "card.json").write_text(json.dumps(card))
    (models / "tiny" / "history.csv").write_text("epoch,seconds,val_fer2013_accuracy\n1,60,0.5\n")
    page = open_page("runs")
    assert [(m.label, m.value) for m in page.app.metric] == [("7 expressions (FER-2013)", "70.6%")]
    assert "95% CI: 69.1 to 72.0%, 3,589 faces" in page.words
    assert charts(page) == 1
    first = table(page).iloc[:, :3]  # what a narrow screen shows
    assert [*first.columns] == ["in_use", "run", "accuracy"]
    assert first.to_numpy().tolist() == [["★", "tiny", 50]]


def test_detector_run_shows_the_comparison(models: Path, look: Any, saved: dict[str, Any]) -> None:
    page = look(detector(models / "glance", {"train_minutes": 34.2, "detectors": MEASURED}))
    assert not page.app.error
    assert "created 2026-01-02 · 0.0 MB" in page.words
    assert "2 false positives on 40 photos without a face" in page.words
    assert charts(page) == 1  # of the sources; no chart of nothing
    assert saved["detectors.csv"].startswith("case,metric,glance,haar\n")
    assert charts(part(page, "Training history")) == 1


def test_detector_run_without_report_is_shown(models: Path, look: Any) -> None:
    page = look(detector(models / "glance", {}))
    assert not page.app.error
    assert charts(page) == 1


def test_runs_page_without_runs_explains_what_to_do(models: Path, runs: Path, open_page: Open) -> None:
    for file in (models / "tiny").iterdir():
        file.unlink()
    page = open_page("runs")
    assert "There is no run yet" in page.words
    assert not page.app.error


FILES = (
    "card.json",
    "config.json",
    "history.csv",
    "predictions.npz",
    "tracked_examples.npz",
    "robustness.json",
    "report.json",
    "state.json",
)


def plain(markdown: str) -> str:
    """Return the text that escaped Markdown shows."""
    return markdown.replace("\\", "").replace("\u2060", "")


DAMAGE = (b"", b"\xff\x00\n1,2\n", b"[]", b'{"network": 3, "label_set": [], "epochs": "x", "kind": "classifier"}')
# The parts that read a file, beside the one that a page opens with; a run with another damaged file has no parts.
READERS: dict[str, list[str]] = {
    "history.csv": [],
    "predictions.npz": ["Confusion", "By expression", "Calibration", "Mistakes", "Examples"],
    "tracked_examples.npz": ["Examples"],
    "robustness.json": ["Robustness"],
    "state.json": [],
}


def works(page: Any) -> bool:
    return not page.app.exception and not any("Something went wrong" in error.value for error in page.app.error)


@pytest.mark.parametrize("content", DAMAGE, ids=range(len(DAMAGE)))
@pytest.mark.parametrize("file", FILES)
def test_runs_page_survives_damaged_files(runs: Path, look: Any, file: str, content: bytes) -> None:
    """The last content is seen in all parts, the others in those that read the file."""
    run = make_run(runs / "mine", job="done")
    (run / file).write_bytes(content)
    page = look(run)
    if file in ("config.json", "card.json", "report.json") and content != DAMAGE[-1]:
        assert any(f"{file} is damaged" in plain(warning.value) for warning in page.app.warning)
        assert [button.label for button in page.app.button if "elete" in button.label]
    assert works(page)
    if (summary := load_run(run)) is not None and summary.is_damaged:
        assert not any(str(one.key).startswith("runs_part") for one in page.app.button_group)
        return
    names = parts(page)[1:]
    if content != DAMAGE[-1]:
        names = [name for name in names if name in READERS[file]]
    for name in names:
        (control,) = [one for one in page.app.button_group if str(one.key).startswith("runs_part")]
        control.set_value(name).run()
        assert works(page), name


# ------------------------------------------------------------------ one run


def test_run_has_all_views(runs: Path, look: Any) -> None:
    page = look(make_run(runs / "mine", job="done"))
    assert parts(page) == ANSWERED
    assert charts(page) == 2  # right answers and loss
    assert "validation accuracy 50%" in page.words
    assert charts(part(page, "By expression")) == 1
    assert charts(part(page, "Robustness")) == 2
    assert charts(part(page, "Examples")) == 1
    strip = page.shown("runs_examples_strip")
    assert strip is not None
    assert len(strip["thumbnails"]) == 7
    part(page, "Calibration")
    assert [m.label for m in page.app.metric] == ["Calibration error (ECE)"]


def test_confusion_matrix_of_each_epoch_is_shown(runs: Path, look: Any, tmp_path: Path) -> None:
    run = make_run(runs / "mine", data=write_data(tmp_path / "small.npz"), job="done")
    page = part(look(run), "Confusion")
    (slider,) = page.app.select_slider
    assert list(slider.options) == [str(i) for i in range(1, EPOCHS + 1)]
    assert slider.value == 4
    first = page.words
    slider.set_value(1).run()
    assert "Epoch 1: " in page.words
    assert "Epoch 4: " in first
    assert "Click a cell" in page.words


def cell(page: Any, run: Path, row: int, column: int) -> Any:
    page.app.session_state[f"runs_cell_{run.name}_chosen"] = (row, column)
    page.app.run()
    assert not page.app.exception
    return page


def test_clicked_cell_shows_faces_with_votes(runs: Path, look: Any, tmp_path: Path) -> None:
    run = make_run(runs / "mine", data=write_data(tmp_path / "small.npz"), job="done")
    page = cell(part(look(run), "Confusion"), run, 0, 0)
    strip = page.shown("runs_cell_mine_face_strip")
    assert strip is not None
    assert {item["title"] for item in strip["thumbnails"]} == {"predicted angry, labeled angry"}
    assert f"angry, predicted ▲ angry: {len(strip['thumbnails'])}" in page.words
    assert "FER+ votes: happy 7, neutral 2, unknown 1." in page.words


GONE = {
    "moved": (lambda path: path.unlink(), "is not on this machine"),
    "another": (lambda path: write_other(path), "was changed since this run was trained"),
    "damaged": (lambda path: path.write_bytes(b"no npz"), "not a readable .npz"),
}


def write_other(path: Path) -> None:
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    arrays["label"] = (arrays["label"] + 1) % 7
    np.savez(path, allow_pickle=True, **arrays)


@pytest.mark.parametrize("how", GONE)
def test_missing_data_set_of_a_run_is_explained(runs: Path, look: Any, tmp_path: Path, how: str) -> None:
    change, message = GONE[how]
    data = write_data(tmp_path / "small.npz")
    run = make_run(runs / "mine", data=data, job="done")
    change(data)
    page = cell(part(look(run), "Confusion"), run, 0, 0)
    assert message in page.words
    assert page.shown("runs_cell_mine_face_strip") is None
    assert charts(page) == 1


def test_moved_data_set_of_a_run_is_found(runs: Path, look: Any, tmp_path: Path) -> None:
    run = make_run(runs / "mine", data=tmp_path / "gone" / "small.npz", job="done")
    write_data(tmp_path / "data" / "small.npz")
    page = cell(part(look(run), "Confusion"), run, 0, 0)
    assert page.shown("runs_cell_mine_face_strip") is not None


def test_faces_of_a_run_are_anonymized_with_blur(runs: Path, look: Any, tmp_path: Path) -> None:
    run = make_run(runs / "mine", data=write_data(tmp_path / "small.npz"), job="done")
    page = part(look(run), "Mistakes")
    shown = page.shown("runs_mistake_mine_strip")
    page.app.toggle(key="side_anonymize").set_value(True).run()
    hidden = page.shown("runs_mistake_mine_strip")
    assert shown is not None
    assert hidden is not None
    same = [
        a["title"] for a, b in zip(shown["thumbnails"], hidden["thumbnails"], strict=True) if a["image"] == b["image"]
    ]
    assert same == []


def test_run_downloads_have_the_expected_content(runs: Path, look: Any, saved: dict[str, Any]) -> None:
    page = part(look(make_run(runs / "mine", job="done")), "Confusion")
    assert "| happy | " in saved["mine-card.md"]
    assert json.loads(saved["mine-settings.json"])["network"] == "mlp"
    assert saved["mine-history.csv"].startswith("epoch,seconds,learning_rate,loss,")
    assert saved["confusion-4.csv"].startswith("true,predicted,count,share,")
    assert saved["confusion-4.png"].startswith(b"\x89PNG")
    assert b"<svg" in saved["confusion-4.svg"]
    assert charts(page) == 1


# ------------------------------------------------------------------ what can be done


def finished(models: Path, runs: Path, name: str = "mine", **options: Any) -> Path:
    """A run that is a model, too."""
    run = make_run(runs / name, job="done", **options)
    for file in ("model.onnx", "card.json"):
        (run / file).write_bytes((models / "tiny" / file).read_bytes())
    return run


def test_installed_run_is_used_in_all_pages(models: Path, runs: Path, look: Any) -> None:
    page = look(finished(models, runs))
    page.app.text_input(key="runs_name_mine").set_value("better")
    page.app.toggle(key="runs_default_mine").set_value(True)
    page.app.button(key="runs_use_mine").click().run()
    assert not page.app.exception
    assert "All pages use better;" in "".join(one.value for one in page.app.success).replace("\\", "")
    assert page.app.selectbox(key="side_classifier").value == "better"
    assert [bundle.name for bundle in list_models("classifier", models)[0]] == ["better", "tiny"]


def test_installed_model_is_listed_once_and_can_be_removed(models: Path, runs: Path, look: Any) -> None:
    run = finished(models, runs)
    page = look(run)
    page.app.text_input(key="runs_name_mine").set_value("better")
    page.app.toggle(key="runs_default_mine").set_value(True)
    page.app.button(key="runs_use_mine").click().run()
    assert list(table(page)["run"]) == ["mine", "tiny"]
    assert list(table(page)["in_use"]) == ["★", ""]
    page.app.button(key="runs_remove_better").click().run()
    assert not page.app.exception
    assert not page.app.error
    assert "better was removed from the models" in "".join(one.value for one in page.app.success).replace("\\", "")
    assert [bundle.name for bundle in list_models("classifier", models)[0]] == ["tiny"]
    assert list(table(page)["in_use"]) == ["", "★"]
    assert run.exists()


def test_a_run_is_installed_into_the_workspace_where_the_package_is_elsewhere(
    models: Path, runs: Path, look: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "get_user_models", lambda: tmp_path / "installed")
    page = look(finished(models, runs))
    page.app.button(key="runs_use_mine").click().run()
    assert not page.app.error
    assert page.app.selectbox(key="side_classifier").value == "mine"
    assert (tmp_path / "installed" / "mine" / "card.json").exists()
    assert not (models / "mine").exists()
    page.app.button(key="runs_remove_mine").click().run()
    assert not page.app.error
    assert not (tmp_path / "installed" / "mine").exists()


def test_installed_model_survives_the_deletion_of_its_run(models: Path, runs: Path, look: Any) -> None:
    page = look(finished(models, runs))
    page.app.button(key="runs_use_mine").click().run()
    page.app.button(key="runs_delete_mine").click().run()
    assert list(table(page)["run"]) == ["mine", "tiny"]
    page = look(models / "mine")
    page.app.button(key="runs_remove_mine").click().run()
    assert not page.app.exception
    assert list(table(page)["run"]) == ["tiny"]
    assert not [one for one in page.app.button if str(one.key).startswith("runs_remove")]


def test_model_of_the_same_name_is_replaced_on_request(models: Path, runs: Path, look: Any) -> None:
    install_model(finished(models, runs, "old"), models, "best")
    page = look(finished(models, runs))
    page.app.text_input(key="runs_name_mine").set_value("best")
    page.app.button(key="runs_use_mine").click().run()
    assert "choose another name, or replace it" in page.words
    page.app.toggle(key="runs_replace_mine").set_value(True)
    page.app.button(key="runs_use_mine").click().run()
    assert not page.app.error
    assert [bundle.source_run for bundle in list_models("classifier", models)[0]] == ["", "mine"]


def test_invalid_model_name_is_rejected(models: Path, runs: Path, look: Any) -> None:
    page = look(finished(models, runs))
    for name in ("tiny", "../x", "", ".hidden"):
        page.app.text_input(key="runs_name_mine").set_value(name)
        page.app.button(key="runs_use_mine").click().run()
        assert not page.app.exception
        assert len(page.app.error) == 1, name
        assert sorted(p.name for p in models.iterdir()) == ["tiny"], name


def test_run_is_deleted_after_confirmation(runs: Path, look: Any) -> None:
    run, other = make_run(runs / "mine", job="done"), make_run(runs / "other", job="done")
    page = look(run)
    assert run.exists()
    page.app.button(key="runs_delete_mine").click().run()
    assert not page.app.exception
    assert not run.exists()
    assert other.exists()
    assert "mine" not in set(table(page)["run"])


def test_shipped_runs_cannot_be_deleted(models: Path, look: Any) -> None:
    page = look(make_run(models / "ladder" / "mlp"))
    assert not [one for one in page.app.button if str(one.key).startswith("runs_delete")]


# ------------------------------------------------------------------ several


def test_shipped_runs_are_the_default_selection(models: Path, runs: Path, open_page: Open) -> None:
    make_run(models / "ladder" / "mlp", seed=1)
    make_run(models / "ladder" / "cnn-4conv", seed=2, label_set="four")
    make_run(models / "ladder" / "cnn-augmented", seed=3, network="cnn-augmented")
    page = open_page("runs")
    assert not page.app.exception
    assert charts(page) == 1
    differ = page.app.dataframe[1].value
    assert list(differ.columns) == ["setting", "cnn-augmented", "mlp"]
    assert differ["setting"].tolist() == ["Network", "Seed"]


def test_runs_with_equal_names_get_unique_names(models: Path, runs: Path, look: Any) -> None:
    make_run(models / "ladder" / "mlp")
    page = look(make_run(runs / "mlp", job="done"))
    assert table(page)["run"].tolist() == ["mlp (runs/mlp)", "tiny", "mlp (ladder/mlp)"]


def test_curves_can_be_smoothed_and_scaled(runs: Path, look: Any, saved: dict[str, Any]) -> None:
    page = look(make_run(runs / "a", job="done"), make_run(runs / "b", seed=2, job="done", epochs=3))
    plain = saved["curves.csv"]
    page.app.slider(key="runs_smoothing").set_value(0.9).run()
    assert saved["curves.csv"] != plain
    assert saved["curves.csv"].splitlines()[0] == "run,split,epoch,value,raw,best"
    page.app.button_group(key="runs_measure").set_value("Loss").run()
    page.app.toggle(key="runs_log").set_value(True).run()
    assert not page.app.exception
    assert charts(page) == 1
    assert "Settings that differ" in page.words


def together(page: Any, name: str) -> Any:
    page.app.button_group(key="runs_together").set_value(name).run()
    assert not page.app.exception
    assert not page.app.error
    return page


def test_disagreement_of_two_runs_is_shown(runs: Path, look: Any, tmp_path: Path) -> None:
    data = write_data(tmp_path / "small.npz")
    page = look(*(make_run(runs / name, data=data, seed=i, job="done") for i, name in enumerate("ab")))
    together(page, "Disagreements")
    assert "of 70 faces that both predicted" in page.words
    strip = page.shown("runs_pair_face_strip")
    assert strip is not None
    assert all(item["caption"].count("✓") == 1 and item["caption"].count("✗") == 1 for item in strip["thumbnails"])
    assert charts(page) == 2


@pytest.mark.parametrize("other", [{"source": "others"}, {}])
def test_runs_of_different_data_sets_are_not_compared(
    runs: Path, look: Any, tmp_path: Path, other: dict[str, str]
) -> None:
    """Their rows have the same numbers: only the name of the data set, or the labels, tell."""
    data = write_data(tmp_path / "small.npz")
    one, two = make_run(runs / "a", data=data, job="done"), make_run(runs / "b", data=data, seed=1, job="done", **other)
    if not other:
        answers = Predictions.load(two)
        assert answers is not None
        replace(answers, labels=answers.labels[::-1].copy()).save(two)
    page = together(look(one, two), "Disagreements")
    assert "predictions for different faces" in page.words


def test_two_models_are_compared_on_a_photo(models: Path, runs: Path, look: Any) -> None:
    page = together(look(finished(models, runs, "a"), finished(models, runs, "b")), "Try on a photo")
    assert charts(page) == 2  # one face, two models


def test_runs_without_weights_cannot_be_compared_on_a_photo(runs: Path, look: Any) -> None:
    page = together(look(make_run(runs / "a", job="done"), make_run(runs / "b", job="done")), "Try on a photo")
    assert "Choose two or three finished classifiers" in page.words


def test_robustness_of_runs_is_compared(runs: Path, look: Any) -> None:
    page = look(make_run(runs / "a", job="done"), make_run(runs / "b", job="done", has_robustness=False))
    together(page, "Robustness")
    assert charts(page) == 2
    assert "Not measured for b" in page.words


def test_untrusted_run_names_are_escaped(runs: Path, look: Any) -> None:
    run = make_run(runs / "mine", job="done")
    hostile_name = "<img src=x onerror=alert(1)> **b** :red[x]"
    (run / "job.json").write_text(json.dumps({"label": hostile_name, "created": 1.0}))
    page = look(run)
    assert page.app.header[0].value != hostile_name
    assert hostile_name in page.words


# ------------------------------------------------------------------ names, notes and what is computed afterwards


def test_a_renamed_run_has_its_note_and_tags_on_the_page(runs: Path, look: Any) -> None:
    run = make_run(runs / "mine", job="done")
    page = look(run)
    page.app.text_input(key="runs_annotate_mine_name").set_value("The best")
    page.app.multiselect(key="runs_annotate_mine_tags").set_value(["night"])
    page.app.text_area(key="runs_annotate_mine_note").set_value("with less light")
    page.app.button(key="runs_annotate_mine_save").click().run()
    assert not page.app.exception
    assert page.app.header[0].value == "The best"
    assert "with less light" in page.words
    (row,) = table(page).to_dict("records")[:1]
    assert (row["run"], list(row["tags"]), row["note"]) == ("The best", ["night"], "with less light")


def test_predictions_of_a_run_are_computed_by_a_job(
    models: Path, runs: Path, look: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_data(tmp_path / "small.npz")
    run = finished(models, runs, data=data, has_predictions=False, has_robustness=False)
    page = look(run)
    assert "Confusion" not in parts(page)
    started: list[list[str]] = []
    monkeypatch.setattr("emotion.jobs.job.start_job", lambda arguments, folder: started.append(arguments))
    page.app.button(key="runs_compute_mine").click().run()
    assert main(started[0]) == 0
    page = look(run)
    assert {"Confusion", "Robustness"} <= {*parts(page)}
    assert "runs_compute_mine" not in {button.key for button in page.app.button}


def test_a_run_without_its_data_set_says_why_nothing_is_computed(models: Path, runs: Path, look: Any) -> None:
    page = look(finished(models, runs, data="gone.npz", has_predictions=False))
    assert "Its predictions cannot be computed. Its data set gone.npz is not on this machine" in plain(page.words)
    assert "runs_compute_mine" not in {button.key for button in page.app.button}


# ------------------------------------------------------------------ what can be compared


def test_only_comparable_runs_are_drawn_and_the_page_says_why(runs: Path, look: Any) -> None:
    first = make_run(runs / "first", data="faces.npz", job="done")
    second = make_run(runs / "second", data="faces.npz", job="done", batch_size=8)
    other = make_run(runs / "other", data="/home/somebody/mine.npz", job="done")
    page = look(first, other, second)
    assert "Not comparable, so not drawn: other (other data: mine)." in plain(page.words)
    assert "/home/somebody" not in page.words
    page.app.button_group(key="runs_together").set_value("Settings").run()
    assert not page.app.exception
    assert charts(page) == 1
    assert "Not comparable, so not drawn: other (other data: mine)." in plain(page.words)
    assert set(table(page)["data"]) >= {"faces", "mine"}


def test_the_table_shows_the_runs_with_the_chosen_data(runs: Path, look: Any) -> None:
    for name, data in (("first", "faces.npz"), ("second", "faces.npz"), ("third", "mine.npz")):
        make_run(runs / name, data=data, job="done")
    page = look(runs / "first")
    page.app.multiselect(key="runs_data").set_value(["mine"]).run()
    assert list(table(page)["run"]) == ["third"]
    assert page.app.header[0].value == "first", "the selected run stays"
    page.app.multiselect(key="runs_data").set_value([]).run()
    page.app.selectbox(key="runs_order").set_value("Data and labels").run()
    assert list(table(page)["data"])[:3] == ["faces", "faces", "mine"]
