"""GAN training: exact resuming, history, best epoch, batches, losses, and refused data and settings."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset
from emotion.errors import DataError, EmotionError, ModelError
from emotion.generation.config import make_gan_config
from emotion.generation.sample_sheets import sheet_path
from emotion.generation.sampler import latent_from_seed
from emotion.model_store.store import ModelBundle, open_model
from emotion.training.runs.folder import CHECKPOINT_FILE, read_history
from tests.generation.making import use_tiny_networks, write_classifier
from tests.training.making import dataset, run_context
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),  # tf2onnx's
]
TESTS = Path(__file__).parents[1]


def make_config(trainer: ModuleType, **changes: Any) -> Any:
    """Return the configuration of a short training."""
    return trainer.GanConfig(
        **{
            "network": "residual",
            "epochs": 4,
            "epoch_images": 80,
            "batch_size": 16,
            "gradient_penalty_interval": 2,
            "guidance_batch_size": 8,
        }
        | changes
    )


def make_data() -> Dataset:
    return dataset(84, 28)


def get_weights(network: Any) -> list[NDArray]:
    return [np.array(v) for v in network.variables]


def read_rows(folder: Path) -> list[dict[str, str]]:
    """Return the history without durations."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_history(folder)]


def read_checkpoint(folder: Path) -> dict[str, NDArray]:
    with np.load(folder / CHECKPOINT_FILE, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def read_sheets(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sheet_path(folder, 1).parent.iterdir()}


def assert_same_run(folder: Path, expected_folder: Path) -> None:
    """Compare the checkpoints (weights, optimizers, random state), the histories and the sample sheets."""
    actual, expected = read_checkpoint(folder), read_checkpoint(expected_folder)
    assert actual.keys() == expected.keys()
    for name in actual:
        np.testing.assert_array_equal(actual[name], expected[name], err_msg=name)
    assert read_rows(folder) == read_rows(expected_folder)
    assert read_sheets(folder) == read_sheets(expected_folder)


@pytest.fixture(scope="module")
def uninterrupted(
    tmp_path_factory: pytest.TempPathFactory, guidance_classifier: ModelBundle
) -> tuple[Path, list[NDArray]]:
    """Return the folder and the weights of an uninterrupted training."""
    from emotion.generation import trainer

    folder = tmp_path_factory.mktemp("uninterrupted")
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_networks(patch)
        network = trainer.train_gan(make_data(), make_config(trainer), run_context(folder), guidance_classifier)
    return folder, get_weights(network)


# --- resuming ----------------------------------------------------------------------------------------------


def test_a_stopped_training_resumes_exactly(
    trainer: ModuleType, uninterrupted: tuple[Path, list[NDArray]], guidance_classifier: ModelBundle, tmp_path: Path
) -> None:
    from emotion.training.runs.step_monitor import TrainingStopped

    for stop in (1, 2):
        with pytest.raises(TrainingStopped, match=f"after epoch {stop} of 4"):
            trainer.train_gan(
                make_data(), make_config(trainer), run_context(tmp_path, stop_after=stop), guidance_classifier
            )
        assert len(read_history(tmp_path)) == stop
    network = trainer.train_gan(make_data(), make_config(trainer), run_context(tmp_path), guidance_classifier)
    for actual, expected in zip(get_weights(network), uninterrupted[1], strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert_same_run(tmp_path, uninterrupted[0])


CHILD = """
import sys
from pathlib import Path
import pytest
from emotion.model_store.store import open_model
from emotion.generation import trainer
from tests.generation.making import use_tiny_networks
from tests.generation.test_trainer import make_config, make_data
from tests.training.making import run_context
use_tiny_networks(pytest.MonkeyPatch())
trainer.train_gan(make_data(), make_config(trainer), run_context(Path(sys.argv[1])), open_model(sys.argv[2]))
"""


def test_a_killed_training_resumes_exactly(
    trainer: ModuleType, uninterrupted: tuple[Path, list[NDArray]], guidance_classifier: ModelBundle, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path), str(guidance_classifier.folder)]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(TESTS.parent)}) as child:
        wait_until(lambda: read_history(tmp_path) or child.poll() is not None, 240, "the first epoch")
        child.kill()
    rows = read_rows(tmp_path)
    assert rows == read_rows(uninterrupted[0])[: len(rows)]
    assert rows
    trainer.train_gan(make_data(), make_config(trainer), run_context(tmp_path), guidance_classifier)
    assert_same_run(tmp_path, uninterrupted[0])


RESIDUAL_CHILD = """
import sys
from pathlib import Path
from emotion.generation import trainer
from emotion.model_store.store import open_model
from tests.training.making import CopyingReporter, dataset, run_context
classifier, folder, *copies = map(Path, sys.argv[1:])
config = trainer.GanConfig(epochs=2, epoch_images=32, batch_size=16, gradient_penalty_interval=2)
run = run_context(folder, **{"reporter": CopyingReporter(folder, copy) for copy in copies})
trainer.train_gan(dataset(35, 14), config, run, open_model(classifier))
"""


def test_the_residual_networks_resume_exactly(guidance_classifier: ModelBundle, tmp_path: Path) -> None:
    """They are large enough for TensorFlow to use all cores, which must not change the result.

    Each training has a process of its own, as after a stop: TensorFlow rewrites a graph by the names of its nodes,
    which depend on the networks that a process has built before, and the last digits of the weights with them.
    """

    def train(*folders: Path) -> None:
        """Train in the first folder; the second one, if any, gets its state after one epoch."""
        command = [sys.executable, "-c", RESIDUAL_CHILD, *map(str, (guidance_classifier.folder, *folders))]
        subprocess.run(command, env=os.environ | {"PYTHONPATH": str(TESTS.parent)}, check=True, timeout=600)

    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    whole.mkdir()
    train(whole, resumed)
    assert (len(read_history(whole)), len(read_history(resumed))) == (2, 1)
    train(resumed)
    assert_same_run(whole, resumed)


def test_export_only_trains_no_further_epoch(
    trainer: ModuleType, uninterrupted: tuple[Path, list[NDArray]], guidance_classifier: ModelBundle, tmp_path: Path
) -> None:
    from emotion.training.runs.step_monitor import TrainingStopped

    with pytest.raises(EmotionError, match=r"has no whole epoch yet; train at least one"):
        trainer.train_gan(
            make_data(), make_config(trainer), run_context(tmp_path, export_only=True), guidance_classifier
        )
    with pytest.raises(TrainingStopped):
        trainer.train_gan(make_data(), make_config(trainer), run_context(tmp_path, stop_after=2), guidance_classifier)
    before = read_checkpoint(tmp_path)
    network = trainer.train_gan(
        make_data(), make_config(trainer), run_context(tmp_path, export_only=True), guidance_classifier
    )
    assert read_rows(tmp_path) == read_rows(uninterrupted[0])[:2]
    for i, value in enumerate(network.weights):
        np.testing.assert_array_equal(np.array(value), before[f"b{i}"])


# --- history, sheets, best epoch ---------------------------------------------------------------------------


def test_the_history_has_every_metric_of_every_epoch(
    trainer: ModuleType, uninterrupted: tuple[Path, list[NDArray]]
) -> None:
    history = read_history(uninterrupted[0])
    assert [row["epoch"] for row in history] == list("1234")
    assert list(history[0]) == [
        "epoch",
        "seconds",
        "learning_rate",
        "penalty_weight",
        "guidance_weight",
        "g_loss",
        "d_loss",
        "gradient_penalty",
        "guidance_loss",
        "frechet",
        "class_consistency",
        "diversity",
    ]
    for i, row in enumerate(history):
        assert all(math.isfinite(float(cell)) for cell in row.values())
        assert float(row["learning_rate"]) == pytest.approx(make_config(trainer).learning_rate_at(i), rel=1e-4)
        assert all(
            float(row[name]) > 0 for name in ("g_loss", "d_loss", "gradient_penalty", "guidance_loss", "frechet")
        )


def test_learning_rate_gradient_penalty_and_guidance_are_constant_and_then_decay(trainer: ModuleType) -> None:
    config = make_config(trainer, epochs=100, constant_fraction=0.4)
    rates = [config.learning_rate_at(epoch) for epoch in range(100)]
    assert rates[:41] == [2e-4] * 41
    assert all(a > b for a, b in pairwise(rates[40:]))
    assert 1e-5 < rates[-1] < 1.2e-5
    assert make_config(trainer, epochs=1).learning_rate_at(0) == 2e-4
    penalties = [config.penalty_weight_at(epoch) for epoch in range(100)]
    assert penalties[:41] == [0.3] * 41
    assert all(a > b for a, b in pairwise(penalties[40:]))
    assert 0.09 < penalties[-1] < 0.091
    weights = [config.guidance_weight_at(epoch) for epoch in range(100)]
    assert weights[:41] == [0.1] * 41
    assert all(a > b for a, b in pairwise(weights[40:]))
    assert 0.03 < weights[-1] < 0.031
    assert {make_gan_config("dcgan-upsampling", epochs=30).learning_rate_at(e) for e in range(30)} == {2e-4}


def test_a_sheet_has_the_same_seeds_with_all_expressions(
    trainer: ModuleType, uninterrupted: tuple[Path, list[NDArray]], guidance_classifier: ModelBundle
) -> None:
    folder = uninterrupted[0]
    assert sorted(read_sheets(folder)) == [f"epoch-{n:03d}.png" for n in range(1, 5)]
    best_epoch = int(min(read_history(folder), key=lambda row: float(row["frechet"]))["epoch"])
    sheet = cv2.imread(str(sheet_path(folder, best_epoch)), cv2.IMREAD_UNCHANGED)
    assert sheet is not None
    assert sheet.shape == (7 * 48, 8 * 48)
    run = run_context(folder, export_only=True)
    best_network = trainer.train_gan(make_data(), make_config(trainer), run, guidance_classifier)
    for row, column in ((0, 0), (6, 7), (3, 2)):
        one_hot = np.eye(7, dtype=np.float32)[[row]]
        raw = np.asarray(best_network([latent_from_seed(column, 128)[None], one_hot], training=False))[0, ..., 0]
        expected = np.clip(np.round(127.5 + 127.5 * raw), 0, 255)
        actual = sheet[48 * row : 48 * row + 48, 48 * column : 48 * column + 48]
        assert np.abs(actual - expected).max() <= 1


def test_the_generator_of_the_best_epoch_is_kept(
    trainer: ModuleType, guidance_classifier: ModelBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the smallest distance; of two equal ones, the first is kept."""
    networks: list[list[NDArray]] = []
    distances, best = (3, 1, 2, 1), 1

    def validate(self: Any) -> dict[str, float]:
        networks.append([np.array(v) for v in self.network.weights])
        return {"frechet": float(distances[len(networks) - 1]), "class_consistency": 0.0, "diversity": 0.0}

    monkeypatch.setattr(trainer.GanTraining, "validate", validate)
    network = trainer.train_gan(make_data(), make_config(trainer), run_context(tmp_path), guidance_classifier)
    for actual, expected in zip(network.weights, networks[best], strict=True):
        np.testing.assert_array_equal(np.array(actual), expected)
    assert read_checkpoint(tmp_path)["progress"].tolist() == [4, -distances[best], best + 1]


def test_a_diverging_training_is_an_error_and_keeps_the_best_epoch(
    trainer: ModuleType, guidance_classifier: ModelBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = trainer.GanConfig.learning_rate_at
    monkeypatch.setattr(
        trainer.GanConfig, "learning_rate_at", lambda self, epoch: 1e30 if epoch == 2 else rate(self, epoch)
    )
    messages = []
    for _ in range(2):  # and again when it is resumed
        with pytest.raises(
            EmotionError, match=r"diverged in epoch 3, .* best epoch before it, [12], is kept"
        ) as caught:
            trainer.train_gan(make_data(), make_config(trainer), run_context(tmp_path), guidance_classifier)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert len(read_rows(tmp_path)) == 2
    kept = read_checkpoint(tmp_path)
    assert all(np.isfinite(value).all() for value in kept.values())
    finished = trainer.train_gan(
        make_data(), make_config(trainer), run_context(tmp_path, export_only=True), guidance_classifier
    )
    assert all(np.isfinite(value).all() for value in get_weights(finished))


def test_a_divergence_of_the_last_step_is_detected(
    trainer: ModuleType, guidance_classifier: ModelBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_step = trainer.GanTraining.train_step

    def diverge(self: Any, batch: Any, index: int) -> dict[str, float]:
        losses = train_step(self, batch, index)
        self.network.weights[-1].assign(np.full(self.network.weights[-1].shape, np.nan, np.float32))
        return losses

    monkeypatch.setattr(trainer.GanTraining, "train_step", diverge)
    with pytest.raises(EmotionError, match=r"diverged in epoch 1, .*nothing was learned"):
        trainer.train_gan(make_data(), make_config(trainer), run_context(tmp_path), guidance_classifier)
    assert not (tmp_path / CHECKPOINT_FILE).exists()


# --- batches and steps -------------------------------------------------------------------------------------


def test_batches_depend_only_on_seed_epoch_and_index(trainer: ModuleType) -> None:
    data, config = make_data(), make_config(trainer)
    one = trainer.GanBatches(data.images, data.labels, config, 3)
    assert len(one) == config.epoch_images // 16
    for other, same in (
        (trainer.GanBatches(data.images, data.labels, config, 3), True),
        (trainer.GanBatches(data.images, data.labels, config, 4), False),
        (trainer.GanBatches(data.images, data.labels, replace(config, seed=2), 3), False),
    ):
        assert all(np.array_equal(a, b) for a, b in zip(one[2], other[2], strict=True)) == same
    assert not np.array_equal(one[0][2], one[1][2])


def test_half_of_the_faces_are_mirrored_and_all_keep_their_labels(trainer: ModuleType) -> None:
    labels = np.repeat(np.arange(7), 40).astype(np.int8)
    images = np.zeros((280, 48, 48), np.uint8)
    images[:, 0, 0], images[:, 1, 1] = labels * 10 + 5, np.arange(280) % 40 + 1
    batches = trainer.GanBatches(images, labels, make_config(trainer, batch_size=280, epoch_images=280), 0)
    faces, drawn_labels, latents, factors = batches[0]
    mirrored = faces[:, 0, 0] == 0
    assert 0.35 < mirrored.mean() < 0.65
    upright = np.where(mirrored[:, None, None], faces[:, :, ::-1], faces)
    np.testing.assert_array_equal(upright[:, 0, 0], drawn_labels * 10 + 5)
    assert (latents.shape, latents.dtype, factors.shape) == ((280, 128), np.float32, (2, 280, 4))
    assert abs(latents.mean()) < 0.05
    assert abs(latents.std() - 1) < 0.05
    assert np.abs(factors).max() <= 1


def test_labels_are_drawn_in_proportion_to_the_square_root_of_their_count(trainer: ModuleType) -> None:
    labels = np.repeat([0, 1], [9000, 1000]).astype(np.int8)
    config = make_config(trainer, batch_size=10000, epoch_images=10000)
    batches = trainer.GanBatches(np.zeros((10000, 1, 1), np.uint8), labels, config, 0)
    assert batches[0][1].mean() == pytest.approx(1 / (1 + 3), abs=0.02)


@pytest.mark.parametrize(
    ("factors", "moved"), [((0, 0), (0, 0)), ((1, 0), (3, 0)), ((-0.4, 0.7), (-1, 2)), ((-1, -1), (-3, -3))]
)
def test_faces_are_shifted_by_whole_pixels(
    train_step_module: ModuleType, factors: tuple[float, float], moved: tuple[int, int]
) -> None:
    face = np.random.default_rng(0).normal(0, 0.5, (48, 48)).astype(np.float32)
    actual = np.asarray(
        train_step_module.diff_augment(face[None, ..., None], np.array([[*factors, 0, 0]], np.float32))
    )[0, ..., 0]
    rows, columns = (np.clip(np.arange(48) - move, 0, 47) for move in moved)
    np.testing.assert_allclose(actual, face[rows][:, columns], atol=1e-6)


def test_brightness_and_contrast_change_by_a_fifth_and_a_quarter(train_step_module: ModuleType) -> None:
    faces = np.random.default_rng(0).normal(0.1, 0.5, (3, 48, 48, 1)).astype(np.float32)
    factors = np.array([[0, 0, 1, 0], [0, 0, 0, -1], [0, 0, 0, 0]], np.float32)
    actual = np.asarray(train_step_module.diff_augment(faces, factors))
    np.testing.assert_allclose(actual[0], faces[0] + 0.2, atol=1e-5)
    np.testing.assert_allclose(actual[1], (faces[1] - faces[1].mean()) * 0.75 + faces[1].mean(), atol=1e-5)
    np.testing.assert_allclose(actual[2], faces[2], atol=1e-6)


def test_losses_are_the_published_ones(train_step_module: ModuleType) -> None:
    real_logits, fake_logits = np.array([[2.0], [-1]], np.float32), np.array([[0.5], [1]], np.float32)

    def mean_softplus(x: NDArray) -> float:
        return float(np.log1p(np.exp(x)).mean())

    d, g = train_step_module.adversarial_losses(real_logits, fake_logits, True)
    assert (float(d), float(g)) == (
        pytest.approx(mean_softplus(fake_logits - real_logits)),
        pytest.approx(mean_softplus(real_logits - fake_logits)),
    )
    d, g = train_step_module.adversarial_losses(real_logits, fake_logits, False)
    assert (float(d), float(g)) == (
        pytest.approx(mean_softplus(-real_logits) + mean_softplus(fake_logits)),
        pytest.approx(mean_softplus(-fake_logits)),
    )


def test_the_gradient_penalty_is_the_mean_squared_gradient_of_both_kinds(train_step_module: ModuleType) -> None:
    import tensorflow as tf

    slopes = np.random.default_rng(0).normal(0, 0.1, (48, 48, 1)).astype(np.float32)

    def discriminator(inputs: list[Any], training: bool) -> Any:  # linear; twice the gradient for synthetic faces
        faces, one_hot = inputs
        return tf.reduce_sum(faces * slopes, axis=(1, 2, 3))[:, None] * one_hot

    gradient_factors = tf.constant([[1.0], [1.0], [2.0], [2.0]])
    actual = train_step_module.gradient_penalty(
        discriminator, tf.zeros((4, 48, 48, 1)), tf.ones((4, 48, 48, 1)), gradient_factors
    )
    assert float(actual) == pytest.approx(2 * (slopes**2).sum() * (1 + 4) / 2, rel=1e-5)


def test_the_half_life_of_the_averaged_generator_grows_with_the_images_seen(trainer: ModuleType) -> None:
    config = make_config(trainer, batch_size=50, epoch_images=1000, ema_half_life=1000)
    decays = [config.ema_decay_at(n) for n in (50, 1000, 20_000, 90_000)]
    assert decays == pytest.approx([0.5**20, 0.5, 0.5**0.05, 0.5**0.05])
    assert make_config(trainer, ema_half_life=0).ema_decay_at(1000) == 0


def test_the_averaged_generator_is_the_exponential_moving_average(
    trainer: ModuleType, guidance_classifier: ModelBundle, tmp_path: Path
) -> None:
    config = make_config(trainer, ema_half_life=30)
    training = trainer.GanTraining(make_data(), make_data(), config, tmp_path, guidance_classifier)
    expected = [np.array(v, np.float64) for v in training.network.variables]
    for epoch in (30, 31):
        batches = training.start_epoch(epoch)
        for step in range(2):
            training.train_step(batches[step], step)
            kept = config.ema_decay_at(80 * epoch + 16 * (step + 1))
            assert 0.6 < kept < 0.8
            expected = [
                kept * a + (1 - kept) * np.array(v)
                for a, v in zip(expected, training.networks.generator.variables, strict=True)
            ]
    for actual, expected_value in zip(training.network.variables, expected, strict=True):
        np.testing.assert_allclose(np.array(actual), expected_value, atol=1e-5)


def test_a_batch_in_parts_gives_the_step_of_the_whole_batch(
    trainer: ModuleType,
    train_step_module: ModuleType,
    guidance_classifier: ModelBundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The gradient penalty of a part takes other faces than that of the whole batch.
    config = make_config(trainer, r1_gamma=0.0)
    steps = []
    for num_parts in (1, 2):
        monkeypatch.setattr(train_step_module, "_NUM_PARTS", num_parts)
        training = trainer.GanTraining(make_data(), make_data(), config, tmp_path, guidance_classifier)
        losses = training.train_step(training.start_epoch(0)[0], 1)
        steps.append(([*losses.values()], [np.array(v) for network in training.networks for v in network.variables]))
    (whole_losses, whole), (part_losses, parts) = steps
    assert part_losses == pytest.approx(whole_losses, rel=1e-2)
    for weights, expected in zip(parts, whole, strict=True):
        np.testing.assert_allclose(weights, expected, atol=config.learning_rate / 10)


@pytest.mark.parametrize("is_relativistic", [True, False])
def test_one_pass_through_the_discriminator_gives_the_gradients_of_both_losses(
    train_step_module: ModuleType, is_relativistic: bool
) -> None:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    real_logits, fake_logits = (tf.constant(rng.normal(0, 4, (8, 1)), tf.float32) for _ in range(2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(fake_logits)
        d_loss, g_loss = train_step_module.adversarial_losses(real_logits, fake_logits, is_relativistic)
    factors = train_step_module.generator_gradient_factors(real_logits, fake_logits, is_relativistic)
    expected, d_gradients = tape.gradient(g_loss, fake_logits), tape.gradient(d_loss, fake_logits)
    np.testing.assert_allclose(np.asarray(factors * d_gradients), np.asarray(expected), rtol=1e-4)


def test_the_gradients_of_both_losses_are_finite_where_the_discriminator_is_sure(
    train_step_module: ModuleType,
) -> None:
    real_logits, fake_logits = np.array([[90.0], [-90]], np.float32), np.array([[-90.0], [90]], np.float32)
    factors = np.asarray(train_step_module.generator_gradient_factors(real_logits, fake_logits, True))
    assert np.isfinite(factors).all()
    assert (factors < 0).all()


def test_guidance_trains_the_generator_and_leaves_the_classifier_unchanged(
    trainer: ModuleType, train_step_module: ModuleType, guidance_classifier: ModelBundle, tmp_path: Path
) -> None:
    """With no other loss, the guidance loss falls."""
    import tensorflow as tf

    config = make_config(trainer, guidance_weight=1.0, learning_rate=3e-3, r1_gamma=0.0, guidance_batch_size=16)
    training = trainer.GanTraining(make_data(), make_data(), config, tmp_path, guidance_classifier)
    training.networks.discriminator.set_weights(
        [np.zeros_like(w) for w in training.networks.discriminator.get_weights()]
    )
    batches = training.start_epoch(0)
    for optimizer in training.optimizers[1:]:
        optimizer.learning_rate = 0.0
    faces = tf.constant(make_data().images[:4, ..., None], tf.float32)
    before = np.array(train_step_module.load_guidance_classifier(guidance_classifier, make_data().label_names)(faces))
    losses = [training.train_step(batches[i % len(batches)], i)["guidance_loss"] for i in range(60)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.05
    np.testing.assert_array_equal(
        np.array(train_step_module.load_guidance_classifier(guidance_classifier, make_data().label_names)(faces)),
        before,
    )


def test_the_baseline_is_trained_without_later_methods(
    trainer: ModuleType, train_step_module: ModuleType, guidance_classifier: ModelBundle, tmp_path: Path
) -> None:
    config = make_gan_config("dcgan-upsampling", epochs=1, epoch_images=64, batch_size=16, guidance_classifier="x")
    assert (
        config.relativistic,
        config.guidance_weight,
        config.r1_gamma,
        config.ema_half_life,
        config.diffaugment_strength,
    ) == (
        False,
        0,
        0,
        0,
        0,
    )
    trainer.train_gan(make_data(), config, run_context(tmp_path), guidance_classifier)
    (row,) = read_history(tmp_path)
    assert (float(row["gradient_penalty"]), float(row["guidance_loss"])) == (0, 0)
    assert make_gan_config("dcgan-upsampling", guidance_weight=0.1).guidance_weight == 0.1


# --- refused data and settings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            dataset(14, 7, votes=False),
            "14 training and 7 validation faces; at least 16 and 2",
        ),
        (dataset(21, 1, votes=False), "21 training and 1 validation faces"),
        (dataset(21, 0, 7, votes=False), "21 training and 0 validation faces"),
    ],
)
def test_too_few_faces_are_refused(
    trainer: ModuleType, guidance_classifier: ModelBundle, tmp_path: Path, data: Dataset, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        trainer.train_gan(data, make_config(trainer), run_context(tmp_path), guidance_classifier)
    assert list(tmp_path.iterdir()) == []


def test_non_faces_are_left_out(trainer: ModuleType, guidance_classifier: ModelBundle, tmp_path: Path) -> None:
    data = dataset(28, 7, votes=False)
    data.images[:14] = 90
    with pytest.raises(DataError, match="14 training and 7 validation faces"):
        trainer.train_gan(data, make_config(trainer), run_context(tmp_path), guidance_classifier)


def test_nearly_equal_training_images_are_drawn_as_one(trainer: ModuleType) -> None:
    data = dataset(28, 7, votes=False)
    data.images[14:28] = np.clip(data.images[:14, :, ::-1].astype(int) + 3, 0, 255)
    training_faces, validation_faces = trainer.select_faces(data)
    np.testing.assert_array_equal(training_faces.images, data.images[:14])
    np.testing.assert_array_equal(validation_faces.images, data.images[28:])


def test_a_label_without_a_training_face_is_refused(
    trainer: ModuleType, guidance_classifier: ModelBundle, tmp_path: Path
) -> None:
    data = dataset(70, 14, votes=False)
    data.labels[data.labels == 1] = 3
    with pytest.raises(DataError, match="no training face of disgust; a generator needs faces of every label"):
        trainer.train_gan(data, make_config(trainer), run_context(tmp_path), guidance_classifier)


def test_a_classifier_without_a_keras_file_cannot_guide(trainer: ModuleType, tmp_path: Path) -> None:
    bundle = open_model(write_classifier(tmp_path / "classifier"))
    with pytest.raises(ModelError, match=r"names no model.keras; choose another model"):
        trainer.train_gan(make_data(), make_config(trainer), run_context(tmp_path), bundle)
    trainer.train_gan(make_data(), make_config(trainer, epochs=1, guidance_weight=0.0), run_context(tmp_path), bundle)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "stylegan"}, "stylegan"),
        ({"epochs": 0}, "0 epochs"),
        ({"batch_size": 0}, "batches of 0"),
        ({"learning_rate": 0.0}, "rate 0.0"),
        ({"learning_rate": math.nan}, "rate nan"),
        ({"seed": -1}, "seed -1"),
        ({"epoch_images": 15}, "Epochs of 15 images"),
        ({"gradient_penalty_interval": 0}, "every 0 steps"),
        ({"constant_fraction": 1.1}, "share of 1.1"),
        ({"ema_half_life": -1}, "half-life of -1"),
        ({"r1_gamma": math.nan}, "gradient penalty of nan"),
        ({"guidance_weight": -0.1}, "weight is -0.1"),
        ({"guidance_weight": math.nan}, "weight is nan"),
        ({"guidance_weight": math.inf}, "weight is inf"),
    ],
)
def test_invalid_settings_are_refused(trainer: ModuleType, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EmotionError, match=message):
        make_config(trainer, **changes)
