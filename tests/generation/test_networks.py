"""The GAN architectures: shapes, conditioning, and export to ONNX."""

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
LABELS = GAN_NETWORKS


def build_networks(name: str, num_classes: int = 7) -> Any:
    """Build a pair whose weights are all different from 0, as after a training."""
    import keras

    from emotion.generation.networks import GAN_BUILDERS

    keras.utils.set_random_seed(1)
    networks = GAN_BUILDERS[name](num_classes)
    rng = np.random.default_rng(0)
    for network in networks:
        for weight in network.trainable_weights:
            weight.assign(np.array(weight) + rng.normal(0, 0.02, weight.shape))
    return networks


def make_inputs(count: int, num_classes: int = 7) -> list[Any]:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    latents = rng.standard_normal((count, 128)).astype(np.float32)
    return [tf.constant(latents), tf.constant(np.eye(num_classes, dtype=np.float32)[np.arange(count) % num_classes])]


@pytest.mark.parametrize("num_classes", [1, 7, 8])
@pytest.mark.parametrize("name", LABELS)
def test_faces_and_logits_have_their_shapes(name: str, num_classes: int) -> None:
    generator, discriminator = build_networks(name, num_classes)
    latents, expressions = make_inputs(3, num_classes)
    faces = generator([latents, expressions])
    assert faces.shape == (3, 48, 48, 1)
    assert discriminator([faces, expressions]).shape == (3, 1)


@pytest.mark.parametrize("name", LABELS)
def test_latent_and_expression_both_affect_face_and_logit(name: str) -> None:
    generator, discriminator = build_networks(name)
    (latents, expressions), reversed_expressions = make_inputs(4), make_inputs(4)[1][::-1]
    faces = np.array(generator([latents, expressions]))
    assert np.abs(faces - np.array(generator([latents[::-1], expressions]))).max() > 0.01
    assert np.abs(faces - np.array(generator([latents, reversed_expressions]))).max() > 0.01
    logits = np.array(discriminator([faces, np.array(expressions)]))
    assert (np.abs(logits - np.array(discriminator([faces, np.array(reversed_expressions)]))) > 1e-4).all()
    assert (np.abs(logits - np.array(discriminator([faces[:, ::-1], np.array(expressions)]))) > 1e-4).all()


def test_the_residual_networks_treat_every_face_independently() -> None:
    """Without batch normalization a face does not depend on the rest of its batch, not even in training."""
    generator, discriminator = build_networks("residual")
    latents, expressions = make_inputs(5)
    faces = np.array(generator([latents, expressions], training=True))
    np.testing.assert_allclose(faces[:1], np.array(generator([latents[:1], expressions[:1]], training=True)), atol=1e-4)
    logits = np.array(discriminator([faces, np.array(expressions)], training=True))
    single_logit = np.array(discriminator([faces[:1], np.array(expressions)[:1]], training=True))
    np.testing.assert_allclose(logits[:1], single_logit, atol=1e-4)


def test_pixels_are_clipped_to_0_to_255() -> None:
    from emotion.generation.networks import with_pixel_output

    generator = build_networks("residual").generator
    network = with_pixel_output(generator)
    latents, expressions = make_inputs(3)
    np.testing.assert_allclose(
        np.array(network([latents, expressions])),
        (np.array(generator([latents, expressions])) * 127.5 + 127.5).clip(0, 255),
        atol=0.01,
    )
    bias = next(layer for layer in reversed(generator.layers) if layer.weights).weights[-1]
    for value, gray in ((9.0, 255), (-9.0, 0)):
        bias.assign(np.full(bias.shape, value))
        assert (np.array(network([latents, expressions])) == gray).all()


@pytest.fixture(scope="module", params=LABELS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    from emotion.generation.networks import with_pixel_output
    from emotion.training.export import export_generator

    folder = tmp_path_factory.mktemp("exported") / request.param
    folder.mkdir()
    network = with_pixel_output(build_networks(request.param).generator)
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


def test_the_exported_file_is_small_and_draws_as_the_network(exported: tuple[Path, Any]) -> None:
    folder, network = exported
    assert (folder / "model.onnx").stat().st_size <= 12_000_000
    sampler = Sampler(open_model(folder))
    seeds = [1, 2, 3]
    for name in ("angry", "neutral"):
        expressions = np.tile(sampler.encode_expression(name), (3, 1))
        expected = np.array(network([np.stack([sampler.latent_for(seed) for seed in seeds]), expressions]))[..., 0]
        assert np.abs(sampler.sample(seeds, name) - expected).max() < 0.6


def test_a_face_does_not_depend_on_the_other_faces(exported: tuple[Path, Any]) -> None:
    sampler = Sampler(open_model(exported[0]))
    faces = sampler.sample(range(40), "happy")
    for seed in (0, 7, 39):
        np.testing.assert_array_equal(sampler.sample([seed], "happy")[0], faces[seed])
    np.testing.assert_array_equal(Sampler(open_model(exported[0])).sample(range(40), "happy"), faces)


def test_the_keras_file_holds_the_same_network(exported: tuple[Path, Any]) -> None:
    import keras

    folder, network = exported
    loaded = keras.saving.load_model(folder / "model.keras", safe_mode=True)
    values = make_inputs(3)
    np.testing.assert_array_equal(np.array(loaded(values)), np.array(network(values)))


def test_an_export_with_other_output_is_refused(
    exported: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    from emotion.training import export

    modified = onnx.load(exported[0] / "model.onnx")
    for constant in modified.graph.initializer:
        if constant.data_type == onnx.TensorProto.FLOAT and len(constant.dims) == 4:
            constant.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(constant) * 1.01, constant.name))
    monkeypatch.setattr(export, "to_onnx", lambda *args: modified)
    with pytest.raises(ModelError, match=r"differs from the trained one by .*; expected less than 0\.1"):
        export.export_generator(exported[1], tmp_path)


def test_every_network_name_has_a_builder() -> None:
    from emotion.generation.networks import GAN_BUILDERS

    assert tuple(GAN_BUILDERS) == GAN_NETWORKS
