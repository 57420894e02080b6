"""Runs are started, paused, stopped and found again; a fake training stands for the real one."""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emotion.errors import JobError
from emotion.jobs import job as jobs
from emotion.jobs.job import Job
from emotion.model_store.store import open_model
from emotion.training import manager, run_listing
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.evaluation.robustness import read_robustness
from emotion.training.run_listing import WAITING_MESSAGE, active_runs, list_runs, load_run
from emotion.training.runs.step_monitor import read_steps
from tests.pages.runs_making import make_run
from tests.waiting import wait_until

PLAN = replace(TrainingPlan.from_defaults("mlp"), data="faces.npz", epochs=3)

# Waits in the queue, writes an epoch every moment unless it is paused, and ends on request.
FAKE = """
import json, sys, time
from contextlib import nullcontext
from pathlib import Path
sys.path.insert(0, {root!r})
from emotion.jobs.reporter import job_context
from emotion.training.manager import wait_for_slot
from emotion.training.runs.folder import append_history, read_history
from emotion.training.runs.step_monitor import FINISH_FILE, PAUSE_FILE
words = sys.argv[1:]
folder = Path(words[words.index("--out") + 1])
epochs = json.loads((folder / "config.json").read_text())["epochs"]
with job_context(folder) as report, wait_for_slot(folder, report) if "--queue" in words else nullcontext(True) as mine:
    epoch = len(read_history(folder))
    def is_over():
        return report.stop_requested or "--export-only" in words or (folder / FINISH_FILE).exists()
    while mine and epoch < epochs and not is_over():
        if not (folder / PAUSE_FILE).exists():
            epoch += 1
            append_history(folder, {{"epoch": epoch, "seconds": 60.0, "val_accuracy": 0.3 + epoch / 100}})
            (folder / "checkpoint.npz").touch()
        report.progress(epoch, epochs, f"epoch {{epoch}}")
        for _ in range(10):
            time.sleep(0.01)
            report.stop_requested
    if mine and not report.stop_requested:
        (folder / "model.onnx").touch()
        (folder / "card.json").write_text('{{"kind": "classifier"}}')
"""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    program = tmp_path / "fake.py"
    program.write_text(FAKE.format(root=str(Path(__file__).parents[2])))
    start = jobs.start_job
    monkeypatch.setattr(
        jobs, "start_job", lambda words, folder: start(words, folder, command=(sys.executable, str(program)))
    )
    parent = tmp_path / "runs"
    yield parent
    for job in jobs.list_jobs(parent):
        job.stop(0.5)


def wait_for_reports(job: jobs.Job, count: int) -> None:
    """Wait until the job has reported its progress that often."""
    for _ in range(count):
        before = job.read_state().updated_at
        wait_until(lambda before=before: job.read_state().updated_at != before, 60)


def summarize(folder: Path) -> manager.RunSummary:
    found = load_run(folder)
    assert found is not None
    return found


def test_a_training_from_start_to_end(runs: Path) -> None:
    job = manager.start_training(PLAN, "my first: one", runs)
    run = summarize(job.folder)
    assert (run.folder.name, run.name, run.network, run.epochs) == ("my-first-one", "my first: one", "mlp", 3)
    wait_until(lambda: summarize(job.folder).state == "done", 60)
    run = summarize(job.folder)
    assert (run.epoch, run.best_epoch, run.best_accuracy, run.train_minutes) == (3, 3, pytest.approx(0.33), 3)
    assert run.has_model
    assert not run.is_active
    assert not run.can_resume
    assert [row["epoch"] for row in run.load_history()] == ["1", "2", "3"]
    with pytest.raises(JobError, match="has trained all of its 3 epochs"):
        manager.resume(job.folder)


@pytest.mark.slow
def test_a_run_is_paused_continued_stopped_and_resumed(runs: Path) -> None:
    job = manager.start_training(replace(PLAN, epochs=500), "long", runs)
    wait_until(lambda: summarize(job.folder).epoch >= 1, 60)
    with pytest.raises(JobError, match="is already active"):
        manager.resume(job.folder)
    manager.pause(job.folder)
    wait_until(lambda: summarize(job.folder).state == "paused", 60)
    wait_for_reports(job, 2)  # an epoch that had begun
    epoch = summarize(job.folder).epoch
    wait_for_reports(job, 2)
    assert summarize(job.folder).epoch == epoch
    manager.unpause(job.folder)
    wait_until(lambda: summarize(job.folder).epoch > epoch, 60)
    manager.pause(job.folder)  # a stop ends a pause, too
    manager.stop(job.folder)
    stopped = summarize(job.folder)
    assert stopped.state == "stopped"
    assert stopped.can_resume
    assert not (job.folder / "pause").exists()
    with pytest.raises(JobError, match="only an active training can be paused"):
        manager.pause(job.folder)
    manager.resume(job.folder)
    wait_until(lambda: summarize(job.folder).epoch > stopped.epoch, 60)
    manager.request_stop(job.folder)
    wait_until(lambda: summarize(job.folder).state == "stopped", 60)
    manager.finish(job.folder)  # of a run that has stopped
    wait_until(lambda: summarize(job.folder).state == "done", 60)
    assert summarize(job.folder).has_model
    assert summarize(job.folder).epoch < 500


@pytest.mark.slow
def test_run_is_finished_before_the_next_one_starts(runs: Path) -> None:
    first = manager.start_training(replace(PLAN, epochs=5000), "first", runs)
    wait_until(lambda: summarize(first.folder).epoch >= 1, 60)
    second = manager.start_training(replace(PLAN, epochs=5000), "second", runs)
    third = manager.start_training(replace(PLAN, epochs=5000), "third", runs)
    wait_until(lambda: summarize(third.folder).state == "waiting", 60)
    manager.finish(first.folder)
    wait_until(lambda: summarize(first.folder).state == "done", 60)
    assert summarize(first.folder).has_model
    wait_until(lambda: summarize(second.folder).epoch >= 1, 60)
    assert summarize(second.folder).is_active


@pytest.mark.slow
def test_more_epochs_are_trained_after_the_end(runs: Path) -> None:
    job = manager.start_training(replace(PLAN, epochs=2), "short", runs)
    wait_until(lambda: summarize(job.folder).state == "done", 60)
    manager.extend(job.folder, 3)
    wait_until(lambda: summarize(job.folder).state == "done" and summarize(job.folder).epoch == 5, 60)
    assert summarize(job.folder).has_model


@pytest.mark.parametrize("changes", [{"lr_schedule": "cosine"}, {"epochs": 9}])
def test_a_run_whose_learning_rate_has_ended_or_that_is_not_done_cannot_be_extended(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    run = make_run(tmp_path / "mine", epochs=4, planned=4, job="done")
    (run / "checkpoint.npz").touch()
    assert manager.can_extend(summarize(run))
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(JobError, match="mine cannot have more epochs"):
        manager.extend(run, 3)


@pytest.mark.slow
def test_a_killed_run_is_interrupted_and_can_be_resumed(runs: Path) -> None:
    job = manager.start_training(replace(PLAN, epochs=500), "long", runs)
    wait_until(lambda: summarize(job.folder).epoch >= 2, 60)
    pid = json.loads((job.folder / "state.json").read_text())["pid"]
    os.kill(pid, 9)
    wait_until(lambda: summarize(job.folder).state == "interrupted", 60)
    before = summarize(job.folder)
    assert before.epoch >= 2
    assert before.can_resume
    manager.resume(job.folder)
    wait_until(lambda: summarize(job.folder).epoch > before.epoch, 60)


@pytest.mark.slow
def test_queued_runs_are_trained_one_after_the_other(runs: Path) -> None:
    first = manager.start_training(replace(PLAN, epochs=500), "first", runs)
    wait_until(lambda: summarize(first.folder).epoch >= 1, 60)
    second = manager.start_training(PLAN, "second", runs)
    wait_until(lambda: summarize(second.folder).state == "waiting", 60)
    third = manager.start_training(PLAN, "third", runs)
    wait_until(lambda: summarize(third.folder).state == "waiting", 60)
    assert [run.name for run in active_runs(runs)] == ["first", "second", "third"]
    assert summarize(second.folder).status_text == WAITING_MESSAGE
    assert summarize(second.folder).config["epochs"] == 3  # listed before it starts
    manager.stop(first.folder)
    wait_until(lambda: summarize(third.folder).state == "done", 60)
    assert summarize(second.folder).state == "done"
    ended = [(f / "card.json").stat().st_mtime for f in (second.folder, third.folder)]
    assert ended == sorted(ended)
    assert active_runs(runs) == []
    assert {run.name for run in list_runs(runs, runs / "none")} == {"first", "second", "third"}


@pytest.mark.slow
def test_many_starts_of_one_name_make_one_run(runs: Path) -> None:
    made, refused = list[Job](), list[str]()

    def start() -> None:
        try:
            made.append(manager.start_training(PLAN, "the same", runs))
        except JobError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=start) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(refused) == 19
    assert all("There is already a run the-same; choose another name" in sentence for sentence in refused)
    wait_until(lambda: summarize(made[0].folder).state == "done", 60)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("first", "first"),
        ("  a   b ", "a-b"),
        ("../../etc", "etc"),
        (".hidden", "hidden"),
        ("größer 2", "größer-2"),
        ("x" * 200, "x" * 60),
    ],
)
def test_names_become_folders(name: str, folder: str) -> None:
    assert manager.to_folder_name(name) == folder


@pytest.mark.parametrize("name", ["", "   ", "...", "/", "con", "\0", "🙂"])
def test_names_that_cannot(name: str, runs: Path) -> None:
    with pytest.raises(JobError, match="cannot name a run"):
        manager.start_training(PLAN, name, runs)
    assert not runs.exists() or not list(runs.iterdir())


def test_a_run_that_another_window_has_deleted_can_be_dismissed(runs: Path) -> None:
    manager.dismiss(runs / "gone")
    assert not (runs / "gone").exists()


def test_a_disk_that_refuses_a_request_is_one_sentence(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    runs.mkdir()
    monkeypatch.setattr(Path, "touch", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    for action in (manager.dismiss, manager.unpause):
        with pytest.raises(JobError, match=r"cannot be changed \(Permission denied\)"):
            action(runs)


def test_nothing_stays_of_what_cannot_start(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(JobError, match="The plan has no data set"):
        manager.start_training(replace(PLAN, data=""), "first", runs)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("usage", (), {"free": 10}))
    with pytest.raises(JobError, match="make room"):
        manager.start_training(PLAN, "first", runs)
    monkeypatch.undo()

    def fails(words: list[str], folder: Path) -> Job:
        raise JobError("python cannot be run")

    monkeypatch.setattr(jobs, "start_job", fails)
    with pytest.raises(JobError, match="cannot be run"):
        manager.start_training(PLAN, "first", runs)
    assert not (runs / "first").exists()


@pytest.mark.slow
def test_delete(runs: Path, tmp_path: Path) -> None:
    job = manager.start_training(replace(PLAN, epochs=500), "first", runs)
    wait_until(lambda: summarize(job.folder).epoch >= 1, 60)
    manager.delete_run(job.folder, runs)
    assert not job.folder.exists()
    assert load_run(job.folder) is None
    outside = tmp_path / "other"
    outside.mkdir()
    for wrong in (outside, runs, runs / "..", runs / "first", runs / ".." / "other"):
        with pytest.raises(JobError, match="only those can be deleted"):
            manager.delete_run(wrong, runs)
    assert outside.exists()
    (runs / "link").symlink_to(outside)
    with pytest.raises(JobError, match="only those can be deleted"):
        manager.delete_run(runs / "link", runs)


# --- what is there -----------------------------------------------------------------------------------------


def test_runs_of_all_kinds_are_shown(tmp_path: Path) -> None:
    mine, shipped = tmp_path / "runs", tmp_path / "models"
    write = {
        mine / "empty": {},
        mine / "begun": {"config.json": '{"kind": "classifier", "network": "mlp", "epochs": 9}'},
        mine / "damaged": {"config.json": "{", "history.csv": "epoch,val_accuracy\n1,0.25\n\x00\n2,", "card.json": "["},
        mine / "diverged": {
            "state.json": '{"status": "diverged", "pid": 5, "process_started_at": 1, "error": "It did."}'
        },
        mine / "strange": {"config.json": '{"network": 7, "epochs": "many", "augmentation": []}', "job.json": "7"},
        shipped / "good": {
            "model.onnx": "",
            "card.json": '{"kind": "classifier"}',
            "config.json": '{"kind": "classifier", "network": "seresnet", "epochs": 2}',
            "history.csv": "epoch,seconds,val_fer2013_accuracy,val_ferplus_accuracy\n1,60,0.5,0.7\n2,60,0.55,0.6\n",
        },
        shipped / "ladder" / "mlp": {"config.json": '{"network": "mlp"}', "card.json": '{"kind": "classifier"}'},
    }
    for folder, files in write.items():
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text)
    (mine / ".trainings.lock").touch()
    found = {run.folder.name: run for run in list_runs(mine, shipped)}
    assert set(found) == {"begun", "damaged", "diverged", "strange", "good", "mlp"}
    assert [run.is_builtin for run in list_runs(mine, shipped)] == [False] * 4 + [True] * 2
    begun = found["begun"]
    assert (begun.kind, begun.state, begun.epochs, begun.epoch) == ("classifier", "interrupted", 9, 0)
    assert (found["damaged"].epoch, found["damaged"].best_accuracy) == (1, 0.25)
    assert (found["diverged"].state, found["diverged"].error) == ("diverged", "It did.")
    assert (found["strange"].network, found["strange"].epochs) == ("", 0)
    assert (found["mlp"].state, found["mlp"].has_model) == ("done", False)  # its weights were left out
    good = found["good"]
    assert (good.state, good.best_epoch, good.best_accuracy, good.train_minutes) == ("done", 1, 0.5, 2)
    assert (good.kind, good.has_model, good.can_resume) == ("classifier", True, False)
    assert all(json.loads(run_listing.to_json(run)) for run in found.values())
    assert list_runs(tmp_path / "nowhere", tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("created", "known"),
    [('"2026-01-02T03:04:05+00:00"', True), ('"soon"', False), ("7", False), ('"0001-01-01T00:00:00"', False)],
)
def test_a_copied_run_is_as_old_as_its_card_says(tmp_path: Path, created: str, known: bool) -> None:
    (tmp_path / "card.json").write_text(f'{{"kind": "classifier", "created": {created}}}')
    (tmp_path / "config.json").write_text("{}")
    os.utime(tmp_path / "config.json", (1e9, 1e9))
    run = load_run(tmp_path, is_builtin=True)
    assert run is not None
    assert run.created == (1767323045 if known else 1e9)


def test_fifty_runs_are_read_quickly(tmp_path: Path) -> None:
    rows = "".join(f"{n},60,0.001,1.5,0.5,1.4,{0.3 + n / 1000}\n" for n in range(1, 101))
    for number in range(50):
        folder = tmp_path / f"run{number}"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(PLAN.to_config()))
        (folder / "history.csv").write_text(f"epoch,seconds,learning_rate,loss,accuracy,val_loss,val_accuracy\n{rows}")
    started = time.process_time()
    found = list_runs(tmp_path, tmp_path / "none")
    assert time.process_time() - started < 1.0
    assert [run.best_epoch for run in found] == [100] * 50


def test_the_shipped_runs_can_be_shown() -> None:
    names = {run.folder.name for run in list_runs(Path("nowhere"))}
    assert {"classifier", "glance"} <= names


def test_the_shipped_comparison_runs_are_complete() -> None:
    ladder = {
        run.folder.name: run for run in list_runs(Path("nowhere")) if run.folder.parent == run_listing.LADDER_FOLDER
    }
    assert {"mlp", "cnn-4conv"} <= set(ladder)
    for run in ladder.values():
        card = json.loads((run.folder / "card.json").read_text())
        answers = run.load_predictions()
        assert answers is not None
        assert answers.best_epoch == run.best_epoch
        assert answers.accuracy() == pytest.approx(run.best_accuracy, abs=1e-5)
        assert answers.epochs.tolist() == list(range(1, run.epoch + 1)) == list(range(1, run.epochs + 1))
        assert card["metrics"]["test"][run.config["label_set"]]["n"] > 0
        assert (read_robustness(run.folder) or {})["n"] == 1000
        assert read_steps(run.folder)
        assert not run.has_model or open_model(run.folder)
        assert Path(run.config["data"]).name == run.config["data"]  # no folder of anybody
