"""A sweep starts its trials, stops poor ones, goes on after an interruption, and ends where trials keep failing.

An engine whose runs gain an epoch whenever they are looked at stands for the trainings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emotion.errors import JobError
from emotion.training.classifier.config import TrainingPlan
from emotion.training.run_listing import RunState
from emotion.training.runs.step_monitor import TrainingStopped
from emotion.training.sweep.engines.engine import TrialStatus
from emotion.training.sweep.records import SweepRecord, SweepRequest, read_sweep
from tests.training.sweep.making import make_request

pytestmark = pytest.mark.slow


class Runs:
    """An engine whose runs gain an epoch whenever they are looked at, with the best accuracy at the rate 0.001."""

    def __init__(self) -> None:
        self.plans: dict[str, TrainingPlan] = {}
        self.epochs: dict[str, int] = {}
        self.states: dict[str, RunState] = {}
        self.most_active = 0
        self.end_state: RunState = "done"
        self.failing_start = ""

    def start(self, folder: Path, plan: TrainingPlan) -> None:
        if folder.name == self.failing_start:
            raise JobError("No room.")
        assert self.plans.setdefault(folder.name, plan) == plan
        self.epochs.setdefault(folder.name, 0)
        self.states[folder.name] = "running"

    def stop(self, folder: Path) -> None:
        if folder.name in self.plans:
            self.states[folder.name] = "stopped"

    def close(self) -> None:
        pass

    def observe(self, folder: Path) -> TrialStatus:
        name = folder.name
        if name not in self.plans:
            return TrialStatus(None, [])
        if self.states[name] == "running":
            self.epochs[name] += 1
            if self.epochs[name] >= self.plans[name].epochs or self.end_state == "failed":
                self.states[name] = self.end_state
        active = [state for state in self.states.values() if state == "running"]
        self.most_active = max(self.most_active, len(active))
        distance = abs(math.log10(self.plans[name].learning_rate / 1e-3))
        count = self.epochs[name] if self.end_state != "failed" else 0
        accuracies = [0.8 - 0.3 * distance + 0.01 * epoch for epoch in range(count)]
        error = "No room." if self.states[name] == "failed" else None
        return TrialStatus(self.states[name], accuracies, self.plans[name].epochs, 60.0, error)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return Runs()


class Reporter:
    """Records its messages and requests a stop after `stop_after` of them."""

    def __init__(self, stop_after: int = 10_000) -> None:
        self._stop_after = stop_after
        self.messages: list[tuple[float, float, str]] = []

    @property
    def stop_requested(self) -> bool:
        return len(self.messages) >= self._stop_after

    def progress(self, done: float, total: float, message: str) -> None:
        self.messages.append((done, total, message))


Sweep = Callable[..., SweepRecord]


@pytest.fixture
def sweep(runs: Runs, tmp_path: Path) -> Sweep:
    """`sweep(request, num_workers=1, reporter=None)`: run a sweep in a folder, or go on with the one there."""
    from emotion.training.sweep.run import SweepRun, open_sweep

    def run_sweep(request: SweepRequest, num_workers: int = 1, reporter: Any = None) -> SweepRecord:
        record = open_sweep(tmp_path, request)
        return SweepRun(tmp_path, record, runs, num_workers).run(reporter or Reporter())

    return run_sweep


def test_all_trials_are_trained_and_recorded(sweep: Sweep, tmp_path: Path) -> None:
    reporter = Reporter()
    record = sweep(make_request(12), reporter=reporter)
    assert [trial.number for trial in record.trials] == list(range(13))
    assert {trial.state for trial in record.trials} == {"complete", "pruned"}
    assert record.importance is not None
    assert read_sweep(tmp_path) == record
    assert len((tmp_path / "trials.csv").read_text(encoding="utf-8-sig").splitlines()) == 14
    assert reporter.messages[-1][:2] == (13, 13)
    assert "12 of 12 trials done, best" in reporter.messages[-1][2]


def test_each_run_has_the_settings_of_its_trial_and_the_first_one_those_of_the_plan(sweep: Sweep, runs: Runs) -> None:
    record = sweep(make_request(4))
    assert runs.plans["trial-000"] == record.request.training_plan
    for trial in record.trials[1:]:
        plan = runs.plans[trial.folder_name]
        assert (plan.learning_rate, plan.batch_size) == (trial.settings["learning_rate"], trial.settings["batch_size"])


def test_poor_trials_are_stopped_early_but_never_the_baseline(sweep: Sweep, runs: Runs) -> None:
    record = sweep(make_request(12))
    pruned = [trial for trial in record.trials if trial.state == "pruned"]
    assert pruned
    assert all(len(trial.accuracies) < 9 for trial in pruned)
    assert {runs.states[trial.folder_name] for trial in pruned} == {"stopped"}
    assert record.trials[0].state == "complete"
    assert record.best_trial is not None
    assert max(trial.best_accuracy or 0 for trial in record.trials) == record.best_trial.best_accuracy


def test_several_workers_train_that_many_trials_at_a_time(sweep: Sweep, runs: Runs) -> None:
    record = sweep(make_request(6), num_workers=3)
    assert record.num_finished == 6
    assert runs.most_active == 3


class Crash(Exception):
    """The sweep is killed."""


@pytest.mark.parametrize("moment", [1, 4, 9, 17])
def test_a_killed_sweep_goes_on_with_the_trials_that_are_left(
    sweep: Sweep, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    calls = 0

    def kill(seconds: float) -> None:
        nonlocal calls
        calls += 1
        if calls == moment:
            raise Crash

    monkeypatch.setattr("time.sleep", kill)
    with pytest.raises(Crash):
        sweep(make_request(5))
    before = read_sweep(tmp_path)
    record = sweep(make_request(5))
    assert before is not None
    assert [trial.number for trial in record.trials] == list(range(6))
    assert "running" not in {trial.state for trial in record.trials}
    for trial in before.trials:
        assert record.trials[trial.number].settings == trial.settings
    assert set(runs.plans) == {trial.folder_name for trial in record.trials}


def test_a_stopped_sweep_stops_its_trial_and_resumes_it(sweep: Sweep, runs: Runs) -> None:
    with pytest.raises(TrainingStopped, match="trials are done and kept"):
        sweep(make_request(5), reporter=Reporter(stop_after=14))
    assert "running" not in runs.states.values()
    record = sweep(make_request(5))
    assert record.num_finished == 5


def test_more_trials_can_follow(sweep: Sweep) -> None:
    first = sweep(make_request(3))
    more = sweep(make_request(5))
    assert more.trials[:4] == first.trials
    assert more.num_finished == 5


def test_a_sweep_of_other_settings_is_not_continued(sweep: Sweep, tmp_path: Path) -> None:
    record = sweep(make_request(2))
    with pytest.raises(JobError, match="holds a sweep of other settings"):
        sweep(make_request(2, seed=5))
    assert read_sweep(tmp_path) == record


def test_trials_that_keep_failing_end_the_sweep_with_their_reason(sweep: Sweep, runs: Runs, tmp_path: Path) -> None:
    runs.end_state = "failed"
    with pytest.raises(JobError, match=r"3 trials failed one after the other, the last one so: No room\."):
        sweep(make_request(9))
    record = read_sweep(tmp_path)
    assert record is not None
    assert [trial.error for trial in record.trials] == ["No room."] * 3


def test_an_error_leaves_no_trial_at_work(sweep: Sweep, runs: Runs) -> None:
    runs.failing_start = "trial-001"
    with pytest.raises(JobError, match="No room"):
        sweep(make_request(3), num_workers=2)
    assert runs.states["trial-000"] == "stopped"
