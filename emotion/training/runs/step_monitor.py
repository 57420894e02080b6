"""What a training lets others see and ask within an epoch: steps.csv, a pause, a stop. Nothing here loads Keras."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from emotion.jobs.reporter import JobReporter
from emotion.storage import write_atomic
from emotion.training.runs.folder import read_csv_rows

STEPS_FILE: Final = "steps.csv"
PAUSE_FILE: Final = "pause"  # a file of this name in the run folder: wait
PAUSED_MESSAGE: Final = "Paused"
_COLUMNS: Final = ("epoch", "step", "num_steps", "seconds", "loss", "accuracy", "learning_rate")
_ROW_INTERVAL_SECONDS: Final = 2.0  # seconds between two rows
_MAX_ROWS: Final = 2000  # rows
_POLL_SECONDS: Final = 0.2  # seconds, while it waits


class TrainingStopped(Exception):
    """The person asked to stop; what is done is in the checkpoint."""


def read_steps(folder: Path) -> list[dict[str, str]]:
    """The rows of steps.csv as text: `epoch`, `step` of `num_steps`, `seconds` since the epoch began, and means since the
    row before. Empty without the file; damaged lines are left out."""
    return read_csv_rows(folder / STEPS_FILE)


class StepMonitor:
    """Held by a training. `stop_requested` is asked after every batch, `on_progress(epochs, text)` hears how far it is."""

    def __init__(
        self,
        folder: Path,
        stop_requested: Callable[[], bool] = lambda: False,
        on_progress: Callable[[float, str], None] = lambda epochs, text: None,
    ) -> None:
        self._folder, self._stop_requested, self._on_progress = folder, stop_requested, on_progress
        self._epoch, self._num_steps, self._num_rows = 0, 0, 0
        self._epochs_done = 0.0  # epochs that are done, with the part of this one
        self._epoch_started = self._last_written = time.monotonic()
        self._loss_sum, self._accuracy_sum, self._num_batches = 0.0, 0.0, 0
        self.paused_seconds = 0.0  # seconds of the epoch

    @classmethod
    def from_job(cls, folder: Path, reporter: JobReporter, epochs: int) -> StepMonitor:
        """That of a training of so many epochs that is the job of `folder`."""

        def tell(done: float, text: str) -> None:
            reporter.progress(done, epochs, text, counts_time=text != PAUSED_MESSAGE)

        return cls(folder, lambda: reporter.stop_requested, tell)

    def start_epoch(self, epoch: int, num_steps: int) -> None:
        """Epoch `epoch` (from 1) begins; rows of it and later ones, of a time before a crash, are dropped."""
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
        """Batch `step` (from 1) was learned. Raises `TrainingStopped` where somebody asked for it."""
        self._loss_sum += logs["loss"]
        self._accuracy_sum += logs.get("accuracy", logs.get("fer2013_accuracy", 0.0))
        self._num_batches += 1
        self._epochs_done = self._epoch - 1 + step / self._num_steps
        now = time.monotonic()
        if now - self._last_written >= _ROW_INTERVAL_SECONDS or step == self._num_steps:
            self._append_row(step, now, get_learning_rate())
            self._on_progress(self._epochs_done, f"epoch {self._epoch}, batch {step} of {self._num_steps}")
        self._wait_while_paused()
        if step < self._num_steps and self._stop_requested():  # the last one can as well be measured and kept
            raise TrainingStopped(
                f"Stopped in epoch {self._epoch}; it will be learned again, those before it are kept."
            )

    def _append_row(self, step: int, now: float, learning_rate: float) -> None:
        if self._num_rows >= _MAX_ROWS:
            self._thin_rows()
        values = (self._loss_sum / self._num_batches, self._accuracy_sum / self._num_batches, learning_rate)
        seconds = f"{now - self._epoch_started - self.paused_seconds:.2f}"
        cells = [self._epoch, step, self._num_steps, seconds, *(f"{value:.6g}" for value in values)]
        with open(self._folder / STEPS_FILE, "a", encoding="utf-8") as file:
            file.write(",".join(map(str, cells)) + "\n")
        self._num_rows += 1
        self._last_written, self._loss_sum, self._accuracy_sum, self._num_batches = now, 0.0, 0.0, 0

    def _thin_rows(self) -> None:
        """Leave every second row of the older epochs out, and of this one, too, where that is not enough."""
        rows = read_steps(self._folder)
        older = [row for row in rows if float(row["epoch"]) < self._epoch]
        newer = rows[len(older) :]
        kept = [*older[1::2], *(newer if len(older) > _MAX_ROWS / 4 else newer[1::2])]
        self._write_rows(kept)
        self._num_rows = len(kept)

    def _write_rows(self, rows: list[dict[str, str]]) -> None:
        lines = [",".join(_COLUMNS), *(",".join(row[name] for name in _COLUMNS) for row in rows)]
        write_atomic(self._folder / STEPS_FILE, "\n".join(lines) + "\n")

    def _wait_while_paused(self) -> None:
        """While somebody asks for a pause, unless it shall end."""
        started = None
        while (self._folder / PAUSE_FILE).exists() and not self._stop_requested():
            started = started or time.monotonic()
            self._on_progress(self._epochs_done, PAUSED_MESSAGE)
            time.sleep(_POLL_SECONDS)
        if started is not None:
            self.paused_seconds += time.monotonic() - started
