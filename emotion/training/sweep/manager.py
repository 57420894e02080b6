"""Start, resume, list and delete sweeps; each is a folder among the runs."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emotion.errors import JobError
from emotion.jobs import job as jobs
from emotion.jobs.job import Job, JobState
from emotion.jobs.process_record import STATE_FILE
from emotion.jobs.result_manifest import SWEEP, ResultManifest
from emotion.model_store.store import BUILTIN_MODELS
from emotion.training.manager import new_run_folder
from emotion.training.run_listing import DISMISSED_FILE, WAITING_MESSAGE
from emotion.training.runs.folder import RUNS_FOLDER, SWEEP_FILE
from emotion.training.sweep.records import SweepRecord, SweepRequest, read_sweep
from emotion.translation.messages import get_message
from emotion.translation.messages import gettext as _

BUILTIN_SWEEPS: Final = BUILTIN_MODELS / "sweeps"
_STOP_TIMEOUT_SECONDS: Final = 20.0  # a sweep stops its trials, each of which looks for a stop after every step


@dataclass(frozen=True)
class SweepSummary:
    """A sweep at one moment."""

    folder: Path
    name: str  # as it was entered
    record: SweepRecord | None  # None where its file is damaged
    state: JobState
    error: str | None
    is_builtin: bool = False

    @property
    def is_active(self) -> bool:
        """Whether a process works on it or waits in the queue."""
        return self.state.is_running

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for another training."""
        return self.is_active and self.state.message == WAITING_MESSAGE

    @property
    def is_complete(self) -> bool:
        """Whether all of its trials ended."""
        return self.record is not None and self.record.num_finished >= self.record.request.num_trials

    @property
    def can_resume(self) -> bool:
        """Whether trials are left."""
        return self.record is not None and not self.is_builtin and not self.is_active and not self.is_complete

    @property
    def is_dismissed(self) -> bool:
        """Whether it is hidden among those that ended recently."""
        return (self.folder / DISMISSED_FILE).exists()


def start_sweep(request: SweepRequest, name: str, runs_folder: Path = RUNS_FOLDER) -> Job:
    """Start a sweep as a job in a new folder; it waits for the trainings there that were started earlier.

    Args:
        request: What is tried.
        name: The name of the sweep, from which that of its folder is made.
        runs_folder: The folder of all runs.

    Returns:
        The job.

    Raises:
        JobError: The plan has no data set, the name is taken or cannot name a folder, or the disk is full.
    """
    if not request.training_plan.data:
        raise JobError(_("The plan has no data set; choose one."))
    with new_run_folder(name, runs_folder) as folder:
        ResultManifest(SWEEP).write(folder)
        SweepRecord(request=request).write(folder)
        return _start_job(folder, request.num_trials)


def resume_sweep(folder: Path) -> Job:
    """Go on with a stopped or interrupted sweep."""
    record = read_sweep(folder)
    if record is None:
        raise JobError(_("There is no sweep in {folder}; it may have been deleted.").format(folder=folder))
    return _start_job(folder, record.request.num_trials)


def stop_sweep(folder: Path) -> None:
    """Stop a sweep and its trials; `resume_sweep` goes on with them."""
    _stop(jobs.open_job(folder))


def delete_sweep(folder: Path, runs_folder: Path = RUNS_FOLDER) -> None:
    """Stop a sweep and remove it with its trials; `JobError` where it is not in `runs_folder`."""
    folder = Path(os.path.abspath(folder))
    is_own = folder.parent == Path(os.path.abspath(runs_folder)) and (folder / SWEEP_FILE).is_file()
    if not is_own or folder.is_symlink():
        raise JobError(
            _("{folder} is not a sweep in {runs_folder}; only those can be deleted.").format(
                folder=folder, runs_folder=runs_folder
            )
        )
    _stop(Job(folder))
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise JobError(
            _("{folder} cannot be deleted ({reason}); check its permissions.").format(
                folder=folder, reason=error.strerror
            )
        ) from error


def _stop(sweep: Job) -> None:
    """Stop a sweep, and the trials that a killed one has left."""
    sweep.stop(_STOP_TIMEOUT_SECONDS)
    for trial in jobs.list_jobs(sweep.folder):
        trial.stop(_STOP_TIMEOUT_SECONDS)


def list_sweeps(runs_folder: Path = RUNS_FOLDER, builtin_folder: Path = BUILTIN_SWEEPS) -> list[SweepSummary]:
    """Return the sweeps of `runs_folder`, newest first, then the shipped ones by name."""
    own = [_load_sweep(folder) for folder in _find_sweeps(runs_folder)]
    own.sort(key=lambda sweep: (-Job(sweep.folder).created_at, sweep.name))
    return [*own, *(_load_sweep(folder, is_builtin=True) for folder in _find_sweeps(builtin_folder))]


def _find_sweeps(parent: Path) -> list[Path]:
    return sorted(path.parent for path in parent.glob(f"*/{SWEEP_FILE}") if path.is_file())


def _load_sweep(folder: Path, *, is_builtin: bool = False) -> SweepSummary:
    job = Job(folder.resolve())
    state = JobState("done") if is_builtin else job.read_state()
    record, error = None, state.error if (folder / STATE_FILE).is_file() else None  # a copy has no job
    try:
        record = read_sweep(folder)
    except JobError as damage:
        error = get_message(damage)
    return SweepSummary(folder, job.label, record, state, error, is_builtin)


def _start_job(folder: Path, num_trials: int) -> Job:
    (folder / DISMISSED_FILE).unlink(missing_ok=True)
    return jobs.start_job(["sweep", "--out", str(folder), "--trials", str(num_trials), "--queue"], folder)
