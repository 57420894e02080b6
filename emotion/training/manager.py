"""The desk of the trainings: start, pause, stop and find them again. Every run is a folder; nothing else is kept."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from emotion.environment import get_workspace
from emotion.errors import EmotionError, JobError
from emotion.jobs import job as jobs
from emotion.jobs.job import Job
from emotion.jobs.queue import wait_in_queue
from emotion.jobs.reporter import JobReporter
from emotion.jobs.result_manifest import CLASSIFIER, ResultManifest
from emotion.model_store.card import CARD_FILE
from emotion.model_store.store import BUILTIN_MODELS, get_model_folders
from emotion.storage import read_json, require_free_space, write_json
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.zoo import list_architectures
from emotion.training.runs.folder import (
    CHECKPOINT_FILE,
    CONFIG_FILE,
    HISTORY_FILE,
    REPORT_FILE,
    best_epoch_row,
    read_history,
    write_config,
)
from emotion.training.runs.predictions import Predictions
from emotion.training.runs.step_monitor import PAUSE_FILE

RUNS_FOLDER: Final = get_workspace() / "runs"
LADDER_FOLDER: Final = BUILTIN_MODELS / "ladder"
WAITING_MESSAGE: Final = "Waiting for another training"
_LOCK_FILE: Final = ".trainings.lock"
_DISMISSED_FILE: Final = "dismissed"
_MIN_FREE_BYTES: Final = 500_000_000  # bytes that a run may need on the disk
_STOP_TIMEOUT_SECONDS: Final = 10.0  # seconds that a training has to end; it looks after every batch
_MAX_NAME_LENGTH: Final = 60  # characters of a folder

RunState = Literal["waiting", "running", "paused", "done", "stopped", "interrupted", "failed", "diverged"]


@dataclass(frozen=True)
class RunSummary:
    """A run as it is at one moment. `best_accuracy` 0 to 1 on the validation split; `epochs` as planned, 0 unknown."""

    folder: Path
    name: str  # as a person called it
    network: str  # "" unknown
    kind: str  # of model: "classifier", "detector", "generator", or "" where nothing tells
    state: RunState
    epoch: int
    epochs: int
    best_epoch: int | None
    best_accuracy: float | None
    train_minutes: float
    is_builtin: bool
    config: Mapping[str, Any]
    status_text: str  # what its job says, "" without one
    error: str | None  # one sentence
    seconds_left: float | None
    created: float  # unix seconds
    has_model: bool  # it is a model that can be used
    source_run: str = ""  # of a model that is a copy of a run: which one
    installed_models: tuple[Path, ...] = ()  # the folders of the models that are copies of this run as it is now

    def load_history(self) -> list[dict[str, str]]:
        """The rows of its epochs, as `read_history` gives them."""
        return read_history(self.folder)

    def load_predictions(self) -> Predictions | None:
        """What it said of the validation faces; `DataError` where the file is damaged."""
        return Predictions.load(self.folder)

    @property
    def is_active(self) -> bool:
        """Whether a process works on it or waits for its turn."""
        return self.state in ("waiting", "running", "paused")

    @property
    def can_resume(self) -> bool:
        """Whether `resume` can go on: it was begun here, and epochs are left or no model was made of it yet. What was
        refused before its first epoch would be refused again."""
        planned = self.network in {card.name for card in list_architectures()} and bool(self.config.get("data"))
        refused = self.state == "failed" and self.epoch == 0
        left = self.epoch < self.epochs or not self.has_model
        return not self.is_builtin and not self.is_active and planned and left and not refused

    @property
    def is_dismissed(self) -> bool:
        """Whether `dismiss` was asked for since it ended."""
        return (self.folder / _DISMISSED_FILE).exists()


# ------------------------------------------------------------------ start, stop


def start_training(plan: TrainingPlan, name: str, runs_folder: Path = RUNS_FOLDER) -> Job:
    """Start `plan` as a job in a new folder of `runs_folder`; it waits for the trainings there that were asked for earlier.

    Raises `JobError` where the name is taken or cannot name a folder, or the disk is full.
    """
    if not plan.data:
        raise JobError("No data set was named; choose one first.")
    folder = runs_folder / to_folder_name(name)
    require_free_space(runs_folder, _MIN_FREE_BYTES)
    try:
        runs_folder.mkdir(parents=True, exist_ok=True)
        folder.mkdir()  # one of several that ask for one name at once gets it
    except FileExistsError as error:
        raise JobError(f"There is a run {folder.name} already; choose another name or delete that one.") from error
    except OSError as error:
        raise JobError(f"{runs_folder} takes no new folder ({error.strerror}): check disk and rights.") from error
    try:
        ResultManifest(CLASSIFIER).write(folder)
        write_json(folder / "job.json", {"label": " ".join(name.split()), "created": time.time()})
        # So that the run can be shown, and started again, before its process has loaded the data.
        write_config(folder, "classifier", plan.to_config())
        return _start_job(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def to_folder_name(name: str) -> str:
    """The folder of a run that a person calls `name`; `JobError` where nothing of it can be one."""
    plain = re.sub(r"[^\w.-]+", "-", " ".join(name.split())).strip("-._ ")[:_MAX_NAME_LENGTH]
    if not plain or plain.lower() in ("con", "nul", "aux", "prn"):  # those are devices on Windows
        raise JobError(f"{name[:_MAX_NAME_LENGTH]!r} cannot name a run; choose a name with letters or digits.")
    return plain


def _start_job(folder: Path, flag: str = "--queue") -> Job:
    (folder / PAUSE_FILE).unlink(missing_ok=True)
    (folder / _DISMISSED_FILE).unlink(missing_ok=True)
    arguments = ["classifier", "train", "--config", str(folder / CONFIG_FILE), "--out", str(folder), flag]
    return jobs.start_job(arguments, folder)


def resume(folder: Path) -> Job:
    """Go on with a run that was stopped or interrupted, after its last whole epoch."""
    run = _require_run(folder)
    if run.is_active:
        raise JobError(f"The run {run.name} is at work already.")
    if run.epochs and run.epoch >= run.epochs and run.has_model:
        raise JobError(f"The run {run.name} has learned all its {run.epochs} epochs; start a new one to learn more.")
    TrainingPlan.from_config(run.config)  # raises here rather than in the job
    return _start_job(folder)


def pause(folder: Path) -> None:
    """Let a training wait within its epoch, with everything in memory; it keeps its turn. See `unpause`."""
    run = _require_run(folder)
    if not run.is_active:
        raise JobError(f"The run {run.name} is not at work; only a training that runs can pause.")
    (folder / PAUSE_FILE).touch()


def dismiss(folder: Path) -> None:
    """Name a run that is over no more among those that ended; it stays in the list of all runs."""
    (folder / _DISMISSED_FILE).touch()


def unpause(folder: Path) -> None:
    """End a pause."""
    (folder / PAUSE_FILE).unlink(missing_ok=True)


def stop(folder: Path, *, should_export: bool = False) -> Job:
    """End a training; its whole epochs stay and `resume` goes on there.

    `should_export`: a model is made of the best epoch so far, by a job of its own that takes a minute at most and waits for
    no other training.
    """
    job = jobs.open_job(folder)
    job.stop(_STOP_TIMEOUT_SECONDS)
    unpause(folder)
    if should_export:
        if not (folder / CHECKPOINT_FILE).is_file():
            raise JobError(f"The run {job.label} has no whole epoch yet; there is nothing to keep.")
        TrainingPlan.from_config(_require_run(folder).config)  # raises here rather than in the job
        return _start_job(folder, "--export-only")
    return job


def delete_run(folder: Path, runs_folder: Path = RUNS_FOLDER) -> None:
    """End a run of `runs_folder` and remove its folder. `JobError` for everything else, shipped runs above all."""
    folder = Path(os.path.abspath(folder))
    if folder.parent != Path(os.path.abspath(runs_folder)) or folder.is_symlink() or not folder.is_dir():
        raise JobError(f"{folder} is no run of {runs_folder}; only those can be deleted.")
    Job(folder).stop(_STOP_TIMEOUT_SECONDS)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise JobError(f"{folder} cannot be deleted ({error.strerror}): check its rights.") from error


def wait_for_slot(folder: Path, reporter: JobReporter) -> AbstractContextManager[bool]:
    """A context that waits for the trainings of the parent folder that were asked for earlier; see `turns.turn`."""
    return wait_in_queue(folder, reporter, _LOCK_FILE, WAITING_MESSAGE, lambda: _find_earlier_jobs(folder.resolve()))


def _find_earlier_jobs(folder: Path) -> list[Job]:
    """The trainings of the same folder whose process began before this one's."""
    found = {
        job.folder: _read_start_time(job.folder)
        for job in jobs.list_jobs(folder.parent)
        if (job.folder / CONFIG_FILE).is_file() or (job.folder / "job.json").is_file()
    }
    mine = (_read_start_time(folder), folder.name)
    return [Job(other) for other, asked in found.items() if other != folder and (asked, other.name) < mine]


def _read_start_time(folder: Path) -> float:
    with suppress(EmotionError, TypeError, ValueError):
        return float((read_json(folder / "state.json") or {})["process_started_at"])
    return 0.0


# ------------------------------------------------------------------ what is there


def list_runs(runs_folder: Path = RUNS_FOLDER, builtin_folder: Path = BUILTIN_MODELS) -> list[RunSummary]:
    """The runs of `runs_folder`, newest first, then the shipped ones by name. A damaged one is there with its sentence, and
    a model that is a copy of a run that is there only with that run."""
    own = [view for folder in _list_folders(runs_folder) if (view := load_run(folder)) is not None]
    folders = (*get_model_folders(builtin_folder), builtin_folder / LADDER_FOLDER.name)
    given = [folder for parent in folders for folder in _list_folders(parent)]
    theirs = [view for folder in given if (view := load_run(folder, is_builtin=True)) is not None]
    copies: dict[str, list[RunSummary]] = {}
    for view in theirs:
        if view.source_run:
            copies.setdefault(view.source_run, []).append(view)
    own = [
        replace(
            run,
            installed_models=tuple(
                copy.folder for copy in copies.get(run.folder.name, ()) if _is_same_model(run, copy)
            ),
        )
        for run in own
    ]
    named = {folder for run in own for folder in run.installed_models}
    theirs = [view for view in theirs if view.folder not in named]
    return [*sorted(own, key=lambda run: (-run.created, run.name)), *theirs]


def _is_same_model(run: RunSummary, copy: RunSummary) -> bool:
    """Whether a copy is what the run is now: it may have learned more since."""
    one, other = (_read_json_object(view.folder / CARD_FILE).get("files") for view in (run, copy))
    networks_of = [files.get("model.onnx") if isinstance(files, dict) else None for files in (one, other)]
    return networks_of[0] is not None and networks_of[0] == networks_of[1]


def active_runs(runs_folder: Path = RUNS_FOLDER) -> list[RunSummary]:
    """The trainings that are at work or wait, in the order of their turns."""
    active = [
        (_read_start_time(folder), view)
        for folder in _list_folders(runs_folder)
        if (view := load_run(folder)) and view.is_active
    ]
    active.sort(key=lambda one: (one[1].state == "waiting", one[0], one[1].folder.name))
    return [view for _, view in active]


def _list_folders(parent: Path) -> list[Path]:
    return sorted(p for p in parent.iterdir() if p.is_dir() and not p.name.startswith(".")) if parent.is_dir() else []


def _require_run(folder: Path) -> RunSummary:
    view = load_run(folder)
    if view is None:
        raise JobError(f"There is no run in {folder}; it may have been deleted.")
    return view


def load_run(folder: Path, *, is_builtin: bool = False) -> RunSummary | None:
    """The run of a folder, None where there is none (and none is about to begin)."""
    there = {
        name for name in (CONFIG_FILE, HISTORY_FILE, CARD_FILE, "state.json", "job.json") if (folder / name).is_file()
    }
    if not there:
        return None
    config, card, report = (_read_json_object(folder / name) for name in (CONFIG_FILE, CARD_FILE, REPORT_FILE))
    history = read_history(folder)
    job = Job(folder.resolve())
    status = job.read_state() if there & {"state.json", "job.json"} and not is_builtin else None
    best_epoch, best = _find_best_epoch(history)
    network = config.get("network", card.get("network"))
    epochs = config.get("epochs")
    return RunSummary(
        folder=folder,
        name=job.label,
        network=network if isinstance(network, str) else "",
        kind=_get_model_kind(config, card),
        state=_get_run_state(folder, status, bool(there & {CARD_FILE})),
        epoch=int(float(history[-1].get("epoch") or 0)) if history else 0,
        epochs=epochs if isinstance(epochs, int) else len(history),
        best_epoch=best_epoch,
        best_accuracy=best,
        train_minutes=sum(_parse_float(row.get("seconds")) or 0.0 for row in history) / 60
        or float(report.get("train_minutes") or 0),
        is_builtin=is_builtin,
        config=config,
        status_text=status.message if status else "",
        error=status.error if status else None,
        seconds_left=status.seconds_left if status else None,
        created=_get_created_time(folder),
        has_model=CARD_FILE in there and (folder / "model.onnx").is_file(),  # some are shipped without their weights
        source_run=str(card.get("source_run") or ""),
    )


def _get_run_state(folder: Path, status: jobs.JobState | None, has_model: bool) -> RunState:
    if status is None:
        return "done" if has_model else "interrupted"
    if status.is_running:
        if status.message == WAITING_MESSAGE:
            return "waiting"
        return "paused" if (folder / PAUSE_FILE).exists() else "running"
    return status.status


def _get_model_kind(config: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    kinds = (source.get("kind") for source in (card, config))
    return next((kind for kind in kinds if isinstance(kind, str)), "")


def _find_best_epoch(history: list[dict[str, str]]) -> tuple[int | None, float | None]:
    """The epoch that a training keeps, and how often it was right on the labels of the data set then."""
    best = best_epoch_row(history)
    if best is None:
        return None, None
    own = (_parse_float(best.get(name)) for name in ("val_accuracy", "val_fer2013_accuracy"))
    return int(float(best["epoch"])), next((share for share in own if share is not None), None)


def _parse_float(cell: str | None) -> float | None:
    with suppress(ValueError):
        value = float(cell or "nan")
        return value if abs(value) < float("inf") else None
    return None


def _read_json_object(path: Path) -> dict[str, Any]:
    """A JSON object of a run, empty where it is missing or damaged: the run is shown all the same."""
    with suppress(EmotionError):
        return read_json(path) or {}
    return {}


def _get_created_time(folder: Path) -> float:
    created = _read_json_object(folder / "job.json").get("created")
    if isinstance(created, int | float):
        return float(created)
    with suppress(
        KeyError, TypeError, ValueError, OverflowError, OSError
    ):  # the files of a shipped run are as old as their copy
        return datetime.fromisoformat(_read_json_object(folder / CARD_FILE)["created"]).timestamp()
    with suppress(OSError):
        return (folder / CONFIG_FILE if (folder / CONFIG_FILE).is_file() else folder).stat().st_mtime
    return 0.0


def to_json(run: RunSummary) -> str:
    """A line for programs."""
    names = (
        "name",
        "network",
        "kind",
        "state",
        "epoch",
        "epochs",
        "best_epoch",
        "best_accuracy",
        "train_minutes",
        "is_builtin",
        "error",
        "seconds_left",
        "has_model",
    )
    return json.dumps({"folder": str(run.folder), **{name: getattr(run, name) for name in names}})
