"""Training of native classifiers: resuming after a stop or a kill, batches, and the targets of each head."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, clean_votes, expression_distribution, is_non_face
from emotion.errors import DataError, EmotionError
from emotion.training.runs.folder import CHECKPOINT_FILE, HISTORY_FILE, read_history
from emotion.training.runs.step_monitor import TrainingStopped
from tests.training.making import UNCHANGED, CopyingReporter, dataset, random_images, run_context, tiny

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
]

ROOT = Path(__file__).parents[3]
HEADS = {"fer2013": 7, "ferplus": 8, "expression": 8, "face": 1}


def config_of(trainer: ModuleType, **changes: Any) -> Any:
    """Return the settings of a short training, otherwise with the defaults."""
    return trainer.TrainingConfig(
        **{"network": "seresnet", "epochs": 4, "batch_size": 32, "learning_rate": 0.02} | changes
    )


def data_and_crops() -> tuple[Dataset, NDArray[np.uint8]]:
    data = dataset(160, 60)
    data.images[3] = 200  # a blank training row
    return data, random_images(30, seed=5)


def weights(network: Any) -> list[NDArray]:
    return [np.array(v) for v in network.variables]


def same_weights(one: list[NDArray], other: list[NDArray]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def rows(folder: Path) -> list[dict[str, str]]:
    """The history without the time that it took."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_history(folder)]


def checkpoint(folder: Path) -> dict[str, NDArray]:
    with np.load(folder / CHECKPOINT_FILE) as file:
        return {name: file[name] for name in file.files}


def same_run(one: Path, other: Path) -> None:
    """Weights, momentum, step, random state, best weights, and the rows."""
    a, b = checkpoint(one), checkpoint(other)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    assert rows(one) == rows(other)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[NDArray]]:
    """The folder and the returned weights of a training without a break."""
    from emotion.training.classifier import trainer

    folder = tmp_path_factory.mktemp("uninterrupted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.multi_head, "CLASSIFIER_NETWORKS", {"seresnet": tiny})
        data, crops = data_and_crops()
        network = trainer.fit_classifier(data, config_of(trainer, epochs=6), run_context(folder), crops)
    return folder, weights(network)


# --- going on ----------------------------------------------------------------------------------------------


def test_a_stopped_training_resumes_bit_by_bit(
    trainer: ModuleType, uninterrupted: tuple[Path, list[NDArray]], tmp_path: Path
) -> None:
    data, crops = data_and_crops()
    for stop in (1, 2, 5):  # also before and after a change of the size of images
        with pytest.raises(TrainingStopped, match=f"after epoch {stop} of 6"):
            trainer.fit_classifier(data, config_of(trainer, epochs=6), run_context(tmp_path, stop_after=stop), crops)
        assert [row["epoch"] for row in read_history(tmp_path)] == [str(n + 1) for n in range(stop)]
    network = trainer.fit_classifier(data, config_of(trainer, epochs=6), run_context(tmp_path), crops)
    same_weights(weights(network), uninterrupted[1])
    same_run(tmp_path, uninterrupted[0])


CHILD = """
import sys
from pathlib import Path
from tests.training.making import run_context, use_tiny_network
from tests.training.classifier.test_trainer import config_of, data_and_crops
from emotion.training.classifier import trainer
use_tiny_network()
data, crops = data_and_crops()
trainer.fit_classifier(data, config_of(trainer, epochs=6), run_context(Path(sys.argv[1])), crops)
"""


def test_a_killed_training_resumes_bit_by_bit(
    trainer: ModuleType, uninterrupted: tuple[Path, list[NDArray]], tmp_path: Path
) -> None:
    rng = random.Random(0)
    for _ in range(2):
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        before = len(read_history(tmp_path))
        with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], env=env) as child:
            until = time.monotonic() + 240
            while len(read_history(tmp_path)) == before and child.poll() is None:
                assert time.monotonic() < until, "the child does not train"
                time.sleep(0.001)
            finished = len(read_history(tmp_path))
            time.sleep(rng.uniform(0, 0.15))
            child.kill()
        assert child.returncode in (-9, 1, 0)  # 1 on Windows, 0 where it was faster
        left = rows(tmp_path)
        assert len(left) >= finished > before
        assert left == rows(uninterrupted[0])[: len(left)]
        # The row is written just before the checkpoint: at most the very last one is without it.
        assert (tmp_path / CHECKPOINT_FILE).exists() or len(left) == 1
        if (tmp_path / CHECKPOINT_FILE).exists():
            assert checkpoint(tmp_path)["progress"][0] in (len(left), len(left) - 1)
    data, crops = data_and_crops()
    network = trainer.fit_classifier(data, config_of(trainer, epochs=6), run_context(tmp_path), crops)
    same_weights(weights(network), uninterrupted[1])
    same_run(tmp_path, uninterrupted[0])


def test_the_native_network_resumes_bit_by_bit(tmp_path: Path) -> None:
    """It is large enough for TensorFlow to use all cores, which must not show."""
    from emotion.training.classifier import config as classifier_config
    from emotion.training.classifier import trainer

    config = classifier_config.TrainingConfig(epochs=2, batch_size=64, progressive_sizes=(48,))
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    whole.mkdir()
    for folder, changes in ((whole, {"reporter": CopyingReporter(whole, resumed)}), (resumed, {})):
        trainer.fit_classifier(dataset(192, 20), config, run_context(folder, **changes))
    same_run(whole, resumed)


def test_a_finished_training_trains_nothing_more(
    trainer: ModuleType, uninterrupted: tuple[Path, list[NDArray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "ClassifierBatches", None)
    data, crops = data_and_crops()
    network = trainer.fit_classifier(data, config_of(trainer, epochs=6), run_context(uninterrupted[0]), crops)
    same_weights(weights(network), uninterrupted[1])


def test_a_crash_between_row_and_checkpoint_leaves_no_row_twice(
    trainer: ModuleType, uninterrupted: tuple[Path, list[NDArray]], tmp_path: Path
) -> None:
    data, crops = data_and_crops()
    with pytest.raises(TrainingStopped):
        trainer.fit_classifier(data, config_of(trainer, epochs=6), run_context(tmp_path, stop_after=2), crops)
    with (tmp_path / HISTORY_FILE).open("a") as file:
        file.write(
            (uninterrupted[0] / HISTORY_FILE).read_text().splitlines()[3] + "\n4,0.2,thi"
        )  # a complete row and an incomplete one
    trainer.fit_classifier(data, config_of(trainer, epochs=6), run_context(tmp_path), crops)
    same_run(tmp_path, uninterrupted[0])


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that was stopped after the first of two epochs. Read-only."""
    from emotion.training.classifier import trainer

    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.multi_head, "CLASSIFIER_NETWORKS", {"seresnet": tiny})
        with pytest.raises(TrainingStopped):
            fit_two_epochs(trainer, run_context(folder, stop_after=1))
    return folder


def fit_two_epochs(trainer: ModuleType, run: Any) -> None:
    data, crops = data_and_crops()
    trainer.fit_classifier(data, config_of(trainer, epochs=2, progressive_sizes=(32,)), run, crops)


@pytest.mark.parametrize("history", ["seconds,loss\n1.5,2\n", None])
def test_a_lost_history_ends_no_training(
    trainer: ModuleType, stopped: Path, tmp_path: Path, history: str | None
) -> None:
    folder = shutil.copytree(stopped, tmp_path / "run")
    if history is None:
        (folder / HISTORY_FILE).unlink()
    else:
        (folder / HISTORY_FILE).write_text(history)
    fit_two_epochs(trainer, run_context(folder))
    assert [row["epoch"] for row in rows(folder)] == ["2"]


def test_a_checkpoint_that_does_not_fit_is_refused_with_a_sentence(
    trainer: ModuleType, uninterrupted: tuple[Path, list[NDArray]], tmp_path: Path
) -> None:
    data, crops = data_and_crops()
    whole = (uninterrupted[0] / CHECKPOINT_FILE).read_bytes()
    (tmp_path / CHECKPOINT_FILE).write_bytes(whole)
    config = config_of(trainer, epochs=6)
    for other, its_crops in ((data, None), (replace(data, votes=None, has_votes=None), crops)):
        if its_crops is None:
            other = replace(
                other,
                images=np.where(np.arange(220)[:, None, None] == 3, random_images(1), other.images),
                votes=None,
                has_votes=None,
            )
        with pytest.raises(EmotionError, match=r"other data; choose another folder\.$"):
            trainer.fit_classifier(other, config, run_context(tmp_path), its_crops)
    for damaged in (b"", whole[: len(whole) // 2], b"PK" + whole[2:-40]):
        (tmp_path / CHECKPOINT_FILE).write_bytes(damaged)
        with pytest.raises(EmotionError, match=r"checkpoint.npz is damaged; remove it"):
            trainer.fit_classifier(data, config, run_context(tmp_path), crops)


# --- what is kept ------------------------------------------------------------------------------------------


def test_the_history_has_every_epoch(trainer: ModuleType, uninterrupted: tuple[Path, list[NDArray]]) -> None:
    history = read_history(uninterrupted[0])
    assert [row["epoch"] for row in history] == list("123456")
    assert [row["size"] for row in history] == ["32", "32", "40", "40", "48", "48"]
    rates = [float(row["learning_rate"]) for row in history]
    assert rates == sorted(rates, reverse=True)  # a cosine to 0, after the peak in the first epoch
    assert 0.015 < rates[0] <= 0.02
    assert rates[-1] == pytest.approx(0, abs=1e-6)
    for row in history:
        for name in (
            "fer2013_accuracy",
            "ferplus_accuracy",
            "val_fer2013_accuracy",
            "val_ferplus_accuracy",
            "val_face_recall",
            "val_nonface_specificity",
        ):
            assert 0 <= float(row[name]) <= 1
        assert all(math.isfinite(float(cell)) for cell in row.values())
        assert float(row["seconds"]) > 0


@pytest.mark.parametrize(
    ("scores", "best", "is_resumed"),
    [([0.3, 0.9, 0.5, 0.9], 1, True), ([0.0, 0.0, 0.0, 0.0], 0, True), ([0.1, 0.2, 0.3, 0.4], 3, False)],
)
def test_the_weights_of_the_best_epoch_are_kept(
    trainer: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scores: list[float],
    best: int,
    is_resumed: bool,
) -> None:
    seen: list[list[NDArray]] = []

    def logits(self: Any, network: Any) -> dict[str, NDArray]:
        seen.append(weights(network))
        return {"fer2013": np.zeros((len(self.faces), 7), np.float32)}

    def measure(self: Any, logits: Any) -> dict[str, float]:
        return {
            "val_fer2013_accuracy": scores[len(seen) - 1] + 0.05,
            "val_fer2013_loss": 1.0 - len(seen),
            "val_ferplus_accuracy": scores[len(seen) - 1] - 0.05,
        }

    monkeypatch.setattr(trainer.ValidationSet, "predict_logits", logits)
    monkeypatch.setattr(trainer.ValidationSet, "compute_metrics", measure)
    data, crops = data_and_crops()
    config = config_of(trainer, progressive_sizes=(32,))
    if is_resumed:
        with pytest.raises(TrainingStopped):
            trainer.fit_classifier(data, config, run_context(tmp_path, stop_after=3), crops)
    network = trainer.fit_classifier(data, config, run_context(tmp_path), crops)
    got = {v.path: np.array(v) for v in network.weights}
    for variable, value in zip(network.variables, seen[best], strict=True):
        if variable.path in got:
            np.testing.assert_array_equal(got[variable.path], value)
    assert checkpoint(tmp_path)["progress"].tolist() == [4, pytest.approx(scores[best]), best + 1]


def test_a_diverging_training_is_reported_and_keeps_the_best_epoch(trainer: ModuleType, tmp_path: Path) -> None:
    data, crops = data_and_crops()
    # Every step multiplies the weights by about -lr x decay: too much for float32 after some epochs.
    config = config_of(trainer, epochs=8, learning_rate=2.0, weight_decay=100.0, progressive_sizes=(32,))
    messages = []
    for _ in range(2):  # and again, when it is resumed
        with pytest.raises(EmotionError) as caught:
            trainer.fit_classifier(data, config, run_context(tmp_path), crops)
        messages.append(str(caught.value))
    kept = checkpoint(tmp_path)
    epoch, _, best = kept["progress"].tolist()
    assert 1 <= best <= epoch < 8
    assert messages[0] == messages[1]
    assert f"diverged in epoch {int(epoch) + 1}" in messages[0]
    assert f"the best epoch before it, {int(best)}, is kept" in messages[0]
    assert "smaller learning rate than 2.0" in messages[0]
    assert "\n" not in messages[0]
    assert len(rows(tmp_path)) == epoch
    assert all(np.isfinite(value).all() for name, value in kept.items() if name.startswith("b"))


def test_a_training_that_diverges_at_once_claims_no_best_epoch(trainer: ModuleType, tmp_path: Path) -> None:
    data, crops = data_and_crops()
    with pytest.raises(EmotionError, match=r"diverged in epoch 1, .*: nothing was learned; try a smaller"):
        trainer.fit_classifier(data, config_of(trainer, learning_rate=1e30), run_context(tmp_path), crops)
    assert not (tmp_path / CHECKPOINT_FILE).exists()


def test_validation_rows_without_a_ferplus_majority_are_no_obstacle(trainer: ModuleType, tmp_path: Path) -> None:
    data, _ = data_and_crops()
    assert data.has_votes is not None
    data.has_votes[data.rows_in("validation")] = False
    trainer.fit_classifier(data, config_of(trainer, epochs=2, progressive_sizes=(32,)), run_context(tmp_path))
    assert all("val_ferplus_accuracy" not in row for row in read_history(tmp_path))
    assert checkpoint(tmp_path)["progress"][2] >= 1  # one of them is the best, not what was there before


def test_the_smallest_possible_training(trainer: ModuleType, tmp_path: Path) -> None:
    """One step in all, two labels, no votes, nothing that is no face."""
    images, labels = random_images(9), np.arange(9) % 2
    data = Dataset(images, labels.astype(np.int8), np.repeat([0, 1], [8, 1]).astype(np.int8), ("happy", "sad"))
    network = trainer.fit_classifier(data, config_of(trainer, epochs=1, batch_size=8), run_context(tmp_path))
    assert {name: output.shape[-1] for name, output in network.output.items()} == {"fer2013": 2}
    assert {"val_fer2013_accuracy", "val_fer2013_loss"} < set(read_history(tmp_path)[0])


@pytest.mark.parametrize(("training", "validation"), [(31, 5), (40, 0), (0, 5)])
def test_too_few_rows_are_refused_before_the_first_step(
    trainer: ModuleType, tmp_path: Path, training: int, validation: int
) -> None:
    with pytest.raises(
        DataError, match=f"{training} training and {validation} validation faces have these labels; at least 32"
    ):
        trainer.fit_classifier(dataset(training, validation, 5), config_of(trainer), run_context(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"network": "resnet152"}, "resnet152"),
        ({"epochs": 0}, "0 epochs"),
        ({"batch_size": 0}, "batches of 0"),
        ({"learning_rate": 0.0}, "rate 0.0"),
        ({"learning_rate": -1.0}, "rate -1.0"),
        ({"learning_rate": math.nan}, "rate nan"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_settings_that_cannot_be_trained_are_refused(trainer: ModuleType, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(EmotionError, match=word):
        config_of(trainer, **changes)


def test_the_side_grows_in_equal_parts(trainer: ModuleType) -> None:
    config = trainer.TrainingConfig(network="seresnet", epochs=80)
    assert [config.image_size_at(epoch) for epoch in (0, 26, 27, 53, 54, 79)] == [32, 32, 40, 40, 48, 48]
    assert [trainer.TrainingConfig(network="seresnet", epochs=1).image_size_at(0)] == [32]


# --- batches -----------------------------------------------------------------------------------------------


def numbered(count: int) -> NDArray[np.uint8]:
    """Return images with their number in the left half and a black right half, so that mirroring is visible."""
    images = np.zeros((count, 48, 48), np.uint8)
    images[:, :, :24] = np.arange(1, count + 1)[:, None, None]
    return images


def plain_targets(trainer: ModuleType, count: int) -> Any:
    values = {name: np.tile(np.arange(count, dtype=np.float32)[:, None], (1, w)) for name, w in HEADS.items()}
    return trainer.Targets(values, {name: np.arange(count, dtype=np.float32) for name in HEADS})


def contents(batches: Any) -> list[bytes]:
    return [
        faces.tobytes() + b"".join(v.tobytes() for part in rest for v in part.values())
        for faces, *rest in (batches[i] for i in range(len(batches)))
    ]


def test_a_batch_depends_on_seed_epoch_and_position_alone(trainer: ModuleType) -> None:
    images, targets, config = random_images(70), plain_targets(trainer, 70), config_of(trainer, batch_size=16)
    batches = trainer.ClassifierBatches(images, targets, config, 1)
    first = contents(batches)
    assert len(first) == 4
    assert len(set(first)) == 4
    np.random.seed(0)  # noqa: NPY002  (other users of the global state change nothing)
    for position in (2, 0, 2):
        assert (
            batches[position][0].tobytes()
            == trainer.ClassifierBatches(images, targets, config, 1)[position][0].tobytes()
        )
    assert contents(trainer.ClassifierBatches(images, targets, config, 1)) == first
    assert set(contents(trainer.ClassifierBatches(images, targets, config, 0))).isdisjoint(first)
    assert set(contents(trainer.ClassifierBatches(images, targets, replace(config, seed=2), 1))).isdisjoint(first)


def test_one_image_is_augmented_differently_in_every_place_and_epoch(trainer: ModuleType) -> None:
    images = np.repeat(random_images(1), 64, axis=0)
    faces = [
        face.tobytes()
        for epoch in range(2)
        for batch in range(4)
        for face in trainer.ClassifierBatches(
            images, plain_targets(trainer, 64), config_of(trainer, batch_size=16), epoch
        )[batch][0]
    ]
    assert len(set(faces)) == 128


def test_the_order_is_another_in_every_epoch_and_for_every_seed(trainer: ModuleType) -> None:
    def order(seed: int, epoch: int) -> tuple[int, ...]:
        config = config_of(trainer, batch_size=60, seed=seed, augmentation=UNCHANGED)
        faces, _, _ = trainer.ClassifierBatches(numbered(60), plain_targets(trainer, 60), config, epoch)[0]
        return tuple(faces.max(axis=(1, 2, 3)).astype(int).tolist())

    orders = {order(seed, epoch) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    assert tuple(range(1, 61)) not in orders


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(16, 90), batch=st.integers(1, 16), epoch=st.integers(0, 30), seed=st.integers(0, 2**31))
def test_an_epoch_has_every_row_once_with_its_targets_and_mirrors_it_the_next_time(
    trainer: ModuleType, count: int, batch: int, epoch: int, seed: int
) -> None:
    config = config_of(trainer, epochs=40, batch_size=batch, seed=seed, progressive_sizes=(48,), augmentation=UNCHANGED)
    mirrored: list[dict[int, bool]] = []
    for e in (epoch, epoch + 1):
        seen: dict[int, bool] = {}
        batches = trainer.ClassifierBatches(numbered(count), plain_targets(trainer, count), config, e)
        assert len(batches) == count // batch
        for i in range(len(batches)):
            faces, values, weighting = batches[i]
            assert faces.shape == (batch, 48, 48, 1)
            assert faces.dtype == np.float32
            numbers = faces.max(axis=(1, 2, 3)).astype(int) - 1
            for head in HEADS:
                np.testing.assert_array_equal(values[head][:, 0], numbers)
                np.testing.assert_array_equal(weighting[head], numbers)
            assert not seen.keys() & set(numbers.tolist())
            seen |= dict(zip(numbers.tolist(), (faces[:, 0, 0, 0] == 0).tolist(), strict=True))
        assert len(seen) == count // batch * batch
        mirrored.append(seen)
    both = mirrored[0].keys() & mirrored[1].keys()
    assert all(mirrored[0][n] != mirrored[1][n] for n in both)


def test_half_of_the_rows_are_mirrored_at_first(trainer: ModuleType) -> None:
    config = config_of(trainer, batch_size=200, progressive_sizes=(48,), augmentation=UNCHANGED)
    faces, _, _ = trainer.ClassifierBatches(numbered(200), plain_targets(trainer, 200), config, 0)[0]
    assert 70 < (faces[:, 0, 0, 0] == 0).sum() < 130


def test_the_last_epochs_have_weak_augmentation_and_every_epoch_its_side(trainer: ModuleType) -> None:
    erasing = replace(UNCHANGED, erase_prob=1.0)
    config = config_of(
        trainer, epochs=20, batch_size=40, progressive_sizes=(32, 48), no_erasing_tail=0.25, augmentation=erasing
    )
    for epoch in range(20):
        faces, _, _ = trainer.ClassifierBatches(numbered(40), plain_targets(trainer, 40), config, epoch)[0]
        assert faces.shape[1] == (32 if epoch < 10 else 48)
        if epoch >= 10:
            whole = [np.isin(face, (0, face[0].max())).all() for face in faces]
            assert all(whole) == (epoch >= 15)


@pytest.mark.parametrize("with_crops", [False, True])
def test_no_test_row_is_ever_in_a_batch(
    trainer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_crops: bool
) -> None:
    """Also no crop that is held out to measure the face head."""
    splits = np.random.default_rng(int(with_crops)).choice([0, 0, 1, 2], 30)
    data = replace(dataset(80), images=numbered(80), split=np.array([*[0] * 40, 1, *splits, *[2] * 9], np.int8))
    crops = numbered(130)[80:] if with_crops else None  # 81 to 130
    allowed = {int(n) + 1 for n in data.rows_in("train")}
    if with_crops:
        allowed |= {81 + n for n in range(50) if n % 10 != 9}
    learned: set[int] = set()

    class Seen(trainer.ClassifierBatches):
        def __getitem__(self, index: int) -> Any:
            batch = super().__getitem__(index)
            learned.update(batch[0].max(axis=(1, 2, 3)).astype(int).tolist())
            return batch

    monkeypatch.setattr(trainer, "ClassifierBatches", Seen)
    config = config_of(trainer, epochs=3, batch_size=8, progressive_sizes=(48,), augmentation=UNCHANGED)
    trainer.fit_classifier(data, config, run_context(tmp_path), crops)
    assert learned <= allowed
    assert len(learned) > 0.9 * len(allowed)


# --- targets of the heads ----------------------------------------------------------------------------------


def test_there_is_a_head_for_everything_that_can_be_learned(trainer: ModuleType) -> None:
    data = dataset(7)
    bare = replace(data, votes=None, has_votes=None, label_names=("happy", "sad"))
    assert trainer.get_head_sizes(data, True) == HEADS
    assert trainer.get_head_sizes(data, False) == {"fer2013": 7, "ferplus": 8, "expression": 8}
    other = replace(data, label_names=("bored", *data.label_names[1:]))
    assert trainer.get_head_sizes(other, False) == {"fer2013": 7, "ferplus": 8}
    assert trainer.get_head_sizes(bare, False) == {"fer2013": 2}
    assert trainer.get_head_sizes(bare, True) == {"fer2013": 2, "face": 1}


def test_the_targets_of_each_row_by_head(trainer: ModuleType) -> None:
    data = dataset(7)
    data.images[6] = 90
    assert data.has_votes is not None
    votes = np.zeros((7, 10), np.int8)
    votes[0, [0, 3]] = 6, 4  # neutral, with some votes for sad
    votes[1, [1, 2, 8]] = 8, 1, 1  # happy, single votes aside
    votes[2, [4, 8]] = 4, 6  # most votes for unknown
    votes[3, [4, 8]] = 5, 5  # half of them
    votes[4, 9] = 10  # not a face
    votes[5, 5] = 10  # disgust, but FER+ leaves the row out
    votes[6, 6] = 10  # fear, on a blank image
    data = replace(data, votes=votes, has_votes=np.arange(7) != 5)
    config = config_of(trainer, label_smoothing=0.14, ferplus_label_smoothing=0.08)
    targets = trainer.encode_targets(data, config, HEADS)
    assert targets.sample_weights["fer2013"].tolist() == [1, 1, 1, 1, 0, 1, 0]
    assert targets.sample_weights["ferplus"][:6].tolist() == [1, 1, 0, 0, 0, 0]
    assert targets.sample_weights["face"].tolist() == [1] * 7
    assert targets.values["face"].tolist() == [[1], [1], [1], [1], [0], [1], [0]]
    np.testing.assert_allclose(targets.values["fer2013"], np.eye(7) * 0.86 + 0.02, atol=1e-6)
    shares = np.array([[0.6, 0, 0, 0.4, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0, 0]])
    np.testing.assert_allclose(targets.values["ferplus"][:2], 0.01 + 0.92 * shares, atol=1e-6)
    np.testing.assert_allclose(
        targets.values["expression"], 0.01 + 0.92 * expression_distribution(data, config.expression_label_weight)
    )
    assert targets.sample_weights["expression"].tolist() == [1, 1, 1, 1, 0, 1, 0]


def test_rows_of_unknown_expression_or_without_a_face_have_no_weight(trainer: ModuleType) -> None:
    data = dataset(400)
    targets = trainer.encode_targets(data, config_of(trainer), HEADS)
    assert data.votes is not None
    assert data.has_votes is not None
    for row, counts in enumerate(clean_votes(data.votes).tolist()):
        taught = bool(data.has_votes[row]) and sum(counts[:8]) > counts[8] + counts[9]
        assert targets.sample_weights["ferplus"][row] == taught
        if taught:
            assert targets.values["ferplus"][row].sum() == pytest.approx(1, abs=1e-5)
            assert int(targets.values["ferplus"][row].argmax()) == int(np.argmax(counts[:8]))
    assert 0.5 < targets.sample_weights["ferplus"].mean() < 1
    np.testing.assert_array_equal(targets.sample_weights["fer2013"] == 0, is_non_face(data))


def test_crops_without_a_face_train_the_face_head_only(trainer: ModuleType, tmp_path: Path) -> None:
    targets = trainer.make_negative_targets(5, HEADS)
    assert {name: value.shape for name, value in targets.values.items()} == {n: (5, w) for n, w in HEADS.items()}
    assert targets.sample_weights["fer2013"].tolist() == targets.sample_weights["ferplus"].tolist() == [0] * 5
    assert targets.sample_weights["face"].tolist() == [1] * 5
    assert not targets.values["face"].any()

    # And so it is in a training: with nothing but such crops in a batch the other heads stay as they are.
    data, crops = dataset(32, 5), random_images(40)
    training = trainer.MultiHeadTraining(data, config_of(trainer, weight_decay=0.0), tmp_path, crops)
    assert len(training.images) == 32 + 36
    before = {v.path: np.array(v) for v in training.network.trainable_variables}
    batch = training.images[32:, ..., None].astype(np.float32)
    training.network.train_on_batch(
        batch,
        {name: value[32:] for name, value in training.targets.values.items()},
        {name: weight[32:] for name, weight in training.targets.sample_weights.items()},
    )
    moved = {v.path for v in training.network.trainable_variables if (np.array(v) != before[v.path]).any()}
    assert {"face/kernel", "face/bias"} <= moved
    assert not any(path.startswith(("fer2013/", "ferplus/")) for path in moved)


# --- the validation split --------------------------------------------------------------------------------------


class Oracle:
    """A network that returns given outputs."""

    def __init__(self, **logits: NDArray) -> None:
        self._logits = logits

    def predict(self, faces: NDArray[np.float32], **options: Any) -> dict[str, NDArray]:
        assert all(len(value) == len(faces) for value in self._logits.values())
        return self._logits


def test_only_validation_rows_and_held_out_crops_are_measured(trainer: ModuleType) -> None:
    data = dataset(20, 10, 15)
    data.images[20] = 77  # one blank row among the validation ones
    assert data.votes is not None
    assert data.has_votes is not None
    data.votes[20:30] = 0
    data.votes[np.arange(20, 30), np.arange(10) % 8] = 10
    data.has_votes[20:30] = np.arange(10) < 8  # two without a name
    crops = random_images(4)
    validation = trainer.ValidationSet.from_dataset(data, crops)
    np.testing.assert_array_equal(validation.faces, np.concatenate([data.images[20:30], crops]))
    outputs = {
        "fer2013": np.eye(7)[np.r_[data.labels[20:27], (data.labels[27:30] + 1) % 7, [0] * 4]] * 9,
        "ferplus": np.eye(8)[np.r_[np.arange(6), [0] * 8]] * 9,
        "face": np.array([[-1], *[[1]] * 7, [-1], [-1], [-1], [-1], [-1], [2]]),
    }
    row = validation.compute_metrics(validation.predict_logits(Oracle(**outputs)))
    assert row["val_fer2013_accuracy"] == pytest.approx(7 / 10)
    assert row["val_ferplus_accuracy"] == pytest.approx(6 / 8)
    assert row["val_fer2013_loss"] == pytest.approx(0.3 * 9, abs=0.01)
    assert row["val_face_recall"] == pytest.approx(7 / 9)
    assert row["val_nonface_specificity"] == pytest.approx(4 / 5)


def test_the_settings_can_be_written_and_read(trainer: ModuleType) -> None:
    config = config_of(trainer, progressive_sizes=(32, 48))
    again = json.loads(json.dumps(asdict(config)))
    again["augmentation"] = type(config.augmentation)(**again["augmentation"])
    again |= {name: tuple(again[name]) for name in ("progressive_sizes", "teachers", "trained_heads", "kept_heads")}
    assert trainer.TrainingConfig(**again) == config
