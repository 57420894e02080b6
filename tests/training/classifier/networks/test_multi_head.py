"""What every network that can be chosen must be like."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.training.classifier.config import NATIVE_NETWORKS, TrainingConfig
from emotion.training.classifier.networks.zoo import get_architecture
from tests.training.making import random_images

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
]

HEADS = {"fer2013": 7, "ferplus": 8, "expression": 8, "face": 1}


def networks() -> dict[str, Any]:
    from emotion.training.classifier.networks.multi_head import CLASSIFIER_NETWORKS

    return dict(CLASSIFIER_NETWORKS)


@pytest.fixture(scope="module")
def built() -> dict[str, Any]:
    """Every network with weights as they are drawn, but averages as after some training."""
    import keras

    keras.utils.set_random_seed(1)
    made = {name: make(HEADS) for name, make in networks().items() if name.startswith("seresnet")}
    rng = np.random.default_rng(0)
    for network in made.values():
        for variable in network.non_trainable_variables:
            if variable.name in ("moving_mean", "moving_variance"):
                variable.assign(rng.uniform(0.1, 1, variable.shape))
    return made


def outputs_of(network: Any, faces: NDArray) -> dict[str, NDArray[np.float32]]:
    return {name: np.asarray(value) for name, value in network(faces.astype(np.float32), training=False).items()}


def same(one: Mapping[str, NDArray], other: Mapping[str, NDArray], atol: float = 1e-3) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], atol=atol)


def test_there_is_the_network_that_is_trained_unless_another_is_chosen() -> None:
    assert tuple(networks()) == NATIVE_NETWORKS
    assert TrainingConfig().network in NATIVE_NETWORKS


@pytest.mark.parametrize("heads", [{"fer2013": 7}, {"fer2013": 2, "face": 1}, HEADS])
def test_the_heads_have_the_names_and_widths_that_were_asked_for(heads: dict[str, int]) -> None:
    # The larger networks take seconds to build, so they are built with all heads only.
    for network_name in NATIVE_NETWORKS if heads == HEADS else ["seresnet"]:
        network = networks()[network_name](heads)
        assert {name: output.shape for name, output in network.output.items()} == {
            name: (None, width) for name, width in heads.items()
        }, network_name
        assert network.count_params() <= 3_300_000, network_name
        if heads == HEADS:
            assert network.count_params() == get_architecture(network_name).num_parameters, network_name


@pytest.mark.parametrize("shape", [(32, 32), (40, 40), (48, 48), (33, 47), (80, 64), (97, 97)])
def test_any_size_from_32_pixels_can_be_classified(built: dict[str, Any], shape: tuple[int, int]) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (3, *shape, 1))
    for network in built.values():
        got = outputs_of(network, faces)
        assert {name: value.shape for name, value in got.items()} == {name: (3, w) for name, w in HEADS.items()}
        assert all(np.isfinite(value).all() for value in got.values())


def test_brightness_and_contrast_change_nothing(built: dict[str, Any]) -> None:
    faces = random_images(4)[..., None].astype(float)
    faces = 128 + (faces - 128) / 3  # so that there is room up and down
    for network in built.values():
        expected = outputs_of(network, faces)
        assert max(np.ptp(value, axis=0).max() for value in expected.values()) > 0.01
        same(outputs_of(network, faces + 40), expected)
        same(outputs_of(network, faces * 0.5), expected)
        same(outputs_of(network, 20 + faces * np.array([0.3, 0.7, 1.1, 1.4])[:, None, None, None]), expected)


def test_outputs_do_not_depend_on_other_images_of_the_batch(built: dict[str, Any]) -> None:
    faces = random_images(4)[..., None]
    for network in built.values():
        alone = [outputs_of(network, faces[i : i + 1]) for i in range(4)]
        same({name: np.concatenate([one[name] for one in alone]) for name in HEADS}, outputs_of(network, faces))


def test_blank_images_of_every_gray_have_equal_outputs(built: dict[str, Any]) -> None:
    from emotion.training.classifier.networks.multi_head import standardize

    blank = np.broadcast_to(np.array([0, 100, 255])[:, None, None, None], (3, 48, 48, 1))
    for network in built.values():
        got = outputs_of(network, blank)
        for value in got.values():
            assert np.isfinite(value).all()
            np.testing.assert_allclose(value, np.broadcast_to(value[:1], value.shape), atol=1e-5)
    noisy = blank + np.random.default_rng(0).normal(0, 1, blank.shape)
    assert np.asarray(standardize(noisy.astype(np.float32))).std() < 0.3
    faces = np.asarray(standardize(random_images(3)[..., None].astype(np.float32)))
    np.testing.assert_allclose(faces.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(faces.std((1, 2, 3)), 1, atol=1e-5)


def test_a_saved_network_is_loaded_without_code_and_has_the_same_outputs(built: dict[str, Any], tmp_path: Path) -> None:
    import keras

    faces = random_images(5)[..., None]
    for name, network in built.items():
        path = tmp_path / f"{name}.keras"
        network.save(path)
        same(outputs_of(keras.saving.load_model(path, safe_mode=True), faces), outputs_of(network, faces), atol=1e-6)
