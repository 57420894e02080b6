"""An upscaler from photos to the model: trained, measured, refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emotion.cli.main import main
from emotion.generation.upscaling.upscaler import Upscaler
from emotion.model_store.store import open_model
from emotion.training.runs.folder import read_history
from tests.training.making import annotated_photo, write_annotated

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),  # tf2onnx's
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of annotated photos; every 16th or so validates."""
    folder = tmp_path_factory.mktemp("photos")
    write_annotated(folder, "train", [annotated_photo(f"{i}.png", seed=i, size_wh=(320, 320)) for i in range(40)])
    return folder


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    arguments = ["generator", "upscaler", "train", "--data", str(photos), "--out", str(folder), "--epochs", "2"]
    assert main(arguments) == 0
    return folder


def test_a_run_becomes_an_upscaler(run: Path) -> None:
    bundle = open_model(run)
    assert (bundle.kind, bundle.upscaler_card.output.size) == ("upscaler", 192)
    assert list(read_history(run)[-1]) == [
        "epoch",
        "seconds",
        "learning_rate",
        "loss",
        "pixel_loss",
        "feature_loss",
        "val_loss",
        "val_pixel_loss",
        "val_feature_loss",
    ]
    metrics = bundle.card.metrics["validation"]
    assert metrics["num_faces"] + bundle.card.data["training"] == 40
    faces = np.random.default_rng(0).integers(120, 136, (2, 48, 48), dtype=np.uint8)  # far from black and white
    enlarged = Upscaler(bundle).enlarge(faces)
    np.testing.assert_allclose(enlarged.reshape(2, 48, 4, 48, 4).mean(axis=(2, 4)), faces, atol=1)


def test_a_finished_run_is_evaluated(run: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generator", "upscaler", "evaluate", str(run), "--data", str(photos), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == open_model(run).card.metrics["validation"]


def test_photos_without_large_faces_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_annotated(tmp_path, "train", [annotated_photo("a.png")])
    arguments = ["--data", str(tmp_path), "--out", str(tmp_path / "run")]
    assert main(["generator", "upscaler", "train", *arguments]) == 1
    assert "give larger photos" in capsys.readouterr().err
