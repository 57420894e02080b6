import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import streamlit as st

from emotion.datasets import catalog
from emotion.datasets.label_sets import LABEL_SETS
from emotion.errors import JobError
from emotion.model_store import store
from emotion.training import manager, run_listing
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.fine_tuning import make_fine_tuning_plan
from emotion.training.classifier.networks.zoo import list_architectures
from tests.pages.runs_making import make_run, write_data
from tests.training.making import random_images, write_image

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]


@pytest.fixture
def runs(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where one's own runs are; there are none yet, and one small data set."""
    monkeypatch.setattr(manager, "RUNS_FOLDER", tmp_path / "runs")
    monkeypatch.setattr(catalog, "DATASETS_FOLDER", tmp_path / "data" / "sets")
    monkeypatch.delenv(catalog.DATA_ENV_VAR, raising=False)
    write_data(tmp_path / "data" / "small.npz")
    return tmp_path / "runs"


@pytest.fixture
def started(runs: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[TrainingPlan, str]]:
    """Return the trainings that the page starts, which do not run."""
    requests: list[tuple[TrainingPlan, str]] = []
    monkeypatch.setattr(manager, "start_training", lambda plan, name, parent: requests.append((plan, name)))
    return requests


@pytest.fixture
def went(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pages that a click led to; AppTest does not follow."""
    pages: list[str] = []
    monkeypatch.setattr(st, "switch_page", pages.append)
    return pages


def at_work(folder: Path, **progress: Any) -> Path:
    """A run whose job is this very process."""
    me = psutil.Process()
    state = {"status": "running", "pid": os.getpid(), "process_started_at": me.create_time(), "error": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "progress.json").write_text(json.dumps({"done": 1, "total": 5, "message": "epoch 3"} | progress))
    return folder


def charts(page: Any) -> int:
    return len(page.app.get("vega_lite_chart") or page.app.get("arrow_vega_lite_chart"))


def keys(page: Any) -> set[str]:
    return {str(one.key) for one in page.app.button}


# ------------------------------------------------------------------ the form


def test_training_form_describes_network_and_cost(runs: Path, open_page: Open) -> None:
    page = open_page("train")
    assert not page.app.exception
    assert not page.app.error
    assert list(page.app.button_group(key="train_network").options) == [card.name for card in list_architectures()]
    assert "Reported: 24% after 5 epochs, 7 labels" in page.words
    assert [m.label for m in page.app.metric] == ["Parameters", "Time, about", "Memory, about"]
    assert page.app.metric[0].value == f"{list_architectures()[0].num_parameters:,}"


def test_each_network_can_be_started_with_its_defaults(started: list[Any], open_page: Open, tmp_path: Path) -> None:
    page = open_page("train")
    for name in [card.name for card in list_architectures()]:
        started.clear()
        page.app.button_group(key="train_network").set_value(name).run()
        assert not page.app.error, name
        page.app.button(key="train_start").click().run()
        assert not page.app.exception, name
        assert not page.app.error, name
        ((plan, called),) = started
        plain = TrainingPlan.from_defaults(name)
        faces = 10 * len(LABEL_SETS[plain.label_set].labels)  # of the training split, of which a batch has no more
        batch_size = min(plain.batch_size, faces)
        assert plan == replace(plain, data=str(tmp_path / "data" / "small.npz"), batch_size=batch_size), name
        assert called == name


def test_form_values_reach_the_training_plan(started: list[Any], open_page: Open) -> None:
    page = open_page("train")
    page.app.button_group(key="train_network").set_value("cnn-augmented").run()
    page.app.selectbox(key="train_label_set_cnn-augmented").set_value("four").run()
    assert "Excluded: disgust, surprise, neutral" in page.words
    page.app.number_input(key="train_epochs_cnn-augmented").set_value(3)
    page.app.number_input(key="train_learning_rate_cnn-augmented").set_value(0.01)
    page.app.selectbox(key="train_lr_schedule_cnn-augmented").set_value("cosine")
    page.app.slider(key="train_rotation_cnn-augmented").set_value(30.0)
    page.app.slider(key="train_zoom_cnn-augmented").set_value((0.9, 1.1))
    page.app.toggle(key="train_tensorboard_cnn-augmented").set_value(True)
    page.app.toggle(key="train_horizontal_flip_cnn-augmented").set_value(False).run()
    page.app.text_input(key="train_name_cnn-augmented").set_value("my run")
    page.app.button(key="train_start").click().run()
    ((plan, called),) = started
    assert called == "my run"
    assert (
        plan.label_set,
        plan.epochs,
        plan.learning_rate,
        plan.lr_schedule,
        plan.horizontal_flip,
        plan.tensorboard,
    ) == (
        "four",
        3,
        0.01,
        "cosine",
        False,
        True,
    )
    assert (plan.augmentation.rotation, plan.augmentation.min_scale, plan.augmentation.max_scale) == (30, 0.9, 1.1)


def test_custom_path_is_checked_and_trained(started: list[Any], open_page: Open, tmp_path: Path) -> None:
    page = open_page("train")
    page.app.selectbox(key="train_data").set_value("Another path").run()
    assert page.app.button(key="train_start").disabled
    page.app.text_input(key="train_path").set_value(str(tmp_path / "nowhere")).run()
    assert "There is no" in page.words
    assert page.app.button(key="train_start").disabled
    other = write_data(tmp_path / "elsewhere" / "mine.npz")
    page.app.text_input(key="train_path").set_value(str(other)).run()
    page.app.button(key="train_start").click().run()
    assert [plan.data for plan, _ in started] == [str(other)]


def test_taken_run_name_is_rejected(runs: Path, open_page: Open, monkeypatch: Any) -> None:
    def refuse(*_: Any) -> None:
        raise JobError("There is already a run mlp; choose another name or delete that run.")

    monkeypatch.setattr(manager, "start_training", refuse)
    page = open_page("train")
    page.app.button(key="train_start").click().run()
    assert not page.app.exception
    assert "There is already a run mlp" in page.words


def test_suggested_run_name_is_free(runs: Path, open_page: Open) -> None:
    make_run(runs / "mlp", job="done")
    page = open_page("train")
    assert page.app.text_input(key="train_name_mlp-2").value == "mlp-2"


def own_faces(folder: Path, labels: dict[str, int]) -> Path:
    for place, (label, count) in enumerate(labels.items()):
        for number, image in enumerate(random_images(count, place)):
            write_image(folder / label / f"{number}.png", image)
    return folder


OWN = {"angry": 10, "happy": 10, "sad": 10, "surprise": 10, "neutral": 10}


def test_custom_data_set_starts_with_its_own_labels(
    started: list[tuple[TrainingPlan, str]], open_page: Open, tmp_path: Path
) -> None:
    mine = own_faces(tmp_path / "data" / "sets" / "mine", OWN)
    page = open_page("train")
    labels = page.app.selectbox(key="train_label_set_mlp")
    assert labels.value == "fer2013"  # of the other data set, which has them
    page.app.selectbox(key="train_data").set_value(str(mine)).run()
    assert page.app.selectbox(key="train_label_set_mlp").value == "own"
    assert "Only 40 faces are for training, so a batch has 40." in page.words
    assert not page.app.error
    page.app.button(key="train_start").click().run()
    page.app.selectbox(key="train_data").set_value(str(tmp_path / "data" / "small.npz")).run()
    page.app.button(key="train_start").click().run()
    assert [(plan.label_set, plan.batch_size) for plan, _ in started] == [("own", 40), ("fer2013", 64)]


@pytest.fixture
def tunable(models: Path, make_bundle: Callable[..., Path]) -> Path:
    """A classifier that can be fine-tuned, beside the one that cannot."""
    folder = models / "shipped"
    folder.mkdir()
    (folder / "model.keras").write_bytes(b"weights")
    record = {"bytes": 7, "sha256": store.compute_sha256(folder / "model.keras")}
    return make_bundle(
        folder, lambda card: card.update(network="seresnet", files=card["files"] | {"model.keras": record})
    )


def test_few_faces_fine_tune_the_shipped_classifier(
    tunable: Path, started: list[tuple[TrainingPlan, str]], open_page: Open, tmp_path: Path
) -> None:
    mine = own_faces(tmp_path / "data" / "sets" / "mine", OWN)
    page = open_page("train")
    page.app.selectbox(key="train_data").set_value(str(mine)).run()
    assert page.app.button_group(key="train_method").value == "fine-tune"
    assert list(page.app.selectbox(key="train_source").options) == ["shipped"]
    page.app.number_input(key="train_epochs_fine").set_value(7).run()
    page.app.button(key="train_start").click().run()
    assert not page.app.exception
    ((plan, name),) = started
    assert plan == replace(make_fine_tuning_plan(tunable), data=str(mine), label_set="own", epochs=7)
    assert name == "fine-tuned"


def test_a_network_can_be_trained_instead_of_fine_tuned(tunable: Path, started: list[Any], open_page: Open) -> None:
    page = open_page("train")
    page.app.button_group(key="train_method").set_value("network").run()
    page.app.button(key="train_start").click().run()
    assert not page.app.exception
    assert [(plan.network, plan.init_from) for plan, _ in started] == [("mlp", "")]


def test_repeating_a_fine_tuning_fills_its_form(tunable: Path, runs: Path, started: list[Any], open_page: Open) -> None:
    data = runs.parent / "data" / "small.npz"
    plan = replace(make_fine_tuning_plan(tunable), data=str(data), epochs=9, batch_size=16)
    run = make_run(runs / "mine", job="done")
    (run / "config.json").write_text(json.dumps({"kind": "classifier"} | plan.to_config()))
    page = open_page("runs")
    page.app.session_state["selected_runs"] = [str(run)]
    page.app.run()
    page.app.button(key="runs_repeat_mine").click().run()
    page.app.switch_page("pages/train.py").run()
    page.app.button(key="train_start").click().run()
    assert not page.app.exception
    assert [plan for plan, _ in started] == [plan]


UNLEARNABLE = {
    "mine": OWN,
    "others": {"yawn": 10, "grin": 10},
    "few": {"yawn": 1, "grin": 1},
    "yawns": {"yawn": 20},
    "doubts": {"yawn": 20, "unsure": 20},
}
SENTENCES = [
    ("mine", "fer2013", "The data set mine has no training face for disgust, fear; add some or choose other labels."),
    ("mine", "ferplus", "The data set mine has no FER+ votes"),
    ("others", "four", "No face of others has one of the labels angry, fear, happy, sad"),
    ("few", "own", "The data set few has no validation rows"),
    ("yawns", "own", "yawns has only the label yawn"),
    ("doubts", "own", "The label 'unsure' of doubts is reserved"),
]


def test_unlearnable_settings_disable_the_start(started: list[Any], open_page: Open, tmp_path: Path) -> None:
    sets = tmp_path / "data" / "sets"
    for name, labels in UNLEARNABLE.items():
        own_faces(sets / name, labels)
    page = open_page("train")
    for name, chosen, sentence in SENTENCES:
        page.app.selectbox(key="train_data").set_value(str(sets / name)).run()
        page.app.selectbox(key="train_label_set_mlp").set_value(chosen).run()
        assert not page.app.exception, sentence
        assert sentence in page.words
        assert len(page.app.error) == 1, sentence
        assert page.app.button(key="train_start").disabled, sentence


# ------------------------------------------------------------------ runs to repeat


def test_shipped_runs_are_offered_before_the_first_training(models: Path, runs: Path, open_page: Open) -> None:
    make_run(
        models / "ladder" / "first",
        epochs=4,
        planned=4,
        batch_size=48,
        network="cnn-4conv",
        label_set="four",
        data="x.npz",
    )
    page = open_page("train")
    assert "Included runs" in page.words
    page.app.button(key="train_repeat_first").click().run()
    assert not page.app.exception
    assert page.app.button_group(key="train_network").value == "cnn-4conv"
    assert page.app.number_input(key="train_epochs_cnn-4conv").value == 4
    assert page.app.number_input(key="train_batch_size_cnn-4conv").value == 48
    assert page.app.text_input(key="train_path").value == "x.npz"


def test_data_set_of_a_shipped_run_is_found_by_name(models: Path, runs: Path, open_page: Open, tmp_path: Path) -> None:
    make_run(models / "ladder" / "first", data="small.npz")
    page = open_page("train")
    page.app.button(key="train_repeat_first").click().run()
    assert page.app.selectbox(key="train_data").value == str(tmp_path / "data" / "small.npz")


def test_repeat_on_the_runs_page_fills_the_form(
    runs: Path, started: list[Any], open_page: Open, tmp_path: Path, went: list[str]
) -> None:
    run = make_run(runs / "mine", data=tmp_path / "data" / "small.npz", job="done", batch_size=16, optimizer="sgd")
    page = open_page("runs")
    page.app.session_state["selected_runs"] = [str(run)]
    page.app.run()
    page.app.button(key="runs_repeat_mine").click().run()
    assert went == ["pages/train.py"]
    page.app.switch_page("pages/train.py").run()
    assert not page.app.exception
    page.app.button(key="train_start").click().run()
    ((plan, _),) = started
    assert plan == TrainingPlan.from_config(json.loads((run / "config.json").read_text()))


# ------------------------------------------------------------------ running


def test_running_training_is_shown(runs: Path, open_page: Open) -> None:
    at_work(make_run(runs / "mine", epochs=2, planned=5), seconds_left=40)
    page = open_page("train")
    assert not page.app.exception
    assert not page.app.error
    assert charts(page) == 4  # right answers, loss, learning rate, one face over the epochs
    assert {"train_pause_mine", "train_finish_mine", "train_stop_mine"} <= keys(page)
    assert "mine" in page.words
    strip = page.shown("train_examples_mine_strip")
    assert strip is not None
    assert len(strip["thumbnails"]) == 7


def test_running_training_without_history_shows_its_status(runs: Path, open_page: Open) -> None:
    run = at_work(make_run(runs / "mine", epochs=2), message="Loading")
    for file in ("history.csv", "steps.csv", "predictions.npz", "tracked_examples.npz"):
        (run / file).unlink()
    page = open_page("train")
    assert not page.app.error
    assert "Loading" in page.words
    assert charts(page) == 0


def test_training_is_paused_and_continued(runs: Path, open_page: Open) -> None:
    run = at_work(make_run(runs / "mine", epochs=2))
    page = open_page("train")
    assert page.app.button(key="train_pause_mine").label == "Pause"
    page.app.button(key="train_pause_mine").click().run()
    assert (run / manager.PAUSE_FILE).exists()
    assert page.app.button(key="train_pause_mine").label == "Resume"
    page.app.button(key="train_pause_mine").click().run()
    assert not (run / manager.PAUSE_FILE).exists()


def test_training_is_finished_and_says_so(runs: Path, open_page: Open) -> None:
    run = at_work(make_run(runs / "mine", epochs=2))
    (run / "checkpoint.npz").touch()
    page = open_page("train")
    page.app.button(key="train_finish_mine").click().run()
    assert manager.is_finishing(run)
    assert "The best epoch becomes the model and is evaluated." in page.words
    assert not {"train_finish_mine", "train_stop_mine", "train_pause_mine"} & keys(page)


def test_stop_is_shown_until_the_training_has_ended(runs: Path, open_page: Open) -> None:
    run = at_work(make_run(runs / "mine", epochs=2))
    (run / "stop").touch()
    page = open_page("train")
    assert not page.app.exception
    assert "Stopping. Resume it later from its last whole epoch." in page.words
    assert "train_stop_mine" not in keys(page)


def test_completed_training_can_have_more_epochs(runs: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(runs / "mine", epochs=4, planned=4, job="done")
    (run / "checkpoint.npz").touch()
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr(manager, "start_run", lambda folder, *flags: started.append(flags))
    page = open_page("train")
    page.app.number_input(key="train_more_mine").set_value(6).run()
    page.app.button(key="train_extend_mine").click().run()
    assert not page.app.exception
    assert not page.app.error
    assert started == [("--queue",)]
    assert json.loads((run / "config.json").read_text())["epochs"] == 10


def test_overfitting_is_reported(runs: Path, open_page: Open) -> None:
    run = at_work(make_run(runs / "mine", epochs=2, planned=40))
    lines = ["epoch,seconds,learning_rate,loss,accuracy,val_loss,val_accuracy"]
    lines += [f"{i},1,0.1,1,{0.1 * i},1,{0.4 - 0.01 * i}" for i in range(1, 8)]
    (run / "history.csv").write_text("\n".join(lines) + "\n")
    page = open_page("train")
    assert "Best epoch 1 of 7, gap 37 points: stop?" in page.words


def test_queued_training_can_be_removed(runs: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work(make_run(runs / "first", epochs=2))
    second = at_work(make_run(runs / "second", epochs=2), message=run_listing.WAITING_MESSAGE)
    stopped: list[Path] = []
    monkeypatch.setattr(manager, "stop", lambda folder, **rest: stopped.append(folder))
    page = open_page("train")
    assert "second** waits for its turn" in page.words
    page.app.button(key="train_out_second").click().run()
    assert stopped == [second]


@pytest.mark.parametrize(
    ("job", "word"), [("stopped", "Stopped"), ("interrupted", "Interrupted"), ("failed", "Failed")]
)
def test_ended_training_can_be_resumed(
    runs: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch, job: str, word: str
) -> None:
    run = make_run(runs / "mine", epochs=2, planned=5, data="x", job=job)
    resumed: list[Path] = []
    monkeypatch.setattr(manager, "resume", resumed.append)
    page = open_page("train")
    assert f"{word} after 2 of 5 epochs." in page.words
    page.app.button(key="train_resume_mine").click().run()
    assert resumed == [run]


def test_failed_start_can_only_be_dismissed(runs: Path, open_page: Open) -> None:
    run = make_run(runs / "mine", epochs=1, planned=5, data="x", job="failed")
    (run / "history.csv").unlink()
    page = open_page("train")
    assert "Failed after 0 of 5 epochs." in page.words
    assert "train_resume_mine" not in keys(page)
    page.app.button(key="train_dismiss_mine").click().run()
    assert not page.app.exception
    assert "Failed after" not in page.words
    assert (run / "config.json").is_file()
    assert [one.folder for one in run_listing.list_runs(runs, runs / "none")] == [run]


def test_failed_action_on_a_training_is_reported(runs: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(runs / "mine", epochs=2, planned=5, data="x", job="stopped")

    def refuse(_: Path) -> None:
        raise JobError("The run mine is already active.")

    monkeypatch.setattr(manager, "resume", refuse)
    page = open_page("train")
    page.app.button(key="train_resume_mine").click().run()
    assert not page.app.exception
    assert "The run mine is already active." in page.words


def test_completed_training_opens_the_runs_page(runs: Path, open_page: Open, went: list[str]) -> None:
    make_run(runs / "mine", job="done")
    page = open_page("train")
    assert "train_resume_mine" not in keys(page)
    page.app.button(key="train_look_mine").click().run()
    assert went == ["pages/runs.py"]
    page.app.switch_page("pages/runs.py").run()
    assert page.app.header[0].value == "mine"


def test_damaged_run_folder_does_not_break_the_page(runs: Path, open_page: Open) -> None:
    run = at_work(make_run(runs / "mine", epochs=2))
    (run / "tracked_examples.npz").write_bytes(b"PK")
    (run / "steps.csv").write_bytes(b"\xff\xfe\n1\n")
    page = open_page("train")
    assert not page.app.exception
    assert charts(page) == 3
    assert len(page.app.error) == 1


# ------------------------------------------------------------------ the project's own classifier


def choose_own(page: Any) -> Any:
    page.app.button_group(key="train_network").set_value("seresnet").run()
    assert not page.app.exception
    return page


def test_native_classifier_learns_all_labels(started: list[Any], open_page: Open, tmp_path: Path) -> None:
    page = choose_own(open_page("train"))
    assert list(page.app.selectbox(key="train_label_set_seresnet").options) == [LABEL_SETS["fer2013"].title]
    (tmp_path / "data" / "small.npz").unlink()
    for name in ("happy", "bored"):
        for number in range(3):
            write_image(tmp_path / "data" / "sets" / "mine" / name / f"{number}.png", np.zeros((48, 48), np.uint8))
    page = choose_own(open_page("train"))
    assert list(page.app.selectbox(key="train_label_set_seresnet").options) == [LABEL_SETS["own"].title]
    assert "Skipped" not in page.words
    page.app.button(key="train_start").click().run()
    assert [plan.label_set for plan, _ in started] == ["own"]


def test_teachers_are_selected_and_repeated(
    models: Path, started: list[tuple[TrainingPlan, str]], open_page: Open, tmp_path: Path
) -> None:
    teacher = str(models / "tiny")
    (models / "tiny" / "config.json").write_text(json.dumps({"network": "seresnet"}))  # a finished run of ours
    make_run(
        models / "taught",
        network="seresnet",
        data=tmp_path / "data" / "small.npz",
        teachers=["0123"],
        teacher_folders=[teacher],
        distillation_weight=0.9,
        optimizer="sgd",
        lr_schedule="cosine",
        horizontal_flip=True,
    )
    page = choose_own(open_page("train"))
    assert list(page.app.multiselect(key="train_teachers_seresnet").options) == ["tiny"]
    page.app.multiselect(key="train_teachers_seresnet").set_value([teacher]).run()
    page.app.button(key="train_start").click().run()
    page.app.multiselect(key="train_teachers_seresnet").set_value([]).run()
    page.app.button(key="train_repeat_taught").click().run()
    assert page.app.multiselect(key="train_teachers_seresnet").value == [teacher]
    page.app.button(key="train_start").click().run()
    assert not page.app.exception
    assert [plan.teachers for plan, _ in started] == [(teacher,), (teacher,)]
    assert [plan.distillation_weight for plan, _ in started] == [0.5, 0.9]


def test_teachers_with_equal_names_show_their_folders(models: Path, runs: Path, open_page: Open) -> None:
    (models / "tiny" / "config.json").write_text(json.dumps({"network": "seresnet"}))
    shutil.copytree(models / "tiny", runs / "tiny")
    page = choose_own(open_page("train"))
    box = page.app.multiselect(key="train_teachers_seresnet")
    assert sorted(box.options) == sorted(f"tiny ({folder})" for folder in (runs, models))
    box.set_value([str(models / "tiny")]).run()
    assert page.app.multiselect(key="train_teachers_seresnet").value == [str(models / "tiny")]
    assert page.app.slider(key="train_distillation_weight_seresnet").value == 0.5
