"""The file of a sweep is written and read, and a damaged one is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emotion.errors import JobError
from emotion.training.run_listing import list_runs, load_run
from emotion.training.runs.folder import SWEEP_FILE
from emotion.training.sweep.records import SweepRecord, read_sweep
from tests.training.sweep.making import PLAN, make_record, make_request, make_trial


def test_a_sweep_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = make_record()
    record.write(tmp_path)
    assert read_sweep(tmp_path) == record
    assert record.request.training_plan == PLAN


def test_a_folder_without_a_sweep_has_none(tmp_path: Path) -> None:
    assert read_sweep(tmp_path) is None


@pytest.mark.parametrize(
    "change",
    [
        {"trials": 5},
        {"request": {}},
        {"trials": [{"number": 1, "accuracies": [7]}]},
        {"trials": [{"number": 1, "settings": {"batch_size": 32}}]},
        {"trials": [{"number": 1, "settings": {"batch_size": 32, "learning_rate": 0.0}}]},
        {"trials": [{"number": 1, "settings": {"batch_size": 48, "learning_rate": 0.001}}]},
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    make_record().write(tmp_path)
    values = json.loads((tmp_path / SWEEP_FILE).read_text())
    (tmp_path / SWEEP_FILE).write_text(json.dumps(values | change))
    with pytest.raises(JobError, match=r"sweep\.json is damaged"):
        read_sweep(tmp_path)


def test_the_best_trial_is_a_complete_one() -> None:
    record = make_record().replace_trial(make_trial(3, [0.9], state="pruned"))
    assert record.best_trial is not None
    assert (record.best_trial.number, record.best_trial.best_accuracy) == (2, 0.6)


def test_the_baseline_is_not_counted_as_a_trial() -> None:
    record = make_record()
    assert record.baseline is not None
    assert (record.baseline.number, record.num_finished) == (0, 3)
    assert SweepRecord(request=make_request()).num_finished == 0


def test_only_the_number_of_trials_may_change() -> None:
    request = make_request(3)
    assert request.is_compatible(make_request(9))
    assert not request.is_compatible(make_request(3, seed=2))


def test_the_first_decision_is_after_a_ninth_of_the_epochs() -> None:
    assert make_request().min_epochs == 1
    assert make_request().model_copy().training_plan.epochs == 9


def test_a_sweep_is_not_listed_as_a_run(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    folder.mkdir()
    make_record().write(folder)
    (folder / "job.json").write_text("{}")
    assert load_run(folder) is None
    assert list_runs(tmp_path, tmp_path / "none") == []
