"""Quantization of classifiers to 8 bits: size, agreement and the allowed loss of accuracy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emotion.cli.main import main
from emotion.datasets.dataset import Dataset
from emotion.errors import EmotionError, ModelError
from emotion.model_store.store import open_model
from emotion.recognition.classification import ExpressionClassifier
from emotion.training.classifier import quantization
from emotion.training.classifier.quantization import quantize_model, quantize_onnx
from tests.training.making import random_images

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
]


@pytest.fixture(scope="module")
def quantized(finished: Path, files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`finished` in 8 bits, from the command line. To be looked at only."""
    folder = tmp_path_factory.mktemp("shrunk") / "small"
    data = ["--data", str(files / "fer2013.csv"), "--ferplus-csv", str(files / "fer2013new.csv")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantization, "MAX_ACCURACY_DROP", 1.0)  # it is hardly trained, so its accuracy varies
        assert main(["classifier", "quantize", str(finished), *data, "--out", str(folder)]) == 0
    return folder


def test_a_quantized_model_is_smaller_with_similar_logits(quantized: Path, finished: Path) -> None:
    large, bundle = open_model(finished), open_model(quantized)
    assert bundle.onnx_path.stat().st_size < 0.4 * large.onnx_path.stat().st_size
    faces = random_images(64, seed=5)
    before, after = (ExpressionClassifier(one).logits(faces) for one in (large, bundle))
    assert before.keys() == after.keys()
    for head, logits in before.items():
        # Noise is outside of the calibration data: its logits must not be clipped to the range of those of faces.
        assert 0 < np.abs(after[head] - logits).mean() < 0.2 * np.abs(logits).mean() + 0.5 * logits.std(), head


def test_its_card_and_report_are_its_own(quantized: Path, finished: Path) -> None:
    card, before = (json.loads((folder / "card.json").read_text()) for folder in (quantized, finished))
    assert (card["name"], card["quantization"], card["derived_from"]) == (
        "small",
        "int8",
        [open_model(finished).sha256],
    )
    assert open_model(quantized).lineage >= {open_model(finished).sha256, card["files"]["model.onnx"]["sha256"]}
    assert card["num_parameters"] == before["num_parameters"]
    assert set(card["metrics"]) == {"validation", "test"}
    report = json.loads((quantized / "report.json").read_text())
    measured = report["quantization"]
    assert measured["accuracy"] == report["validation"]["accuracy"]
    assert measured["accuracy_before"] == json.loads((finished / "report.json").read_text())["validation"]["accuracy"]
    assert 0 < measured["agreement"] <= 1
    assert (quantized / "history.csv").read_text() == (finished / "history.csv").read_text()
    assert {path.name for path in quantized.iterdir()} >= {
        "predictions.npz",
        "robustness.json",
        "model.keras",
        "config.json",
    }


def test_quantization_is_deterministic(finished: Path) -> None:
    network, faces = open_model(finished).onnx_path, random_images(8)
    assert quantize_onnx(network, faces) == quantize_onnx(network, faces)


def test_a_model_that_loses_too_much_accuracy_is_refused(
    finished: Path, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantization, "MAX_ACCURACY_DROP", -1.0)
    with pytest.raises(ModelError, match="keep the one that you have"):
        quantize_model(open_model(finished), small, tmp_path / "small")
    assert not (tmp_path / "small").exists()


def test_other_models_cannot_be_quantized(finished: Path, small: Dataset, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(EmotionError, match="holds files that are no model"):
        quantize_model(open_model(finished), small, tmp_path)
    with pytest.raises(ModelError, match="only a classifier can be shrunk"):
        quantize_model(open_model(Path("models/glance")), small, tmp_path / "small")
