"""Training of a generator and its discriminator: batches, and the steps that the shared epoch loop calls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, is_non_face
from emotion.datasets.duplicates import group_near_duplicates
from emotion.errors import DataError
from emotion.generation import networks
from emotion.generation.config import GanConfig
from emotion.generation.metrics import FeatureExtractor, ReferenceMetrics
from emotion.generation.networks import FACE_SIZE, LATENT_DIM
from emotion.generation.sample_sheets import sheet_path
from emotion.generation.sampler import latent_from_seed
from emotion.generation.train_step import load_guidance_classifier, make_train_step
from emotion.model_store.store import ModelBundle
from emotion.storage import write_atomic
from emotion.training.loop import Training, train_epochs
from emotion.training.runs.run_context import RunContext
from emotion.translation.messages import gettext as _

SHEET_COLUMNS: Final = 8  # of a sample sheet: the seeds 0 to 7; a row for each expression
_CHUNK_SIZE: Final = 128  # faces generated in one call
_LOSS_NAMES: Final = ("g_loss", "d_loss", "gradient_penalty", "guidance_loss")


class GanBatches:
    """Batches of one epoch; their content depends only on seed, epoch and index."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int8], config: GanConfig, epoch: int) -> None:
        self._images, self._labels, self._config, self._epoch = images, labels, config, epoch
        # An expression is drawn in proportion to the square root of its count: proportional draws would leave rare ones
        # unlearned, uniform draws would make the discriminator memorize them.
        weights = 1 / np.sqrt(np.bincount(labels)[labels])
        rng = np.random.default_rng((config.seed, epoch))
        self._order = rng.choice(len(images), config.epoch_images, p=weights / weights.sum())

    def __len__(self) -> int:
        return len(self._order) // self._config.batch_size

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


def train_gan(data: Dataset, config: GanConfig, run: RunContext, guidance_classifier: ModelBundle) -> keras.Model:
    """Train a generator in `run.folder`, from its checkpoint on where there is one.

    The best epoch has the smallest Fréchet distance between the validation split and faces with its labels.

    Args:
        data: The faces; see `select_faces`.
        config: The settings.
        run: Where to write, and who follows it.
        guidance_classifier: The classifier whose features measure the distance, and which guides the generator.

    Returns:
        The averaged generator of the best epoch.

    Raises:
        DataError: A split or an expression has too few faces.
        TrainingStopped, DivergenceError, EmotionError: See `train_epochs`.
    """
    train_data, validation_data = select_faces(data)
    if len(train_data) < config.batch_size or len(validation_data) < 2:
        raise DataError(
            _(
                "{source} has {training} training and {validation} validation faces; at least {needed} and 2 are "
                "needed."
            ).format(
                source=data.source, training=len(train_data), validation=len(validation_data), needed=config.batch_size
            )
        )
    missing = [name for i, name in enumerate(data.label_names) if not (train_data.labels == i).any()]
    if missing:
        raise DataError(
            _("{source} has no training face of {labels}; a generator needs faces of every label.").format(
                source=data.source, labels=", ".join(missing)
            )
        )
    return train_epochs(GanTraining(train_data, validation_data, config, run.folder, guidance_classifier), run)


def select_faces(data: Dataset) -> tuple[Dataset, Dataset]:
    """Return the training and the validation faces.

    Images that show no face are left out, and so are all but the first of the training images that are nearly equal: a
    photo that is drawn more often is more likely to be repeated.
    """
    faces = data.take(np.flatnonzero(~is_non_face(data)))
    train_data = faces.take(faces.rows_in("train"))
    groups = group_near_duplicates(train_data.images)
    is_first = groups == np.arange(len(groups))
    return train_data.take(np.flatnonzero(is_first)), faces.take(faces.rows_in("validation"))


class GanTraining(Training[GanConfig]):
    """Generator, discriminator and their optimizers; `network` is the generator with averaged weights."""

    loss_name = "g_loss"
    uses_bfloat16 = True

    def __init__(
        self,
        train_data: Dataset,
        validation_data: Dataset,
        config: GanConfig,
        folder: Path,
        guidance_classifier: ModelBundle,
    ) -> None:
        self.train_data, self.config, self._folder = train_data, config, folder
        self._num_classes = len(train_data.label_names)
        keras.utils.set_random_seed(config.seed)
        self.networks = networks.GAN_BUILDERS[config.network](self._num_classes)
        self.network = self.export_network = keras.models.clone_model(self.networks.generator)
        self.network.set_weights(self.networks.generator.get_weights())
        self.optimizers = [_make_optimizer(network, config) for network in self.networks]
        self._epoch, self._loss_weights = 0, (0.0, 0.0)
        classifier = (
            load_guidance_classifier(guidance_classifier, train_data.label_names) if config.guidance_weight else None
        )
        self._train_step = make_train_step(self.networks, self.optimizers, self.network, classifier, config)
        self._reference_metrics = ReferenceMetrics.from_faces(
            FeatureExtractor(guidance_classifier, train_data.label_names),
            validation_data.images,
            validation_data.labels,
        )
        # The same in every epoch, so that the best epoch is not selected by chance.
        self._latents = (
            np.random.default_rng(config.seed).standard_normal((len(validation_data), LATENT_DIM)).astype(np.float32)
        )

    def variables(self) -> list[keras.Variable]:
        """Return those of the three networks and both optimizers."""
        networks = [variable for network in (*self.networks, self.network) for variable in network.variables]
        optimizers = [variable for optimizer in self.optimizers for variable in optimizer.variables]
        return [*networks, *optimizers]

    def start_epoch(self, epoch: int) -> GanBatches:
        """Set the learning rate and the weights of gradient penalty and guidance, and return the batches."""
        self._epoch = epoch
        self._loss_weights = self.config.penalty_weight_at(epoch), self.config.guidance_weight_at(epoch)
        for optimizer in self.optimizers:
            optimizer.learning_rate = self.config.learning_rate_at(epoch)
        return GanBatches(self.train_data.images, self.train_data.labels, self.config, epoch)

    def train_step(self, batch: tuple[NDArray, ...], index: int) -> dict[str, float]:
        """Train both networks once and return their losses."""
        config = self.config
        is_penalty_step = index % config.gradient_penalty_interval == 0
        num_images = config.batch_size * (self._epoch * (config.epoch_images // config.batch_size) + index + 1)
        scheduled = map(np.float32, (*self._loss_weights, config.ema_decay_at(num_images)))
        has_penalty = config.r1_gamma > 0 and is_penalty_step
        losses = np.asarray(self._train_step(*batch, *scheduled, has_penalty)).tolist()
        log: dict[str, float] = dict(zip(_LOSS_NAMES, losses, strict=True))
        if not is_penalty_step:
            del log["gradient_penalty"]  # its mean is that of the steps that compute it
        return log

    def scheduled_values(self, epoch: int) -> dict[str, float]:
        """Return the learning rate and the weights of gradient penalty and guidance of an epoch."""
        return {
            "learning_rate": self.config.learning_rate_at(epoch),
            "penalty_weight": self.config.penalty_weight_at(epoch),
            "guidance_weight": self.config.guidance_weight_at(epoch),
        }

    def validate(self) -> dict[str, float]:
        """Compare faces that have the labels of the validation split with that split."""
        faces = self._generate(self._latents, self._reference_metrics.labels)
        if not np.isfinite(faces).all():  # no distance can be computed from them
            return {"frechet": math.nan}
        return self._reference_metrics.measure(_to_uint8(faces))

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return the negative Fréchet distance."""
        return -metrics["frechet"]

    def describe(self, row: Mapping[str, float]) -> str:
        """Return distance and class consistency in words."""
        return f"distance {row['frechet']:.2f}, class consistency {row['class_consistency']:.0%}"

    def end_epoch(self, row: Mapping[str, float], best_epoch: int) -> None:
        """Write the sample sheet."""
        self._write_sheet(int(row["epoch"]))

    def _generate(self, latents: NDArray[np.float32], labels: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return faces (n, 48, 48) of the averaged generator, about -1 to 1."""
        one_hot = np.eye(self._num_classes, dtype=np.float32)[labels]
        parts = [
            np.asarray(self.network([latents[i : i + _CHUNK_SIZE], one_hot[i : i + _CHUNK_SIZE]], training=False))
            for i in range(0, len(latents), _CHUNK_SIZE)
        ]
        return np.concatenate(parts)[..., 0]

    def _write_sheet(self, epoch: int) -> None:
        """Write the faces of the same eight seeds with all expressions, to compare the epochs."""
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
        path = sheet_path(self._folder, epoch)
        path.parent.mkdir(exist_ok=True)
        _, png = cv2.imencode(".png", sheet)
        write_atomic(path, png.tobytes())


def _to_uint8(faces: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(127.5 * faces + 127.5).clip(0, 255).astype(np.uint8)


def _make_optimizer(network: keras.Model, config: GanConfig) -> keras.Optimizer:
    optimizer = keras.optimizers.Adam(config.learning_rate, beta_1=config.adam_beta1, beta_2=0.99)
    optimizer.build(network.trainable_variables)
    return optimizer
