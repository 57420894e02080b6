"""Train a generator against its discriminator, epoch by epoch, resumably, into a run folder."""

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

from emotion.datasets.dataset import Dataset, not_faces
from emotion.errors import DataError, EmotionError
from emotion.generation import networks
from emotion.generation.config import GanConfig
from emotion.generation.metrics import Judge, Yardstick
from emotion.generation.networks import LATENT, SIDE
from emotion.generation.sample_sheets import sheet_path
from emotion.generation.sampler import latent
from emotion.generation.train_step import learning_step, recogniser_of
from emotion.model_store.store import Bundle
from emotion.storage import write_atomic
from emotion.training.checkpoints import load_checkpoint, save_checkpoint, values_of
from emotion.training.loop import check_finite, run_epochs
from emotion.training.runs.folder import append_history

COLUMNS: Final = 8  # of a sheet: the seeds 0 to 7; a row for each expression
_CHUNK: Final = 128  # faces drawn at once


class Batches:
    """Batches of one epoch; what they hold depends on seed, epoch and position alone."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int8], config: GanConfig, epoch: int) -> None:
        self._images, self._labels, self._config, self._epoch = images, labels, config, epoch
        # Rare expressions as often as the root of their number: each is learned, none is learned by heart.
        weights = 1 / np.sqrt(np.bincount(labels)[labels])
        rng = np.random.default_rng((config.seed, epoch))
        self._order = rng.choice(len(images), len(images), p=weights / weights.sum())

    def __len__(self) -> int:
        return len(self._images) // self._config.batch

    def __getitem__(self, index: int) -> tuple[NDArray, ...]:
        """Real faces uint8 (n, 48, 48), labels (n,), latents (n, 128), and how to change real and synthetic faces
        (2, n, 4), -1 to 1."""
        batch = self._config.batch
        rows = self._order[index * batch : (index + 1) * batch]
        rng = np.random.default_rng((self._config.seed, self._epoch, index))
        faces, flip = self._images[rows], rng.random(batch) < 0.5
        faces = np.where(flip[:, None, None], faces[:, :, ::-1], faces)
        latents = rng.standard_normal((batch, LATENT)).astype(np.float32)
        return faces, self._labels[rows], latents, rng.uniform(-1, 1, (2, batch, 4)).astype(np.float32)


def train_gan(
    data: Dataset,
    config: GanConfig,
    folder: Path,
    teacher: Bundle,
    on_epoch: Callable[[int, float, dict[str, float]], bool] = lambda epoch, seconds, row: False,
    finish: bool = False,
) -> keras.Model:
    """Train into `folder`, going on where a checkpoint there ends, and return the generator of the best epoch.

    `finish`: learn no more, return the best so far.

    Best is the least Fréchet distance between faces with the labels of the public split and that split, on the
    features of `teacher`, a recogniser, which also teaches. `on_epoch(epoch, seconds, row)` is called after every
    epoch with the seconds that this process has trained; True ends the training with `Stopped`, and the same call
    goes on from there. Raises `DataError` where there is too little to learn or to measure, `EmotionError` where the
    loss is no longer a number.
    """
    faces = data.take(np.flatnonzero(~not_faces(data)))
    learned, held = faces.take(faces.rows("training")), faces.take(faces.rows("public"))
    if len(learned) < config.batch or len(held) < 2:
        raise DataError(
            f"{len(learned)} faces to learn from and {len(held)} to measure with; at least {config.batch} training and "
            "2 public ones are needed."
        )
    missing = [name for i, name in enumerate(data.label_names) if not (learned.labels == i).any()]
    if missing:
        raise DataError(f"No training face shows {', '.join(missing)}; a generator learns only what it has seen.")
    state = _GanState(learned, held, config, folder, teacher)
    if finish and state.epoch == 0:
        raise EmotionError(f"Nothing has been learned in {folder} yet; train at least one epoch.")
    return run_epochs(state, state.epoch if finish else config.epochs, on_epoch)


class _GanState:
    """A training between two epochs: both networks and optimizers, the averaged and the best generator, all in one
    checkpoint file."""

    def __init__(self, learned: Dataset, held: Dataset, config: GanConfig, folder: Path, teacher: Bundle) -> None:
        self._learned, self._config, self._folder = learned, config, folder
        self._classes = len(learned.label_names)
        keras.utils.set_random_seed(config.seed)
        self.epoch, self._best_score, self._best_epoch = 0, math.inf, 0
        self._pair = networks.NETWORKS[config.network](self._classes)
        self._shown = keras.models.clone_model(self._pair.generator)  # the averaged one
        self._shown.set_weights(self._pair.generator.get_weights())
        self._optimizers = [_optimizer(network, config) for network in self._pair]
        self._steps = keras.Variable(0.0, trainable=False, dtype="float32", name="steps")
        recogniser = recogniser_of(teacher, learned.label_names) if config.teacher_weight else None
        self._step = learning_step(self._pair, self._optimizers, self._shown, self._steps, recogniser, config)
        self._yardstick = Yardstick.of(Judge(teacher, learned.label_names), held.images, held.labels)
        # The same in every epoch, or chance would choose the best one.
        self._latents = np.random.default_rng(config.seed).standard_normal((len(held), LATENT)).astype(np.float32)
        self._best = values_of(self._shown.weights)
        saved = load_checkpoint(folder, self._variables(), self._best, progress=3)
        if saved is not None:
            self._best, (epoch, self._best_score, best_epoch) = saved
            self.epoch, self._best_epoch = int(epoch), int(best_epoch)

    def _variables(self) -> list[keras.Variable]:
        # The random state of a dropout is among the variables of its network.
        networks = [variable for network in (*self._pair, self._shown) for variable in network.variables]
        return [*networks, *(variable for one in self._optimizers for variable in one.variables), self._steps]

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Learn one epoch, measure it, draw its sheet, keep it."""
        started = time.monotonic()
        rate = self._config.rate_at(epoch)
        for optimizer in self._optimizers:
            optimizer.learning_rate = rate
        losses = self._learn(Batches(self._learned.images, self._learned.labels, self._config, epoch))
        drawn = self._draw(self._latents, self._yardstick.labels)
        # The last step may have spoiled what only the faces show.
        check_finite((*losses.values(), float(drawn.sum())), epoch, self._best_epoch, self._config.learning_rate)
        measured = self._yardstick.measure(_greys(drawn))
        row = {"epoch": epoch + 1, "seconds": time.monotonic() - started, "learning_rate": rate, **losses, **measured}
        self.epoch = epoch + 1
        if measured["frechet"] < self._best_score:
            self._best_score, self._best_epoch = measured["frechet"], epoch + 1
            self._best = values_of(self._shown.weights)
        self._write_sheet()
        append_history(self._folder, row)
        save_checkpoint(self._folder, self._variables(), self._best, (self.epoch, self._best_score, self._best_epoch))
        return row

    def _learn(self, batches: Batches) -> dict[str, float]:
        """One pass over the batches; the penalty's mean is that of the steps that have one."""
        losses = np.array([
            self._step(*batches[i], bool(self._config.penalty) and i % self._config.lazy == 0)
            for i in range(len(batches))
        ])  # fmt: skip
        means = losses.mean(axis=0)
        means[2] = losses[:: self._config.lazy, 2].mean()
        return dict(zip(("g_loss", "d_loss", "penalty", "teacher_loss"), means.tolist(), strict=True))

    def _draw(self, latents: NDArray[np.float32], labels: NDArray[np.integer]) -> NDArray[np.float32]:
        """Faces (n, 48, 48) of the averaged generator, about -1 to 1."""
        asked = np.eye(self._classes, dtype=np.float32)[labels]
        parts = [
            np.asarray(self._shown([latents[i : i + _CHUNK], asked[i : i + _CHUNK]], training=False))
            for i in range(0, len(latents), _CHUNK)
        ]
        return np.concatenate(parts)[..., 0]

    def _write_sheet(self) -> None:
        """The same eight people with all expressions, to see them grow up."""
        people = np.stack([latent(seed, LATENT) for seed in range(COLUMNS)])
        faces = self._draw(np.tile(people, (self._classes, 1)), np.repeat(np.arange(self._classes), COLUMNS))
        sheet = _greys(faces).reshape(self._classes, COLUMNS, SIDE, SIDE).swapaxes(1, 2).reshape(-1, COLUMNS * SIDE)
        path = sheet_path(self._folder, self.epoch)
        path.parent.mkdir(exist_ok=True)
        _, png = cv2.imencode(".png", sheet)
        write_atomic(path, png.tobytes())

    def best_network(self) -> keras.Model:
        """The averaged generator of the best epoch."""
        self._shown.set_weights(self._best)
        return self._shown


def _greys(faces: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(127.5 * faces + 127.5).clip(0, 255).astype(np.uint8)


def _optimizer(network: keras.Model, config: GanConfig) -> keras.Optimizer:
    optimizer = keras.optimizers.Adam(config.learning_rate, beta_1=config.momentum, beta_2=0.99)
    optimizer.build(network.trainable_variables)
    return optimizer
