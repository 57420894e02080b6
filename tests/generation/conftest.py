from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from emotion.generation.sampler import Sampler
from emotion.model_store.store import ModelBundle, open_model
from tests.generation.making import use_tiny, write_generator, write_judge, write_teacher


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small generator. To be looked at only."""
    return write_generator(tmp_path_factory.mktemp("generators") / "waves")


@pytest.fixture(scope="session")
def sampler(made: Path) -> Sampler:
    return Sampler(open_model(made))


@pytest.fixture(scope="session")
def judge_bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return open_model(write_judge(tmp_path_factory.mktemp("judges") / "judge"))


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """A classifier that can teach; only for tests that load TensorFlow."""
    return open_model(write_teacher(tmp_path_factory.mktemp("teachers") / "teacher"))


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, with networks that learn in no time; imported here, for quick tests need no TensorFlow."""
    from emotion.generation import trainer

    use_tiny(monkeypatch)
    return trainer


@pytest.fixture
def lessons(trainer: ModuleType) -> ModuleType:
    """The module of single steps, with the same networks."""
    from emotion.generation import train_step

    return train_step
