"""Run a sweep: start its trials as jobs, follow their histories, stop the poor ones, and record all of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from emotion.errors import JobError
from emotion.formatting import format_accuracy
from emotion.jobs.reporter import JobReporter
from emotion.storage import write_atomic
from emotion.training.runs.step_monitor import TrainingStopped
from emotion.training.sweep.engines.engine import TrialEngine, TrialStatus
from emotion.training.sweep.records import (
    BASELINE_NUMBER,
    SweepRecord,
    SweepRequest,
    TrialRecord,
    TrialState,
    read_sweep,
)
from emotion.training.sweep.space import apply_settings
from emotion.training.sweep.study import SweepStudy, measure_importance
from emotion.training.sweep.tables import to_csv
from emotion.translation.messages import gettext as _

TRIALS_FILE: Final = "trials.csv"
_POLL_SECONDS: Final = 0.5
_MAX_FAILURES: Final = 3  # in a row, after which the next one would fail, too
_MAX_RESTARTS: Final = 2  # of a trial whose process was killed


def open_sweep(folder: Path, request: SweepRequest) -> SweepRecord:
    """Return the sweep of a folder with the number of trials of `request`, a new one where there is none.

    Raises:
        JobError: The folder holds a sweep of another request, or a damaged one.
    """
    existing = read_sweep(folder)
    if existing is None:
        return SweepRecord(request=request)
    if not existing.request.is_compatible(request):
        raise JobError(_("{folder} holds a sweep of other settings; choose another folder.").format(folder=folder))
    return existing.model_copy(update={"request": request})


class SweepRun:
    """A running sweep; the record on the disk is written after every change.

    Args:
        folder: Its folder, which has the run folders of the trials.
        record: Its state so far.
        engine: Trains the trials.
        num_workers: How many trials are trained at a time.
    """

    def __init__(self, folder: Path, record: SweepRecord, engine: TrialEngine, num_workers: int = 1) -> None:
        self._folder, self._record, self._engine, self._num_workers = folder, record, engine, num_workers
        self._plan = record.request.training_plan
        self._study = SweepStudy(record.request, [t for t in record.trials if t.number != BASELINE_NUMBER])
        self._num_restarts: dict[int, int] = {}
        self._num_failures = 0

    def run(self, reporter: JobReporter) -> SweepRecord:
        """Train all trials that are left.

        Raises:
            TrainingStopped: Somebody asked for it; what is finished is kept, and the next call goes on.
            JobError: Three trials failed in a row.
        """
        self._save()
        try:
            while not reporter.stop_requested:
                self._start_trials()
                running = self._list_running()
                if not running:
                    self._save(is_final=True)
                    return self._record
                for trial in running[: self._num_workers]:  # more, where the sweep had more workers before
                    self._follow(trial, reporter)
                self._report_progress(reporter)
                time.sleep(_POLL_SECONDS)
        finally:  # also after an error, so that no trial goes on alone
            for trial in self._list_running():
                self._engine.stop(self._folder / trial.folder_name)
        total = self._record.request.num_trials
        raise TrainingStopped(f"Stopped: {self._record.num_finished} of {total} trials are done and kept.")

    def _list_running(self) -> list[TrialRecord]:
        return [trial for trial in self._record.trials if trial.state == "running"]

    def _start_trials(self) -> None:
        """Begin trials until all workers have one; the baseline is the first."""
        while len(self._list_running()) < self._num_workers:
            number = max((trial.number for trial in self._record.trials), default=BASELINE_NUMBER - 1) + 1
            if number > self._record.request.num_trials:
                return
            settings = {} if number == BASELINE_NUMBER else self._study.suggest(number)
            self._update(TrialRecord(number=number, settings=settings))

    def _follow(self, trial: TrialRecord, reporter: JobReporter) -> None:
        """Bring the record of a trial up to date with its run folder, and stop the run where it is poor."""
        status = self._engine.observe(self._folder / trial.folder_name)
        accuracies = status.accuracies
        new_epochs = range(len(trial.accuracies), len(accuracies))
        trial = trial.model_copy(update={"accuracies": accuracies, "seconds": status.seconds})
        is_poor = False
        if trial.number != BASELINE_NUMBER:
            for epoch in new_epochs:
                is_poor |= self._study.report(trial.number, epoch + 1, accuracies[epoch])
        if new_epochs:
            self._update(trial)
        if not status.is_active:
            self._handle_end(trial, status, reporter)
        elif is_poor and len(accuracies) < status.epochs:
            self._engine.stop(self._folder / trial.folder_name)
            self._finish(trial, "pruned")

    def _handle_end(self, trial: TrialRecord, status: TrialStatus, reporter: JobReporter) -> None:
        """Decide what the end of a run, or that it has not begun, means for its trial."""
        if reporter.stop_requested:  # its process received the signal, too
            return
        num_restarts = self._num_restarts.get(trial.number)
        if status.state is None:
            self._start_run(trial)
        elif status.state in ("done", "diverged") and trial.accuracies:
            self._finish(trial, "complete")
        elif status.state == "interrupted" and (num_restarts or 0) < _MAX_RESTARTS:
            self._num_restarts[trial.number] = (num_restarts or 0) + 1
            self._start_run(trial)
        elif status.state == "stopped" and num_restarts is not None:
            self._finish(trial, "pruned")
        elif status.state == "stopped":  # with the sweep, or by a person: tried again once
            self._num_restarts[trial.number] = 1
            self._start_run(trial)
        else:
            self._finish(trial, "failed", status.error or _("Its process ended."))

    def _start_run(self, trial: TrialRecord) -> None:
        self._engine.start(self._folder / trial.folder_name, apply_settings(self._plan, trial.settings))

    def _finish(self, trial: TrialRecord, state: TrialState, error: str = "") -> None:
        trial = trial.model_copy(update={"state": state, "error": error})
        if trial.number != BASELINE_NUMBER:
            self._study.finish(trial)
        self._update(trial)
        self._num_failures = self._num_failures + 1 if state == "failed" else 0
        if self._num_failures >= _MAX_FAILURES:
            text = _("{count} trials failed one after the other, the last one so: {reason}")
            raise JobError(text.format(count=_MAX_FAILURES, reason=error))

    def _update(self, trial: TrialRecord) -> None:
        self._record = self._record.replace_trial(trial)
        self._save()

    def _save(self, *, is_final: bool = False) -> None:
        if is_final:
            importance = measure_importance(self._record.request, self._record.trials)
            self._record = self._record.model_copy(update={"importance": importance})
        self._record.write(self._folder)
        write_atomic(self._folder / TRIALS_FILE, to_csv(self._record))

    def _report_progress(self, reporter: JobReporter) -> None:
        record, epochs = self._record, self._plan.epochs
        total = record.request.num_trials + 1  # with the baseline
        parts = (1.0 if t.state != "running" else len(t.accuracies) / epochs for t in record.trials)
        best = record.best_trial
        message = f"{record.num_finished} of {record.request.num_trials} trials done"
        if best is not None:
            message += f", best {format_accuracy(best.best_accuracy)} in trial {best.number}"
        reporter.progress(sum(parts), total, message)
