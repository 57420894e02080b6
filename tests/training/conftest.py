from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from emotion.cli.main import main
from emotion.datasets.dataset import Dataset
from emotion.datasets.readers.loaders import load_dataset
from emotion.jobs.job import Job
from emotion.storage import folder_lock
from tests.training.making import dataset, random_images, tiny, write_fer2013, write_ferplus, write_image


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the trainer with a tiny network; imported here, so that fast tests load no TensorFlow."""
    from emotion.training.classifier import trainer

    monkeypatch.setattr(trainer.multi_head, "CLASSIFIER_NETWORKS", {"seresnet": tiny})
    return trainer


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of this session that all its processes share; `folder_lock` excludes the others."""
    base = tmp_path_factory.getbasetemp()
    is_one_of_several = hasattr(request.config, "workerinput")  # set by xdist, which gives each a folder in its own
    folder = (base.parent if is_one_of_several else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def files(shared: Path) -> Path:
    """Return a folder with fer2013.csv, fer2013new.csv and not_faces/; some test faces are in Training, too."""
    folder = shared / "files"
    with folder_lock(shared):
        if not folder.exists():
            write_files(shared / "incomplete")
            (shared / "incomplete").rename(folder)
    return folder


def write_files(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    data = dataset(256, 70, 70)
    data.images[data.rows_in("test")[:5]] = data.images[data.rows_in("train")[:5]]
    write_fer2013(folder / "fer2013.csv", data)
    write_ferplus(folder / "fer2013new.csv", data)
    for number, noise in enumerate(random_images(40, seed=9)):
        write_image(folder / "not_faces" / f"{number}.png", noise)


@pytest.fixture(scope="session")
def small(files: Path) -> Dataset:
    return load_dataset(files / "fer2013.csv", files / "fer2013new.csv")


@pytest.fixture(scope="session")
def finished(files: Path, shared: Path) -> Path:
    """Return a run of one epoch of the native network, made by the command. Read-only."""
    folder = shared / "runs" / "finished"
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
    with folder_lock(shared):
        if Job(folder).read_state().status != "done":
            assert main([str(a) for a in arguments]) == 0
    return folder
