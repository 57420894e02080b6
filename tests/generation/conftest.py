from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from emotion.generation.sampler import Sampler
from emotion.generation.upscaling.upscaler import Upscaler
from emotion.model_store.store import ModelBundle, open_model
from tests.generation.making import use_tiny_networks, write_classifier, write_generator, write_guidance_classifier
from tests.generation.upscaling.making import write_upscaler


@pytest.fixture(scope="session")
def generator_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small generator; tests must not change it."""
    return write_generator(tmp_path_factory.mktemp("generators") / "waves")


@pytest.fixture(scope="session")
def sampler(generator_folder: Path) -> Sampler:
    return Sampler(open_model(generator_folder))


@pytest.fixture(scope="session")
def upscaler(tmp_path_factory: pytest.TempPathFactory) -> Upscaler:
    """An upscaler that repeats pixels."""
    return Upscaler(open_model(write_upscaler(tmp_path_factory.mktemp("upscalers") / "repeat")))


@pytest.fixture(scope="session")
def classifier_bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return open_model(write_classifier(tmp_path_factory.mktemp("classifiers") / "classifier"))


@pytest.fixture(scope="session")
def guidance_classifier(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """A classifier with model.keras; for tests that load TensorFlow."""
    return open_model(write_guidance_classifier(tmp_path_factory.mktemp("guidance") / "guidance"))


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module with tiny networks; imported here, because fast tests must not load TensorFlow."""
    from emotion.generation import trainer

    use_tiny_networks(monkeypatch)
    return trainer


@pytest.fixture
def train_step_module(trainer: ModuleType) -> ModuleType:
    """The module of training steps, with the same networks."""
    from emotion.generation import train_step

    return train_step
