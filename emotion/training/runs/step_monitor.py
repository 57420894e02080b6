"""Monitor a training within an epoch: steps.csv, pause and stop; without Keras."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from emotion.storage import write_atomic
from emotion.training.runs.folder import read_csv_rows

STEPS_FILE: Final = "steps.csv"
PAUSE_FILE: Final = "pause"  # while it is in the run folder, the training waits
FINISH_FILE: Final = "finish"  # while it is in the run folder, no further epoch is trained
PAUSED_MESSAGE: Final = "Paused"
_COLUMNS: Final = ("epoch", "step", "num_steps", "seconds", "loss", "accuracy", "learning_rate")
ROW_INTERVAL_SECONDS: Final = 2.0  # between two rows
MAX_ROWS: Final = 2000  # more than a chart can show
POLL_SECONDS: Final = 0.2  # during a pause


class ProgressReporter(Protocol):
    """What a training needs of a `JobReporter`."""

    @property
    def stop_requested(self) -> bool:
        """Whether the training should end after the current epoch."""
        ...

    def progress(self, done: float, total: float, message: str = "", *, counts_time: bool = True) -> None:
        """Report `done` of `total` epochs."""
        ...


def clear_requests(folder: Path) -> None:
    """Remove what asks the training in a run folder to pause or to finish, before it starts or continues."""
    for name in (PAUSE_FILE, FINISH_FILE):
        (folder / name).unlink(missing_ok=True)


class TrainingStopped(Exception):
    """A training was asked to stop; its whole epochs are in the checkpoint."""


def read_steps(folder: Path) -> list[dict[str, str]]:
    """Return the rows of steps.csv as text, damaged ones left out; no file is no rows.

    `epoch`, `step` of `num_steps`, `seconds` since the epoch began without pauses; `loss` and `accuracy` are means
    since the row before, `accuracy` is empty where the training has none."""
    return read_csv_rows(folder / STEPS_FILE)


class StepMonitor:
    """Writes steps.csv in the run folder, waits during a pause and ends a training within an epoch.

    `stop_requested` is called after every step, `on_progress(epochs, message)` with the epochs that are done.
    """

    def __init__(
        self,
        folder: Path,
        stop_requested: Callable[[], bool] = lambda: False,
        on_progress: Callable[[float, str], None] = lambda epochs, text: None,
    ) -> None:
        self._folder, self._stop_requested, self._on_progress = folder, stop_requested, on_progress
        self._epoch, self._num_steps, self._num_rows = 0, 0, 0
        self._epochs_done = 0.0  # with the part of the current epoch
        self._epoch_started = self._last_written = time.monotonic()
        self._loss_sum, self._accuracy_sum, self._num_batches = 0.0, 0.0, 0
        self.paused_seconds = 0.0  # of the current epoch

    @classmethod
    def from_job(cls, folder: Path, reporter: ProgressReporter, epochs: int) -> StepMonitor:
        """Return the monitor of a training of `epochs` epochs that is the job of `folder`."""

        def on_progress(done: float, text: str) -> None:
            reporter.progress(done, epochs, text, counts_time=text != PAUSED_MESSAGE)

        return cls(folder, lambda: reporter.stop_requested, on_progress)

    @property
    def finish_requested(self) -> bool:
        """Whether the best epoch so far should become the model, without further training."""
        return (self._folder / FINISH_FILE).exists()

    def start_epoch(self, epoch: int, num_steps: int) -> None:
        """Begin epoch `epoch` (from 1) and remove its rows and later ones, which a crash may have left."""
        rows = read_steps(self._folder)
        kept = [row for row in rows if 0 < float(row.get("epoch") or 0) < epoch and set(row) >= set(_COLUMNS)]
        self._epoch, self._num_steps, self.paused_seconds = epoch, num_steps, 0.0
        self._epochs_done = epoch - 1.0
        if len(kept) != len(rows) or not rows:
            self._write_rows(kept)
        self._num_rows = len(kept)
        self._epoch_started = self._last_written = time.monotonic()
        self._loss_sum, self._accuracy_sum, self._num_batches = 0.0, 0.0, 0
        self._wait_while_paused()

    def end_step(self, step: int, logs: Mapping[str, float], get_learning_rate: Callable[[], float]) -> None:
        """Record step `step` (from 1) with its `loss` and its accuracy, if any.

        Raises:
            TrainingStopped: A stop was requested and this is not the last step of the epoch.
        """
        self._loss_sum += logs["loss"]
        self._accuracy_sum += logs.get("accuracy", logs.get("fer2013_accuracy", math.nan))
        self._num_batches += 1
        self._epochs_done = self._epoch - 1 + step / self._num_steps
        now = time.monotonic()
        if now - self._last_written >= ROW_INTERVAL_SECONDS or step == self._num_steps:
            self._append_row(step, now, get_learning_rate())
            self._on_progress(self._epochs_done, f"epoch {self._epoch}, batch {step} of {self._num_steps}")
        self._wait_while_paused()
        if step < self._num_steps and self._stop_requested():  # after the last step the epoch is complete
            raise TrainingStopped(f"Stopped in epoch {self._epoch}, which starts again; the epochs before it are kept.")

    def _append_row(self, step: int, now: float, learning_rate: float) -> None:
        if self._num_rows >= MAX_ROWS:
            self._thin_rows()
        values = (self._loss_sum / self._num_batches, self._accuracy_sum / self._num_batches, learning_rate)
        seconds = f"{now - self._epoch_started - self.paused_seconds:.2f}"
        cells = [
            self._epoch,
            step,
            self._num_steps,
            seconds,
            *("" if math.isnan(value) else f"{value:.6g}" for value in values),
        ]
        with open(self._folder / STEPS_FILE, "a", encoding="utf-8") as file:
            file.write(",".join(map(str, cells)) + "\n")
        self._num_rows += 1
        self._last_written, self._loss_sum, self._accuracy_sum, self._num_batches = now, 0.0, 0.0, 0

    def _thin_rows(self) -> None:
        """Remove every second row of the older epochs, and of this one where that is not enough."""
        rows = read_steps(self._folder)
        older = [row for row in rows if float(row["epoch"]) < self._epoch]
        newer = rows[len(older) :]
        kept = [*older[1::2], *(newer if len(older) > MAX_ROWS / 4 else newer[1::2])]
        self._write_rows(kept)
        self._num_rows = len(kept)

    def _write_rows(self, rows: list[dict[str, str]]) -> None:
        lines = [",".join(_COLUMNS), *(",".join(row[name] for name in _COLUMNS) for row in rows)]
        write_atomic(self._folder / STEPS_FILE, "\n".join(lines) + "\n")

    def _wait_while_paused(self) -> None:
        """Wait while the pause file exists and no stop is requested."""
        started = None
        while (self._folder / PAUSE_FILE).exists() and not self._stop_requested():
            started = started or time.monotonic()
            self._on_progress(self._epochs_done, PAUSED_MESSAGE)
            time.sleep(POLL_SECONDS)
        if started is not None:
            self.paused_seconds += time.monotonic() - started
