"""Trials as jobs of this machine."""

from __future__ import annotations

from pathlib import Path

from emotion.training import manager
from emotion.training.classifier.config import TrainingPlan
from emotion.training.sweep.engines.engine import TrialStatus, prepare_run, read_status


class LocalEngine:
    """See `TrialEngine`."""

    def start(self, folder: Path, plan: TrainingPlan) -> None:
        """Start the job of a trial."""
        prepare_run(folder, plan)
        manager.start_run(folder)

    def observe(self, folder: Path) -> TrialStatus:
        """Read the status of a trial."""
        return read_status(folder)

    def stop(self, folder: Path) -> None:
        """Stop the job of a trial, unless it has none."""
        if folder.is_dir():
            manager.stop(folder)

    def close(self) -> None:
        """Do nothing: jobs end by themselves."""
