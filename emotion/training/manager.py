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

from emotion.errors import EmotionError, JobError
from emotion.jobs import job as jobs
from emotion.jobs.job import Job
from emotion.jobs.queue import turn
from emotion.jobs.reporter import Reporter
from emotion.jobs.result_folder import CLASSIFIER, Mark
from emotion.model_store.card import CARD
from emotion.model_store.store import SHIPPED
from emotion.storage import free_space_or_raise, read_json, write_json
from emotion.training.classifier.config import LessonPlan
from emotion.training.classifier.zoo import networks
from emotion.training.runs.folder import CHECKPOINT, CONFIG, HISTORY, REPORT, best_row, read_history
from emotion.training.runs.predictions import Answers
from emotion.training.runs.step_monitor import PAUSE

RUNS: Final = SHIPPED.parent / "runs"
LADDER: Final = SHIPPED / "ladder"
WAITING: Final = "Waiting for another training"
_LOCK: Final = ".trainings.lock"
_DISMISSED: Final = "dismissed"
_SPARE: Final = 500_000_000  # bytes that a run may need on the disk
_GRACE: Final = 10.0  # seconds that a training has to end; it looks after every batch
_LONGEST: Final = 60  # characters of a folder

State = Literal["waiting", "running", "paused", "done", "stopped", "interrupted", "failed", "diverged"]


@dataclass(frozen=True)
class RunView:
    """A run as it is at one moment. `best_accuracy` 0 to 1 on the validation split; `epochs` as planned, 0 unknown."""

    folder: Path
    name: str  # as a person called it
    network: str  # "" unknown
    kind: str  # of model: "recogniser", "detector", "generator", or "" where nothing tells
    state: State
    epoch: int
    epochs: int
    best_epoch: int | None
    best_accuracy: float | None
    minutes: float
    shipped: bool
    config: Mapping[str, Any]
    text: str  # what its job says, "" without one
    error: str | None  # one sentence
    seconds_left: float | None
    created: float  # unix seconds
    finished: bool  # it is a model that can be used
    used_from: str = ""  # of a model that is a copy of a run: which one
    models: tuple[Path, ...] = ()  # the folders of the models that are copies of this run as it is now

    def history(self) -> list[dict[str, str]]:
        """The rows of its epochs, as `read_history` gives them."""
        return read_history(self.folder)

    def answers(self) -> Answers | None:
        """What it said of the validation faces; `DataError` where the file is damaged."""
        return Answers.read(self.folder)

    @property
    def active(self) -> bool:
        """Whether a process works on it or waits for its turn."""
        return self.state in ("waiting", "running", "paused")

    @property
    def can_resume(self) -> bool:
        """Whether `resume` can go on: it was begun here, and epochs are left or no model was made of it yet. What was
        refused before its first epoch would be refused again."""
        planned = self.network in {card.name for card in networks()} and bool(self.config.get("data"))
        refused = self.state == "failed" and self.epoch == 0
        left = self.epoch < self.epochs or not self.finished
        return not self.shipped and not self.active and planned and left and not refused

    @property
    def dismissed(self) -> bool:
        """Whether `dismiss` was asked for since it ended."""
        return (self.folder / _DISMISSED).exists()


# ------------------------------------------------------------------ start, stop


def start_training(plan: LessonPlan, name: str, parent: Path = RUNS) -> Job:
    """Start `plan` as a job in a new folder of `parent`; it waits for the trainings there that were asked for earlier.

    Raises `JobError` where the name is taken or cannot name a folder, or the disk is full.
    """
    if not plan.data:
        raise JobError("No data set was named; choose one first.")
    folder = parent / folder_name(name)
    free_space_or_raise(parent, _SPARE)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()  # one of several that ask for one name at once gets it
    except FileExistsError as error:
        raise JobError(f"There is a run {folder.name} already; choose another name or delete that one.") from error
    except OSError as error:
        raise JobError(f"{parent} takes no new folder ({error.strerror}): check disk and rights.") from error
    try:
        Mark(CLASSIFIER).write(folder)
        write_json(folder / "job.json", {"label": " ".join(name.split()), "created": time.time()})
        write_json(folder / CONFIG, plan.settings())  # so that it can be shown, and begun again, before it learns
        return _start(plan, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def folder_name(name: str) -> str:
    """The folder of a run that a person calls `name`; `JobError` where nothing of it can be one."""
    plain = re.sub(r"[^\w.-]+", "-", " ".join(name.split())).strip("-._ ")[:_LONGEST]
    if not plain or plain.lower() in ("con", "nul", "aux", "prn"):  # those are devices on Windows
        raise JobError(f"{name[:_LONGEST]!r} cannot name a run; choose a name with letters or digits.")
    return plain


def _start(plan: LessonPlan, folder: Path, more: str = "--wait") -> Job:
    (folder / PAUSE).unlink(missing_ok=True)
    (folder / _DISMISSED).unlink(missing_ok=True)
    return jobs.start([*plan.arguments(folder), more], folder)


def resume(folder: Path) -> Job:
    """Go on with a run that was stopped or interrupted, after its last whole epoch."""
    run = _found(folder)
    if run.active:
        raise JobError(f"The run {run.name} is at work already.")
    if run.epochs and run.epoch >= run.epochs and run.finished:
        raise JobError(f"The run {run.name} has learned all its {run.epochs} epochs; start a new one to learn more.")
    return _start(LessonPlan.of(run.config), folder)


def pause(folder: Path) -> None:
    """Let a training wait within its epoch, with everything in memory; it keeps its turn. See `go_on`."""
    run = _found(folder)
    if not run.active:
        raise JobError(f"The run {run.name} is not at work; only a training that runs can pause.")
    (folder / PAUSE).touch()


def dismiss(folder: Path) -> None:
    """Name a run that is over no more among those that ended; it stays in the list of all runs."""
    (folder / _DISMISSED).touch()


def go_on(folder: Path) -> None:
    """End a pause."""
    (folder / PAUSE).unlink(missing_ok=True)


def stop(folder: Path, *, keep: bool = False) -> Job:
    """End a training; its whole epochs stay and `resume` goes on there.

    `keep`: a model is made of the best epoch so far, by a job of its own that takes a minute at most and waits for
    no other training.
    """
    job = jobs.find(folder)
    job.stop(_GRACE)
    go_on(folder)
    if keep:
        if not (folder / CHECKPOINT).is_file():
            raise JobError(f"The run {job.label} has no whole epoch yet; there is nothing to keep.")
        return _start(LessonPlan.of(_found(folder).config), folder, "--finish")
    return job


def delete_run(folder: Path, parent: Path = RUNS) -> None:
    """End a run of `parent` and remove its folder. `JobError` for everything else, shipped runs above all."""
    folder = Path(os.path.abspath(folder))
    if folder.parent != Path(os.path.abspath(parent)) or folder.is_symlink() or not folder.is_dir():
        raise JobError(f"{folder} is no run of {parent}; only those can be deleted.")
    Job(folder).stop(_GRACE)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise JobError(f"{folder} cannot be deleted ({error.strerror}): check its rights.") from error


def in_turn(folder: Path, report: Reporter) -> AbstractContextManager[bool]:
    """A context that waits for the trainings of the parent folder that were asked for earlier; see `turns.turn`."""
    return turn(folder, report, _LOCK, WAITING, lambda: _earlier(folder.resolve()))


def _earlier(folder: Path) -> list[Job]:
    """The trainings of the same folder whose process began before this one's."""
    found = {job.folder: _asked(job.folder) for job in jobs.list_jobs(folder.parent) if (job.folder / CONFIG).is_file()
             or (job.folder / "job.json").is_file()}  # fmt: skip
    mine = (_asked(folder), folder.name)
    return [Job(other) for other, asked in found.items() if other != folder and (asked, other.name) < mine]


def _asked(folder: Path) -> float:
    with suppress(EmotionError, TypeError, ValueError):
        return float((read_json(folder / "state.json") or {})["process_started"])
    return 0.0


# ------------------------------------------------------------------ what is there


def all_runs(parent: Path = RUNS, shipped: Path = SHIPPED) -> list[RunView]:
    """The runs of `parent`, newest first, then the shipped ones by name. A damaged one is there with its sentence, and
    a model that is a copy of a run that is there only with that run."""
    own = [view for folder in _folders(parent) if (view := run_view(folder)) is not None]
    given = [*_folders(shipped), *_folders(shipped / LADDER.name)]
    theirs = [view for folder in given if (view := run_view(folder, shipped=True)) is not None]
    copies: dict[str, list[RunView]] = {}
    for view in theirs:
        if view.used_from:
            copies.setdefault(view.used_from, []).append(view)
    own = [
        replace(run, models=tuple(copy.folder for copy in copies.get(run.folder.name, ()) if _same_model(run, copy)))
        for run in own
    ]
    named = {folder for run in own for folder in run.models}
    theirs = [view for view in theirs if view.folder not in named]
    return [*sorted(own, key=lambda run: (-run.created, run.name)), *theirs]


def _same_model(run: RunView, copy: RunView) -> bool:
    """Whether a copy is what the run is now: it may have learned more since."""
    one, other = (_object(view.folder / CARD).get("files") for view in (run, copy))
    networks_of = [files.get("model.onnx") if isinstance(files, dict) else None for files in (one, other)]
    return networks_of[0] is not None and networks_of[0] == networks_of[1]


def queue_of(parent: Path = RUNS) -> list[RunView]:
    """The trainings that are at work or wait, in the order of their turns."""
    active = [(_asked(folder), view) for folder in _folders(parent) if (view := run_view(folder)) and view.active]
    active.sort(key=lambda one: (one[1].state == "waiting", one[0], one[1].folder.name))
    return [view for _, view in active]


def _folders(parent: Path) -> list[Path]:
    return sorted(p for p in parent.iterdir() if p.is_dir() and not p.name.startswith(".")) if parent.is_dir() else []


def _found(folder: Path) -> RunView:
    view = run_view(folder)
    if view is None:
        raise JobError(f"There is no run in {folder}; it may have been deleted.")
    return view


def run_view(folder: Path, *, shipped: bool = False) -> RunView | None:
    """The run of a folder, None where there is none (and none is about to begin)."""
    there = {name for name in (CONFIG, HISTORY, CARD, "state.json", "job.json") if (folder / name).is_file()}
    if not there:
        return None
    config, card, report = (_object(folder / name) for name in (CONFIG, CARD, REPORT))
    history = read_history(folder)
    job = Job(folder.resolve())
    status = job.state() if there & {"state.json", "job.json"} and not shipped else None
    best_epoch, best = _best(history)
    network = config.get("network", card.get("network"))
    epochs = config.get("epochs")
    return RunView(
        folder=folder,
        name=job.label,
        network=network if isinstance(network, str) else "",
        kind=_kind(config, card),
        state=_state(folder, status, bool(there & {CARD})),
        epoch=int(float(history[-1].get("epoch") or 0)) if history else 0,
        epochs=epochs if isinstance(epochs, int) else len(history),
        best_epoch=best_epoch,
        best_accuracy=best,
        minutes=sum(_number(row.get("seconds")) or 0.0 for row in history) / 60 or float(report.get("minutes") or 0),
        shipped=shipped,
        config=config,
        text=status.text if status else "",
        error=status.error if status else None,
        seconds_left=status.seconds_left if status else None,
        created=_created(folder),
        finished=CARD in there and (folder / "model.onnx").is_file(),  # some are shipped without their weights
        used_from=str(card.get("used_from") or ""),
    )


def _state(folder: Path, status: jobs.JobState | None, finished: bool) -> State:
    if status is None:
        return "done" if finished else "interrupted"
    if status.running:
        if status.text == WAITING:
            return "waiting"
        return "paused" if (folder / PAUSE).exists() else "running"
    return status.state


def _kind(config: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    if isinstance(card.get("kind"), str):
        return card["kind"]
    return "recogniser" if config.get("network") in {one.name for one in networks()} else ""


def _best(history: list[dict[str, str]]) -> tuple[int | None, float | None]:
    """The epoch that a training keeps, and how often it was right on the labels of the data set then."""
    best = best_row(history)
    if best is None:
        return None, None
    own = (_number(best.get(name)) for name in ("val_accuracy", "val_fer2013_accuracy"))
    return int(float(best["epoch"])), next((share for share in own if share is not None), None)


def _number(cell: str | None) -> float | None:
    with suppress(ValueError):
        value = float(cell or "nan")
        return value if abs(value) < float("inf") else None
    return None


def _object(path: Path) -> dict[str, Any]:
    """A JSON object of a run, empty where it is missing or damaged: the run is shown all the same."""
    with suppress(EmotionError):
        return read_json(path) or {}
    return {}


def _created(folder: Path) -> float:
    created = _object(folder / "job.json").get("created")
    if isinstance(created, int | float):
        return float(created)
    with suppress(
        KeyError, TypeError, ValueError, OverflowError, OSError
    ):  # the files of a shipped run are as old as their copy
        return datetime.fromisoformat(_object(folder / CARD)["created"]).timestamp()
    with suppress(OSError):
        return (folder / CONFIG if (folder / CONFIG).is_file() else folder).stat().st_mtime
    return 0.0


def as_json(run: RunView) -> str:
    """A line for programs."""
    names = ("name", "network", "kind", "state", "epoch", "epochs", "best_epoch", "best_accuracy", "minutes", "shipped",
             "error", "seconds_left", "finished")  # fmt: skip
    return json.dumps({"folder": str(run.folder), **{name: getattr(run, name) for name in names}})
