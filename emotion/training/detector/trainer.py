"""Train the face detector, epoch by epoch, resumably, into a run folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from emotion.datasets.detection_dataset import AnnotatedImage
from emotion.errors import DataError, ModelError
from emotion.recognition.onnx_detector import anchor_points, decode_predictions, pad_to_multiple, suppress_and_vote
from emotion.training.checkpoints import copy_values, load_checkpoint, save_checkpoint
from emotion.training.detector.batches import DetectionTargets, DetectorBatches
from emotion.training.detector.config import _MIN_LANDMARK_FACE_PX, _TILT_DEGREES, DetectorConfig
from emotion.training.detector.evaluation import rotate_sample
from emotion.training.detector.losses import detection_losses
from emotion.training.detector.metrics import average_precision, concat, landmark_errors, match_boxes
from emotion.training.detector.network import LANDMARK_PREFIX, build_glance
from emotion.training.fused_batch_norm import with_fused_batch_norm
from emotion.training.loop import check_finite, run_epochs
from emotion.training.runs.folder import append_history, selection_score


def fit_detector(
    samples: Sequence[AnnotatedImage],
    config: DetectorConfig,
    folder: Path,
    on_epoch: Callable[[int, float, dict[str, float]], bool] = lambda epoch, seconds, row: False,
    init_weights: Path | None = None,
) -> keras.Model:
    """Train into `folder`, going on where a checkpoint there ends, and return the network with its best weights.

    `init_weights` is the model.keras of the detector that a new training begins with instead of with random weights.

    Best is the epoch that is worth most (`detector_scores.worth`) on the held-out photos. Keeps every photo in
    memory. `on_epoch(epoch, seconds, row)` is called after every epoch with the seconds that this process
    has trained; True ends the training with `Stopped`, and the same call goes on from there. Raises `DataError`
    where there is too little to learn or to measure, `EmotionError` where the loss is no longer a number.
    """
    learned = [photo for photo in samples if not photo.is_validation]
    held = [photo for photo in samples if photo.is_validation]
    if len(learned) < config.batch_size or not any(len(photo.boxes) for photo in held):
        raise DataError(
            f"{len(learned)} photos to learn from and {len(held)} held out; at least {config.batch_size} and one with "
            "a face are needed."
        )
    state = _DetectorState(learned, held, config, folder, init_weights)
    return run_epochs(state, config.epochs, on_epoch)


class _DetectorState:
    """A training between two epochs: network, optimizer, best weights so far, all in one checkpoint file."""

    def __init__(
        self,
        train_samples: Sequence[AnnotatedImage],
        validation_samples: Sequence[AnnotatedImage],
        config: DetectorConfig,
        folder: Path,
        init_weights: Path | None,
    ) -> None:
        self._train_samples, self._validation_samples, self._config, self._folder = (
            train_samples,
            validation_samples,
            config,
            folder,
        )
        keras.utils.set_random_seed(config.seed)
        self.epoch, self._best_score, self._best_epoch = 0, -1.0, 0
        self._unfused_network = build_glance()
        if init_weights is not None:
            try:
                self._unfused_network.load_weights(init_weights)
            except (ValueError, OSError) as error:
                raise ModelError(
                    f"{init_weights} does not hold the weights of a detector as it is trained here."
                ) from error
        if config.landmarks_only:
            for layer in self._unfused_network.layers:
                layer.trainable = layer.name.startswith(LANDMARK_PREFIX)
        self._network = with_fused_batch_norm(self._unfused_network)
        steps = config.epochs * (len(train_samples) // config.batch_size)
        warmup = max(1, round(steps * config.warmup_ratio))
        schedule = keras.optimizers.schedules.CosineDecay(
            config.learning_rate / 20,
            max(1, steps - warmup),
            alpha=0.0,
            warmup_target=config.learning_rate,
            warmup_steps=warmup,
        )
        self._optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay, global_clipnorm=5.0)  # pyright: ignore[reportArgumentType]
        self._optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self._optimizer.build(self._network.trainable_variables)
        side = config.mosaic.image_size
        self._train_step = _make_train_step(self._network, self._optimizer, config, anchor_points(side, side))
        self._best_weights = copy_values(self._network.weights)
        saved = load_checkpoint(folder, self._variables(), self._best_weights, num_progress=3)
        if saved is not None:
            self._best_weights, (epoch, self._best_score, best_epoch) = saved
            self.epoch, self._best_epoch = int(epoch), int(best_epoch)

    def _variables(self) -> list[keras.Variable]:
        return [*self._network.variables, *self._optimizer.variables]

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Learn one epoch, measure it, keep it."""
        started = time.monotonic()
        losses = self._train_epoch(DetectorBatches(self._train_samples, self._config, epoch))
        check_finite(losses.values(), epoch, self._best_epoch, self._config.learning_rate)
        measured = validate_network(self._network, self._validation_samples)
        row = {
            "epoch": epoch + 1,
            "seconds": time.monotonic() - started,
            "learning_rate": np.asarray(self._optimizer.learning_rate).item(),
            **losses,
            **measured,
        }
        self.epoch = epoch + 1
        if selection_score(measured) > self._best_score:
            self._best_score, self._best_epoch = selection_score(measured), epoch + 1
            self._best_weights = copy_values(self._network.weights)
        append_history(self._folder, row)
        progress = (self.epoch, self._best_score, self._best_epoch)
        save_checkpoint(self._folder, self._variables(), self._best_weights, progress)
        return row

    def _train_epoch(self, batches: DetectorBatches) -> dict[str, float]:
        """One pass over the batches; the next one is made while one is learned."""
        losses = []
        with ThreadPoolExecutor(max_workers=1) as ahead:
            coming = ahead.submit(batches.__getitem__, 0)
            for index in range(len(batches)):
                photos, wanted = coming.result()
                if index + 1 < len(batches):
                    coming = ahead.submit(batches.__getitem__, index + 1)
                losses.append(self._train_step(photos, *wanted))
        names = ("loss", "score_loss", "box_loss", "landmark_loss")
        return dict(zip(names, np.mean(np.array(losses), axis=0).tolist(), strict=True))

    def best_network(self) -> keras.Model:
        """The network with the weights of the best epoch."""
        self._unfused_network.set_weights(self._best_weights)
        return self._unfused_network


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
        return suppress_and_vote(rows)

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
