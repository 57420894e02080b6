"""The network that enlarges faces: size, consistency and export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),  # tf2onnx's
]


@pytest.fixture(scope="module")
def network() -> Any:
    """A network whose weights are all different from 0, as after a training."""
    import keras

    from emotion.generation.upscaling.network import build_upscaler

    keras.utils.set_random_seed(1)
    network = build_upscaler()
    rng = np.random.default_rng(0)
    for weight in network.trainable_weights:
        weight.assign(np.array(weight) * 0.5 + rng.normal(0, 0.01, weight.shape))
    return network


def test_it_has_fewer_than_400_000_parameters(network: Any) -> None:
    assert network.count_params() < 400_000


def test_a_face_reduced_again_is_the_same_face(network: Any) -> None:
    faces = np.random.default_rng(0).uniform(110, 140, (3, 48, 48, 1)).astype(np.float32)
    enlarged = np.array(network(faces))
    assert enlarged.shape == (3, 192, 192, 1)
    assert np.abs(enlarged - faces.repeat(4, 1).repeat(4, 2)).max() > 1
    assert enlarged.min() > 0
    assert enlarged.max() < 255
    np.testing.assert_allclose(enlarged.reshape(3, 48, 4, 48, 4).mean(axis=(2, 4)), faces[..., 0], atol=0.01)


def test_the_exported_network_is_the_same(network: Any, tmp_path: Path) -> None:
    from emotion.training.export import export_upscaler

    assert export_upscaler(network, tmp_path) < 0.1
    assert (tmp_path / "model.onnx").stat().st_size < 2_000_000
