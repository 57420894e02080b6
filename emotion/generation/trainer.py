"""Resumable training of a generator and its discriminator: batches, checkpoint, metrics and sample sheet per epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, is_non_face
from emotion.errors import DataError, EmotionError
from emotion.generation import networks
from emotion.generation.config import GanConfig
from emotion.generation.metrics import FeatureExtractor, ReferenceMetrics
from emotion.generation.networks import FACE_SIZE, LATENT_DIM
from emotion.generation.sample_sheets import sheet_path
from emotion.generation.sampler import latent_from_seed
from emotion.generation.train_step import load_guidance_classifier, make_train_step
from emotion.model_store.store import ModelBundle
from emotion.storage import write_atomic
from emotion.training.checkpoints import copy_values, load_checkpoint, save_checkpoint
from emotion.training.loop import check_finite, run_epochs
from emotion.training.runs.folder import append_history

SHEET_COLUMNS: Final = 8  # seeds 0 to 7 of a sample sheet; each row is an expression
_CHUNK_SIZE: Final = 128  # faces generated at once; bounds the memory


class GanBatches:
    """Batches of one epoch; their content depends only on seed, epoch and index."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int8], config: GanConfig, epoch: int) -> None:
        self._images, self._labels, self._config, self._epoch = images, labels, config, epoch
        # An expression is drawn in proportion to the square root of its count: proportional draws would leave rare ones
        # unlearned, uniform draws would make the discriminator memorize them.
        weights = 1 / np.sqrt(np.bincount(labels)[labels])
        rng = np.random.default_rng((config.seed, epoch))
        self._order = rng.choice(len(images), len(images), p=weights / weights.sum())

    def __len__(self) -> int:
        return len(self._images) // self._config.batch_size

    def __getitem__(self, index: int) -> tuple[NDArray, ...]:
        """Return real faces, labels, latents and augmentation factors.

        Returns:
            Faces uint8 (n, 48, 48), half of them mirrored; labels int8 (n,); latents float32 (n, 128); factors of
            `train_step.diff_augment` for real and synthetic faces, float32 (2, n, 4), -1 to 1.
        """
        batch_size = self._config.batch_size
        rows = self._order[index * batch_size : (index + 1) * batch_size]
        rng = np.random.default_rng((self._config.seed, self._epoch, index))
        faces, is_mirrored = self._images[rows], rng.random(batch_size) < 0.5
        faces = np.where(is_mirrored[:, None, None], faces[:, :, ::-1], faces)
        latents = rng.standard_normal((batch_size, LATENT_DIM)).astype(np.float32)
        return faces, self._labels[rows], latents, rng.uniform(-1, 1, (2, batch_size, 4)).astype(np.float32)


def train_gan(
    data: Dataset,
    config: GanConfig,
    folder: Path,
    guidance_classifier: ModelBundle,
    on_epoch: Callable[[int, float, dict[str, float]], bool] = lambda epoch, seconds, row: False,
    export_only: bool = False,
) -> keras.Model:
    """Train into `folder`, resuming from its checkpoint, and return the averaged generator of the best epoch.

    The best epoch has the least Fréchet distance between the validation split and synthetic faces with its labels, on
    the features of `guidance_classifier`.

    Args:
        data: Faces with labels; non-faces are dropped.
        config: Hyperparameters.
        folder: The run folder.
        guidance_classifier: Extracts the features, and guides the generator unless `config.guidance_weight` is 0.
        on_epoch: Called after every epoch with its number (from 1), the seconds that this process has trained and its
            row of the history; True stops the training.
        export_only: Train no further epoch; return the best generator so far.

    Raises:
        DataError: A split has too few faces, or a label no training face.
        DivergenceError: A loss is not finite.
        TrainingStopped: `on_epoch` returned True; the same call resumes.
    """
    faces = data.take(np.flatnonzero(~is_non_face(data)))
    train_data, validation_data = faces.take(faces.rows_in("train")), faces.take(faces.rows_in("validation"))
    if len(train_data) < config.batch_size or len(validation_data) < 2:
        raise DataError(
            f"{data.source} has {len(train_data)} training and {len(validation_data)} validation faces; at least "
            f"{config.batch_size} and 2 are needed."
        )
    missing = [name for i, name in enumerate(data.label_names) if not (train_data.labels == i).any()]
    if missing:
        raise DataError(
            f"{data.source} has no training face with the label {', '.join(missing)}; a generator needs faces of every "
            "label."
        )
    state = _GanState(train_data, validation_data, config, folder, guidance_classifier)
    if export_only and state.epoch == 0:
        raise EmotionError(f"{folder} holds no finished epoch to export; train at least one epoch.")
    return run_epochs(state, state.epoch if export_only else config.epochs, on_epoch)


class _GanState:
    """A training between two epochs; its checkpoint holds networks, optimizers, averaged and best generator."""

    def __init__(
        self,
        train_data: Dataset,
        validation_data: Dataset,
        config: GanConfig,
        folder: Path,
        guidance_classifier: ModelBundle,
    ) -> None:
        self._train_data, self._config, self._folder = train_data, config, folder
        self._num_classes = len(train_data.label_names)
        keras.utils.set_random_seed(config.seed)
        self.epoch, self._best_score, self._best_epoch = 0, math.inf, 0
        self._networks = networks.GAN_BUILDERS[config.network](self._num_classes)
        self._ema_generator = keras.models.clone_model(self._networks.generator)  # the averaged one
        self._ema_generator.set_weights(self._networks.generator.get_weights())
        self._optimizers = [_make_optimizer(network, config) for network in self._networks]
        self._step_count = keras.Variable(0.0, trainable=False, dtype="float32", name="steps")
        classifier = (
            load_guidance_classifier(guidance_classifier, train_data.label_names) if config.guidance_weight else None
        )
        self._train_step = make_train_step(
            self._networks, self._optimizers, self._ema_generator, self._step_count, classifier, config
        )
        self._reference_metrics = ReferenceMetrics.from_faces(
            FeatureExtractor(guidance_classifier, train_data.label_names),
            validation_data.images,
            validation_data.labels,
        )
        # The same in every epoch, so that the best epoch is not selected by chance.
        self._latents = (
            np.random.default_rng(config.seed).standard_normal((len(validation_data), LATENT_DIM)).astype(np.float32)
        )
        self._best_weights = copy_values(self._ema_generator.weights)
        saved = load_checkpoint(folder, self._variables(), self._best_weights, num_progress=3)
        if saved is not None:
            self._best_weights, (epoch, self._best_score, best_epoch) = saved
            self.epoch, self._best_epoch = int(epoch), int(best_epoch)

    def _variables(self) -> list[keras.Variable]:
        # The variables of a network include the random state of its dropout.
        networks = [variable for network in (*self._networks, self._ema_generator) for variable in network.variables]
        return [
            *networks,
            *(variable for optimizer in self._optimizers for variable in optimizer.variables),
            self._step_count,
        ]

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Learn one epoch, measure it, draw its sheet, keep it."""
        started = time.monotonic()
        rate = self._config.learning_rate_at(epoch)
        for optimizer in self._optimizers:
            optimizer.learning_rate = rate
        losses = self._train_epoch(GanBatches(self._train_data.images, self._train_data.labels, self._config, epoch))
        drawn = self._generate(self._latents, self._reference_metrics.labels)
        # The last step may have spoiled what only the faces show.
        check_finite((*losses.values(), float(drawn.sum())), epoch, self._best_epoch, self._config.learning_rate)
        measured = self._reference_metrics.measure(_to_uint8(drawn))
        row = {"epoch": epoch + 1, "seconds": time.monotonic() - started, "learning_rate": rate, **losses, **measured}
        self.epoch = epoch + 1
        if measured["frechet"] < self._best_score:
            self._best_score, self._best_epoch = measured["frechet"], epoch + 1
            self._best_weights = copy_values(self._ema_generator.weights)
        self._write_sheet()
        append_history(self._folder, row)
        save_checkpoint(
            self._folder, self._variables(), self._best_weights, (self.epoch, self._best_score, self._best_epoch)
        )
        return row

    def _train_epoch(self, batches: GanBatches) -> dict[str, float]:
        """One pass over the batches; the penalty's mean is that of the steps that have one."""
        losses = np.array(
            [
                self._train_step(
                    *batches[i], bool(self._config.r1_gamma) and i % self._config.gradient_penalty_interval == 0
                )
                for i in range(len(batches))
            ]
        )
        means = losses.mean(axis=0)
        means[2] = losses[:: self._config.gradient_penalty_interval, 2].mean()
        return dict(zip(("g_loss", "d_loss", "gradient_penalty", "guidance_loss"), means.tolist(), strict=True))

    def _generate(self, latents: NDArray[np.float32], labels: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return faces (n, 48, 48) of the averaged generator, about -1 to 1."""
        one_hot = np.eye(self._num_classes, dtype=np.float32)[labels]
        parts = [
            np.asarray(
                self._ema_generator([latents[i : i + _CHUNK_SIZE], one_hot[i : i + _CHUNK_SIZE]], training=False)
            )
            for i in range(0, len(latents), _CHUNK_SIZE)
        ]
        return np.concatenate(parts)[..., 0]

    def _write_sheet(self) -> None:
        """Write faces of the same eight seeds with every expression."""
        latents = np.stack([latent_from_seed(seed, LATENT_DIM) for seed in range(SHEET_COLUMNS)])
        faces = self._generate(
            np.tile(latents, (self._num_classes, 1)), np.repeat(np.arange(self._num_classes), SHEET_COLUMNS)
        )
        sheet = (
            _to_uint8(faces)
            .reshape(self._num_classes, SHEET_COLUMNS, FACE_SIZE, FACE_SIZE)
            .swapaxes(1, 2)
            .reshape(-1, SHEET_COLUMNS * FACE_SIZE)
        )
        path = sheet_path(self._folder, self.epoch)
        path.parent.mkdir(exist_ok=True)
        _, png = cv2.imencode(".png", sheet)
        write_atomic(path, png.tobytes())

    def best_network(self) -> keras.Model:
        """Return the averaged generator of the best epoch."""
        self._ema_generator.set_weights(self._best_weights)
        return self._ema_generator


def _to_uint8(faces: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(127.5 * faces + 127.5).clip(0, 255).astype(np.uint8)


def _make_optimizer(network: keras.Model, config: GanConfig) -> keras.Optimizer:
    optimizer = keras.optimizers.Adam(config.learning_rate, beta_1=config.adam_beta1, beta_2=0.99)
    optimizer.build(network.trainable_variables)
    return optimizer
