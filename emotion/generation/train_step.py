"""One step of a GAN training: losses, gradient penalty, differentiable augmentation, classifier guidance."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import keras
import tensorflow as tf

from emotion.generation.config import GanConfig
from emotion.generation.metrics import narrowest_head
from emotion.generation.networks import FACE_SIZE, LATENT_DIM, GanNetworks
from emotion.model_store.store import ModelBundle
from emotion.training.keras_support.keras_files import load_keras_file
from emotion.training.keras_support.keras_types import Tensor

# As the guidance classifier was trained: hard targets would reward more extreme expressions than people show.
_GUIDANCE_SMOOTHING: Final = 0.1
_MAX_SHIFT_PX: Final = 3  # of the augmentation, on either side
_MAX_BRIGHTNESS: Final = 0.2  # added to faces of about -1 to 1
_MAX_CONTRAST: Final = 0.25  # change of the factor
_MAX_LOG_RATIO: Final = 60.0  # of two gradients; e to its power is far below the largest float32
_NUM_PARTS: Final = 2  # of a batch, computed in parallel: the operations are too small to keep more than one core busy
# A batch of `GanBatches` (real faces, labels, latents, augmentation factors of real and synthetic faces), and what is
# scheduled: weights of the gradient penalty and of the guidance loss, decay of the averaged generator.
_STEP_SIGNATURE: Final = (
    tf.TensorSpec((None, FACE_SIZE, FACE_SIZE), "uint8"),
    tf.TensorSpec((None,), "int8"),
    tf.TensorSpec((None, LATENT_DIM), "float32"),
    tf.TensorSpec((2, None, 4), "float32"),
    *3 * (tf.TensorSpec((), "float32"),),
)

with suppress(RuntimeError):  # it cannot be set after the first operation of a process
    tf.config.threading.set_intra_op_parallelism_threads(max(1, (os.cpu_count() or 1) // _NUM_PARTS))
    tf.config.threading.set_inter_op_parallelism_threads(_NUM_PARTS)


def load_guidance_classifier(bundle: ModelBundle, labels: tuple[str, ...]) -> Callable[[Tensor], Tensor]:
    """Return a differentiable function of faces (n, 48, 48, 1), gray 0 to 255, to logits (n, len(labels)).

    Raises:
        ModelError: The bundle has no head with all `labels`, or no usable model.keras.
    """
    head = narrowest_head(bundle, labels)
    classifier = load_keras_file(bundle.keras_path)
    classifier.trainable = False
    label_indices = [head.labels.index(label) for label in labels]
    return lambda faces: tf.gather(classifier(faces, training=False)[head.output], label_indices, axis=1)


def make_train_step(
    networks: GanNetworks,
    optimizers: list[keras.Optimizer],
    ema_generator: keras.Model,
    guidance_classifier: Callable[[Tensor], Tensor] | None,
    config: GanConfig,
) -> Callable[..., tf.Tensor]:
    """Return a compiled function that updates both networks and the averaged generator by one batch.

    Both networks learn from the same synthetic faces and from one pass through the discriminator and back: the
    gradients of the two losses at a face differ by a factor, see `generator_gradient_factors`.

    Args:
        networks: The pair that is trained; the logit of a face must not depend on other faces of a batch.
        optimizers: Of the generator and of the discriminator, both built.
        ema_generator: A copy of the generator; gets the exponential moving average of its weights.
        guidance_classifier: As from `load_guidance_classifier`, or None.
        config: Hyperparameters.

    Returns:
        A function of a batch of `GanBatches`, of the weights of the gradient penalty and of the guidance loss, of the
        decay of the averaged generator and of a bool, whether the step has a gradient penalty, that returns the losses
        (4,): generator, discriminator, gradient penalty, guidance.
    """
    generator, discriminator = networks
    num_classes, num_parts = generator.inputs[1].shape[-1], _count_parts(generator, config)

    @tf.function  # traced once for all parts
    def compute_gradients(inputs: tuple[Tensor, ...], has_penalty: bool) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Return the losses and the gradients of generator and discriminator for one part of a batch."""
        images, one_hot, latents, factors, penalty_weight, guidance_weight = inputs
        real = diff_augment(tf.cast(images, tf.float32)[..., None] / 127.5 - 1, factors[0])
        with tf.GradientTape() as tape:
            fake = diff_augment(generator([latents, one_hot], training=True), factors[1])
        penalty_factor = penalty_weight / 2 * config.gradient_penalty_interval if has_penalty else None
        losses, d_gradients, fake_gradients = _judge(
            discriminator, _Pairs(real, fake, one_hot), penalty_factor, config.relativistic
        )
        guidance_loss = tf.constant(0.0)
        if guidance_classifier is not None:
            size = config.guidance_batch_size // num_parts
            guidance_loss, gradients = _guide(guidance_classifier, fake[:size], one_hot[:size])
            fake_gradients += guidance_weight * tf.concat([gradients, tf.zeros_like(fake[size:])], 0)
        g_gradients: Any = tape.gradient(fake, generator.trainable_variables, output_gradients=fake_gradients)
        return tf.stack([*losses, guidance_loss]), g_gradients, d_gradients

    def train_step(inputs: tuple[Tensor, ...], has_penalty: bool) -> Tensor:
        images, labels, latents, factors, *weights, ema_decay = inputs
        one_hot = tf.one_hot(tf.cast(labels, tf.int32), num_classes)
        factors = factors * config.diffaugment_strength
        by_axis = [(images, 0), (one_hot, 0), (latents, 0), (factors, 1)]
        parts = zip(*(tf.split(values, num_parts, axis) for values, axis in by_axis), strict=True)
        losses, *gradients = zip(*(compute_gradients((*part, *weights), has_penalty) for part in parts), strict=True)
        for network, optimizer, by_part in zip(networks, optimizers, gradients, strict=True):
            means = map(_mean, zip(*by_part, strict=True))
            optimizer.apply_gradients(zip(means, network.trainable_variables, strict=True))
        for average, weight in zip(ema_generator.variables, generator.variables, strict=True):
            average.assign(weight + ema_decay * (average - weight))
        return _mean(losses)

    compiled = {
        has_penalty: tf.function(
            lambda *inputs, has_penalty=has_penalty: train_step(inputs, has_penalty), input_signature=_STEP_SIGNATURE
        )
        for has_penalty in (False, True)
    }
    return lambda *inputs: compiled[inputs[-1]](*inputs[:-1])


def _count_parts(generator: keras.Model, config: GanConfig) -> int:
    """Return into how many parts a batch is divided: 1 where the faces of a batch depend on each other, or are odd."""
    depends = any(isinstance(layer, keras.layers.BatchNormalization) for layer in generator.layers)
    is_divisible = config.batch_size % _NUM_PARTS == config.guidance_batch_size % _NUM_PARTS == 0
    return _NUM_PARTS if is_divisible and not depends else 1


def _mean(values: Sequence[Tensor]) -> Tensor:
    return tf.add_n(values) / len(values)


class _Pairs(NamedTuple):
    """Real and synthetic faces, float32 (n, 48, 48, 1), and the expressions (n, classes) of both."""

    real: Tensor
    fake: Tensor
    one_hot: Tensor


def _judge(
    discriminator: keras.Model, pairs: _Pairs, penalty_factor: Tensor | None, relativistic: bool
) -> tuple[tuple[Tensor, Tensor, Tensor], list[Tensor], Tensor]:
    """Return the losses of generator and discriminator, the gradient penalty, and two sets of gradients.

    Those of the discriminator's loss at its weights, with the gradient penalty times `penalty_factor` unless None, and
    those of the generator's loss at the synthetic faces.
    """
    penalty = tf.constant(0.0)
    with tf.GradientTape() as tape:
        tape.watch(pairs.fake)
        faces, expressions = tf.concat([pairs.real, pairs.fake], 0), tf.tile(pairs.one_hot, (2, 1))
        real_logits, fake_logits = tf.split(discriminator([faces, expressions], training=True), 2)
        d_loss, g_loss = adversarial_losses(real_logits, fake_logits, relativistic)
        total = d_loss
        if penalty_factor is not None:
            penalty = gradient_penalty(discriminator, pairs.real, tf.stop_gradient(pairs.fake), pairs.one_hot)
            total += penalty_factor * penalty
    sources: Any = [discriminator.trainable_variables, pairs.fake]
    d_gradients, fake_gradients = tape.gradient(total, sources)
    ratios = generator_gradient_factors(real_logits, fake_logits, relativistic)
    return (g_loss, d_loss, penalty), d_gradients, ratios[:, :, None, None] * fake_gradients


def _guide(classifier: Callable[[Tensor], Tensor], fake: Tensor, one_hot: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smoothed cross-entropy of a classifier for synthetic faces of about -1 to 1, and its gradients."""
    with tf.GradientTape() as tape:
        tape.watch(fake)
        logits = classifier(tf.clip_by_value(127.5 * fake + 127.5, 0.0, 255.0))
        targets = one_hot * (1 - _GUIDANCE_SMOOTHING) + _GUIDANCE_SMOOTHING / one_hot.shape[-1]
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
    return loss, tape.gradient(loss, fake)


def adversarial_losses(real_logits: Tensor, fake_logits: Tensor, relativistic: bool) -> tuple[Tensor, Tensor]:
    """Return the losses of discriminator and generator for logits (n, 1) of real and synthetic faces."""
    if relativistic:
        d_loss = tf.reduce_mean(tf.nn.softplus(fake_logits - real_logits))
        return d_loss, tf.reduce_mean(tf.nn.softplus(real_logits - fake_logits))
    d_loss = tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))
    return d_loss, tf.reduce_mean(tf.nn.softplus(-fake_logits))


def generator_gradient_factors(real_logits: Tensor, fake_logits: Tensor, relativistic: bool) -> Tensor:
    """Return the generator's loss divided by the discriminator's, as gradients at the synthetic logits (n, 1).

    A logit depends on its own face alone, so the gradients at a synthetic face have the same ratio. With s for the
    sigmoid and d for the synthetic logit, less the real one of its pair in the relativistic loss, it is
    -s(-d) / s(d) = -exp(-d).
    """
    difference = fake_logits - real_logits if relativistic else fake_logits
    return -tf.exp(tf.clip_by_value(-difference, -_MAX_LOG_RATIO, _MAX_LOG_RATIO))


def gradient_penalty(discriminator: keras.Model, real: Tensor, fake: Tensor, one_hot_labels: Tensor) -> Tensor:
    """Return the mean squared gradient at real faces plus that at synthetic ones (R1 + R2), each of half a batch."""
    half = tf.shape(real)[0] // 2
    faces = tf.concat([real[:half], fake[half:]], axis=0)
    with tf.GradientTape() as tape:
        tape.watch(faces)
        total = tf.reduce_sum(discriminator([faces, one_hot_labels], training=True))
    gradients: Any = tape.gradient(total, faces)
    return 2 * tf.reduce_mean(tf.reduce_sum(tf.square(gradients), axis=(1, 2, 3)))


def diff_augment(faces: Tensor, factors: Tensor) -> Tensor:
    """Translate faces and change their brightness and contrast, differentiably (Zhao et al. 2020, "DiffAugment").

    Translations are whole pixels: interpolated ones would blur the faces, and the generator would learn the blur.

    Args:
        faces: float32 (n, 48, 48, 1), about -1 to 1.
        factors: float32 (n, 4), -1 to 1: down, right, brightness, contrast.

    Returns:
        Faces of the same shape; edges are replicated.
    """
    positions = tf.range(FACE_SIZE)
    shifts = tf.cast(tf.round(_MAX_SHIFT_PX * factors[:, :2]), tf.int32)
    # As products with permutation-like matrices: their gradients are exact and the same in every run.
    rows, columns = (
        tf.one_hot(tf.clip_by_value(positions - shifts[:, axis, None], 0, FACE_SIZE - 1), FACE_SIZE)
        for axis in range(2)
    )
    shifted = tf.matmul(tf.matmul(rows, faces[..., 0]), columns, transpose_b=True)[..., None]
    mean = tf.reduce_mean(shifted, axis=(1, 2, 3), keepdims=True)
    brightness, contrast = (
        factors[:, i, None, None, None] * limit for i, limit in ((2, _MAX_BRIGHTNESS), (3, _MAX_CONTRAST))
    )
    return (shifted - mean) * (1 + contrast) + mean + brightness
