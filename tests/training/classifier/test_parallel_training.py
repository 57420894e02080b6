"""Several workers of this machine, as processes of one command and as two commands that meet at an address."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from emotion.cli.main import main
from emotion.errors import SettingsError
from emotion.jobs.job import Job
from emotion.jobs.process_record import is_alive
from emotion.storage import PROJECT_ROOT
from emotion.training.classifier.parallel_training import Workers
from emotion.training.parallel.connecting import TOKEN_VAR
from emotion.training.runs.folder import CHECKPOINT_FILE, read_history
from emotion.training.runs.step_monitor import PAUSE_FILE, PAUSED_MESSAGE
from tests.ports import free_port
from tests.training.making import dataset, to_arrays, write_npz
from tests.waiting import wait_until

# Keras' variables and NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

EPOCHS = 6
TIMEOUT = 400.0  # seconds; on a busy machine TensorFlow takes a minute to load
# After 18 steps at a small learning rate: differences of rounding grow from step to step, and faster with larger steps.
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_npz(tmp_path_factory.mktemp("data") / "faces.npz", to_arrays(dataset(140, 56, 28)))


def arguments(file: Path, folder: Path, *more: object) -> list[str]:
    """Return a command that trains batch normalization and dropout, with parts of 22 and 23 rows for two workers."""
    settings = ["--network", "cnn-augmented", "--width-factor", 0.25, "--batch-size", 45, "--epochs", EPOCHS]
    settings += ["--optimizer", "sgd", "--learning-rate", 0.0001]
    return [str(a) for a in ("classifier", "train", "--data", file, "--out", folder, *settings, *more)]


def load_network(folder: Path) -> list[Any]:
    """Return weights, moving averages and random states; the averages of gradients in the optimizer vary by more."""
    with np.load(folder / CHECKPOINT_FILE) as values:
        variables = [values[f"v{index}"] for index in range(sum(name.startswith("v") for name in values.files))]
    num_variables = next(index for index, value in enumerate(variables) if not value.shape)  # the optimizer's steps
    return variables[:num_variables]


def assert_same_training(folder: Path, other: Path) -> None:
    for value, expected in zip(load_network(folder), load_network(other), strict=True):
        np.testing.assert_allclose(value, expected, rtol=0, atol=TOLERANCE)
    rows, expected_rows = read_history(folder), read_history(other)
    assert len(rows) == len(expected_rows) == EPOCHS
    for row, expected_row in zip(rows, expected_rows, strict=True):
        for name in ("loss", "val_loss"):
            assert float(row[name]) == pytest.approx(float(expected_row[name]), abs=TOLERANCE), name


class Command:
    """A training in a process of its own."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "emotion", *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=PROJECT_ROOT,
                env=os.environ | {TOKEN_VAR: "a secret of this test"},
            )

    def end(self) -> None:
        if self.process.poll() is None:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                child.kill()
            self.process.kill()
        self.process.wait(TIMEOUT)

    def wait(self) -> int:
        return self.process.wait(TIMEOUT)

    @property
    def sentences(self) -> list[str]:
        """What it printed about problems."""
        return [line for line in self.log.read_text().splitlines() if line.startswith("emotion: ")]


@pytest.fixture(scope="module")
def alone(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by one worker."""
    folder = tmp_path_factory.mktemp("runs")
    assert Command(arguments(file, folder / "alone"), folder / "log").wait() == 0
    return folder / "alone"


@pytest.fixture
def commands() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(commands: ExitStack, arguments: list[str], log: Path) -> Command:
    command = Command(arguments, log)
    commands.callback(command.end)
    return command


def pause_after_an_epoch(folder: Path) -> None:
    wait_until(lambda: read_history(folder), TIMEOUT)
    (folder / PAUSE_FILE).touch()
    wait_until(lambda: Job(folder).read_state().message == PAUSED_MESSAGE, TIMEOUT)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_workers_end_with_the_weights_of_one(file: Path, alone: Path, tmp_path: Path, commands: ExitStack) -> None:
    assert start(commands, arguments(file, tmp_path / "run", "--workers", 2), tmp_path / "log").wait() == 0
    assert_same_training(tmp_path / "run", alone)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_killed_worker_ends_the_training_which_goes_on_after_its_last_epoch(
    file: Path, alone: Path, tmp_path: Path, commands: ExitStack
) -> None:
    folder = tmp_path / "run"
    command = start(commands, arguments(file, folder, "--workers", 3), tmp_path / "log")
    pause_after_an_epoch(folder)
    workers = [
        child
        for child in psutil.Process(command.process.pid).children()
        if any("spawn_main" in part for part in child.cmdline())
    ]
    assert len(workers) == 2
    workers[0].kill()
    (folder / PAUSE_FILE).unlink()
    assert command.wait() == 1
    assert any(" of 3 is gone: run the same command again" in sentence for sentence in command.sentences)
    assert "Traceback" not in command.log.read_text()
    wait_until(lambda: not any(map(is_alive, workers)))
    assert 0 < len(read_history(folder)) < EPOCHS
    resumed = start(commands, arguments(file, folder), tmp_path / "resumed.log")  # with another number of workers
    assert resumed.wait() == 0
    assert_same_training(folder, alone)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_workers_meet_at_an_address_and_end_when_the_first_one_is_killed(
    file: Path, tmp_path: Path, commands: ExitStack
) -> None:
    folder, meeting = tmp_path / "run", ["--workers", 2, "--address", f"127.0.0.1:{free_port()}"]

    leader, follower = (
        start(commands, arguments(file, folder, *meeting, "--rank", rank), tmp_path / f"log{rank}") for rank in (0, 1)
    )
    pause_after_an_epoch(folder)
    leader.process.send_signal(signal.SIGKILL)
    assert follower.wait() == 1
    assert follower.sentences[-1].startswith("emotion: Worker 0 of 2 is gone")
    assert "Traceback" not in follower.log.read_text()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["run"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_stop_ends_all_workers(file: Path, tmp_path: Path, commands: ExitStack) -> None:
    folder = tmp_path / "run"
    command = start(commands, arguments(file, folder, "--workers", 2), tmp_path / "log")
    pause_after_an_epoch(folder)
    children = psutil.Process(command.process.pid).children()
    for process in (*children, command.process):
        process.send_signal(signal.SIGINT)  # as a terminal does
    assert command.wait() == 130
    assert "Traceback" not in command.log.read_text()
    wait_until(lambda: not any(map(is_alive, children)))
    assert Job(folder).read_state().status == "stopped"


def test_more_workers_than_rows_of_a_batch_are_refused() -> None:
    recipe: Any = SimpleNamespace()
    with pytest.raises(SettingsError, match="A batch of 4 cannot be divided among 5 workers"):
        Workers(5).make_group_address(recipe, 4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--rank", "1"], "--rank is 1; expected a number below --workers, 1"),
        (["--workers", "2", "--rank", "1"], "give --address, too"),
        (["--address", "localhost:7000"], "give --workers, too"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert main(arguments(file, tmp_path / "run", *options)) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
