from __future__ import annotations

from pathlib import Path

import pytest

import emotion
from emotion.datasets.dataset import Dataset
from emotion.datasets.readers.loaders import load_dataset

REAL = Path(emotion.__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real() -> Dataset:
    """FER-2013 with the FER+ votes; skips where it is not beside the project."""
    path = REAL / "fer2013.npz"
    if not path.is_file():
        pytest.skip("There is no FER-2013 beside the project")
    return load_dataset(path)
