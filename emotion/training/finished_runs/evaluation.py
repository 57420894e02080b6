"""Predictions and robustness of a finished run, computed afterwards by a job in a folder of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from emotion.datasets.catalog import list_datasets
from emotion.errors import DataError, JobError
from emotion.jobs import job as jobs
from emotion.jobs.job import Job, JobState
from emotion.jobs.process_record import STATE_FILE
from emotion.training.run_listing import RunSummary
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

EVALUATION_FOLDER: Final = "evaluation"  # of a run: state and log of the job
COMPUTING_MESSAGE: Final = gettext_noop("Computing predictions and robustness")


def find_dataset(run: RunSummary) -> Path:
    """Return the data set of a run, found by its path or else by its name among the data sets of this machine.

    Raises:
        DataError: The run names no data set, or it is not on this machine.
    """
    source = run.config.get("data")
    if not isinstance(source, str) or not source:
        raise DataError(_("The configuration of the run names no data set."))
    path = Path(source)
    if path.exists():
        return path
    matches = [Path(info.path) for info in list_datasets().datasets if Path(info.path).name == path.name]
    if not matches:
        text = _("Its data set {name} is not on this machine, or not where it was.")
        raise DataError(text.format(name=path.name))
    return matches[0]


def start_evaluation(run: RunSummary) -> Job:
    """Start the job that computes predictions and robustness of a run; it waits for a training that runs.

    Raises:
        EmotionError: The run is no finished classifier of this workspace, or its data set is missing.
    """
    if run.is_builtin or run.is_active or not run.has_model or run.kind != "classifier":
        raise JobError(
            _("{name} is no finished classifier that was trained here; choose another run.").format(name=run.name)
        )
    data, votes = find_dataset(run), run.config.get("ferplus_csv")
    arguments = ["classifier", "compute", str(run.folder), "--data", str(data.absolute())]
    if isinstance(votes, str) and votes:
        arguments += ["--ferplus-csv", votes]
    folder = run.folder / EVALUATION_FOLDER
    folder.mkdir(exist_ok=True)
    return jobs.start_job(arguments, folder)


def read_evaluation(run_folder: Path) -> JobState | None:
    """Return the state of the job of a run, None where there was none."""
    folder = run_folder / EVALUATION_FOLDER
    return Job(folder).read_state() if (folder / STATE_FILE).is_file() else None


def stop_evaluation(run_folder: Path) -> None:
    """Stop the job of a run; what it computed last stays."""
    if read_evaluation(run_folder) is not None:
        Job(run_folder / EVALUATION_FOLDER).stop(grace_seconds=1.0)
