"""Train the face detector, epoch by epoch, resumably, into a run folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from emotion.datasets.readers.detection_dataset import AnnotatedImage
from emotion.errors import DataError, ModelError
from emotion.recognition.detectors.onnx_detector import (
    anchor_points,
    decode_predictions,
    pad_to_multiple,
    suppress_and_vote,
)
from emotion.training.detector.batches import DetectionTargets, DetectorBatches
from emotion.training.detector.config import MIN_LANDMARK_FACE_PX, DetectorConfig
from emotion.training.detector.evaluation import rotate_sample
from emotion.training.detector.losses import detection_losses
from emotion.training.detector.metrics import average_precision, concat, landmark_errors, match_boxes
from emotion.training.detector.network import LANDMARK_PREFIX, build_glance
from emotion.training.keras_support.fused_batch_norm import with_fused_batch_norm
from emotion.training.keras_support.keras_files import load_keras_file
from emotion.training.keras_support.optimizers import NOT_DECAYED, get_learning_rate, warmup_cosine
from emotion.training.loop import Training, train_epochs
from emotion.training.runs.folder import selection_score
from emotion.training.runs.run_context import RunContext
from emotion.translation.messages import gettext as _

# Sources whose boxes are drawn tightly; those of the others agree with the model's only loosely.
_TIGHT_SOURCES: Final = ("wider", "fddb_sy32", "others")
_TIGHT_IOU, _LOOSE_IOU = 0.5, 0.3
_TILT_DEGREES: Final = 25.0  # of the validation images whose landmarks are measured
_MIN_VALIDATION_LOGIT: Final = -4.0  # score logit of the boxes that count for the average precision
_GRADIENT_CLIP_NORM: Final = 5.0  # of all gradients together; a batch of crowds would throw the weights far off


def fit_detector(
    samples: Sequence[AnnotatedImage], config: DetectorConfig, run: RunContext, init_weights: Path | None = None
) -> keras.Model:
    """Train a face detector in `run.folder`, from its checkpoint on where there is one.

    The best epoch has the highest `selection_score` on the validation images. Keeps every image in memory.

    Args:
        samples: The training and validation images.
        config: The settings.
        run: Where to write, and who follows it.
        init_weights: The model.keras of a detector that a new training starts from, instead of random weights.

    Returns:
        The network with the weights of the best epoch.

    Raises:
        DataError: There are fewer training images than a batch, or no validation image has a face.
        ModelError: `init_weights` are those of another network.
        TrainingStopped, DivergenceError, EmotionError: See `train_epochs`.
    """
    train_samples = [sample for sample in samples if not sample.is_validation]
    validation_samples = [sample for sample in samples if sample.is_validation]
    if len(train_samples) < config.batch_size or not any(len(sample.boxes) for sample in validation_samples):
        raise DataError(
            _(
                "{training} training and {validation} validation images; at least {needed} and one with a face "
                "are needed."
            ).format(training=len(train_samples), validation=len(validation_samples), needed=config.batch_size)
        )
    return train_epochs(_DetectorTraining(train_samples, validation_samples, config, init_weights), run)


class _DetectorTraining(Training[DetectorConfig]):
    def __init__(
        self,
        train_samples: Sequence[AnnotatedImage],
        validation_samples: Sequence[AnnotatedImage],
        config: DetectorConfig,
        init_weights: Path | None,
    ) -> None:
        self._train_samples, self._validation_samples, self.config = train_samples, validation_samples, config
        keras.utils.set_random_seed(config.seed)
        self.export_network = build_glance()
        if init_weights is not None:
            source = load_keras_file(init_weights)
            try:
                self.export_network.set_weights(source.get_weights())
            except ValueError as error:
                raise ModelError(
                    _("{path} does not hold the weights of a detector as it is trained here.").format(path=init_weights)
                ) from error
        if config.landmarks_only:
            for layer in self.export_network.layers:
                layer.trainable = layer.name.startswith(LANDMARK_PREFIX)
        self.network = with_fused_batch_norm(self.export_network)
        schedule = warmup_cosine(config, config.epochs * (len(train_samples) // config.batch_size))
        self._optimizer = keras.optimizers.AdamW(
            schedule,  # pyright: ignore[reportArgumentType]
            weight_decay=config.weight_decay,
            global_clipnorm=_GRADIENT_CLIP_NORM,
        )
        self._optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
        self._optimizer.build(self.network.trainable_variables)
        side = config.mosaic.image_size
        self._train_step = _make_train_step(self.network, self._optimizer, config, anchor_points(side, side))

    def variables(self) -> list[keras.Variable]:
        """Return those of network and optimizer."""
        return [*self.network.variables, *self._optimizer.variables]

    def start_epoch(self, epoch: int) -> DetectorBatches:
        """Return the batches of an epoch."""
        return DetectorBatches(self._train_samples, self.config, epoch)

    def train_step(self, batch: tuple[NDArray[np.uint8], DetectionTargets], index: int) -> dict[str, float]:
        """Train once and return the losses."""
        images, targets = batch
        losses = np.asarray(self._train_step(images, *targets)).tolist()
        return dict(zip(("loss", "score_loss", "box_loss", "landmark_loss"), losses, strict=True))

    def scheduled_values(self, epoch: int) -> dict[str, float]:
        """Return the learning rate after the last step."""
        return {"learning_rate": get_learning_rate(self._optimizer)}

    def validate(self) -> dict[str, float]:
        """Measure the network on the validation images."""
        return validate_network(self.network, self._validation_samples)

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return the `selection_score`."""
        return selection_score(metrics)

    def describe(self, row: Mapping[str, float]) -> str:
        """Return the average precision in words."""
        return f"precision {row['val_ap']:.1%}"


def _make_train_step(
    network: keras.Model, optimizer: keras.Optimizer, config: DetectorConfig, anchors: NDArray[np.float32]
) -> Callable[..., tf.Tensor]:
    """Return a function of images and the fields of `DetectionTargets` that trains once and returns the losses (4,)."""
    side = config.mosaic.image_size
    shapes = [
        ((None, side, side, 3), "uint8"),
        ((None,), "int32"),
        ((None, 4), "float32"),
        ((None, 10), "float32"),
        ((None,), "float32"),
        ((None, len(anchors)), "float32"),
    ]

    @tf.function(input_signature=[tf.TensorSpec(shape, kind) for shape, kind in shapes])
    def step(images: tf.Tensor, *targets: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            predicted = network(tf.cast(images, tf.float32), training=True)
            losses = detection_losses(predicted, anchors, DetectionTargets(*targets))
            loss = losses.score + config.box_loss_weight * losses.box + config.landmark_loss_weight * losses.landmarks
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return tf.stack([loss, *losses])

    return step


def validate_network(
    network: keras.Model, samples: Sequence[AnnotatedImage], min_face_px: float = 16.0
) -> dict[str, float]:
    """Measure a detector as the columns of the history.

    Args:
        network: The detector.
        samples: The validation images.
        min_face_px: The size of the smallest face whose box is measured, sqrt(width * height).

    Returns:
        `val_ap_SOURCE`, the average precision by source at IoU 0.5, or 0.3 for sources with loose boxes; `val_ap`,
        their mean over the sources with hand-made boxes; `val_landmark_error`, the mean distance of the landmarks in
        sides of the face, on images that are rotated to either side.
    """
    detect = _make_detect(network)
    matched_by_source: dict[str, list] = {}
    distances: list[NDArray[np.float64]] = [np.empty(0)]
    for i, sample in enumerate(samples):
        source = sample.source if sample.is_hand_labeled else "others"
        iou = _TIGHT_IOU if source in _TIGHT_SOURCES else _LOOSE_IOU
        rows = detect(sample)
        matched_by_source.setdefault(source, []).append(
            match_boxes(rows[:, 1:5], rows[:, 0], sample.boxes, sample.ignore_boxes, iou, (min_face_px, np.inf))
        )
        if not np.isnan(sample.landmarks).all():
            tilted = rotate_sample(sample, _TILT_DEGREES if i % 2 else -_TILT_DEGREES)
            rows = detect(tilted)
            distances.append(
                landmark_errors(rows[:, 1:5], rows[:, 5:], tilted.boxes, tilted.landmarks, MIN_LANDMARK_FACE_PX)
            )
    scores = {f"val_ap_{source}": average_precision(concat(m)) for source, m in sorted(matched_by_source.items())}
    hand_labeled = [ap for name, ap in scores.items() if name != "val_ap_others" and not math.isnan(ap)]
    errors = np.concatenate(distances)
    return {
        "val_ap": float(np.mean(hand_labeled)) if hand_labeled else 0.0,
        **scores,
        "val_landmark_error": float(errors.mean()) if errors.size else math.nan,
    }


def _make_detect(network: keras.Model) -> Callable[[AnnotatedImage], NDArray[np.float32]]:
    """Return a function that gives the rows of `decode_predictions` for an image of any size, without duplicates."""

    @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3), "float32")])
    def predict(image: tf.Tensor) -> tf.Tensor:
        return network(image, training=False)

    def detect(sample: AnnotatedImage) -> NDArray[np.float32]:
        image = pad_to_multiple(sample.image)
        logits = predict(tf.constant(image[None], tf.float32)).numpy()[0]
        rows = decode_predictions(logits, anchor_points(*image.shape[:2]), _MIN_VALIDATION_LOGIT)
        return suppress_and_vote(rows)

    return detect
