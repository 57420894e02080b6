from __future__ import annotations

from pathlib import Path

import pytest

from emotion.generation.upscaling.upscaler import Upscaler
from emotion.model_store.store import open_model
from tests.generation.upscaling.making import write_upscaler


@pytest.fixture(scope="session")
def upscaler(tmp_path_factory: pytest.TempPathFactory) -> Upscaler:
    """An upscaler that repeats pixels."""
    folder: Path = tmp_path_factory.mktemp("upscalers") / "repeat"
    return Upscaler(open_model(write_upscaler(folder)))
