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

from emotion.datasets.detection_dataset import LabelledPhoto
from emotion.errors import DataError, ModelError
from emotion.recognition.onnx_detector import cells, decode, padded, without_doubles
from emotion.training.checkpoints import load_checkpoint, save_checkpoint, values_of
from emotion.training.detector.batches import Scenes, Wanted
from emotion.training.detector.config import _READABLE, _TILT, DetectorConfig
from emotion.training.detector.evaluation import turned
from emotion.training.detector.losses import detection_losses
from emotion.training.detector.metrics import average_precision, match, points_off, together
from emotion.training.detector.network import POINTS, glance
from emotion.training.fused_batch_norm import fused
from emotion.training.loop import check_finite, run_epochs
from emotion.training.runs.folder import append_history, worth


def train_detector(
    photos: Sequence[LabelledPhoto],
    config: DetectorConfig,
    folder: Path,
    on_epoch: Callable[[int, float, dict[str, float]], bool] = lambda epoch, seconds, row: False,
    start: Path | None = None,
) -> keras.Model:
    """Train into `folder`, going on where a checkpoint there ends, and return the network with its best weights.

    `start` is the model.keras of the detector that a new training begins with instead of with random weights.

    Best is the epoch that is worth most (`detector_scores.worth`) on the held-out photos. Keeps every photo in
    memory. `on_epoch(epoch, seconds, row)` is called after every epoch with the seconds that this process
    has trained; True ends the training with `Stopped`, and the same call goes on from there. Raises `DataError`
    where there is too little to learn or to measure, `EmotionError` where the loss is no longer a number.
    """
    learned = [photo for photo in photos if not photo.held_out]
    held = [photo for photo in photos if photo.held_out]
    if len(learned) < config.batch or not any(len(photo.boxes) for photo in held):
        raise DataError(
            f"{len(learned)} photos to learn from and {len(held)} held out; at least {config.batch} and one with "
            "a face are needed."
        )
    state = _DetectorState(learned, held, config, folder, start)
    return run_epochs(state, config.epochs, on_epoch)


class _DetectorState:
    """A training between two epochs: network, optimizer, best weights so far, all in one checkpoint file."""

    def __init__(
        self, learned: Sequence[LabelledPhoto], held: Sequence[LabelledPhoto], config: DetectorConfig, folder: Path,
        start: Path | None,
    ) -> None:  # fmt: skip
        self._learned, self._held, self._config, self._folder = learned, held, config, folder
        keras.utils.set_random_seed(config.seed)
        self.epoch, self._best_score, self._best_epoch = 0, -1.0, 0
        self._plain = glance()
        if start is not None:
            try:
                self._plain.load_weights(start)
            except (ValueError, OSError) as error:
                raise ModelError(f"{start} does not hold the weights of a detector as it is trained here.") from error
        if config.landmarks:
            for layer in self._plain.layers:
                layer.trainable = layer.name.startswith(POINTS)
        self._network = fused(self._plain)
        steps = config.epochs * (len(learned) // config.batch)
        warmup = max(1, round(steps * config.warmup))
        schedule = keras.optimizers.schedules.CosineDecay(
            config.learning_rate / 20, max(1, steps - warmup), alpha=0.0,
            warmup_target=config.learning_rate, warmup_steps=warmup,
        )  # fmt: skip
        self._optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay, global_clipnorm=5.0)  # pyright: ignore[reportArgumentType]
        self._optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self._optimizer.build(self._network.trainable_variables)
        side = config.scenes.side
        self._step = _learning_step(self._network, self._optimizer, config, cells(side, side))
        self._best = values_of(self._network.weights)
        saved = load_checkpoint(folder, self._variables(), self._best, progress=3)
        if saved is not None:
            self._best, (epoch, self._best_score, best_epoch) = saved
            self.epoch, self._best_epoch = int(epoch), int(best_epoch)

    def _variables(self) -> list[keras.Variable]:
        return [*self._network.variables, *self._optimizer.variables]

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Learn one epoch, measure it, keep it."""
        started = time.monotonic()
        losses = self._learn(Scenes(self._learned, self._config, epoch))
        check_finite(losses.values(), epoch, self._best_epoch, self._config.learning_rate)
        measured = measure(self._network, self._held)
        row = {
            "epoch": epoch + 1, "seconds": time.monotonic() - started,
            "learning_rate": np.asarray(self._optimizer.learning_rate).item(), **losses, **measured,
        }  # fmt: skip
        self.epoch = epoch + 1
        if worth(measured) > self._best_score:
            self._best_score, self._best_epoch = worth(measured), epoch + 1
            self._best = values_of(self._network.weights)
        append_history(self._folder, row)
        progress = (self.epoch, self._best_score, self._best_epoch)
        save_checkpoint(self._folder, self._variables(), self._best, progress)
        return row

    def _learn(self, scenes: Scenes) -> dict[str, float]:
        """One pass over the batches; the next one is made while one is learned."""
        losses = []
        with ThreadPoolExecutor(max_workers=1) as ahead:
            coming = ahead.submit(scenes.__getitem__, 0)
            for index in range(len(scenes)):
                photos, wanted = coming.result()
                if index + 1 < len(scenes):
                    coming = ahead.submit(scenes.__getitem__, index + 1)
                losses.append(self._step(photos, *wanted))
        names = ("loss", "score_loss", "box_loss", "points_loss")
        return dict(zip(names, np.mean(np.array(losses), axis=0).tolist(), strict=True))

    def best_network(self) -> keras.Model:
        """The network with the weights of the best epoch."""
        self._plain.set_weights(self._best)
        return self._plain


def _learning_step(
    network: keras.Model, optimizer: keras.Optimizer, config: DetectorConfig, places: NDArray[np.float32]
) -> Callable[..., tf.Tensor]:
    """A function of a batch and the parts of its `Wanted` that learns once and returns the losses (4,)."""
    side = config.scenes.side
    shapes = [
        ((None, side, side, 3), "uint8"), ((None,), "int32"), ((None, 4), "float32"), ((None, 10), "float32"),
        ((None,), "float32"), ((None, len(places)), "float32"),
    ]  # fmt: skip

    @tf.function(input_signature=[tf.TensorSpec(shape, kind) for shape, kind in shapes])
    def step(photos: tf.Tensor, *wanted: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            answers = network(tf.cast(photos, tf.float32), training=True)
            parts = detection_losses(answers, places, Wanted(*wanted))
            loss = parts.score + config.box_weight * parts.box + config.points_weight * parts.points
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return tf.stack([loss, *parts])

    return step


def measure(network: keras.Model, photos: Sequence[LabelledPhoto], least: float = 16.0) -> dict[str, float]:
    """Columns of the history. `val_ap…`: average precision on faces of at least `least` pixels at IoU 0.5, and at
    0.3 for boxes that were drawn loosely, by source; `val_ap` is the mean of those with hand-made boxes. `val_points`:
    how far landmarks lie from known ones, in sides of the face, on photos turned by `_TILT` degrees to either side and
    for faces of at least `_READABLE` pixels."""

    @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3), "float32")])
    def answer(image: tf.Tensor) -> tf.Tensor:
        return network(image, training=False)

    def found(photo: LabelledPhoto) -> NDArray[np.float32]:
        image = padded(photo.pixels)
        rows = decode(answer(tf.constant(image[None], tf.float32)).numpy()[0], cells(*image.shape[:2]), -4.0)
        return without_doubles(rows)

    parts: dict[str, list] = {}
    off: list[NDArray[np.float64]] = []
    for i, photo in enumerate(photos):
        rows = found(photo)
        name = photo.source if photo.truth else "others"
        threshold = 0.5 if name in ("wider", "fddb_sy32", "others") else 0.3
        parts.setdefault(name, []).append(
            match(rows[:, 1:5], rows[:, 0], photo.boxes, photo.ignore, threshold, least)
        )  # fmt: skip
        if not np.isnan(photo.landmarks).all():
            tilted = turned(photo, _TILT if i % 2 else -_TILT)
            rows = found(tilted)
            off.append(points_off(rows[:, 1:5], rows[:, 5:], tilted.boxes, tilted.landmarks, _READABLE))
    scores = {f"val_ap_{name}": average_precision(together(matched)) for name, matched in sorted(parts.items())}
    known = [score for name, score in scores.items() if name != "val_ap_others" and not math.isnan(score)]
    distances = np.concatenate([np.empty(0), *off])
    points = float(distances.mean()) if distances.size else math.nan
    return {"val_ap": float(np.mean(known)) if known else 0.0, **scores, "val_points": points}
