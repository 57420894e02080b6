"""Whatever its kind, a model reaches only files that its card names, as they were when the card was written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper

from emotion.errors import ModelError
from emotion.generation.images import load_sample_sheets
from emotion.model_store.card import MODEL_KINDS
from emotion.model_store.store import compute_sha256, get_default_model, open_model

KERAS_KINDS = ("classifier", "detector", "features")  # the others are shipped without a Keras file


@pytest.fixture
def model(kind: str, tmp_path: Path) -> Path:
    """A copy of the shipped model of a kind."""
    return shutil.copytree(get_default_model(kind).folder, tmp_path / "model")


def read_names(model: Path) -> list[str]:
    return sorted(json.loads((model / "card.json").read_text())["files"])


def change_card(model: Path, *, remove: str = "", rehash: str = "") -> None:
    card = json.loads((model / "card.json").read_text())
    card["files"].pop(remove, None)
    if rehash:
        card["files"][rehash] = {"sha256": compute_sha256(model / rehash)}
    (model / "card.json").write_text(json.dumps(card))


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_each_named_file_is_verified(kind: str, model: Path) -> None:
    assert open_model(model).kind == kind
    for name in read_names(model):
        content = (model / name).read_bytes()
        (model / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ModelError, match=f"{name} of the model model is not the file that its card describes"):
            open_model(model)
        (model / name).unlink()
        with pytest.raises(ModelError, match=f"lacks its file {name}"):
            open_model(model)
        (model / name).write_bytes(content)
    open_model(model)


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_weights_in_another_file_are_refused_unless_the_card_names_it(kind: str, model: Path) -> None:
    network = onnx.load(model / "model.onnx")
    weights = max(network.graph.initializer, key=lambda tensor: np.prod(tensor.dims))
    external_data_helper.set_external_data(weights, "weights.bin")
    (model / "weights.bin").write_bytes(weights.raw_data)
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    (model / "model.onnx").write_bytes(network.SerializeToString())
    change_card(model, rehash="model.onnx")
    with pytest.raises(ModelError, match=r"reads the file 'weights\.bin', which its card does not name"):
        open_model(model)
    change_card(model, rehash="weights.bin")
    open_model(model)


@pytest.mark.parametrize("kind", KERAS_KINDS)
def test_a_keras_file_that_the_card_does_not_name_is_not_given_out(kind: str, model: Path) -> None:
    assert open_model(model).keras_path == model / "model.keras"
    change_card(model, remove="model.keras")
    with pytest.raises(ModelError, match=r"names no model\.keras"):
        _ = open_model(model).keras_path


@pytest.mark.parametrize("kind", ["generator"])
def test_sample_sheets_that_the_card_does_not_name_are_not_read(model: Path) -> None:
    assert load_sample_sheets(open_model(model))
    change_card(model, remove="samples.webp")
    assert load_sample_sheets(open_model(model)) == {}
