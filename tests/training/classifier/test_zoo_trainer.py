"""Training of single-head networks: resuming after a stop or a kill, schedules, and refused settings."""

from __future__ import annotations

import errno
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.cli.main import main
from emotion.datasets.augmentation import Augmentation
from emotion.datasets.dataset import Dataset
from emotion.datasets.label_sets import get_label_set, map_labels
from emotion.datasets.readers.loaders import load_dataset
from emotion.errors import DataError, DivergenceError, EmotionError
from emotion.jobs.job import Job
from emotion.jobs.reporter import JobReporter, job_context
from emotion.model_store.store import open_model
from emotion.recognition.classification import ExpressionClassifier
from emotion.storage import write_json
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.evaluation.robustness import read_robustness
from emotion.training.classifier.evaluation.scoring import evaluate_classifier
from emotion.training.install import install_model
from emotion.training.runs.folder import CHECKPOINT_FILE, HISTORY_FILE, read_history
from emotion.training.runs.predictions import Predictions
from emotion.training.runs.step_monitor import FINISH_FILE, StepMonitor, TrainingStopped, clear_requests, read_steps
from emotion.training.runs.tracked_examples import TrackedExamples
from tests.training.making import dataset, run_context, tiny, to_arrays, write_npz

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
]

ROOT = Path(__file__).parents[3]


def plan_of(**changes: Any) -> TrainingPlan:
    settings = {
        "label_set": "four",
        "epochs": 4,
        "batch_size": 16,
        "learning_rate": 0.01,
        "horizontal_flip": True,
        "lr_schedule": "plateau",
        "augmentation": Augmentation(),
    }
    return replace(TrainingPlan.from_defaults("mlp"), **(settings | changes))


def data() -> Dataset:
    return dataset(140, 56, 28)


def use_tiny(module: Any) -> None:
    module.build_network = lambda name, head, classes, weights, **factors: tiny({head: classes})


@pytest.fixture
def classifier(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    from emotion.training.classifier import zoo_trainer

    monkeypatch.setattr(zoo_trainer, "build_network", zoo_trainer.build_network)  # restored at the end
    use_tiny(zoo_trainer)
    return zoo_trainer


def train(
    classifier: ModuleType,
    folder: Path,
    plan: TrainingPlan,
    stop_requested: Callable[[], bool] = lambda: False,
    stop_after: int = 0,
) -> Any:
    task = map_labels(data(), get_label_set(plan.label_set))
    run = run_context(folder, stop_after, monitor=StepMonitor(folder, stop_requested))
    return classifier.fit_zoo_classifier(task, plan, run)


def checkpoint(folder: Path) -> dict[str, NDArray]:
    with np.load(folder / CHECKPOINT_FILE) as file:
        return {name: file[name] for name in file.files}


def same_run(one: Path, other: Path) -> None:
    """Weights, momentum, step, random state, best weights, patience, the history, and the predictions of each face."""
    a, b = checkpoint(one), checkpoint(other)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in read_history(f)] for f in (one, other)]
    assert rows[0] == rows[1]
    for kind in (Predictions, TrackedExamples):
        x, y = kind.load(one), kind.load(other)
        assert x is not None
        for name, value in vars(x).items():
            np.testing.assert_array_equal(value, getattr(y, name), err_msg=name)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from emotion.training.classifier import zoo_trainer

    folder = tmp_path_factory.mktemp("uninterrupted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo_trainer, "build_network", zoo_trainer.build_network)
        use_tiny(zoo_trainer)
        train(zoo_trainer, folder, plan_of())
    return folder


# --- going on ----------------------------------------------------------------------------------------------


def test_stopped_between_epochs(classifier: ModuleType, uninterrupted: Path, tmp_path: Path) -> None:
    for stop in (1, 3):
        with pytest.raises(TrainingStopped, match=f"after epoch {stop} of 4"):
            train(classifier, tmp_path, plan_of(), stop_after=stop)
    train(classifier, tmp_path, plan_of())
    same_run(tmp_path, uninterrupted)


def test_stopped_within_an_epoch(classifier: ModuleType, uninterrupted: Path, tmp_path: Path) -> None:
    stops = iter([False] * 7 + [True])
    with pytest.raises(TrainingStopped, match="Stopped in epoch 2, which starts again"):
        train(classifier, tmp_path, plan_of(), stop_requested=lambda: next(stops))
    assert len(read_history(tmp_path)) == 1
    train(classifier, tmp_path, plan_of())
    same_run(tmp_path, uninterrupted)
    steps = [(row["epoch"], row["step"]) for row in read_steps(tmp_path)]
    assert steps == sorted(set(steps))
    assert {epoch for epoch, _ in steps} == {"1", "2", "3", "4"}


@pytest.mark.parametrize("step", [1, 7], ids=["in the first epoch", "in the second epoch"])
def test_finishing_keeps_the_whole_epochs_and_at_least_one(
    classifier: ModuleType, uninterrupted: Path, tmp_path: Path, step: int
) -> None:
    steps = iter(range(1, 1000))

    def finish_at_step() -> bool:
        if next(steps) == step:
            (tmp_path / FINISH_FILE).touch()
        return False

    train(classifier, tmp_path, plan_of(), stop_requested=finish_at_step)
    assert len(read_history(tmp_path)) == 1
    clear_requests(tmp_path)
    train(classifier, tmp_path, plan_of())
    same_run(tmp_path, uninterrupted)


CHILD = """
import sys
from pathlib import Path
from tests.training.classifier.test_zoo_trainer import plan_of, train, use_tiny
from emotion.training.classifier import zoo_trainer as classifier
use_tiny(classifier)
print("ready", flush=True)
train(classifier, Path(sys.argv[1]), plan_of())
print("done", flush=True)
"""


def test_killed_at_any_moment(uninterrupted: Path, tmp_path: Path) -> None:
    rng = random.Random(4)
    for attempt in range(12):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        before = len(read_history(tmp_path))
        if attempt < 1:  # after some epochs, in the middle of one or of its writing
            until = time.monotonic() + 120
            while len(read_history(tmp_path)) <= before and time.monotonic() < until and child.poll() is None:
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.15))
            child.send_signal(signal.SIGKILL)
        rest = child.stdout.read()
        child.wait(120)
        assert len(read_history(tmp_path)) >= before
        if rest == "done\n":
            break
    same_run(tmp_path, uninterrupted)


def test_another_seed_is_another_training(classifier: ModuleType, uninterrupted: Path, tmp_path: Path) -> None:
    train(classifier, tmp_path, plan_of(seed=2))
    assert not np.array_equal(checkpoint(tmp_path)["v0"], checkpoint(uninterrupted)["v0"])


@pytest.mark.parametrize(("optimizer", "schedule"), [("adam", "cosine"), ("sgd", "constant"), ("rmsprop", "cosine")])
def test_the_learning_rate_follows_its_schedule(
    classifier: ModuleType, tmp_path: Path, optimizer: str, schedule: str
) -> None:
    """Every optimizer gets its rate in the same way, so each is trained with one of the schedules."""
    train(classifier, tmp_path, plan_of(lr_schedule=schedule, optimizer=optimizer, epochs=3))
    rates = [float(row["learning_rate"]) for row in read_history(tmp_path)]
    expected = {"constant": [0.01] * 3, "cosine": [0.0075, 0.0025, 0.0]}
    assert rates == pytest.approx(expected[schedule], abs=1e-6)


def test_patience_and_plateau(classifier: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([2.0, 1.0] + [1.5] * 20)
    accuracies = iter([0.1, 0.2, 0.9, 0.3] + [0.3] * 20)

    def measure(self: Any, logits: Any) -> dict[str, float]:
        return {"val_loss": next(losses), "val_accuracy": next(accuracies)}

    monkeypatch.setattr(classifier.SingleHeadTraining, "measure", measure)
    with pytest.raises(TrainingStopped):  # and continues to count where it stopped
        train(classifier, tmp_path, plan_of(epochs=30, early_stopping_patience=7), stop_after=5)
    train(classifier, tmp_path, plan_of(epochs=30, early_stopping_patience=7))
    history = read_history(tmp_path)
    assert len(history) == 9  # epoch 2 had the smallest loss
    assert [float(row["learning_rate"]) for row in history] == pytest.approx([0.01] * 7 + [0.002] * 2)
    assert checkpoint(tmp_path)["progress"][2] == 3  # the weights of the epoch that was right most often
    train(classifier, tmp_path, plan_of(epochs=30, early_stopping_patience=7))  # and once more: no epoch is left
    assert len(read_history(tmp_path)) == 9


def test_more_epochs_can_be_requested(classifier: ModuleType, uninterrupted: Path, tmp_path: Path) -> None:
    from emotion.training.classifier.train import train_classifier

    for epochs in (2, 4):
        with job_context(tmp_path) as report:
            train_classifier(data(), plan_of(epochs=epochs), tmp_path, report)
    assert json.loads((tmp_path / "config.json").read_text())["epochs"] == 4
    assert len(read_history(tmp_path)) == 4
    a, b = checkpoint(tmp_path), checkpoint(uninterrupted)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    cosine = tmp_path / "cosine"
    with job_context(cosine) as report:
        train_classifier(data(), plan_of(epochs=1, lr_schedule="cosine"), cosine, report)
    with job_context(cosine) as report, pytest.raises(EmotionError, match=r"other settings.*differs in epochs"):
        train_classifier(data(), plan_of(epochs=2, lr_schedule="cosine"), cosine, report)


# --- the whole flow ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_npz(tmp_path_factory.mktemp("data") / "faces.npz", to_arrays(data()))


def command(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def finished(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run from the command line. To be looked at only."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    changes = ("--horizontal-flip", "--augmentation", "rotation=10", "--augmentation", "shift=0.1", "--tensorboard")
    arguments = ("--epochs", 2, "--batch-size", 16, "--label-set", "four", *changes)
    assert command("classifier", "train", "--network", "mlp", "--data", file, "--out", folder, *arguments) == 0
    return folder


def test_the_files_of_a_run(finished: Path, file: Path) -> None:
    assert Job(finished).read_state().status == "done"
    bundle = open_model(finished)
    assert (bundle.kind, bundle.input_size, *bundle.heads, bundle.default_head) == ("classifier", 48, "four", "four")
    assert bundle.heads["four"].labels == ("angry", "fear", "happy", "sad")
    assert bundle.card_fields["weights"] == "random"
    config = json.loads((finished / "config.json").read_text())
    assert config["data"] == str(file)
    assert (config["source"], config["label_set"], config["rows"]) == ("faces.npz", "four", 128)
    assert (config["augmentation"]["rotation"], config["augmentation"]["erase_prob"], config["horizontal_flip"]) == (
        10,
        0,
        True,
    )
    assert bundle.card_fields["num_parameters"] == 1_313_287 - 257 * 3
    assert config["label_names"] == list(bundle.heads["four"].labels)
    assert [sorted(row) for row in read_history(finished)] == [
        ["accuracy", "epoch", "learning_rate", "loss", "seconds", "val_accuracy", "val_loss"]
    ] * 2
    assert {row["epoch"] for row in read_steps(finished)} == {"1", "2"}
    assert list((finished / "tensorboard").glob("events.*"))
    assert TrainingPlan.from_config(config) == TrainingPlan.from_config(config | {"later": 1})


def test_the_saved_predictions_are_those_of_the_model(finished: Path) -> None:
    bundle, answers = open_model(finished), Predictions.load(finished)
    assert answers is not None
    whole = data()
    assert all(whole.split[answers.rows] == 1)
    assert [bundle.heads["four"].labels[i] for i in answers.labels] == [
        whole.label_names[i] for i in whole.labels[answers.rows]
    ]
    logits = ExpressionClassifier(bundle).logits(whole.images[answers.rows])["four"]
    np.testing.assert_array_equal(answers.at_epoch(), logits.argmax(1))
    history = read_history(finished)
    for row in history:
        assert answers.accuracy(int(row["epoch"])) == pytest.approx(float(row["val_accuracy"]), abs=1e-5)
    report = json.loads((finished / "report.json").read_text())
    assert answers.accuracy() == pytest.approx(report["validation"]["accuracy"])
    assert answers.confusion_matrix().tolist() == report["validation"]["confusion"]
    assert report["best_epoch"] == answers.best_epoch
    assert report["test"]["n"] == 16
    examples = TrackedExamples.load(finished)
    assert examples is not None
    assert examples.probabilities.shape == (2, 12, 4)


def test_robustness_is_evaluated(finished: Path) -> None:
    stress = read_robustness(finished)
    assert stress is not None
    assert (stress["split"], stress["n"]) == ("validation", 32)
    corruptions = {"blur", "brightness", "rotation", "occlusion", "downscale", "noise"}
    assert {row["corruption"] for row in stress["rows"]} == corruptions
    untouched = [
        row["accuracy"] for row in stress["rows"] if row["severity"] == {"downscale": 48}.get(row["corruption"], 0)
    ]
    answers = Predictions.load(finished)
    assert answers is not None
    assert untouched == [pytest.approx(answers.accuracy())] * 6


def test_it_can_be_used_and_evaluated(
    finished: Path, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    used = install_model(finished, tmp_path / "models", "mine")
    assert (used.folder / "predictions.npz").is_file()
    assert (used.folder / "robustness.json").is_file()
    os.remove(used.folder / "predictions.npz")
    report = json.loads((finished / "report.json").read_text())
    capsys.readouterr()
    assert (
        command(
            "classifier",
            "evaluate",
            used.folder,
            "--data",
            file,
            "--split",
            "validation",
            "--save-predictions",
            "--robustness",
            "--json",
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)["accuracy"] == pytest.approx(report["validation"]["accuracy"])
    again, before = Predictions.load(used.folder), Predictions.load(finished)
    assert again is not None
    assert before is not None
    np.testing.assert_array_equal(again.probabilities, before.probabilities)
    assert again.best_epoch == before.best_epoch
    assert evaluate_classifier(used.folder, load_dataset(file), "test")["n"] == 16


def test_other_settings_are_refused(finished: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = (finished / "model.onnx").read_bytes()
    assert (
        command(
            "classifier",
            "train",
            "--network",
            "mlp",
            "--data",
            file,
            "--out",
            finished,
            "--seed",
            3,
            "--label-set",
            "four",
        )
        == 1
    )
    error = capsys.readouterr().err
    assert "holds a training with other settings; choose another folder (it differs in batch_size, " in error
    assert "seed" in error
    assert (finished / "model.onnx").read_bytes() == weights


def test_a_diverging_training_keeps_its_best_epoch(
    classifier: ModuleType,
    tmp_path: Path,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    measure = classifier.SingleHeadTraining.measure
    diverges = iter([False, False, True])

    def measure_or_diverge(self: Any, logits: Any) -> dict[str, float]:
        return measure(self, logits) | ({"val_loss": math.nan} if next(diverges) else {})

    monkeypatch.setattr(classifier.SingleHeadTraining, "measure", measure_or_diverge)
    folder = tmp_path / "run"
    assert (
        command(
            "classifier",
            "train",
            "--network",
            "mlp",
            "--data",
            file,
            "--out",
            folder,
            "--epochs",
            5,
            "--batch-size",
            16,
        )
        == 1
    )
    assert "diverged in epoch 3" in capsys.readouterr().err
    assert Job(folder).read_state().status == "diverged"
    assert "diverged in epoch 3" in str(Job(folder).read_state().error)
    assert len(read_history(folder)) == 2
    assert open_model(folder).heads["fer2013"].labels == data().label_names


def test_a_loss_that_is_no_number(classifier: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier.keras.optimizers, "Adam", lambda rate: classifier.keras.optimizers.SGD(1e30))
    with pytest.raises(DivergenceError, match=r"diverged in epoch 1, .*nothing was learned; try a smaller"):
        train(classifier, tmp_path, plan_of())


def test_stop_and_keep(classifier: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from emotion.training.classifier.train import train_classifier

    def progress(self: JobReporter, done: float, total: float, message: str = "", *, counts_time: bool = True) -> None:
        if done >= 2:
            (tmp_path / "stop").touch()

    plan = plan_of(epochs=9)
    with job_context(tmp_path) as report, pytest.raises(EmotionError, match="has no whole epoch yet"):
        train_classifier(data(), plan, tmp_path, report, export_only=True)
    monkeypatch.setattr(JobReporter, "progress", progress)
    with job_context(tmp_path) as report, pytest.raises(TrainingStopped):
        train_classifier(data(), plan, tmp_path, report)
    assert Job(tmp_path).read_state().status == "stopped"
    assert not (tmp_path / "card.json").exists()
    monkeypatch.undo()
    use_tiny(classifier)
    with job_context(tmp_path) as report:
        train_classifier(data(), plan, tmp_path, report, export_only=True)
    assert len(read_history(tmp_path)) == 2
    assert open_model(tmp_path).heads["four"].labels == ("angry", "fear", "happy", "sad")


def test_a_full_disk(
    classifier: ModuleType, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emotion.training import loop
    from emotion.training.classifier.train import train_classifier

    save = loop.save_checkpoint

    def full(folder: Path, variables: Any, best: Any, progress: Any) -> None:
        if progress[0] == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(folder, variables, best, progress)

    monkeypatch.setattr(loop, "save_checkpoint", full)
    with pytest.raises(OSError, match="No space"), job_context(tmp_path) as report:
        train_classifier(data(), plan_of(), tmp_path, report)
    state = Job(tmp_path).read_state()
    assert (state.status, state.error) == ("failed", "The disk is full: make room, then start it again.")
    monkeypatch.setattr(loop, "save_checkpoint", save)
    train(classifier, tmp_path, plan_of())
    same_run(tmp_path, uninterrupted)


# --- refused trainings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "gone.npz"], "There is no gone.npz"),
        (["--label-set", "ferplus"], "has no FER+ votes"),
        (["--label-set", "five"], "There is no label set 'five'"),
        (["--network", "alexnet"], "There is no network 'alexnet'"),
        (["--optimizer", "best"], "There is no optimizer 'best'"),
        (["--epochs", "0"], "epochs is 0; expected a whole number from 1 to"),
        (["--learning-rate", "nan"], "The learning rate is nan"),
        (["--augmentation", "rotation=much"], "'rotation=much' is no augmentation"),
        (["--augmentation", "shift=3"], "The augmentation is not valid"),
        (["--batch-size", "4000"], "at least 4000 (a batch) and 1 are needed"),
        (["--weights", "imagenet"], "mlp begins at random"),
    ],
)
def test_refused_with_a_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    bare = write_npz(tmp_path / "bare.npz", {k: v for k, v in to_arrays(data()).items() if "ferplus" not in k})
    assert command("classifier", "train", "--network", "mlp", "--data", bare, "--out", "run", *arguments) == 1
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    state = Job(tmp_path / "run").read_state()
    assert state.status == "failed"
    assert words in str(state.error)


def test_an_empty_class_is_refused_before_the_first_step(classifier: ModuleType, tmp_path: Path) -> None:
    from emotion.training.classifier.train import train_classifier

    some = data()
    some.labels[(some.labels == 3) & (some.split == 0)] = 2
    with job_context(tmp_path) as report, pytest.raises(DataError, match="no training face for happy"):
        train_classifier(some, plan_of(), tmp_path, report)
    assert not (tmp_path / HISTORY_FILE).exists()


def test_a_data_set_that_vanished(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(finished, tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    config["data"] = str(tmp_path / "gone.npz")
    write_json(tmp_path / "config.json", config)
    run = tmp_path / "run"
    assert command("classifier", "train", "--config", tmp_path / "config.json", "--out", run) == 1
    assert "There is no" in capsys.readouterr().err
    assert open_model(tmp_path / "run")  # still a model


def test_a_damaged_history_is_no_obstacle(classifier: ModuleType, uninterrupted: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped):
        train(classifier, tmp_path, plan_of(), stop_after=2)
    with open(tmp_path / HISTORY_FILE, "ab") as history:
        history.write(b"\x00\xff,,7\n3,1.5,0.")
    train(classifier, tmp_path, plan_of())
    same_run(tmp_path, uninterrupted)
