"""What a training tells within an epoch, and how it is paused and stopped there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from emotion.training.runs import step_monitor
from emotion.training.runs.step_monitor import PAUSE_FILE, STEPS_FILE, StepMonitor, TrainingStopped, read_steps

LOGS = {"loss": 2.0, "accuracy": 0.5}


def epoch(monitor: StepMonitor, number: int, steps: int = 4, logs: dict[str, float] = LOGS) -> None:
    monitor.start_epoch(number, steps)
    for step in range(1, steps + 1):
        monitor.end_step(step, logs, lambda: 0.01)


def test_the_last_batch_of_each_epoch_is_always_written(tmp_path: Path) -> None:
    monitor = StepMonitor(tmp_path)
    epoch(monitor, 1)
    epoch(monitor, 2, logs={"loss": 1.0, "fer2013_accuracy": 0.75})
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in read_steps(tmp_path)]
    assert rows == [
        {"epoch": "1", "step": "4", "num_steps": "4", "loss": "2", "accuracy": "0.5", "learning_rate": "0.01"},
        {"epoch": "2", "step": "4", "num_steps": "4", "loss": "1", "accuracy": "0.75", "learning_rate": "0.01"},
    ]


def test_rows_are_means_since_the_row_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 0.0, 1.0, 2.0, 3.0, 4.5])
    monkeypatch.setattr(step_monitor.time, "monotonic", lambda: next(now))
    monitor = StepMonitor(tmp_path)
    monitor.start_epoch(1, 9)
    for step, loss in enumerate((4.0, 2.0, 1.0, 3.0), 1):
        monitor.end_step(step, {"loss": loss, "accuracy": loss / 10}, lambda: 0.1)
    assert [(r["step"], r["seconds"], r["loss"], r["accuracy"]) for r in read_steps(tmp_path)] == [
        ("2", "2.00", "3", "0.3"),
        ("4", "4.50", "2", "0.2"),
    ]


def test_a_repeated_epoch_is_written_once(tmp_path: Path) -> None:
    monitor = StepMonitor(tmp_path)
    for number in (1, 2, 3):
        epoch(monitor, number)
    with open(tmp_path / STEPS_FILE, "a") as file:
        file.write("4,1,4,0.5,2.0")  # the process was killed here
    epoch(StepMonitor(tmp_path), 3)
    assert [row["epoch"] for row in read_steps(tmp_path)] == ["1", "2", "3"]


@pytest.mark.parametrize("steps", [1, 300])
def test_never_too_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    monkeypatch.setattr(step_monitor, "MAX_ROWS", 100)
    monkeypatch.setattr(step_monitor, "ROW_INTERVAL_SECONDS", 0.0)
    monitor = StepMonitor(tmp_path)
    for number in range(1, 4 if steps > 1 else 400):
        epoch(monitor, number, steps)
        assert len(read_steps(tmp_path)) <= 101
    rows = read_steps(tmp_path)
    assert len(rows) > 40
    places = [(int(row["epoch"]), int(row["step"])) for row in rows]
    assert places == sorted(places)
    assert places[-1] == ((3, 300) if steps > 1 else (399, 1))


def test_a_stop_ends_the_epoch_at_once_but_not_its_last_batch(tmp_path: Path) -> None:
    stopping = False
    monitor = StepMonitor(tmp_path, lambda: stopping)
    monitor.start_epoch(3, 4)
    monitor.end_step(1, LOGS, lambda: 0.1)
    stopping = True
    with pytest.raises(TrainingStopped, match="Stopped in epoch 3, which starts again"):
        monitor.end_step(2, LOGS, lambda: 0.1)
    monitor.end_step(4, LOGS, lambda: 0.1)


def test_a_pause_waits_and_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0

    def sleep(seconds: float) -> None:
        nonlocal clock
        clock += seconds
        if clock >= 160:
            (tmp_path / PAUSE_FILE).unlink()

    monkeypatch.setattr(time, "monotonic", lambda: clock)
    monkeypatch.setattr(time, "sleep", sleep)
    messages = list[tuple[float, str]]()
    monitor = StepMonitor(tmp_path, on_progress=lambda done, text: messages.append((done, text)))
    monitor.start_epoch(1, 3)
    (tmp_path / PAUSE_FILE).touch()
    monitor.end_step(1, LOGS, lambda: 0.1)
    assert monitor.paused_seconds == pytest.approx(60, abs=1)
    assert messages[0] == (pytest.approx(1 / 3), step_monitor.PAUSED_MESSAGE)  # where it was, not where the epoch began
    clock += 5
    monitor.end_step(3, LOGS, lambda: 0.1)
    assert float(read_steps(tmp_path)[-1]["seconds"]) == pytest.approx(5)


def test_a_stop_ends_a_pause(tmp_path: Path) -> None:
    (tmp_path / PAUSE_FILE).touch()
    monitor = StepMonitor(tmp_path, lambda: True)
    monitor.start_epoch(1, 3)
    with pytest.raises(TrainingStopped):
        monitor.end_step(1, LOGS, lambda: 0.1)
