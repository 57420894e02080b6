"""One step of a training: what generator and discriminator learn from a batch, and what each of them fears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from emotion.errors import ModelError
from emotion.generation.config import GanConfig
from emotion.generation.metrics import narrowest_head
from emotion.generation.networks import FACE_SIZE, LATENT_DIM, GanNetworks
from emotion.model_store.store import ModelBundle
from emotion.training.keras_setup import Tensor


def load_guidance_classifier(bundle: ModelBundle, labels: tuple[str, ...]) -> Callable[[Tensor], Tensor]:
    """A function of faces, grey 0 to 255, that gives a classifier's logits for `labels`, and gradients."""
    head = narrowest_head(bundle, labels)
    try:
        network: Any = keras.models.load_model(bundle.folder / "model.keras", compile=False)
    except (ValueError, OSError) as error:
        raise ModelError(f"{bundle.folder} holds no model.keras of a classifier; a teacher needs one.") from error
    network.trainable = False
    order = [head.labels.index(label) for label in labels]
    return lambda faces: tf.gather(network(faces, training=False)[head.output], order, axis=1)


def make_train_step(
    networks: GanNetworks,
    optimizers: list[keras.Optimizer],
    ema_generator: keras.Model,
    step_count: keras.Variable,
    guidance_classifier: Callable[[Tensor], Tensor] | None,
    config: GanConfig,
) -> Callable[..., tf.Tensor]:
    """A function of a batch as from `GanBatches` and of whether this step has a penalty, that teaches both networks once
    and returns the losses (4,).

    Both learn from the same faces: the generator, which costs most, runs once instead of twice.
    """
    generator, critic = networks
    classes = generator.inputs[1].shape[-1]
    shapes = [
        ((None, FACE_SIZE, FACE_SIZE), "uint8"),
        ((None,), "int8"),
        ((None, LATENT_DIM), "float32"),
        ((2, None, 4), "float32"),
    ]

    def learn(batch: tuple[Tensor, ...], penalised: bool) -> Tensor:
        greys, labels, latents, amounts = batch
        asked = tf.one_hot(tf.cast(labels, tf.int32), classes)
        real = diff_augment(tf.cast(greys, tf.float32)[..., None] / 127.5 - 1, amounts[0] * config.diffaugment_strength)
        with tf.GradientTape(persistent=True) as tape:
            made = diff_augment(generator([latents, asked], training=True), amounts[1] * config.diffaugment_strength)
            true, false = critic([real, asked], training=True), critic([made, asked], training=True)
            d_loss, g_loss = adversarial_losses(true, false, config.relativistic)
            penalty = gradient_penalty(critic, real, tf.stop_gradient(made), asked) if penalised else tf.constant(0.0)
            d_total = d_loss + config.r1_gamma / 2 * config.gradient_penalty_interval * penalty
            taught = tf.constant(0.0)
            if guidance_classifier is not None:
                few = slice(config.guidance_batch_size)
                seen = guidance_classifier(tf.clip_by_value(127.5 * made[few] + 127.5, 0.0, 255.0))
                # Smoothed as its own lessons were: nobody shall look angrier than people do.
                wanted = asked[few] * 0.9 + 0.1 / classes
                taught = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(wanted, seen))
            g_total = g_loss + config.guidance_weight * taught
        for network, optimizer, total in zip(networks, optimizers, (g_total, d_total), strict=True):
            gradients = tape.gradient(total, network.trainable_variables)
            optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        del tape
        step_count.assign_add(1.0)
        # At first the average shall not remember the weights that it was born with.
        kept = (
            tf.minimum(config.ema_decay, (1 + step_count.value) / (10 + step_count.value)) if config.ema_decay else 0.0
        )
        for average, weight in zip(ema_generator.variables, generator.variables, strict=True):
            average.assign(weight + kept * (average - weight))
        return tf.stack([g_loss, d_loss, penalty, taught])

    signature = [tf.TensorSpec(shape, kind) for shape, kind in shapes]
    both = {
        penalised: tf.function(lambda *batch, penalised=penalised: learn(batch, penalised), input_signature=signature)
        for penalised in (False, True)
    }
    return lambda *batch: both[batch[-1]](*batch[:-1])


def adversarial_losses(real_logits: Tensor, fake_logits: Tensor, relativistic: bool) -> tuple[Tensor, Tensor]:
    """Losses of discriminator and generator for logits (n, 1) of real and synthetic faces."""
    if relativistic:
        return tf.reduce_mean(tf.nn.softplus(fake_logits - real_logits)), tf.reduce_mean(
            tf.nn.softplus(real_logits - fake_logits)
        )
    both = tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))
    return both, tf.reduce_mean(tf.nn.softplus(-fake_logits))


def gradient_penalty(discriminator: keras.Model, real: Tensor, fake: Tensor, one_hot_labels: Tensor) -> Tensor:
    """Mean squared gradient at real faces plus that at synthetic ones (R1 + R2), each of half a batch."""
    half = tf.shape(real)[0] // 2
    faces = tf.concat([real[:half], fake[half:]], axis=0)
    with tf.GradientTape() as tape:
        tape.watch(faces)
        total = tf.reduce_sum(discriminator([faces, one_hot_labels], training=True))
    slopes: Any = tape.gradient(total, faces)
    return 2 * tf.reduce_mean(tf.reduce_sum(tf.square(slopes), axis=(1, 2, 3)))


def diff_augment(faces: Tensor, factors: Tensor) -> Tensor:
    """Faces (n, 48, 48, 1) moved by up to 3 pixels, with another brightness and contrast, so that the discriminator
    cannot learn the real ones by heart; amounts (n, 4) of -1 to 1: down, right, brightness, contrast.

    Whole pixels only: what lies between would be blurred, and the generator would learn to be.
    """
    places = tf.range(FACE_SIZE)
    shifts = tf.cast(tf.round(3 * factors[:, :2]), tf.int32)
    # As products with matrices of 0 and 1, whose gradients are exact and the same in every run.
    rows, columns = (
        tf.one_hot(tf.clip_by_value(places - shifts[:, i, None], 0, FACE_SIZE - 1), FACE_SIZE) for i in range(2)
    )
    moved = tf.matmul(tf.matmul(rows, faces[..., 0]), columns, transpose_b=True)[..., None]
    mean = tf.reduce_mean(moved, axis=(1, 2, 3), keepdims=True)
    brightness, contrast = factors[:, 2, None, None, None] * 0.2, factors[:, 3, None, None, None] * 0.25
    return (moved - mean) * (1 + contrast) + mean + brightness
