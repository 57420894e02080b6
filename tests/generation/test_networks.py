"""The real networks: what they take and give, and that they survive the way into an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.errors import ModelError
from emotion.expressions import FER2013_LABELS
from emotion.generation.config import GAN_NETWORKS
from emotion.generation.sampler import Sampler
from emotion.model_store.store import open_model
from tests.generation.making import write_card

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),  # tf2onnx's
]
NAMES = GAN_NETWORKS


def pair_of(name: str, classes: int = 7) -> Any:
    """A pair whose weights are all at work, as after a training: none of them is 0."""
    import keras

    from emotion.generation.networks import GAN_BUILDERS

    keras.utils.set_random_seed(1)
    pair = GAN_BUILDERS[name](classes)
    rng = np.random.default_rng(0)
    for network in pair:
        for weight in network.trainable_weights:
            weight.assign(np.array(weight) + rng.normal(0, 0.02, weight.shape))
    return pair


def inputs(count: int, classes: int = 7) -> list[Any]:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    latents = rng.standard_normal((count, 128)).astype(np.float32)
    return [tf.constant(latents), tf.constant(np.eye(classes, dtype=np.float32)[np.arange(count) % classes])]


@pytest.mark.parametrize("classes", [1, 7, 8])
@pytest.mark.parametrize("name", NAMES)
def test_shapes(name: str, classes: int) -> None:
    generator, critic = pair_of(name, classes)
    latents, asked = inputs(3, classes)
    faces = generator([latents, asked])
    assert faces.shape == (3, 48, 48, 1)
    assert critic([faces, asked]).shape == (3, 1)


@pytest.mark.parametrize("name", NAMES)
def test_latent_and_expression_both_count(name: str) -> None:
    generator, critic = pair_of(name)
    (latents, asked), other = inputs(4), inputs(4)[1][::-1]
    faces = np.array(generator([latents, asked]))
    assert np.abs(faces - np.array(generator([latents[::-1], asked]))).max() > 0.01
    assert np.abs(faces - np.array(generator([latents, other]))).max() > 0.01
    judged = np.array(critic([faces, np.array(asked)]))
    assert (np.abs(judged - np.array(critic([faces, np.array(other)]))) > 1e-4).all()
    assert (np.abs(judged - np.array(critic([faces[:, ::-1], np.array(asked)]))) > 1e-4).all()


def test_the_own_pair_treats_every_face_by_itself() -> None:
    """Without batch normalisation a face does not depend on its neighbours, not even while it is learned."""
    generator, critic = pair_of("residual")
    latents, asked = inputs(5)
    faces = np.array(generator([latents, asked], training=True))
    np.testing.assert_allclose(faces[:1], np.array(generator([latents[:1], asked[:1]], training=True)), atol=1e-4)
    judged = np.array(critic([faces, np.array(asked)], training=True))
    alone = np.array(critic([faces[:1], np.array(asked)[:1]], training=True))
    np.testing.assert_allclose(judged[:1], alone, atol=1e-4)


def test_greys_are_clipped_to_what_a_picture_holds() -> None:
    from emotion.generation.networks import with_pixel_output

    generator = pair_of("residual").generator
    network = with_pixel_output(generator)
    latents, asked = inputs(3)
    np.testing.assert_allclose(
        np.array(network([latents, asked])),
        (np.array(generator([latents, asked])) * 127.5 + 127.5).clip(0, 255),
        atol=0.01,
    )
    bias = generator.layers[-1].weights[-1]
    for value, grey in ((9.0, 255), (-9.0, 0)):
        bias.assign([value])
        assert (np.array(network([latents, asked])) == grey).all()


@pytest.fixture(scope="module", params=NAMES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    from emotion.generation.networks import with_pixel_output
    from emotion.training.export import export_generator

    folder = tmp_path_factory.mktemp("exported") / request.param
    folder.mkdir()
    network = with_pixel_output(pair_of(request.param).generator)
    assert export_generator(network, folder) < 0.1
    write_card(
        folder,
        {
            "kind": "generator",
            "name": folder.name,
            "latent_dim": 128,
            "labels": list(FER2013_LABELS),
            "truncation": 1.0,
            "output": {"size": 48},
            "metrics": {},
        },
        None,
    )
    return folder, network


def test_the_file_is_small_and_draws_what_the_network_draws(exported: tuple[Path, Any]) -> None:
    folder, network = exported
    assert (folder / "model.onnx").stat().st_size <= 12_000_000
    sampler = Sampler(open_model(folder))
    seeds = [1, 2, 3]
    for name in ("angry", "neutral"):
        asked = np.tile(sampler.encode_expression(name), (3, 1))
        expected = np.array(network([np.stack([sampler.latent_for(seed) for seed in seeds]), asked]))[..., 0]
        assert np.abs(sampler.sample(seeds, name) - expected).max() < 0.6


def test_a_face_is_the_same_in_any_company(exported: tuple[Path, Any]) -> None:
    sampler = Sampler(open_model(exported[0]))
    together = sampler.sample(range(40), "happy")
    for seed in (0, 7, 39):
        np.testing.assert_array_equal(sampler.sample([seed], "happy")[0], together[seed])
    np.testing.assert_array_equal(Sampler(open_model(exported[0])).sample(range(40), "happy"), together)


def test_the_keras_file_holds_the_same(exported: tuple[Path, Any]) -> None:
    import keras

    folder, network = exported
    again = keras.saving.load_model(folder / "model.keras", safe_mode=True)
    values = inputs(3)
    np.testing.assert_array_equal(np.array(again(values)), np.array(network(values)))


def test_an_export_that_draws_otherwise_is_refused(
    exported: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    from emotion.training import export

    spoilt = onnx.load(exported[0] / "model.onnx")
    for constant in spoilt.graph.initializer:
        if constant.data_type == onnx.TensorProto.FLOAT and len(constant.dims) == 4:
            constant.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(constant) * 1.01, constant.name))
    monkeypatch.setattr(export, "_to_onnx", lambda *args: spoilt)
    with pytest.raises(ModelError, match=r"differs from the trained one by .*; at most 0\.1 is right"):
        export.export_generator(exported[1], tmp_path)


def test_every_name_of_a_generator_builds_one() -> None:
    from emotion.generation.networks import GAN_BUILDERS

    assert tuple(GAN_BUILDERS) == GAN_NETWORKS
