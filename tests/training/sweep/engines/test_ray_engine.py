"""Trials as actors of a Ray cluster of one machine, which is started for these tests."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from emotion.errors import JobError
from emotion.training.classifier.config import TrainingPlan
from emotion.training.run_listing import load_run
from emotion.training.sweep.engines.engine import TrialEngine, TrialStatus
from emotion.training.sweep.engines.local_engine import LocalEngine
from emotion.training.sweep.engines.ray_engine import RayEngine
from tests.ports import free_port
from tests.ray_settings import ray_settings  # noqa: F401
from tests.training.making import dataset, to_arrays, write_npz

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
]

NUM_EPOCHS = 3
MANY_EPOCHS = 500  # so that it is still running when something happens


@pytest.fixture(scope="module")
def engine() -> Iterator[RayEngine]:
    try:
        engine = RayEngine()
    except JobError:  # on a busy machine a start may end by a time limit of Ray
        engine = RayEngine()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> TrainingPlan:
    data = write_npz(tmp_path_factory.mktemp("data") / "faces.npz", to_arrays(dataset(70, 28, 28, votes=False)))
    return replace(TrainingPlan.from_defaults("mlp"), data=str(data), epochs=NUM_EPOCHS, batch_size=16)


def wait(engine: TrialEngine, folder: Path, true: Callable[[TrialStatus], bool]) -> TrialStatus:
    deadline = time.monotonic() + 300
    while not true(status := engine.observe(folder)):
        assert time.monotonic() < deadline, status
        time.sleep(0.1)
    return status


def wait_until_ended(engine: TrialEngine, folder: Path) -> TrialStatus:
    return wait(engine, folder, lambda status: not status.is_active)


def kill_actor() -> None:
    """Kill the process of the only actor of this test's cluster."""
    family = psutil.Process().children(recursive=True)
    (actor,) = (process for process in family if "RemoteTrial" in " ".join(process.cmdline()))
    actor.kill()


def test_a_trial_has_the_run_of_one_on_this_machine(engine: RayEngine, plan: TrainingPlan, tmp_path: Path) -> None:
    ended = {}
    for name, one in (("local", LocalEngine()), ("remote", engine)):
        folder = tmp_path / name / "trial-000"
        folder.parent.mkdir()
        assert one.observe(folder).state is None
        one.start(folder, plan)
        ended[name] = wait_until_ended(one, folder)
    assert (ended["remote"].state, ended["remote"].epochs) == ("done", NUM_EPOCHS)
    assert ended["remote"].accuracies == ended["local"].accuracies
    run = load_run(tmp_path / "remote" / "trial-000")
    assert run is not None
    assert run.has_model
    folders = [tmp_path / name / "trial-000" for name in ended]
    local, remote = ({path.name for path in folder.iterdir()} for folder in folders)
    assert local - remote <= {"log.txt", "progress.json", ".lock"}, "what a process leaves"


def test_a_trial_whose_machine_is_lost_goes_on(engine: RayEngine, plan: TrainingPlan, tmp_path: Path) -> None:
    folder = tmp_path / "trial-001"
    engine.start(folder, replace(plan, epochs=MANY_EPOCHS))
    before = wait(engine, folder, lambda status: len(status.accuracies) > 1)
    kill_actor()
    assert wait_until_ended(engine, folder).state == "interrupted"
    engine.start(folder, replace(plan, epochs=MANY_EPOCHS))
    after = wait(engine, folder, lambda status: len(status.accuracies) > len(before.accuracies) + 1)
    assert after.accuracies[: len(before.accuracies)] == before.accuracies
    engine.stop(folder)
    assert engine.observe(folder).state == "stopped"


def test_a_trial_that_fails_says_why(engine: RayEngine, plan: TrainingPlan, tmp_path: Path) -> None:
    folder = tmp_path / "trial-002"
    engine.start(folder, replace(plan, data=str(tmp_path / "nothing.npz")))
    status = wait_until_ended(engine, folder)
    assert status.state == "failed"
    assert status.error is not None
    assert "nothing.npz" in status.error


def test_no_cluster_is_one_sentence() -> None:
    with pytest.raises(JobError, match="No Ray cluster can be used"):
        RayEngine(f"127.0.0.1:{free_port()}")
