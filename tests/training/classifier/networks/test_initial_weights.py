"""A training that begins with the weights of a trained network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from emotion.errors import EmotionError, ModelError
from emotion.expressions import FER2013_LABELS
from emotion.model_store.store import compute_sha256
from emotion.recognition.trial_run import trust_network
from emotion.training.classifier.config import TrainingConfig, TrainingPlan, find_weights_file
from tests.training.making import dataset, run_context, tiny

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FACES = np.random.default_rng(3).integers(0, 256, (4, 48, 48, 1)).astype(np.float32)


def build(heads: dict[str, int], widths: tuple[int, int, int] = (8, 8, 8), seed: int = 0) -> Any:
    import keras

    from emotion.training.classifier.networks.multi_head import seresnet

    keras.utils.set_random_seed(seed)
    return seresnet(heads, widths=widths)


def save(network: Any, path: Path) -> None:
    """Write a network whose trial run, which is tested by itself, is left out."""
    network.save(path)
    trust_network(compute_sha256(path))


@pytest.mark.slow
def test_layers_and_heads_get_the_weights_and_a_new_head_those_of_the_votes(tmp_path: Path) -> None:
    from emotion.training.classifier.networks.initial_weights import load_initial_weights

    source = build({"fer2013": 7, "ferplus": 8})
    save(source, tmp_path / "model.keras")
    heads = {"fer2013": 7, "ferplus": 8, "expression": 8, "face": 1}
    network = build(heads, seed=1)
    face_weights = network.get_layer("face").get_weights()
    load_initial_weights(network, tmp_path / "model.keras", dict.fromkeys(heads, ()))
    expected, outputs = source(FACES, training=False), network(FACES, training=False)
    for name, other in {"fer2013": "fer2013", "ferplus": "ferplus", "expression": "ferplus"}.items():
        np.testing.assert_allclose(outputs[name], expected[other], atol=1e-6)
    np.testing.assert_array_equal(network.get_layer("face").get_weights()[0], face_weights[0])


@pytest.mark.slow
def test_labels_of_another_number_keep_random_weights(tmp_path: Path) -> None:
    from emotion.training.classifier.networks.initial_weights import load_initial_weights

    save(build({"fer2013": 7}), tmp_path / "model.keras")
    network = build({"fer2013": 3}, seed=1)
    before = network.get_layer("fer2013").get_weights()[0]
    load_initial_weights(network, tmp_path / "model.keras", {"fer2013": ()})
    np.testing.assert_array_equal(network.get_layer("fer2013").get_weights()[0], before)


@pytest.mark.slow
def test_labels_that_the_card_of_the_trained_network_names_keep_their_weights(
    tmp_path: Path, make_bundle: Callable[..., Path]
) -> None:
    from emotion.training.classifier.networks.initial_weights import load_initial_weights

    source = build({"fer2013": 7})
    make_bundle(tmp_path / "model")
    save(source, tmp_path / "model" / "model.keras")
    network = build({"fer2013": 3}, seed=1)
    load_initial_weights(network, tmp_path / "model" / "model.keras", {"fer2013": ("sad", "wink", "happy")})
    kernel, old = network.get_layer("fer2013").get_weights()[0], source.get_layer("fer2013").get_weights()[0]
    sad, happy = FER2013_LABELS.index("sad"), FER2013_LABELS.index("happy")
    np.testing.assert_array_equal(kernel[:, [0, 2]], old[:, [sad, happy]])
    assert (kernel[:, 1] == 0).all()  # a label that the trained network does not know


@pytest.mark.slow
def test_another_network_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    from emotion.training.classifier.networks.initial_weights import load_initial_weights

    save(build({"fer2013": 7}, widths=(8, 8, 16)), tmp_path / "model.keras")
    network = build({"fer2013": 7}, seed=1)
    before = [np.array(weight) for weight in network.weights]
    with pytest.raises(ModelError, match=r"holds another network, with .* parameters; expected one as seresnet"):
        load_initial_weights(network, tmp_path / "model.keras", {"fer2013": ()})
    for weight, old in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.slow
def test_a_damaged_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    from emotion.training.classifier.networks.initial_weights import load_initial_weights

    path = tmp_path / "model.keras"
    path.write_bytes(b"PK\x03\x04 damaged")
    trust_network(compute_sha256(path))
    with pytest.raises(ModelError, match="cannot be read as a network of Keras"):
        load_initial_weights(build({"fer2013": 7}), path, {"fer2013": ()})


@pytest.mark.parametrize("name", ["", "missing.keras"])
def test_a_missing_file_is_refused_before_keras_is_loaded(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match=r"There is no .*\.keras; give a finished run"):
        find_weights_file(tmp_path / name, "seresnet")


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.h5").touch()
    with pytest.raises(ModelError, match=r"seresnet cannot begin with .*weights.h5; expected a file that ends"):
        find_weights_file(tmp_path / "weights.h5", "seresnet")


def test_a_model_folder_names_its_keras_file(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.touch()
    assert find_weights_file(tmp_path, "seresnet") == find_weights_file(path, "seresnet") == path


def test_networks_of_the_zoo_refuse_initial_weights_of_a_classifier() -> None:
    with pytest.raises(EmotionError, match="leave init_from out"):
        TrainingPlan(network="mlp", init_from="models/classifier")


def test_a_trained_network_is_trained_at_the_last_image_size() -> None:
    plan = TrainingPlan.from_defaults("seresnet")
    assert TrainingConfig.from_plan(plan, init_from="a" * 64).progressive_sizes == (48,)
    assert TrainingConfig.from_plan(plan).progressive_sizes == (32, 40, 48)


@pytest.mark.slow
def test_only_the_chosen_head_is_trained(trainer: ModuleType, tmp_path: Path) -> None:
    data = dataset(64, 16)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    config = TrainingConfig(epochs=1, batch_size=32, progressive_sizes=(32,))
    first = trainer.fit_classifier(data, config, run_context(tmp_path / "first"))
    save(first, tmp_path / "model.keras")
    config = replace(config, trained_heads=("expression",), init_from="a" * 64, learning_rate=0.1)
    second = run_context(tmp_path / "second")
    network = trainer.fit_classifier(data, config, second, init_file=tmp_path / "model.keras")
    changed = {
        layer.name
        for layer, other in zip(first.layers, network.layers, strict=True)
        if any(not np.array_equal(a, b) for a, b in zip(layer.get_weights(), other.get_weights(), strict=True))
    }
    assert {name for name in changed if "seed" not in name} == {"expression"}


@pytest.mark.slow
def test_a_kept_head_is_exported_as_it_was(trainer: ModuleType, tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(0)
    source = tiny({"fer2013": 7, "face": 1})
    save(source, tmp_path / "model.keras")
    config = TrainingConfig(
        epochs=1, batch_size=32, progressive_sizes=(32,), init_from="a" * 64, kept_heads=("face",), learning_rate=0.1
    )
    network = trainer.fit_classifier(
        dataset(64, 16, votes=False), config, run_context(tmp_path), None, None, tmp_path / "model.keras"
    )
    assert set(network.output) == {"fer2013", "face"}
    kernels = {head: (source.get_layer(head).kernel, network.get_layer(head).kernel) for head in network.output}
    np.testing.assert_array_equal(*kernels["face"])
    assert not np.array_equal(*kernels["fer2013"])


@pytest.mark.slow
def test_a_head_that_the_data_cannot_train_is_refused(tmp_path: Path) -> None:
    from emotion.training.classifier.trainer import fit_classifier

    config = TrainingConfig(epochs=1, batch_size=32, trained_heads=("smile",), init_from="a" * 64)
    with pytest.raises(EmotionError, match="cannot train the head 'smile'; choose of fer2013, ferplus, expression"):
        fit_classifier(dataset(64, 16), config, run_context(tmp_path))


def test_a_head_alone_needs_initial_weights() -> None:
    with pytest.raises(EmotionError, match="give init_from, too"):
        TrainingPlan(network="seresnet", trained_heads=("expression",))
