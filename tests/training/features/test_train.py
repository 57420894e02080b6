"""A features network from the targets to the model: trained, stopped, resumed, measured."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.cli.main import main
from emotion.datasets.augmentation import resize_images
from emotion.datasets.readers.feature_targets import load_feature_targets
from emotion.errors import DataError
from emotion.model_store.store import open_model
from emotion.movements import MOVEMENT_NAMES
from emotion.recognition.features.network import FeaturesNetwork
from emotion.storage import read_json
from emotion.training.runs.folder import read_history
from tests.training.features.making import photo_arrays, write_targets

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
]
Train = Callable[..., int]


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_targets(tmp_path_factory.mktemp("targets") / "photos.npz", photo_arrays(400))


@pytest.fixture(scope="module")
def train(targets: Path) -> Iterator[Train]:
    """`train(folder, *arguments)`: the command, with small crops."""

    def run(folder: Path, *more: str) -> int:
        arguments = ["--targets", str(targets), "--out", str(folder), "--input-size", "32", "--batch-size", "16"]
        return main(["features", "train", *arguments, *more])

    return run


@pytest.fixture(scope="module")
def run(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert train(folder, "--epochs", "4") == 0
    return folder


def test_a_run_becomes_a_features_network_of_8_bits(run: Path, targets: Path) -> None:
    bundle = open_model(run)
    card = bundle.features_card
    assert (card.input.size, card.movements, card.quantization) == (32, MOVEMENT_NAMES, "int8")
    counts = np.bincount(load_feature_targets(targets).split).tolist()
    assert bundle.card_fields["data"] == {"photos.npz": dict(zip(("train", "validation", "test"), counts, strict=True))}
    assert set(bundle.card_fields["files"]) >= {
        "model.onnx",
        "model.keras",
        "history.csv",
        "config.json",
        "report.json",
    }


def test_the_network_learns_where_the_bright_square_is(run: Path, targets: Path) -> None:
    faces = load_feature_targets(targets)
    rows = np.flatnonzero(faces.found)[:100]
    seen = FeaturesNetwork(open_model(run)).predict(resize_images(faces.crops[rows], 32))
    shift = np.corrcoef(seen.points.mean(1)[:, 0], faces.points[rows].mean(1)[:, 0])[0, 1]
    assert shift > 0.5
    assert (seen.point_errors > 0).all()
    history = read_history(run)
    assert float(history[-1]["points_loss"]) < float(history[0]["points_loss"])


def test_the_report_has_each_file_and_all_together(run: Path) -> None:
    report = read_json(run / "report.json") or {}
    assert {"all", "photos.npz"} <= set(report["validation"]) <= {"all", "photos.npz", "certain"}
    assert report["test"]["all"]["n"] > 0
    assert set(report["test"]["all"]["correlation"]) == set(MOVEMENT_NAMES)
    assert report["epochs"] == 4


def test_evaluate_repeats_the_figures_of_the_report(run: Path, targets: Path, capsys: Any) -> None:
    assert main(["features", "evaluate", str(run), "--targets", str(targets), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    report = read_json(run / "report.json") or {}
    assert rows["all"]["n"] == report["test"]["all"]["n"]
    assert rows["all"]["point_error"] == pytest.approx(report["test"]["all"]["point_error"], abs=1e-3)


def test_a_resumed_training_gives_the_same_network(tmp_path: Path) -> None:
    from emotion.training.features.config import FeaturesConfig
    from emotion.training.features.trainer import fit_features
    from tests.training.making import CopyingReporter, run_context

    data = [load_feature_targets(write_targets(tmp_path / "photos.npz", photo_arrays(80)))]
    config = FeaturesConfig(input_size=32, epochs=2, batch_size=16)
    folder, copy = tmp_path / "whole", tmp_path / "resumed"
    folder.mkdir()
    whole = fit_features(data, config, run_context(folder, reporter=CopyingReporter(folder, copy)))
    assert len(read_history(copy)) == 1
    resumed = fit_features(data, config, run_context(copy))
    assert len(read_history(copy)) == 2
    for first, second in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-5)


def test_export_only_finishes_a_stopped_training(train: Train, run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stopped"
    shutil.copytree(run, folder)
    for name in ("card.json", "model.onnx", "model.keras", "report.json"):
        (folder / name).unlink()
    assert train(folder, "--epochs", "4", "--export-only") == 0
    assert open_model(folder).kind == "features"


def test_other_settings_are_another_training(train: Train, run: Path, capsys: Any) -> None:
    assert train(run, "--epochs", "4", "--seed", "5") == 1
    assert "holds a training with other settings" in capsys.readouterr().err


def test_too_few_faces_are_refused(tmp_path: Path) -> None:
    from emotion.training.features.config import FeaturesConfig
    from emotion.training.features.trainer import fit_features
    from tests.training.making import run_context

    data = [load_feature_targets(write_targets(tmp_path / "photos.npz", photo_arrays(10)))]
    with pytest.raises(DataError, match="at least 16 and one are needed"):
        fit_features(data, FeaturesConfig(input_size=32, batch_size=16), run_context(tmp_path))
