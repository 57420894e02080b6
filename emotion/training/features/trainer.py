"""Train the features network, epoch by epoch, resumably, into a run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from emotion.datasets.augmentation import resize_images
from emotion.datasets.readers.feature_targets import FeatureTargets
from emotion.errors import DataError
from emotion.movements import NUM_POINTS
from emotion.recognition.features.outputs import (
    ERRORS_OUTPUT,
    FACE_OUTPUT,
    MOVES,
    NUM_VALUES,
    POINTS,
    POSE,
    VALUES_OUTPUT,
)
from emotion.training.features.batches import FeatureBatch, FeatureBatches, TrainingFaces
from emotion.training.features.config import FeaturesConfig
from emotion.training.features.metrics import movement_correlations, point_errors, pose_errors
from emotion.training.features.network import build_features_network, fold_statistics
from emotion.training.features.values import ValueStatistics
from emotion.training.keras_support.fused_batch_norm import with_fused_batch_norm
from emotion.training.keras_support.optimizers import NOT_DECAYED, get_learning_rate, warmup_cosine
from emotion.training.loop import Training, train_epochs
from emotion.training.runs.folder import features_score
from emotion.training.runs.run_context import RunContext
from emotion.translation.messages import gettext as _

_GRADIENT_CLIP_NORM: Final = 5.0
_PREDICT_BATCH: Final = 256
_HUBER_LIMIT: Final = 3.0  # standard deviations
_LOSS_NAMES: Final = ("loss", "points_loss", "pose_loss", "movements_loss", "errors_loss", "face_loss")


def fit_features(data: Sequence[FeatureTargets], config: FeaturesConfig, run: RunContext) -> keras.Model:
    """Train a features network in `run.folder`, from its checkpoint on where there is one.

    The best epoch has the highest `features_score` on the validation faces.

    Args:
        data: The targets of one or several files.
        config: The settings.
        run: Where to write, and who follows it.

    Returns:
        The network with the weights of the best epoch.

    Raises:
        DataError: There are fewer training faces than a batch, or no face to validate on.
        TrainingStopped, DivergenceError, EmotionError: See `train_epochs`.
    """
    num_training = sum(len(targets.rows_in("train")) for targets in data)
    num_validation = sum(int(targets.found[targets.rows_in("validation")].sum()) for targets in data)
    if num_training < config.batch_size or num_validation == 0:
        raise DataError(
            _("{training} training and {validation} validation faces; at least {needed} and one are needed.").format(
                training=num_training, validation=num_validation, needed=config.batch_size
            )
        )
    training = _FeaturesTraining(data, config)
    network = train_epochs(training, run)
    fold_statistics(network, training.statistics)
    return network


class _FeaturesTraining(Training[FeaturesConfig]):
    uses_bfloat16 = True

    def __init__(self, data: Sequence[FeatureTargets], config: FeaturesConfig) -> None:
        self.config = config
        self._faces = TrainingFaces(data, config.input_size)
        self._validation = [
            targets.take(rows[targets.found[rows]]) for targets in data if len(rows := targets.rows_in("validation"))
        ]
        keras.utils.set_random_seed(config.seed)
        self.statistics = ValueStatistics.from_values(self._faces.found_values())
        self.export_network = build_features_network(config.input_size)
        self.network = with_fused_batch_norm(self.export_network)
        schedule = warmup_cosine(config, config.epochs * len(self.start_epoch(0)))
        self._optimizer = keras.optimizers.AdamW(
            schedule,  # pyright: ignore[reportArgumentType]
            weight_decay=config.weight_decay,
            global_clipnorm=_GRADIENT_CLIP_NORM,
        )
        self._optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
        self._optimizer.build(self.network.trainable_variables)
        self._train_step = _make_train_step(self.network, self._optimizer, config, self.statistics)

    def variables(self) -> list[keras.Variable]:
        """Return those of network and optimizer."""
        return [*self.network.variables, *self._optimizer.variables]

    def start_epoch(self, epoch: int) -> FeatureBatches:
        """Return the batches of an epoch."""
        return FeatureBatches(self._faces, self.config, epoch)

    def train_step(self, batch: FeatureBatch, index: int) -> dict[str, float]:
        """Train once and return the losses."""
        return dict(zip(_LOSS_NAMES, np.asarray(self._train_step(*batch)).tolist(), strict=True))

    def scheduled_values(self, epoch: int) -> dict[str, float]:
        """Return the learning rate after the last step."""
        return {"learning_rate": get_learning_rate(self._optimizer)}

    def validate(self) -> dict[str, float]:
        """Measure the network on the validation faces."""
        return validate_network(self.network, self.statistics, self._validation, self.config.input_size)

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return the `features_score`."""
        return features_score(metrics)

    def describe(self, row: Mapping[str, float]) -> str:
        """Return the point error in words."""
        return f"point error {row['val_point_error']:.1%}"


def validate_network(
    network: keras.Model, statistics: ValueStatistics, data: Sequence[FeatureTargets], input_size: int
) -> dict[str, float]:
    """Measure a network of standardized values on faces that the teacher found, as the columns of the history.

    Returns:
        `val_point_error` in eye distances, `val_pose_error`, the mean over the angles of their median errors in
        degrees, and `val_correlation`, the mean over the movements.
    """
    crops = [resize_images(targets.crops, input_size) for targets in data]
    standardized = np.concatenate([_predict_values(network, part) for part in crops])
    predicted = standardized * statistics.deviation + statistics.mean
    points = np.concatenate([targets.points for targets in data])
    pose = np.concatenate([targets.pose for targets in data])
    movements = np.concatenate([targets.movements for targets in data])
    errors = point_errors(predicted[:, POINTS].reshape(-1, NUM_POINTS, 2), points)
    return {
        "val_point_error": float(errors.mean()),
        "val_pose_error": float(np.mean(list(pose_errors(predicted[:, POSE], pose).values()))),
        "val_correlation": float(np.mean(list(movement_correlations(predicted[:, MOVES], movements).values()))),
    }


def _predict_values(network: keras.Model, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    outputs = [
        np.asarray(
            network(crops[start : start + _PREDICT_BATCH, ..., None].astype(np.float32), training=False)[VALUES_OUTPUT]
        )
        for start in range(0, len(crops), _PREDICT_BATCH)
    ]
    return np.concatenate(outputs)


def _make_train_step(
    network: keras.Model, optimizer: keras.Optimizer, config: FeaturesConfig, statistics: ValueStatistics
) -> Callable[..., tf.Tensor]:
    """Return a function of the fields of `FeatureBatch` that trains once and returns the losses."""
    size = config.input_size
    signature = [
        tf.TensorSpec((None, size, size, 1), "uint8"),
        tf.TensorSpec((None, NUM_VALUES), "float32"),
        tf.TensorSpec((None,), "float32"),
    ]

    @tf.function(input_signature=signature)
    def step(crops: tf.Tensor, values: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = network(tf.cast(crops, tf.float32), training=True)
            losses = feature_losses(outputs, values, found, statistics)
            weights = (config.points_weight, config.pose_weight, 1.0, config.error_weight, config.face_weight)
            loss = tf.add_n([weight * part for weight, part in zip(weights, losses, strict=True)])
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return tf.stack([loss, *losses])

    return step


def feature_losses(
    outputs: Mapping[str, tf.Tensor], values: tf.Tensor, found: tf.Tensor, statistics: ValueStatistics
) -> list[tf.Tensor]:
    """Return the losses of points, pose, movements, expected errors and face.

    Points and pose have the absolute error in standard deviations, which single wrong targets of the teacher move
    little. Movements have the squared error up to three deviations: most are near 0 in most faces, and the absolute
    error would teach their median, which is 0.
    Expected errors have the negative logarithm of a Laplace distribution around the network's values (Kendall & Gal
    2017, "What uncertainties do we need in Bayesian deep learning for computer vision?"), without a gradient to these.

    Args:
        outputs: Of the network.
        values: (n, values), what the teacher saw.
        found: (n,), 1 where the teacher found a face; the other faces count for the last loss only.
        statistics: Of the training targets.
    """
    share = found / tf.maximum(tf.reduce_sum(found), 1.0)
    scaled = tf.abs(outputs[VALUES_OUTPUT] - (values - statistics.mean) / statistics.deviation)
    moves = scaled[:, MOVES]
    huber = tf.where(moves < _HUBER_LIMIT, moves * moves, _HUBER_LIMIT * (2 * moves - _HUBER_LIMIT))
    parts = [tf.reduce_sum(share * tf.reduce_mean(part, 1)) for part in (scaled[:, POINTS], scaled[:, POSE], huber)]
    fixed = tf.stop_gradient(scaled * statistics.deviation)
    point_residual = tf.reduce_mean(tf.reshape(fixed[:, POINTS], (-1, NUM_POINTS, 2)), 2)
    observed = tf.concat([point_residual, fixed[:, POINTS.stop :]], 1)
    log_errors = outputs[ERRORS_OUTPUT]
    likelihood = tf.reduce_sum(share * tf.reduce_mean(observed * tf.exp(-log_errors) + log_errors, 1))
    face = tf.nn.sigmoid_cross_entropy_with_logits(labels=found, logits=outputs[FACE_OUTPUT][:, 0])
    return [*parts, likelihood, tf.reduce_mean(face)]
