"""Where a training writes, who follows its progress and who can stop it; without Keras."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emotion.training.parallel.group import WorkerGroup
from emotion.training.runs.step_monitor import ProgressReporter, StepMonitor


class _SilentReporter:
    stop_requested = False

    def progress(self, done: float, total: float, message: str = "", *, counts_time: bool = True) -> None:
        pass


@dataclass(frozen=True)
class RunContext:
    """The surroundings of one training.

    Attributes:
        folder: The run folder.
        reporter: Receives a message after every epoch; its `stop_requested` ends the training between two epochs.
        monitor: Receives every step; it can pause the training, or end it within an epoch.
        export_only: Train no further epoch, return the best network so far.
        tensorboard: Write event files for TensorBoard, too.
        group: The workers that train together; None for this process alone. Only worker 0 writes.
    """

    folder: Path
    reporter: ProgressReporter
    monitor: StepMonitor
    export_only: bool = False
    tensorboard: bool = False
    group: WorkerGroup | None = None

    @classmethod
    def from_folder(
        cls, folder: Path, reporter: ProgressReporter | None = None, group: WorkerGroup | None = None
    ) -> RunContext:
        """Return the context of a training outside of a job, whose steps are written and whose pauses are honored."""
        return cls(folder, reporter or _SilentReporter(), StepMonitor(folder), group=group)

    @classmethod
    def from_job(
        cls,
        folder: Path,
        reporter: ProgressReporter,
        epochs: int,
        *,
        export_only: bool = False,
        tensorboard: bool = False,
        group: WorkerGroup | None = None,
    ) -> RunContext:
        """Return the context of a training of `epochs` epochs that is the job of `folder`."""
        monitor = StepMonitor.from_job(folder, reporter, epochs)
        return cls(folder, reporter, monitor, export_only, tensorboard, group)
