"""Start, pause, stop, resume and delete trainings; every run is a folder, and nothing else is stored."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from emotion.errors import JobError
from emotion.jobs import job as jobs
from emotion.jobs.job import JOB_FILE, Job
from emotion.jobs.queue import wait_in_queue
from emotion.jobs.reporter import JobReporter
from emotion.jobs.result_manifest import CLASSIFIER, ResultManifest
from emotion.storage import require_free_space, write_json
from emotion.training.classifier.config import TrainingPlan
from emotion.training.finished_runs.evaluation import stop_evaluation
from emotion.training.run_listing import DISMISSED_FILE, WAITING_MESSAGE, RunSummary, load_run, read_start_time
from emotion.training.runs.folder import CHECKPOINT_FILE, CONFIG_FILE, RUNS_FOLDER, SWEEP_FILE, write_config
from emotion.training.runs.step_monitor import FINISH_FILE, PAUSE_FILE, clear_requests
from emotion.translation.messages import gettext as _

_LOCK_FILE: Final = ".trainings.lock"
_MIN_FREE_BYTES: Final = 500_000_000  # that a run may need on the disk
_STOP_TIMEOUT_SECONDS: Final = 10.0  # a training looks for a stop after every step
_MAX_NAME_LENGTH: Final = 60  # characters of a folder name


def start_training(plan: TrainingPlan, name: str, runs_folder: Path = RUNS_FOLDER) -> Job:
    """Start a training as a job in a new folder; it waits for the trainings there that were started earlier.

    Args:
        plan: The settings, with a data set.
        name: The name of the run, from which that of its folder is made.
        runs_folder: The folder of all runs.

    Returns:
        The job.

    Raises:
        JobError: The name is taken or cannot name a folder, or the disk is full.
    """
    folder = create_run(plan, name, runs_folder)
    try:
        return start_run(folder, "--queue")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def create_run(plan: TrainingPlan, name: str, runs_folder: Path) -> Path:
    """Make the folder of a run that `start_run` can start; arguments and errors as of `start_training`."""
    if not plan.data:
        raise JobError(_("The plan has no data set; choose one."))
    with new_run_folder(name, runs_folder) as folder:
        ResultManifest(CLASSIFIER).write(folder)
        # So that the run can be shown, and started again, before its process has loaded the data.
        write_config(folder, "classifier", plan.to_config())
    return folder


@contextmanager
def new_run_folder(name: str, runs_folder: Path) -> Iterator[Path]:
    """Make a folder for the job `name` in `runs_folder`, and remove it where the block raises.

    Raises:
        JobError: The name is taken or cannot name a folder, or the disk is full.
    """
    folder = runs_folder / to_folder_name(name)
    require_free_space(runs_folder, _MIN_FREE_BYTES)
    try:
        runs_folder.mkdir(parents=True, exist_ok=True)
        folder.mkdir()  # fails for all but the first of several with the same name
    except FileExistsError as error:
        raise JobError(
            _("There is already a run {name}; choose another name or delete that run.").format(name=folder.name)
        ) from error
    except OSError as error:
        raise JobError(
            _("{runs_folder} cannot have a new folder ({reason}); check the disk and its permissions.").format(
                runs_folder=runs_folder, reason=error.strerror
            )
        ) from error
    try:
        write_json(folder / JOB_FILE, {"label": " ".join(name.split()), "created": time.time()})
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def to_folder_name(name: str) -> str:
    """Return the name of the folder of a run; `JobError` where `name` has no usable character."""
    plain = re.sub(r"[^\w.-]+", "-", " ".join(name.split())).strip("-._ ")[:_MAX_NAME_LENGTH]
    if not plain or plain.lower() in ("con", "nul", "aux", "prn"):  # device names on Windows
        raise JobError(
            _("{name!r} cannot name a run; choose a name with letters or digits.").format(name=name[:_MAX_NAME_LENGTH])
        )
    return plain


def start_run(folder: Path, *flags: str) -> Job:
    """Start or continue the training of a run folder as a job, with further options of `emotion classifier train`."""
    clear_requests(folder)
    (folder / DISMISSED_FILE).unlink(missing_ok=True)
    arguments = ["classifier", "train", "--config", str(folder / CONFIG_FILE), "--out", str(folder), *flags]
    return jobs.start_job(arguments, folder)


def resume(folder: Path) -> Job:
    """Continue a stopped or interrupted run after its last whole epoch."""
    run = _require_run(folder)
    if run.is_active:
        raise JobError(_("The run {name} is already active.").format(name=run.name))
    if run.epochs and run.epoch >= run.epochs and run.has_model:
        raise JobError(
            _("The run {name} has trained all of its {epochs} epochs; start a new run for more.").format(
                name=run.name, epochs=run.epochs
            )
        )
    TrainingPlan.from_config(run.config)  # raises here rather than in the job
    return start_run(folder, "--queue")


def can_extend(run: RunSummary) -> bool:
    """Return whether `extend` can train more epochs: a cosine has brought the learning rate to 0 at the last one."""
    is_done = run.state == "done" and not run.is_builtin and 0 < run.epochs <= run.epoch
    return is_done and run.config.get("lr_schedule") != "cosine" and (run.folder / CHECKPOINT_FILE).is_file()


def extend(folder: Path, num_epochs: int) -> Job:
    """Train a run that has ended for `num_epochs` more epochs; `JobError` where `can_extend` is False."""
    run = _require_run(folder)
    if not can_extend(run):
        raise JobError(_("The run {name} cannot have more epochs; start a new run.").format(name=run.name))
    plan = replace(TrainingPlan.from_config(run.config), epochs=run.epochs + num_epochs)
    write_json(folder / CONFIG_FILE, {**run.config, "epochs": plan.epochs})
    return start_run(folder, "--queue")


def pause(folder: Path) -> None:
    """Pause a training within its epoch; it stays in memory and in the queue. See `unpause`."""
    run = _require_run(folder)
    if not run.is_active:
        raise JobError(_("The run {name} is not active; only an active training can be paused.").format(name=run.name))
    _touch(folder / PAUSE_FILE)


def dismiss(folder: Path) -> None:
    """Hide a finished run among those that ended recently; it stays in the list of all runs."""
    if folder.is_dir():  # another window may have deleted it
        _touch(folder / DISMISSED_FILE)


def unpause(folder: Path) -> None:
    """End a pause."""
    try:
        (folder / PAUSE_FILE).unlink(missing_ok=True)
    except OSError as error:
        raise _describe_refusal(folder, error) from error


def _touch(path: Path) -> None:
    try:
        path.touch()
    except OSError as error:
        raise _describe_refusal(path.parent, error) from error


def _describe_refusal(folder: Path, error: OSError) -> JobError:
    text = _("{path} cannot be changed ({reason}); check the disk and the permissions.")
    return JobError(text.format(path=folder, reason=error.strerror))


def stop(folder: Path) -> Job:
    """Stop a training and wait for its end; its whole epochs stay, and `resume` continues after them."""
    job = jobs.open_job(folder)
    job.stop(_STOP_TIMEOUT_SECONDS)
    unpause(folder)
    return job


def request_stop(folder: Path) -> None:
    """Ask a training to stop and return at once; `ensure_stop` ends one that does not."""
    jobs.open_job(folder).request_stop()
    unpause(folder)


def ensure_stop(folder: Path) -> bool:
    """Return whether a stop is requested; one that a training ignores for ten seconds ends it."""
    seconds = jobs.open_job(folder).seconds_since_stop_request()
    if seconds is not None and seconds > _STOP_TIMEOUT_SECONDS:
        stop(folder)
    return seconds is not None


def finish(folder: Path) -> None:
    """Make a model of the best epoch so far, and score it, without further training.

    Raises:
        JobError: The run has no whole epoch.
    """
    run = _require_run(folder)
    if not (folder / CHECKPOINT_FILE).is_file():
        raise JobError(_("The run {name} has no whole epoch yet; train at least one.").format(name=run.name))
    if run.is_active:
        _touch(folder / FINISH_FILE)
        unpause(folder)
        return
    TrainingPlan.from_config(run.config)  # raises here rather than in the job
    start_run(folder, "--export-only")


def is_finishing(folder: Path) -> bool:
    """Return whether `finish` was called for a training that still runs."""
    return (folder / FINISH_FILE).exists()


def delete_run(folder: Path, runs_folder: Path = RUNS_FOLDER) -> None:
    """Stop a run and remove its folder; `JobError` where it is not in `runs_folder`, as shipped runs are not."""
    folder = Path(os.path.abspath(folder))
    if folder.parent != Path(os.path.abspath(runs_folder)) or folder.is_symlink() or not folder.is_dir():
        raise JobError(
            _("{folder} is not a run in {runs_folder}; only those can be deleted.").format(
                folder=folder, runs_folder=runs_folder
            )
        )
    Job(folder).stop(_STOP_TIMEOUT_SECONDS)
    stop_evaluation(folder)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise JobError(
            _("{folder} cannot be deleted ({reason}); check its permissions.").format(
                folder=folder, reason=error.strerror
            )
        ) from error


def wait_for_slot(folder: Path, reporter: JobReporter) -> AbstractContextManager[bool]:
    """Return a context that waits for earlier trainings in the parent folder; see `wait_in_queue`."""
    return wait_in_queue(folder, reporter, _LOCK_FILE, WAITING_MESSAGE, lambda: _find_earlier_jobs(folder.resolve()))


def _find_earlier_jobs(folder: Path) -> list[Job]:
    """Return the trainings in the parent folder whose process started before that of `folder`."""
    start_times = {
        job.folder: read_start_time(job.folder)
        for job in jobs.list_jobs(folder.parent)
        if any((job.folder / name).is_file() for name in (CONFIG_FILE, JOB_FILE, SWEEP_FILE))
    }
    own = (read_start_time(folder), folder.name)
    return [Job(other) for other, start in start_times.items() if other != folder and (start, other.name) < own]


def _require_run(folder: Path) -> RunSummary:
    run = load_run(folder)
    if run is None:
        raise JobError(_("There is no run in {folder}; it may have been deleted.").format(folder=folder))
    return run
