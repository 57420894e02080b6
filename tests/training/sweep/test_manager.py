"""Sweeps are started as jobs, found again, resumed and deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from emotion.errors import JobError
from emotion.jobs import job as jobs
from emotion.training.runs.folder import SWEEP_FILE
from emotion.training.sweep.manager import delete_sweep, list_sweeps, resume_sweep, start_sweep
from emotion.training.sweep.records import read_sweep
from tests.training.sweep.making import make_record, make_request


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The arguments of the jobs that are started, which do not run."""
    calls: list[list[str]] = []
    monkeypatch.setattr(jobs, "start_job", lambda arguments, folder: calls.append(arguments))
    return calls


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """The folder of a sweep whose three trials are done."""
    folder = tmp_path / "runs" / "done"
    folder.mkdir(parents=True)
    make_record().write(folder)
    return folder


def test_a_started_sweep_is_a_folder_with_its_request(started: list[list[str]], tmp_path: Path) -> None:
    start_sweep(make_request(7), "My settings", tmp_path)
    folder = tmp_path / "My-settings"
    record = read_sweep(folder)
    assert record is not None
    assert record.request == make_request(7)
    assert started == [["sweep", "--out", str(folder), "--trials", "7", "--queue"]]
    assert [sweep.name for sweep in list_sweeps(tmp_path, tmp_path / "none")] == ["My settings"]


def test_a_name_that_is_taken_is_refused_and_nothing_is_changed(started: list[list[str]], finished: Path) -> None:
    with pytest.raises(JobError, match="already a run done"):
        start_sweep(make_request(), "done", finished.parent)
    assert read_sweep(finished) == make_record()


def test_a_sweep_that_cannot_be_started_leaves_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(arguments: list[str], folder: Path) -> None:
        raise JobError("No room.")

    monkeypatch.setattr(jobs, "start_job", fail)
    with pytest.raises(JobError, match="No room"):
        start_sweep(make_request(), "mine", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_plan_without_data_is_refused(tmp_path: Path) -> None:
    request = make_request()
    with pytest.raises(JobError, match="no data set"):
        start_sweep(request.model_copy(update={"plan": request.plan | {"data": ""}}), "mine", tmp_path)


def test_only_an_unfinished_sweep_can_be_resumed(started: list[list[str]], finished: Path, tmp_path: Path) -> None:
    record = make_record()
    unfinished = tmp_path / "runs" / "half"
    unfinished.mkdir()
    record.model_copy(update={"trials": record.trials[:2]}).write(unfinished)
    sweeps = {sweep.folder.name: sweep for sweep in list_sweeps(tmp_path / "runs", tmp_path / "none")}
    assert {name: sweep.can_resume for name, sweep in sweeps.items()} == {"half": True, "done": False}
    resume_sweep(unfinished)
    assert started == [["sweep", "--out", str(unfinished), "--trials", "3", "--queue"]]


def test_a_damaged_sweep_is_listed_with_its_error(finished: Path, tmp_path: Path) -> None:
    (finished / SWEEP_FILE).write_text("{")
    (sweep,) = list_sweeps(finished.parent, tmp_path / "none")
    assert sweep.record is None
    assert "sweep.json is damaged" in (sweep.error or "")
    assert not sweep.can_resume


def test_a_deleted_sweep_is_gone_with_its_trials(finished: Path) -> None:
    (finished / "trial-001").mkdir()
    delete_sweep(finished, finished.parent)
    assert not finished.exists()


def test_only_sweeps_among_the_runs_are_deleted(finished: Path, tmp_path: Path) -> None:
    run = finished.parent / "run"
    run.mkdir()
    for folder, runs_folder in ((run, finished.parent), (finished, tmp_path)):
        with pytest.raises(JobError, match="only those can be deleted"):
            delete_sweep(folder, runs_folder)
        assert folder.exists()


def test_shipped_sweeps_come_last_and_are_complete(finished: Path, tmp_path: Path) -> None:
    shipped = tmp_path / "shipped" / "cnn"
    shipped.mkdir(parents=True)
    make_record().write(shipped)
    sweeps = list_sweeps(finished.parent, shipped.parent)
    assert [(sweep.name, sweep.is_builtin, sweep.can_resume) for sweep in sweeps] == [
        ("done", False, False),
        ("cnn", True, False),
    ]
