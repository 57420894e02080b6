"""What a training lets others see and ask within an epoch: steps.csv, a pause, a stop. Nothing here loads Keras."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from emotion.jobs.reporter import Reporter
from emotion.storage import write_atomic
from emotion.training.runs.folder import read_rows

STEPS: Final = "steps.csv"
PAUSE: Final = "pause"  # a file of this name in the run folder: wait
PAUSED: Final = "Paused"
_COLUMNS: Final = ("epoch", "step", "steps", "seconds", "loss", "accuracy", "learning_rate")
_EVERY: Final = 2.0  # seconds between two rows
_MOST: Final = 2000  # rows
_LOOK_EVERY: Final = 0.2  # seconds, while it waits


class Stopped(Exception):
    """The person asked to stop; what is done is in the checkpoint."""


def read_steps(folder: Path) -> list[dict[str, str]]:
    """The rows of steps.csv as text: `epoch`, `step` of `steps`, `seconds` since the epoch began, and means since the
    row before. Empty without the file; damaged lines are left out."""
    return read_rows(folder / STEPS)


class Watch:
    """Held by a training. `stopping` is asked after every batch, `tell(epochs, text)` hears how far it is."""

    def __init__(
        self,
        folder: Path,
        stopping: Callable[[], bool] = lambda: False,
        tell: Callable[[float, str], None] = lambda epochs, text: None,
    ) -> None:
        self._folder, self._stopping, self._tell = folder, stopping, tell
        self._epoch, self._steps, self._kept = 0, 0, 0
        self._at = 0.0  # epochs that are done, with the part of this one
        self._began = self._wrote = time.monotonic()
        self._loss, self._accuracy, self._n = 0.0, 0.0, 0
        self.paused = 0.0  # seconds of the epoch

    @classmethod
    def of_job(cls, folder: Path, report: Reporter, epochs: int) -> Watch:
        """That of a training of so many epochs that is the job of `folder`."""

        def tell(done: float, text: str) -> None:
            report.progress(done, epochs, text, working=text != PAUSED)

        return cls(folder, lambda: report.stopping, tell)

    def begin(self, epoch: int, steps: int) -> None:
        """Epoch `epoch` (from 1) begins; rows of it and later ones, of a time before a crash, are dropped."""
        rows = read_steps(self._folder)
        kept = [row for row in rows if 0 < float(row.get("epoch") or 0) < epoch and set(row) >= set(_COLUMNS)]
        self._epoch, self._steps, self.paused = epoch, steps, 0.0
        self._at = epoch - 1.0
        if len(kept) != len(rows) or not rows:
            self._write(kept)
        self._kept = len(kept)
        self._began = self._wrote = time.monotonic()
        self._loss, self._accuracy, self._n = 0.0, 0.0, 0
        self._wait()

    def step(self, step: int, logs: Mapping[str, float], rate: Callable[[], float]) -> None:
        """Batch `step` (from 1) was learned. Raises `Stopped` where somebody asked for it."""
        self._loss += logs["loss"]
        self._accuracy += logs.get("accuracy", logs.get("fer2013_accuracy", 0.0))
        self._n += 1
        self._at = self._epoch - 1 + step / self._steps
        now = time.monotonic()
        if now - self._wrote >= _EVERY or step == self._steps:
            self._row(step, now, rate())
            self._tell(self._at, f"epoch {self._epoch}, batch {step} of {self._steps}")
        self._wait()
        if step < self._steps and self._stopping():  # the last one can as well be measured and kept
            raise Stopped(f"Stopped in epoch {self._epoch}; it will be learned again, those before it are kept.")

    def _row(self, step: int, now: float, rate: float) -> None:
        if self._kept >= _MOST:
            self._thin()
        values = (self._loss / self._n, self._accuracy / self._n, rate)
        seconds = f"{now - self._began - self.paused:.2f}"
        cells = [self._epoch, step, self._steps, seconds, *(f"{value:.6g}" for value in values)]
        with open(self._folder / STEPS, "a", encoding="utf-8") as file:
            file.write(",".join(map(str, cells)) + "\n")
        self._kept += 1
        self._wrote, self._loss, self._accuracy, self._n = now, 0.0, 0.0, 0

    def _thin(self) -> None:
        """Leave every second row of the older epochs out, and of this one, too, where that is not enough."""
        rows = read_steps(self._folder)
        older = [row for row in rows if float(row["epoch"]) < self._epoch]
        newer = rows[len(older) :]
        kept = [*older[1::2], *(newer if len(older) > _MOST / 4 else newer[1::2])]
        self._write(kept)
        self._kept = len(kept)

    def _write(self, rows: list[dict[str, str]]) -> None:
        lines = [",".join(_COLUMNS), *(",".join(row[name] for name in _COLUMNS) for row in rows)]
        write_atomic(self._folder / STEPS, "\n".join(lines) + "\n")

    def _wait(self) -> None:
        """While somebody asks for a pause, unless it shall end."""
        started = None
        while (self._folder / PAUSE).exists() and not self._stopping():
            started = started or time.monotonic()
            self._tell(self._at, PAUSED)
            time.sleep(_LOOK_EVERY)
        if started is not None:
            self.paused += time.monotonic() - started
