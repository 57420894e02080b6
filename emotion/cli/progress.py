"""Progress bars of commands that run as the job of a folder."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from emotion.cli.click_extensions import Interrupted

if TYPE_CHECKING:
    from emotion.jobs.job import JobState
    from emotion.jobs.reporter import JobReporter

_BAR_WIDTH: Final = 24  # characters
_BAR_STEPS: Final = 1000  # of a whole bar
_POLL_SECONDS: Final = 0.3


@contextmanager
def run_job(folder: Path, label: str = "") -> Iterator[JobReporter]:
    """Run the block as the job of `folder` with a progress bar.

    Raises:
        Interrupted: A training in the block was stopped; its epochs are kept.
        JobError: Another process works in the folder.
    """
    from emotion.jobs.reporter import job_context
    from emotion.training.runs.step_monitor import TrainingStopped

    message = ""
    with job_context(folder) as report, show_progress(folder, label or folder.name):
        try:
            yield report
        except TrainingStopped as stopped:  # within the job, so that its state is "stopped" and not "failed"
            message = str(stopped)
    if message:
        raise Interrupted(f"{message} Run the same command again to go on.")


@contextmanager
def show_progress(folder: Path, label: str) -> Iterator[None]:
    """Show the progress of the job of `folder` on a terminal while the block runs."""
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_draw_progress, args=(folder, label, done), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _draw_progress(folder: Path, label: str, done: threading.Event) -> None:
    from emotion.jobs.job import Job

    job = Job(folder.resolve())
    with click.progressbar(
        length=_BAR_STEPS,
        label=label,
        width=_BAR_WIDTH,
        file=sys.stderr,
        show_eta=False,
        item_show_func=_format_state,
    ) as bar:
        while not done.wait(_POLL_SECONDS):
            state = job.read_state()
            bar.update(round(state.fraction * _BAR_STEPS) - bar.pos, state)


def _format_state(state: JobState | None) -> str:
    if state is None:
        return ""
    return state.message + (f", {state.seconds_left:.0f} s left" if state.seconds_left is not None else "")
