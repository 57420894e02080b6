"""Batch normalisation in one operation does what Keras' own does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytestmark = pytest.mark.slow


def layers_of(dimensions: int = 4, **settings: Any) -> tuple[Any, Any]:
    """Keras' layer and the project's, for five channels, with the same numbers, none of them 0 or 1."""
    import keras

    from emotion.training.keras_support.fused_batch_norm import FusedBatchNormalization

    rng = np.random.default_rng(3)
    pair = keras.layers.BatchNormalization(**settings), FusedBatchNormalization(**settings)
    values = rng.uniform(0.5, 2, (4, 5)).astype(np.float32)
    for layer in pair:
        layer.build((*[None] * (dimensions - 1), 5))
        layer.set_weights(list(values))
    return pair


def train_step(layer: Any, images: NDArray[np.float32], target: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the outputs of a layer in training, the gradients of a loss by input, scale and shift, and its weights."""
    import tensorflow as tf

    given = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(given)
        answer = layer(given, training=True)
        loss = tf.reduce_sum(tf.square(answer - target))
    gradients = tape.gradient(loss, [given, layer.gamma, layer.beta])
    return [np.asarray(value) for value in (answer, *gradients, *layer.weights)]


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (16, 7, 1, 5), (1, 12, 12, 5)])
@pytest.mark.parametrize("settings", [{}, {"momentum": 0.9, "epsilon": 1e-5}])
def test_a_training_step_equals_that_of_keras(shape: tuple[int, ...], settings: dict[str, float]) -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(30, 12, shape).astype(np.float32)
    target = rng.normal(0, 1, shape).astype(np.float32)
    for ours, theirs in zip(*(train_step(layer, images, target) for layer in layers_of(**settings)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4)


def test_inference_equals_that_of_keras() -> None:
    images = np.random.default_rng(1).normal(3, 2, (2, 4, 4, 5)).astype(np.float32)
    theirs, ours = layers_of()
    np.testing.assert_array_equal(ours(images, training=False), theirs(images, training=False))
    for layer in (theirs, ours):
        layer.trainable = False
    before = ours.get_weights()
    np.testing.assert_array_equal(ours(images, training=True), theirs(images, training=True))
    for one, other in zip(before, ours.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_inputs_without_height_and_width_are_normalized() -> None:
    rows = np.random.default_rng(2).normal(3, 2, (8, 5)).astype(np.float32)
    theirs, ours = layers_of(2)
    np.testing.assert_array_equal(ours(rows, training=True), theirs(rows, training=True))


def test_the_weights_of_the_copy_load_into_the_plain_keras_network(tmp_path: Path) -> None:
    import keras

    from emotion.training.keras_support.fused_batch_norm import FusedBatchNormalization, with_fused_batch_norm

    faces = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(faces)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="norm")(x))
    x = keras.layers.Dropout(0.4, name="dropout")(keras.layers.GlobalAveragePooling2D()(keras.ops.multiply(x, 2.0)))
    plain = keras.Model(faces, keras.layers.Dense(2, name="said")(x))
    plain.get_layer("said").trainable = False
    copy = with_fused_batch_norm(plain)
    assert isinstance(copy.get_layer("norm"), FusedBatchNormalization)
    assert copy.get_layer("dropout").rate == 0.4
    assert [layer.trainable for layer in copy.layers] == [layer.trainable for layer in plain.layers]
    assert [weight.path for weight in copy.weights] == [weight.path for weight in plain.weights]
    images = np.random.default_rng(4).normal(0, 1, (6, 8, 8, 1)).astype(np.float32)
    np.testing.assert_array_equal(copy(images), plain(images))

    untouched = plain.get_weights()
    copy.compile("sgd", "mse")
    copy.train_on_batch(images, np.ones((6, 2), np.float32))
    for one, other in zip(untouched, plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    plain.set_weights(copy.get_weights())
    plain.save(tmp_path / "plain.keras")
    loaded = keras.saving.load_model(tmp_path / "plain.keras", safe_mode=True)
    assert type(loaded.get_layer("norm")) is keras.layers.BatchNormalization
    np.testing.assert_allclose(loaded(images), copy(images), rtol=1e-5, atol=1e-6)
