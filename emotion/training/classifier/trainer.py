"""Train a classifier with Keras, epoch by epoch, resumably, into a run folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, is_non_face
from emotion.errors import DataError
from emotion.recognition.classification import softmax
from emotion.training.checkpoints import copy_values, load_checkpoint, save_checkpoint
from emotion.training.classifier import networks
from emotion.training.classifier.batches import (
    ClassifierBatches,
    Targets,
    TeacherEnsemble,
    encode_targets,
    get_head_sizes,
    make_negative_targets,
)
from emotion.training.classifier.config import TrainingConfig
from emotion.training.classifier.validation import ValidationSet, _held_out_mask
from emotion.training.fused_batch_norm import with_fused_batch_norm
from emotion.training.loop import check_finite, run_epochs
from emotion.training.runs.folder import append_history
from emotion.training.runs.prediction_recorder import PredictionRecorder
from emotion.training.runs.step_monitor import StepMonitor
from emotion.training.tensorboard import TensorBoardWriter


def fit_classifier(
    data: Dataset,
    config: TrainingConfig,
    folder: Path,
    negative_crops: NDArray[np.uint8] | None = None,
    on_epoch: Callable[[int, float, dict[str, float]], bool] = lambda epoch, seconds, row: False,
    monitor: StepMonitor | None = None,
    *,
    teachers: TeacherEnsemble | None = None,
    export_only: bool = False,
    tensorboard: bool = False,
) -> keras.Model:
    """Train into `folder`, going on where a checkpoint there ends, and return the network with its best weights.

    Best is the epoch with the highest mean of the heads' accuracies on the validation split. `negative_crops`
    uint8 (m, 48, 48) teach the face head; a tenth is held out to measure it. `on_epoch(epoch, seconds, row)`
    is called after every epoch with the seconds that this process has trained; True ends the training with
    `TrainingStopped`, and the same call goes on from there. `monitor` sees every batch. `teachers` have the share
    `config.distillation_weight` in what is learned. `export_only`: learn no more. `tensorboard`:
    write event files, too. Raises `DataError` where a split is empty, `DivergenceError` where the loss is no longer a number.
    """
    if len(data.rows_in("train")) < config.batch_size or len(data.rows_in("validation")) == 0:
        raise DataError(
            f"{len(data.rows_in('train'))} training and {len(data.rows_in('validation'))} validation rows; "
            f"at least {config.batch_size} and 1 are needed."
        )
    state = _ClassifierState(data, config, folder, negative_crops, monitor or StepMonitor(folder), teachers)
    events = TensorBoardWriter(folder) if tensorboard else None
    return run_epochs(state, state.epoch if export_only else config.epochs, on_epoch, events)


class _ClassifierState:
    """A training between two epochs: network, optimizer, best weights so far, all in one checkpoint file."""

    def __init__(
        self,
        data: Dataset,
        config: TrainingConfig,
        folder: Path,
        negative_crops: NDArray[np.uint8] | None,
        monitor: StepMonitor,
        teachers: TeacherEnsemble | None = None,
    ) -> None:
        self._config, self._folder, self._monitor, self._teachers = config, folder, monitor, teachers
        keras.utils.set_random_seed(config.seed)
        self.epoch, self._best_score, self._best_epoch = 0, -1.0, 0
        faces = data.take(data.rows_in("train"))
        blank_rows = is_non_face(faces).any()
        self._heads = get_head_sizes(data, negative_crops is not None or bool(blank_rows))
        targets = encode_targets(faces, config, self._heads)
        self._images = faces.images
        held = _held_out_mask(negative_crops)
        if negative_crops is not None:
            learned = negative_crops[~held]
            more = make_negative_targets(len(learned), self._heads)
            self._images = np.concatenate([self._images, learned])
            targets = Targets(
                {k: np.concatenate([v, more.values[k]]) for k, v in targets.values.items()},
                {k: np.concatenate([w, more.sample_weights[k]]) for k, w in targets.sample_weights.items()},
            )
        self._targets = targets
        self._validation = ValidationSet.from_dataset(
            data, negative_crops[held] if negative_crops is not None else None
        )
        self._unfused_network = networks.CLASSIFIER_NETWORKS[config.network](self._heads)
        self._network = with_fused_batch_norm(self._unfused_network)
        self._compile()
        self._best_weights = copy_values(self._network.weights)
        self._restore()
        validation = data.rows_in("validation")
        self._recorder = PredictionRecorder(
            folder, data.take(validation), validation.astype(np.int32), data.label_names, self.epoch
        )

    def _compile(self) -> None:
        config = self._config
        steps = config.epochs * (len(self._images) // config.batch_size)
        warmup = max(1, round(steps * config.warmup_ratio))
        schedule = keras.optimizers.schedules.CosineDecay(
            config.learning_rate / 20,
            max(1, steps - warmup),
            alpha=0.0,
            warmup_target=config.learning_rate,
            warmup_steps=warmup,
        )
        optimizer = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, weight_decay=config.weight_decay)  # pyright: ignore[reportArgumentType]
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        weights = {"fer2013": 1.0, "ferplus": config.ferplus_loss_weight, "face": config.face_loss_weight}
        entropy = keras.losses.CategoricalCrossentropy(from_logits=True)
        binary = keras.losses.BinaryCrossentropy(from_logits=True)
        self._network.compile(
            optimizer,
            loss={name: binary if name == "face" else entropy for name in self._heads},
            loss_weights={name: weights[name] for name in self._heads},
            weighted_metrics={
                name: keras.metrics.CategoricalAccuracy(name="accuracy") for name in self._heads if name != "face"
            },
        )
        optimizer.build(self._network.trainable_variables)

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Learn one epoch, measure it, keep it."""
        started = time.monotonic()
        batches = ClassifierBatches(self._images, self._targets, self._config, epoch, self._teachers)
        if self._config.image_size_at(epoch) != self._config.image_size_at(max(0, epoch - 1)):
            # Otherwise TensorFlow would compile one graph for several sizes, and a training that is resumed at a
            # later size another one, whose results differ in the last bit.
            self._network.train_function = None
        logs = self._train_epoch(batches, epoch)
        logits = self._validation.predict_logits(self._network)
        measured = self._validation.compute_metrics(logits)
        # The last step may have spoiled what only the validation split shows.
        losses = [value for name, value in (logs | measured).items() if name.endswith("loss")]
        check_finite(losses, epoch, self._best_epoch, self._config.learning_rate)
        row = {
            "epoch": epoch + 1,
            "seconds": time.monotonic() - started - self._monitor.paused_seconds,
            "learning_rate": np.asarray(self._network.optimizer.learning_rate).item(),
            "size": self._config.image_size_at(epoch),
            "loss": logs["loss"],
            **{k: v for k, v in logs.items() if k.endswith("accuracy")},
            **measured,
        }
        score = float(np.mean([v for k, v in row.items() if k.startswith("val_") and k.endswith("_accuracy")]))
        self.epoch = epoch + 1
        if score > self._best_score:
            self._best_score, self._best_epoch = score, epoch + 1
            self._best_weights = copy_values(self._network.weights)
        probs = softmax(logits["fer2013"][: len(self._validation.labels)])
        self._recorder.append(epoch + 1, probs, self._best_epoch)
        append_history(self._folder, row)
        self._save()
        return row

    def _train_epoch(self, batches: ClassifierBatches, epoch: int) -> dict[str, float]:
        """One pass over the batches; the next one is augmented while one is learned.

        Not Keras' `fit`: called for one epoch at a time it waits 20 s whenever it takes down its pipeline.
        """
        logs: list[dict[str, float]] = []
        self._monitor.start_epoch(epoch + 1, len(batches))
        with ThreadPoolExecutor(max_workers=1) as executor:
            next_batch = executor.submit(batches.__getitem__, 0)
            for index in range(len(batches)):
                faces, values, weights = next_batch.result()
                if index + 1 < len(batches):
                    next_batch = executor.submit(batches.__getitem__, index + 1)
                self._network.reset_metrics()
                logs.append(self._network.train_on_batch(faces, values, weights, return_dict=True))
                self._monitor.end_step(index + 1, logs[-1], self._get_learning_rate)
        return {name: float(np.mean([log[name] for log in logs])) for name in logs[0]}

    def _get_learning_rate(self) -> float:
        return np.asarray(self._network.optimizer.learning_rate).item()

    def best_network(self) -> keras.Model:
        """The network with the weights of the best epoch."""
        self._unfused_network.set_weights(self._best_weights)
        return self._unfused_network

    def _variables(self) -> list[Any]:
        # Dropout's random state is among the network's variables, momentum and step among the optimizer's.
        return [*self._network.variables, *self._network.optimizer.variables]

    def _save(self) -> None:
        save_checkpoint(
            self._folder, self._variables(), self._best_weights, (self.epoch, self._best_score, self._best_epoch)
        )

    def _restore(self) -> None:
        saved = load_checkpoint(self._folder, self._variables(), self._best_weights, num_progress=3)
        if saved is not None:
            self._best_weights, (epoch, self._best_score, best_epoch) = saved
            self.epoch, self._best_epoch = int(epoch), int(best_epoch)
