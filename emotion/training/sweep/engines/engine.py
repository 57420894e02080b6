"""What all engines of a sweep have in common."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from emotion.training import manager
from emotion.training.classifier.config import TrainingPlan
from emotion.training.run_listing import RunState, load_run
from emotion.training.runs.folder import read_accuracies


@dataclass(frozen=True)
class TrialStatus:
    """The run of a trial at one moment.

    Attributes:
        state: None before it has begun.
        accuracies: Accuracy on the validation split after each epoch.
        epochs: The planned number.
        seconds: Training time.
        error: Why it failed.
    """

    state: RunState | None
    accuracies: list[float]
    epochs: int = 0
    seconds: float = 0.0
    error: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether a process trains it."""
        return self.state in ("waiting", "running", "paused")


class TrialEngine(Protocol):
    """Trains runs in the folders of trials, each of which has all of its run at its end."""

    def start(self, folder: Path, plan: TrainingPlan) -> None:
        """Begin the run of a trial, or go on with it after its last whole epoch."""
        ...

    def observe(self, folder: Path) -> TrialStatus:
        """Return the status of a trial, "interrupted" where its process is gone."""
        ...

    def stop(self, folder: Path) -> None:
        """Stop the run of a trial and wait for its end; its whole epochs stay."""
        ...

    def close(self) -> None:
        """End all that the engine has started for itself."""
        ...


def read_status(folder: Path) -> TrialStatus:
    """Read the status of a run from its folder."""
    run = load_run(folder)  # before its history, which may grow meanwhile
    accuracies = read_accuracies(folder)
    if run is None or not run.config:
        return TrialStatus(None, accuracies)
    return TrialStatus(run.state, accuracies, run.epochs, run.train_minutes * 60, run.error)


def prepare_run(folder: Path, plan: TrainingPlan) -> None:
    """Make the run folder of a trial, unless it is there."""
    if read_status(folder).state is None:
        shutil.rmtree(folder, ignore_errors=True)  # what a kill left while the folder was made
        manager.create_run(plan, folder.name, folder.parent)
