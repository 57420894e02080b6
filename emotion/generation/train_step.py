"""One step of a training: what generator and discriminator learn from a batch, and what each of them fears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from emotion.errors import ModelError
from emotion.generation.config import GanConfig
from emotion.generation.metrics import head_for
from emotion.generation.networks import LATENT, SIDE, Pair
from emotion.model_store.store import Bundle
from emotion.training.keras_setup import Tensor


def recogniser_of(bundle: Bundle, labels: tuple[str, ...]) -> Callable[[Tensor], Tensor]:
    """A function of faces, grey 0 to 255, that gives a recogniser's logits for `labels`, and gradients."""
    head = head_for(bundle, labels)
    try:
        network: Any = keras.models.load_model(bundle.folder / "model.keras", compile=False)
    except (ValueError, OSError) as error:
        raise ModelError(f"{bundle.folder} holds no model.keras of a recogniser; a teacher needs one.") from error
    network.trainable = False
    order = [head.labels.index(label) for label in labels]
    return lambda faces: tf.gather(network(faces, training=False)[head.output], order, axis=1)


def learning_step(
    pair: Pair,
    optimizers: list[keras.Optimizer],
    shown: keras.Model,
    steps: keras.Variable,
    recogniser: Callable[[Tensor], Tensor] | None,
    config: GanConfig,
) -> Callable[..., tf.Tensor]:
    """A function of a batch as from `Batches` and of whether this step has a penalty, that teaches both networks once
    and returns the losses (4,).

    Both learn from the same faces: the generator, which costs most, runs once instead of twice.
    """
    generator, critic = pair
    classes = generator.inputs[1].shape[-1]
    shapes = [((None, SIDE, SIDE), "uint8"), ((None,), "int8"), ((None, LATENT), "float32"), ((2, None, 4), "float32")]

    def learn(batch: tuple[Tensor, ...], penalised: bool) -> Tensor:
        greys, labels, latents, amounts = batch
        asked = tf.one_hot(tf.cast(labels, tf.int32), classes)
        real = changed(tf.cast(greys, tf.float32)[..., None] / 127.5 - 1, amounts[0] * config.changes)
        with tf.GradientTape(persistent=True) as tape:
            made = changed(generator([latents, asked], training=True), amounts[1] * config.changes)
            true, false = critic([real, asked], training=True), critic([made, asked], training=True)
            d_loss, g_loss = losses(true, false, config.relativistic)
            penalty = gradient_penalty(critic, real, tf.stop_gradient(made), asked) if penalised else tf.constant(0.0)
            d_total = d_loss + config.penalty / 2 * config.lazy * penalty
            taught = tf.constant(0.0)
            if recogniser is not None:
                few = slice(config.taught)
                seen = recogniser(tf.clip_by_value(127.5 * made[few] + 127.5, 0.0, 255.0))
                # Smoothed as its own lessons were: nobody shall look angrier than people do.
                wanted = asked[few] * 0.9 + 0.1 / classes
                taught = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(wanted, seen))
            g_total = g_loss + config.teacher_weight * taught
        for network, optimizer, total in zip(pair, optimizers, (g_total, d_total), strict=True):
            gradients = tape.gradient(total, network.trainable_variables)
            optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        del tape
        steps.assign_add(1.0)
        # At first the average shall not remember the weights that it was born with.
        kept = tf.minimum(config.average, (1 + steps.value) / (10 + steps.value)) if config.average else 0.0
        for average, weight in zip(shown.variables, generator.variables, strict=True):
            average.assign(weight + kept * (average - weight))
        return tf.stack([g_loss, d_loss, penalty, taught])

    signature = [tf.TensorSpec(shape, kind) for shape, kind in shapes]
    both = {
        penalised: tf.function(lambda *batch, penalised=penalised: learn(batch, penalised), input_signature=signature)
        for penalised in (False, True)
    }
    return lambda *batch: both[batch[-1]](*batch[:-1])


def losses(true: Tensor, false: Tensor, relativistic: bool) -> tuple[Tensor, Tensor]:
    """Losses of discriminator and generator for logits (n, 1) of real and synthetic faces."""
    if relativistic:
        return tf.reduce_mean(tf.nn.softplus(false - true)), tf.reduce_mean(tf.nn.softplus(true - false))
    both = tf.reduce_mean(tf.nn.softplus(-true)) + tf.reduce_mean(tf.nn.softplus(false))
    return both, tf.reduce_mean(tf.nn.softplus(-false))


def gradient_penalty(critic: keras.Model, real: Tensor, made: Tensor, asked: Tensor) -> Tensor:
    """Mean squared gradient at real faces plus that at synthetic ones (R1 + R2), each of half a batch."""
    half = tf.shape(real)[0] // 2
    faces = tf.concat([real[:half], made[half:]], axis=0)
    with tf.GradientTape() as tape:
        tape.watch(faces)
        total = tf.reduce_sum(critic([faces, asked], training=True))
    slopes: Any = tape.gradient(total, faces)
    return 2 * tf.reduce_mean(tf.reduce_sum(tf.square(slopes), axis=(1, 2, 3)))


def changed(faces: Tensor, amounts: Tensor) -> Tensor:
    """Faces (n, 48, 48, 1) moved by up to 3 pixels, with another brightness and contrast, so that the discriminator
    cannot learn the real ones by heart; amounts (n, 4) of -1 to 1: down, right, brightness, contrast.

    Whole pixels only: what lies between would be blurred, and the generator would learn to be.
    """
    places = tf.range(SIDE)
    shifts = tf.cast(tf.round(3 * amounts[:, :2]), tf.int32)
    # As products with matrices of 0 and 1, whose gradients are exact and the same in every run.
    rows, columns = (tf.one_hot(tf.clip_by_value(places - shifts[:, i, None], 0, SIDE - 1), SIDE) for i in range(2))
    moved = tf.matmul(tf.matmul(rows, faces[..., 0]), columns, transpose_b=True)[..., None]
    mean = tf.reduce_mean(moved, axis=(1, 2, 3), keepdims=True)
    brightness, contrast = amounts[:, 2, None, None, None] * 0.2, amounts[:, 3, None, None, None] * 0.25
    return (moved - mean) * (1 + contrast) + mean + brightness
