from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from emotion.cli.main import main
from emotion.datasets.dataset import Dataset
from emotion.datasets.readers.loaders import load_dataset
from tests.training.making import dataset, random_images, tiny, write_fer2013, write_ferplus, write_image


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the trainer with a tiny network; imported here, so that fast tests load no TensorFlow."""
    from emotion.training.classifier import trainer

    monkeypatch.setattr(trainer.multi_head, "CLASSIFIER_NETWORKS", {"seresnet": tiny})
    return trainer


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with fer2013.csv, fer2013new.csv and not_faces/; some test faces are in Training, too."""
    folder = tmp_path_factory.mktemp("files")
    data = dataset(256, 70, 70)
    data.images[data.rows_in("test")[:5]] = data.images[data.rows_in("train")[:5]]
    write_fer2013(folder / "fer2013.csv", data)
    write_ferplus(folder / "fer2013new.csv", data)
    for number, noise in enumerate(random_images(40, seed=9)):
        write_image(folder / "not_faces" / f"{number}.png", noise)
    return folder


@pytest.fixture(scope="session")
def small(files: Path) -> Dataset:
    return load_dataset(files / "fer2013.csv", files / "fer2013new.csv")


@pytest.fixture(scope="session")
def finished(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of one epoch of the native network, made by the command. Read-only."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    arguments = [
        "classifier",
        "train",
        "--data",
        files / "fer2013.csv",
        "--ferplus-csv",
        files / "fer2013new.csv",
        "--negatives",
        files / "not_faces",
        "--epochs",
        "1",
        "--out",
        folder,
        "--tensorboard",
    ]
    assert main([str(a) for a in arguments]) == 0
    return folder
