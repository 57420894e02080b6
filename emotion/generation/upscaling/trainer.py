"""Training of an upscaler: pairs of small and large faces, losses, and the steps that the shared epoch loop calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from emotion.errors import DataError, ModelError
from emotion.generation.upscaling.config import LARGE_SIDE, SCALE, UpscalerConfig
from emotion.generation.upscaling.faces import LargeFaces
from emotion.generation.upscaling.network import build_upscaler
from emotion.model_store.store import ModelBundle
from emotion.training.keras_support.keras_files import load_keras_file
from emotion.training.keras_support.keras_types import Tensor
from emotion.training.keras_support.optimizers import get_learning_rate, warmup_cosine
from emotion.training.loop import Training, train_epochs
from emotion.training.runs.run_context import RunContext
from emotion.translation.messages import gettext as _

_WINDOW_SIDE: Final = 48  # pixels of the part of a large face that the classifier looks at
_FEATURE_POOLING: Final = 1  # index of the pooling layer whose input are the features: fine, but more than edges
_PREDICT_BATCH: Final = 32  # bounds the memory
_GRAY_RANGE: Final = 255.0
_LOSS_NAMES: Final = ("loss", "pixel_loss", "feature_loss")


class UpscalerBatch(NamedTuple):
    """Large faces uint8 (n, 192, 192), and the upper left corner (2,) of the window that the classifier looks at."""

    faces: NDArray[np.uint8]
    corner: NDArray[np.int32]


class UpscalerBatches:
    """Batches of one epoch; their content depends only on seed, epoch and index."""

    def __init__(self, faces: NDArray[np.uint8], config: UpscalerConfig, epoch: int) -> None:
        self._faces, self._config, self._epoch = faces, config, epoch
        self._order = np.random.default_rng((config.seed, epoch)).permutation(len(faces))

    def __len__(self) -> int:
        return len(self._faces) // self._config.batch_size

    def __getitem__(self, index: int) -> UpscalerBatch:
        """Return a batch of faces, half of them mirrored."""
        size = self._config.batch_size
        rng = np.random.default_rng((self._config.seed, self._epoch, index))
        faces = self._faces[self._order[index * size : (index + 1) * size]]
        faces = np.where(rng.random(size)[:, None, None] < 0.5, faces[:, :, ::-1], faces)
        return UpscalerBatch(faces, rng.integers(0, LARGE_SIDE - _WINDOW_SIDE + 1, 2, dtype=np.int32))


def fit_upscaler(
    faces: LargeFaces, config: UpscalerConfig, run: RunContext, feature_classifier: ModelBundle
) -> keras.Model:
    """Train an upscaler in `run.folder`, from its checkpoint on where there is one.

    The best epoch has the smallest loss on the validation faces.

    Args:
        faces: What is learned.
        config: The settings.
        run: Where to write, and who follows it.
        feature_classifier: The classifier whose features are compared.

    Raises:
        DataError: There are fewer training faces than a batch.
        ModelError: `feature_classifier` has no suitable model.keras.
        TrainingStopped, DivergenceError, EmotionError: See `train_epochs`.
    """
    if len(faces.training) < config.batch_size:
        raise DataError(
            _("There are {count} training faces; at least {needed} are needed.").format(
                count=len(faces.training), needed=config.batch_size
            )
        )
    return train_epochs(_UpscalerTraining(faces, config, load_features(feature_classifier)), run)


def load_features(bundle: ModelBundle) -> keras.Model:
    """Return the early layers of a classifier: gray images float32 (n, h, w, 1), 0 to 255, to feature maps.

    Raises:
        ModelError: The bundle has no model.keras with two pooling layers.
    """
    classifier = load_keras_file(bundle.keras_path)
    poolings = [layer for layer in classifier.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    if bundle.kind != "classifier" or len(poolings) <= _FEATURE_POOLING:
        raise ModelError(
            _(
                "The network of {model} has {count} pooling layers; expected a classifier with at least {needed}."
            ).format(model=bundle.name, count=len(poolings), needed=_FEATURE_POOLING + 1)
        )
    classifier.trainable = False
    return keras.Model(classifier.inputs, poolings[_FEATURE_POOLING].input)


class _UpscalerTraining(Training[UpscalerConfig]):
    uses_bfloat16 = True

    def __init__(self, faces: LargeFaces, config: UpscalerConfig, features: keras.Model) -> None:
        self.config, self._faces = config, faces
        keras.utils.set_random_seed(config.seed)
        self.network = self.export_network = build_upscaler()
        schedule = warmup_cosine(config, config.epochs * len(self.start_epoch(0)))
        self._optimizer = keras.optimizers.Adam(schedule)  # pyright: ignore[reportArgumentType]
        self._optimizer.build(self.network.trainable_variables)
        self._measure = _make_measure(self.network, features, config)
        self._train_step = _make_train_step(self.network, self._optimizer, self._measure)

    def variables(self) -> list[keras.Variable]:
        """Return those of network and optimizer."""
        return [*self.network.variables, *self._optimizer.variables]

    def start_epoch(self, epoch: int) -> UpscalerBatches:
        """Return the batches of an epoch."""
        return UpscalerBatches(self._faces.training, self.config, epoch)

    def train_step(self, batch: UpscalerBatch, index: int) -> dict[str, float]:
        """Train once and return the losses."""
        return dict(zip(_LOSS_NAMES, np.asarray(self._train_step(*batch)).tolist(), strict=True))

    def scheduled_values(self, epoch: int) -> dict[str, float]:
        """Return the learning rate after the last step."""
        return {"learning_rate": get_learning_rate(self._optimizer)}

    def validate(self) -> dict[str, float]:
        """Return the losses on the validation faces, whose centers the classifier looks at."""
        faces = self._faces.validation
        corner = np.full(2, (LARGE_SIDE - _WINDOW_SIDE) // 2, np.int32)
        parts = [faces[start : start + _PREDICT_BATCH] for start in range(0, len(faces), _PREDICT_BATCH)]
        losses = [np.asarray(self._measure(part, corner)) for part in parts]
        means = np.average(losses, axis=0, weights=[len(part) for part in parts])
        return {f"val_{name}": float(value) for name, value in zip(_LOSS_NAMES, means, strict=True)}

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return the negative loss."""
        return -metrics["val_loss"]

    def describe(self, row: Mapping[str, float]) -> str:
        """Return the difference of the pixels in words."""
        return f"difference {row['val_pixel_loss']:.2f} gray levels"


def _make_measure(network: keras.Model, features: keras.Model, config: UpscalerConfig) -> Callable[..., Tensor]:
    """Return a function of the fields of `UpscalerBatch` that returns the losses (3,), see `_LOSS_NAMES`."""

    @tf.function(input_signature=[tf.TensorSpec((None, LARGE_SIDE, LARGE_SIDE), "uint8"), tf.TensorSpec((2,), "int32")])
    def measure(faces: Tensor, corner: Tensor) -> Tensor:
        large = tf.cast(faces, tf.float32)[..., None]
        enlarged = network(tf.round(tf.nn.avg_pool2d(large, SCALE, SCALE, "VALID")), training=True)
        pixel_loss = tf.reduce_mean(tf.abs(enlarged - large))
        top, left = corner[0], corner[1]
        window = tf.concat([large, enlarged], 0)[:, top : top + _WINDOW_SIDE, left : left + _WINDOW_SIDE]
        window = tf.ensure_shape(window, (None, _WINDOW_SIDE, _WINDOW_SIDE, 1))
        expected, actual = tf.split(features(window, training=False), 2)
        feature_loss = tf.reduce_mean(tf.abs(actual - tf.stop_gradient(expected)))
        loss = pixel_loss / _GRAY_RANGE + config.feature_weight * feature_loss
        return tf.stack([loss, pixel_loss, feature_loss])

    return measure


def _make_train_step(
    network: keras.Model, optimizer: keras.Optimizer, measure: Callable[..., Tensor]
) -> Callable[..., Tensor]:
    """Return a function of the fields of `UpscalerBatch` that trains once and returns the losses (3,)."""

    @tf.function
    def step(faces: Tensor, corner: Tensor) -> Tensor:
        with tf.GradientTape() as tape:
            losses = measure(faces, corner)
            loss = losses[0]
        gradients: Any = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return losses

    return step
