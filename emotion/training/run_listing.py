"""List the runs of a folder and read what state each of them is in."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from emotion.errors import EmotionError
from emotion.formatting import format_name
from emotion.jobs import job as jobs
from emotion.jobs.job import JOB_FILE, Job
from emotion.model_store.card import CARD_FILE
from emotion.model_store.store import BUILTIN_MODELS, get_model_folders
from emotion.storage import read_json, read_json_or_empty
from emotion.training.classifier.networks.zoo import list_architectures
from emotion.training.runs.annotations import MAX_NAME_LENGTH, read_annotations
from emotion.training.runs.folder import (
    CONFIG_FILE,
    HISTORY_FILE,
    REPORT_FILE,
    RUNS_FOLDER,
    SWEEP_FILE,
    best_epoch_row,
    get_accuracy,
    parse_number,
    read_history,
)
from emotion.training.runs.predictions import Predictions
from emotion.training.runs.records import RecordFile, RunCard, RunConfig, RunReport
from emotion.training.runs.step_monitor import PAUSE_FILE
from emotion.translation.messages import gettext_noop

LADDER_FOLDER: Final = BUILTIN_MODELS / "ladder"
WAITING_MESSAGE: Final = gettext_noop("Waiting for another training")
_MAX_MINUTES: Final = 1e9
DISMISSED_FILE: Final = "dismissed"  # in the folder of a run that `dismiss` was called for

RunState = Literal["waiting", "running", "paused", "done", "stopped", "interrupted", "failed", "diverged", "damaged"]


@dataclass(frozen=True)
class RunSummary:
    """A run at one moment. `best_accuracy` is 0 to 1 on the validation split, `epochs` the planned number or 0."""

    folder: Path
    name: str  # as it was entered, at the start or later
    network: str  # "" where it is unknown
    kind: str  # one of `MODEL_KINDS`, or "" where it is unknown
    state: RunState
    epoch: int
    epochs: int
    best_epoch: int | None
    best_accuracy: float | None
    train_minutes: float
    is_builtin: bool
    config: Mapping[str, Any]
    status_text: str  # the message of its job, "" without one
    error: str | None  # why it failed, in one sentence
    seconds_left: float | None
    created: float  # in unix seconds
    has_model: bool  # whether it can be used as a model
    source_run: str = ""  # the run that a copied model comes from
    is_damaged: bool = False  # whether a file of it cannot be used; `error` names it
    installed_models: tuple[Path, ...] = ()  # folders of the models that are copies of this run
    note: str = ""
    tags: tuple[str, ...] = ()

    def load_history(self) -> list[dict[str, str]]:
        """Return the rows of history.csv."""
        return read_history(self.folder)

    def load_predictions(self) -> Predictions | None:
        """Return its predictions of the validation split; `DataError` where the file is damaged."""
        return Predictions.load(self.folder)

    @property
    def is_active(self) -> bool:
        """Whether a process trains it or waits in the queue."""
        return self.state in ("waiting", "running", "paused")

    @property
    def can_resume(self) -> bool:
        """Whether `resume` can continue it: epochs or the export are left. One that failed before its first epoch
        would fail again."""
        has_plan = self.network in {info.name for info in list_architectures()} and bool(self.config.get("data"))
        failed_early = self.state == "failed" and self.epoch == 0
        is_unfinished = self.epoch < self.epochs or not self.has_model
        return not self.is_builtin and not self.is_active and has_plan and is_unfinished and not failed_early

    @property
    def is_dismissed(self) -> bool:
        """Whether `dismiss` was called since it ended."""
        return (self.folder / DISMISSED_FILE).exists()


def list_runs(runs_folder: Path = RUNS_FOLDER, builtin_folder: Path = BUILTIN_MODELS) -> list[RunSummary]:
    """Return the runs of `runs_folder`, newest first, then the shipped ones by name.

    A damaged run is listed with its error. A model that is a copy of a listed run is only among its `installed_models`.
    """
    runs = [run for folder in _list_folders(runs_folder) if (run := load_run(folder)) is not None]
    parents = (*get_model_folders(builtin_folder), builtin_folder / LADDER_FOLDER.name)
    builtin_folders = [folder for parent in parents for folder in _list_folders(parent)]
    models = [run for folder in builtin_folders if (run := load_run(folder, is_builtin=True)) is not None]
    runs = [replace(run, installed_models=_find_copies(run, models)) for run in runs]
    installed = {folder for run in runs for folder in run.installed_models}
    models = [model for model in models if model.folder not in installed]
    return [*sorted(runs, key=lambda run: (-run.created, run.name)), *models]


def _find_copies(run: RunSummary, models: list[RunSummary]) -> tuple[Path, ...]:
    """Return the folders of the models that are the run as it is: it may have been trained further since."""
    return tuple(
        model.folder
        for model in models
        if model.source_run == run.folder.name
        and (network := _read_network_entry(run)) is not None
        and network == _read_network_entry(model)
    )


def _read_network_entry(run: RunSummary) -> Any:
    files = read_json_or_empty(run.folder / CARD_FILE).get("files")
    return files.get("model.onnx") if isinstance(files, dict) else None


def active_runs(runs_folder: Path = RUNS_FOLDER) -> list[RunSummary]:
    """Return the trainings that run or wait, in the order of the queue."""
    active = [
        (read_start_time(folder), run)
        for folder in _list_folders(runs_folder)
        if (run := load_run(folder)) and run.is_active
    ]
    active.sort(key=lambda entry: (entry[1].state == "waiting", entry[0], entry[1].folder.name))
    return [run for _, run in active]


def _list_folders(parent: Path) -> list[Path]:
    return sorted(p for p in parent.iterdir() if os.path.isdir(p) and p.name[0] != ".") if os.path.isdir(parent) else []


def load_run(folder: Path, *, is_builtin: bool = False) -> RunSummary | None:
    """Return the run in a folder, None where there is none and none is about to start, or where it holds a sweep."""
    if os.path.isfile(folder / SWEEP_FILE):
        return None
    names = (CONFIG_FILE, HISTORY_FILE, CARD_FILE, "state.json", "job.json")
    files = {name for name in names if os.path.isfile(folder / name)}
    if not files:
        return None
    config = RecordFile(folder / CONFIG_FILE, RunConfig)
    card = RecordFile(folder / CARD_FILE, RunCard)
    report = RecordFile(folder / REPORT_FILE, RunReport)
    annotations = read_annotations(folder)
    history = read_history(folder)
    job = Job(folder.resolve())
    status = job.read_state() if files & {"state.json", "job.json"} and not is_builtin else None
    best_epoch, best_accuracy = _find_best_epoch(history)
    state = _get_run_state(folder, status, CARD_FILE in files)
    damage = next(filter(None, (config.damage, card.damage, report.damage)), None)
    written = annotations.record
    return RunSummary(
        folder=folder,
        name=format_name(written.name, MAX_NAME_LENGTH) or job.label,
        network=config.record.network or card.record.network or "",
        kind=card.record.kind or config.record.kind or "",
        state=state if damage is None or (status and status.is_running) else "damaged",
        epoch=int(float(history[-1].get("epoch") or 0)) if history else 0,
        epochs=len(history) if config.record.epochs is None else config.record.epochs,
        best_epoch=best_epoch,
        best_accuracy=best_accuracy,
        train_minutes=_sum_minutes(history) or report.record.train_minutes or 0.0,
        is_builtin=is_builtin,
        config=config.values,
        status_text=status.message if status else "",
        error=damage or (status.error if status else None) or annotations.damage or None,
        seconds_left=status.seconds_left if status else None,
        created=_get_created_time(job, card.record),
        # Some are shipped without their weights.
        has_model=CARD_FILE in files and not card.damage and os.path.isfile(folder / "model.onnx"),
        source_run=card.record.source_run or "",
        is_damaged=damage is not None,
        note=written.note,
        tags=tuple(written.tags),
    )


def _sum_minutes(history: list[dict[str, str]]) -> float:
    minutes = sum(parse_number(row.get("seconds")) or 0.0 for row in history) / 60
    return minutes if 0 <= minutes < _MAX_MINUTES else 0.0


def _get_run_state(folder: Path, status: jobs.JobState | None, has_model: bool) -> RunState:
    if status is None:
        return "done" if has_model else "interrupted"
    if status.is_running:
        if status.message == WAITING_MESSAGE:
            return "waiting"
        return "paused" if (folder / PAUSE_FILE).exists() else "running"
    return status.status


def _find_best_epoch(history: list[dict[str, str]]) -> tuple[int | None, float | None]:
    """Return the best epoch and its accuracy on the labels of the data set."""
    best = best_epoch_row(history)
    if best is None:
        return None, None
    return int(float(best["epoch"])), get_accuracy(best)


def _get_created_time(job: Job, card: RunCard) -> float:
    if (job.folder / JOB_FILE).is_file() and (created := job.created_at):
        return created
    # The files of a shipped run are as old as their copy.
    with suppress(TypeError, ValueError, OverflowError, OSError):
        return datetime.fromisoformat(card.created or "").timestamp()
    path = job.folder / CONFIG_FILE
    with suppress(OSError):
        return (path if path.is_file() else job.folder).stat().st_mtime
    return 0.0


def to_json(run: RunSummary) -> str:
    """Return a run as one line of JSON."""
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
        "note",
        "tags",
    )
    return json.dumps({"folder": str(run.folder), **{name: getattr(run, name) for name in names}})


def read_start_time(folder: Path) -> float:
    """Return when the process of a run started, in unix seconds; 0 where it is not known."""
    with suppress(EmotionError, TypeError, ValueError):
        return float((read_json(folder / "state.json") or {})["process_started_at"])
    return 0.0
