"""The listed properties of the networks equal those of the built ones; `test_multi_head.py` counts the native ones."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.datasets.label_sets import LABEL_SETS
from emotion.errors import EmotionError, ModelError
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.networks.zoo import get_architecture, list_architectures

NAMES = [card.name for card in list_architectures()]


def test_the_zoo_lists_all_networks() -> None:
    assert NAMES == [
        "mlp",
        "cnn-3conv-250",
        "cnn-4conv",
        "cnn-augmented",
        "inception-resnet-v2",
        "vgg16",
        "resnet50",
        "resnet101",
        "seresnet",
        "seresnet-wide",
        "face-mobilenet",
    ]
    assert get_architecture("cnn-3conv-250").num_parameters == 6_926_375
    with pytest.raises(EmotionError, match="There is no network 'alexnet'; choose one of mlp, cnn-3conv-250"):
        get_architecture("alexnet")


@pytest.mark.parametrize("name", NAMES)
def test_a_card_can_be_a_plan(name: str) -> None:
    card = get_architecture(name)
    assert card.label_set in card.label_sets
    assert set(card.label_sets) <= set(LABEL_SETS)
    assert set(card.defaults) | set(card.locked_fields) <= {f.name for f in fields(TrainingPlan)}
    plan = TrainingPlan.from_defaults(name)
    assert all(getattr(plan, key) == value for key, value in card.defaults.items())
    assert (plan.weights == "imagenet") == (card.pretrained_note is not None)
    assert all((card.title, card.origin, card.reported_accuracy, card.color_mode))
    assert card.train_ms_per_image > 0


def built(name: str, classes: int) -> Any:
    from emotion.training.classifier.networks.zoo_networks import build_network

    return build_network(name, "here", classes)


@pytest.mark.slow
@pytest.mark.parametrize("name", [card.name for card in list_architectures() if not card.is_native])
def test_the_parameters_are_counted(name: str) -> None:
    card = get_architecture(name)
    # A network of ImageNet takes seconds to build: what another number of labels changes is seen in its last layer.
    for classes in [7] if card.pretrained_note else [7, 4]:
        network = built(name, classes)
        assert network.count_params() == card.count_parameters(classes), classes
        assert network.input_shape == (None, card.input_size, card.input_size, 1)
        assert {head: value.shape for head, value in network.output.items()} == {"here": (None, classes)}
        head_parameters = network.get_layer("here").count_params()
        assert card.count_parameters(classes + 3) - card.count_parameters(classes) == 3 * head_parameters // classes


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "cnn-3conv-250", "cnn-4conv", "cnn-augmented"])
def test_factors_change_width_and_dropout(name: str) -> None:
    from keras import layers

    from emotion.training.classifier.networks.zoo_networks import build_network

    plain, wide = built(name, 4), build_network(name, "here", 4, width_factor=2.0, dropout_factor=0.5)
    for before, after in zip(plain.layers, wide.layers, strict=True):
        if isinstance(before, layers.Conv2D):
            assert after.filters == 2 * before.filters
        elif isinstance(before, layers.Dense) and before.name != "here":
            assert after.units == 2 * before.units
        elif isinstance(before, layers.Dropout):
            assert after.rate == 0.5 * before.rate
    assert wide.output["here"].shape == (None, 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "cnn-4conv", "cnn-augmented"])
def test_an_exported_network_takes_gray_from_0_to_255(name: str, tmp_path: Path) -> None:
    import onnxruntime

    from emotion.training.export import export_classifier

    assert export_classifier(built(name, 4), tmp_path, get_architecture(name).input_size) < 1e-3
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1)).astype(np.float32)
    (logits,) = session.run(["here"], {"faces": faces})
    assert np.asarray(logits).shape == (3, 4)


@pytest.mark.slow
def test_frozen_and_trained_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    from emotion.training.classifier.networks import zoo_networks

    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(80, 80, 3))
    base.save_weights(tmp_path / "vgg.weights.h5")
    given = zoo_networks.build_network("vgg16", "here", 4, str(tmp_path / "vgg.weights.h5"))
    assert sum(int(np.prod(v.shape)) for v in given.trainable_variables) == 512 * 64 + 64 + 64 * 4 + 4
    kernel = next(layer for layer in given.layers if layer.name == "vgg16").get_weights()[0]
    np.testing.assert_array_equal(kernel, base.get_weights()[0])
    (tmp_path / "junk.h5").write_bytes(b"junk")
    with pytest.raises(ModelError, match=r"junk.h5 has no weights of vgg16 without top"):
        zoo_networks.build_network("vgg16", "here", 4, str(tmp_path / "junk.h5"))
    with pytest.raises(ModelError, match=r"There is no nowhere\.h5; give a file"):
        zoo_networks.build_network("vgg16", "here", 4, "nowhere.h5")

    def offline(**_: Any) -> Any:
        raise Exception("URL fetch failure on https://somewhere: no route")

    monkeypatch.setattr(zoo_networks, "PRETRAINED_BACKBONES", {"vgg16": (offline, 1.0, 0.0)})
    with pytest.raises(ModelError, match=r"could not be downloaded .*no route.*; connect to the internet"):
        zoo_networks.build_network("vgg16", "here", 4, "imagenet")
