"""The job that computes predictions and robustness of a finished run."""

from dataclasses import replace
from pathlib import Path

import pytest

from emotion.errors import DataError, JobError
from emotion.jobs import job as jobs
from emotion.training.finished_runs import evaluation as run_evaluation
from emotion.training.finished_runs.evaluation import EVALUATION_FOLDER, find_dataset, read_evaluation, start_evaluation
from emotion.training.run_listing import RunSummary, load_run
from tests.pages.runs_making import make_run, write_data


@pytest.fixture
def run(tmp_path: Path) -> RunSummary:
    """A run as after its training; it has no network, and says that it has one."""
    folder = make_run(tmp_path / "mine", data=write_data(tmp_path / "faces.npz"), job="done")
    summary = load_run(folder)
    assert summary is not None
    return replace(summary, has_model=True)


def test_the_job_gets_the_run_and_its_data(run: RunSummary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[list[str], Path]] = []
    monkeypatch.setattr(jobs, "start_job", lambda arguments, folder: started.append((arguments, folder)))
    start_evaluation(run)
    data = str(tmp_path / "faces.npz")
    assert started == [(["classifier", "compute", str(run.folder), "--data", data], run.folder / EVALUATION_FOLDER)]


def test_there_is_no_job_before_the_first(run: RunSummary) -> None:
    assert read_evaluation(run.folder) is None
    run_evaluation.stop_evaluation(run.folder)


@pytest.mark.parametrize(
    "change", [{"is_builtin": True}, {"has_model": False}, {"kind": "detector"}, {"state": "running"}]
)
def test_what_is_no_finished_classifier_is_refused(run: RunSummary, change: dict) -> None:
    with pytest.raises(JobError, match="mine is no finished classifier"):
        start_evaluation(replace(run, **change))
    assert not (run.folder / EVALUATION_FOLDER).exists()


def test_a_missing_data_set_is_named(run: RunSummary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOTION_DATA", raising=False)
    (tmp_path / "faces.npz").unlink()
    with pytest.raises(DataError, match=r"faces\.npz is not on this machine"):
        find_dataset(run)
    with pytest.raises(DataError, match="names no data set"):
        find_dataset(replace(run, config={}))
