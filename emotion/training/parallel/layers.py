"""A copy of a network that trains on a part of each batch as if it had the whole batch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import keras
import tensorflow as tf
from numpy.typing import NDArray

from emotion.errors import JobError
from emotion.training.keras_support.fused_batch_norm import FusedBatchNormalization
from emotion.training.keras_support.keras_types import Tensor
from emotion.training.parallel.group import GroupEnded, WorkerGroup


class BatchPart:
    """The rows of this worker in a batch, and the sums over all workers within the graph of a training step.

    Args:
        group: The workers.
        batch_size: The rows of a whole batch.
    """

    def __init__(self, group: WorkerGroup, batch_size: int) -> None:
        self.group, self.batch_size, self.rows = group, batch_size, group.rows(batch_size)
        self._last: Tensor | None = None

    @property
    def share(self) -> float:
        """The share of this worker in the rows of a batch."""
        return (self.rows.stop - self.rows.start) / self.batch_size

    def start_step(self) -> None:
        """Begin the graph of a step: its sums are computed in the order in which they are added to it."""
        self._last = None

    def all_reduce(self, values: Tensor) -> Tensor:
        """Return the sum over all workers; so is the gradient, since the losses of all workers depend on it."""

        @tf.custom_gradient
        def reduce(inputs: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
            return self._call(inputs), self._call

        return reduce(values)

    def _call(self, values: Tensor) -> Tensor:
        # Without the order, two workers could wait for each other with different sums.
        with tf.control_dependencies([] if self._last is None else [self._last]):
            total = tf.numpy_function(self._exchange, [values], values.dtype)
        total.set_shape(values.shape)
        self._last = total
        return total

    def _exchange(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sum over all workers, or `values` where an exchange has failed.

        TensorFlow logs an exception within a graph with its whole traceback. So the step goes on without a sum, and
        `ParallelNetwork.train_on_batch` raises the failure after it.
        """
        if self.group.failure is None:
            with suppress(JobError, GroupEnded):
                return self.group.all_reduce(values)
        return values


class SynchronizedBatchNormalization(keras.layers.BatchNormalization):
    """The layer of Keras with the mean and the variance of the batch of all workers; `part` is set by the copy.

    Keras' own `synchronized` needs `tf.distribute`.
    """

    part: BatchPart

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalize as Keras does."""
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        mean, variance = self._compute_batch_moments(inputs)
        kept: list[tuple[Any, Any]] = [(self.moving_mean, mean), (self.moving_variance, variance)]
        for moving, now in kept:
            moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return keras.ops.batch_normalization(
            inputs, mean, variance, self.axis, offset=self.beta, scale=self.gamma, epsilon=self.epsilon
        )

    def _compute_batch_moments(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance by channel; the sums are float64, since they are of squares."""
        axis = int(self.axis) % len(inputs.shape)  # pyright: ignore[reportArgumentType]
        axes = [other for other in range(len(inputs.shape)) if other != axis]
        mean, variance = (tf.cast(value, tf.float64) for value in tf.nn.moments(inputs, axes))
        count = tf.cast(tf.size(inputs) // tf.shape(inputs)[axis], tf.float64)
        sums = tf.concat([mean * count, (variance + mean * mean) * count, [count]], 0)
        totals = self.part.all_reduce(sums)
        means, squares = tf.split(totals[:-1] / totals[-1], 2)
        return tf.cast(means, inputs.dtype), tf.cast(squares - means * means, inputs.dtype)


class PartDropout(keras.layers.Dropout):
    """The layer of Keras that drops what it would drop in the rows of this worker; `part` is set by the copy."""

    part: BatchPart

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop values as Keras does."""
        if not training or self.rate == 0:
            return inputs
        part = self.part
        whole = tf.ones((part.batch_size, *tf.unstack(tf.shape(inputs))[1:]), inputs.dtype)
        factors = keras.random.dropout(whole, self.rate, self.noise_shape, self.seed_generator)
        return inputs * factors[part.rows]


class ParallelNetwork(keras.Model):
    """A network whose training step adds up the gradients of all workers; `part` is set by the copy."""

    part: BatchPart

    def train_on_batch(self, *args: Any, **options: Any) -> Any:
        """Train on the rows of this worker, and return loss and metrics of the whole batch.

        Raises:
            JobError: A worker is gone; the variables are then to be restored from a checkpoint.
            GroupEnded: Worker 0 ended the training.
        """
        results = super().train_on_batch(*args, **options)
        if self.part.group.failure is not None:
            raise self.part.group.failure
        return results

    def train_step(self, data: Any) -> dict[str, Tensor]:
        """Do what Keras does, with sums over all workers instead of gradients, loss and metrics."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        self.part.start_step()
        with tf.GradientTape() as tape:
            predicted = self(x, training=True)
            whole_loss: Any = self.compute_loss(x, y, predicted, sample_weight, training=True)
            loss = whole_loss * self.part.share
        trained: list[Any] = self.trainable_variables
        found = zip(tape.gradient(loss, trained), trained, strict=True)
        pairs = [(gradient, variable) for gradient, variable in found if gradient is not None]
        self.compute_metrics(x, y, predicted, sample_weight)
        counters = self.metrics_variables
        *sums, loss = self._add_up([*(gradient for gradient, _ in pairs), *counters, loss])
        self.optimizer.apply_gradients(
            [(gradient, variable) for gradient, (_, variable) in zip(sums, pairs, strict=False)]
        )
        for counter, total in zip(counters, sums[len(pairs) :], strict=True):
            counter.assign(total)
        return {**self.get_metrics_result(), "loss": loss}

    def _add_up(self, values: list[Any]) -> list[Tensor]:
        """Return the sums over all workers, in one exchange."""
        tensors = [tf.cast(tf.convert_to_tensor(value), tf.float32) for value in values]
        total = self.part.all_reduce(tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], 0))
        parts = tf.split(total, [tensor.shape.num_elements() for tensor in tensors])
        return [tf.reshape(part, tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]


_COPIES: Final = {
    keras.layers.BatchNormalization: SynchronizedBatchNormalization,
    FusedBatchNormalization: SynchronizedBatchNormalization,
    keras.layers.Dropout: PartDropout,
}


def with_parallel_layers(network: keras.Model, group: WorkerGroup, batch_size: int) -> ParallelNetwork:
    """Return a copy to be trained by a group, with the same variables in the same order, random states included."""
    part = BatchPart(group, batch_size)

    def copied(layer: keras.Layer) -> keras.Layer:
        copy = _COPIES.get(type(layer), type(layer)).from_config(layer.get_config())
        if isinstance(copy, SynchronizedBatchNormalization | PartDropout):
            copy.part = part
        return copy

    clone = keras.models.clone_model(network, clone_function=copied, recursive=True)
    parallel = ParallelNetwork(clone.input, clone.output, name=network.name)
    parallel.part = part
    for copied_variable, variable in zip(parallel.variables, network.variables, strict=True):
        copied_variable.assign(variable)
    return parallel
