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

from emotion.datasets.detection_dataset import AnnotatedImage
from emotion.errors import DataError, ModelError
from emotion.recognition.onnx_detector import anchor_points, decode_predictions, non_max_suppression, pad_to_multiple
from emotion.training.detector.batches import DetectionTargets, DetectorBatches
from emotion.training.detector.config import _MIN_LANDMARK_FACE_PX, _TILT_DEGREES, DetectorConfig
from emotion.training.detector.evaluation import rotate_sample
from emotion.training.detector.losses import detection_losses
from emotion.training.detector.metrics import average_precision, concat, landmark_errors, match_boxes
from emotion.training.detector.network import LANDMARK_PREFIX, build_glance
from emotion.training.fused_batch_norm import with_fused_batch_norm
from emotion.training.loop import Training, train_epochs
from emotion.training.optimizers import NOT_DECAYED, get_learning_rate, warmup_cosine
from emotion.training.runs.folder import selection_score
from emotion.training.runs.run_context import RunContext

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
            f"{len(train_samples)} training and {len(validation_samples)} validation images; at least "
            f"{config.batch_size} and one with a face are needed."
        )
    return train_epochs(_DetectorTraining(train_samples, validation_samples, config, init_weights), run)


class _DetectorTraining(Training):
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
            try:
                self.export_network.load_weights(init_weights)
            except (ValueError, OSError) as error:
                raise ModelError(
                    f"{init_weights} does not hold the weights of a detector as it is trained here."
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
        return [*self.network.variables, *self._optimizer.variables]

    def start_epoch(self, epoch: int) -> DetectorBatches:
        return DetectorBatches(self._train_samples, self.config, epoch)

    def train_step(self, batch: tuple[NDArray[np.uint8], DetectionTargets], index: int) -> dict[str, float]:
        images, targets = batch
        losses = np.asarray(self._train_step(images, *targets)).tolist()
        return dict(zip(("loss", "score_loss", "box_loss", "landmark_loss"), losses, strict=True))

    def scheduled_values(self, epoch: int) -> dict[str, float]:
        return {"learning_rate": get_learning_rate(self._optimizer)}

    def validate(self) -> dict[str, float]:
        return validate_network(self.network, self._validation_samples)

    def score(self, metrics: Mapping[str, float]) -> float:
        return selection_score(metrics)

    def describe(self, row: Mapping[str, float]) -> str:
        return f"precision {row['val_ap']:.1%}"


def _make_train_step(
    network: keras.Model, optimizer: keras.Optimizer, config: DetectorConfig, anchors: NDArray[np.float32]
) -> Callable[..., tf.Tensor]:
    """A function of a batch and the parts of its `DetectionTargets` that learns once and returns the losses (4,)."""
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
    def step(photos: tf.Tensor, *wanted: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            answers = network(tf.cast(photos, tf.float32), training=True)
            parts = detection_losses(answers, anchors, DetectionTargets(*wanted))
            loss = parts.score + config.box_loss_weight * parts.box + config.landmark_loss_weight * parts.landmarks
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return tf.stack([loss, *parts])

    return step


def validate_network(
    network: keras.Model, samples: Sequence[AnnotatedImage], min_face_px: float = 16.0
) -> dict[str, float]:
    """Columns of the history. `val_ap…`: average precision on faces of at least `min_face_px` pixels at IoU 0.5, and at
    0.3 for boxes that were drawn loosely, by source; `val_ap` is the mean of those with hand-made boxes. `val_landmark_error`:
    how far landmarks lie from known ones, in sides of the face, on photos turned by `_TILT_DEGREES` degrees to either side and
    for faces of at least `_MIN_LANDMARK_FACE_PX` pixels."""

    @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3), "float32")])
    def answer(image: tf.Tensor) -> tf.Tensor:
        return network(image, training=False)

    def found(photo: AnnotatedImage) -> NDArray[np.float32]:
        image = pad_to_multiple(photo.image)
        rows = decode_predictions(
            answer(tf.constant(image[None], tf.float32)).numpy()[0], anchor_points(*image.shape[:2]), -4.0
        )
        return non_max_suppression(rows)

    parts: dict[str, list] = {}
    off: list[NDArray[np.float64]] = []
    for i, photo in enumerate(samples):
        rows = found(photo)
        name = photo.source if photo.is_hand_labeled else "others"
        threshold = 0.5 if name in ("wider", "fddb_sy32", "others") else 0.3
        parts.setdefault(name, []).append(
            match_boxes(rows[:, 1:5], rows[:, 0], photo.boxes, photo.ignore_boxes, threshold, min_face_px)
        )
        if not np.isnan(photo.landmarks).all():
            tilted = rotate_sample(photo, _TILT_DEGREES if i % 2 else -_TILT_DEGREES)
            rows = found(tilted)
            off.append(
                landmark_errors(rows[:, 1:5], rows[:, 5:], tilted.boxes, tilted.landmarks, _MIN_LANDMARK_FACE_PX)
            )
    scores = {f"val_ap_{name}": average_precision(concat(matched)) for name, matched in sorted(parts.items())}
    known = [score for name, score in scores.items() if name != "val_ap_others" and not math.isnan(score)]
    distances = np.concatenate([np.empty(0), *off])
    points = float(distances.mean()) if distances.size else math.nan
    return {"val_ap": float(np.mean(known)) if known else 0.0, **scores, "val_landmark_error": points}
