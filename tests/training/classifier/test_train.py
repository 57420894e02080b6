"""The whole flow on a small data set: what `train` leaves is a model, and every figure in it can be found again."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from emotion.cli.main import main
from emotion.datasets.dataset import Dataset, majority_vote, vote_distribution
from emotion.datasets.readers.hard_negatives import mine_hard_negatives
from emotion.datasets.readers.loaders import load_dataset
from emotion.errors import DataError, EmotionError, ModelError
from emotion.expressions import FER2013_LABELS, FERPLUS_LABELS
from emotion.jobs import job as jobs
from emotion.jobs.job import Job
from emotion.jobs.reporter import job_context
from emotion.jobs.result_manifest import MANIFEST_FILE
from emotion.model_store.store import compute_sha256, list_models, open_model
from emotion.recognition.classification import ExpressionClassifier, compute_probabilities, softmax
from emotion.training import install, run_listing
from emotion.training.classifier.config import TrainingPlan
from emotion.training.classifier.evaluation import scoring
from emotion.training.classifier.evaluation.logits import split_logits
from emotion.training.classifier.evaluation.robustness import read_robustness
from emotion.training.classifier.evaluation.scoring import evaluate_classifier, score_split
from emotion.training.classifier.train import train_classifier
from emotion.training.install import install_model
from emotion.training.metrics import calibration_error, expected_calibration_error, fit_temperature
from emotion.training.runs.folder import read_history
from emotion.training.runs.predictions import Predictions
from emotion.training.runs.step_monitor import read_steps
from emotion.training.runs.tracked_examples import TrackedExamples
from tests.training.making import dataset, random_images, tiny, write_fer2013, write_image
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
]


def read(path: Path) -> dict[str, Any]:
    """JSON as others must be able to read it: without NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{path} holds {word}")

    return json.loads(path.read_text(), parse_constant=refuse)


def command(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def plan_of(**changes: Any) -> TrainingPlan:
    return replace(TrainingPlan.from_defaults("seresnet"), **{"epochs": 1, "batch_size": 16} | changes)


def fake_training(data: Dataset, folder: Path, plan: TrainingPlan, crops: Any = None) -> Any:
    with job_context(folder) as report:
        return train_classifier(data, plan, folder, report, negative_crops=crops)


def close(one: Any, other: Any) -> None:
    """Equal but for the last digits."""
    if isinstance(other, dict):
        assert one.keys() == other.keys()
        for key in other:
            close(one[key], other[key])
    elif isinstance(other, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            close(a, b)
    else:
        assert one == (pytest.approx(other, abs=1e-6) if isinstance(other, float) else other)


# --- what a finished run is --------------------------------------------------------------------------------


def test_a_finished_run_is_a_model(finished: Path) -> None:
    bundle = open_model(finished)
    assert (bundle.kind, bundle.input_size, bundle.default_head) == ("classifier", 48, "expression")
    assert {name: head.labels for name, head in bundle.heads.items()} == {
        "fer2013": FER2013_LABELS,
        "ferplus": FERPLUS_LABELS,
        "expression": FERPLUS_LABELS,
    }
    assert set(bundle.card_fields["files"]) == {
        "model.onnx",
        "model.keras",
        "history.csv",
        "config.json",
        "report.json",
    }
    assert list_models("classifier", finished.parent) == ([bundle], [])
    assert Job(finished).read_state().status == "done"
    assert Job(finished).read_state().fraction == 1
    verdicts = ExpressionClassifier(bundle).predict(random_images(2))
    assert all(sum(v.scores.values()) == pytest.approx(1) and 0 <= v.face_prob <= 1 for v in verdicts)


def test_the_settings_are_beside_the_result(finished: Path, files: Path) -> None:
    from emotion.training.classifier.config import TrainingConfig

    config = read(finished / "config.json")
    expected = json.loads(json.dumps(asdict(TrainingConfig(epochs=1))))
    assert {name: config[name] for name in expected} == expected
    assert (config["source"], config["rows"], config["has_ferplus_votes"]) == ("fer2013.csv", 396, True)
    assert TrainingPlan.from_config(config) == replace(
        TrainingPlan.from_defaults("seresnet"),
        data=str(files / "fer2013.csv"),
        ferplus_csv=str(files / "fer2013new.csv"),
        negatives_dir=str(files / "not_faces"),
        epochs=1,
        tensorboard=True,
    )
    assert config["num_negatives"] == len(mine_hard_negatives(files / "not_faces"))
    assert config["duplicates"]["test_rows_in_train"] == 5
    assert open_model(finished).card_fields["data"]["duplicates"] == config["duplicates"]


def test_tensorboard_logs_and_predictions_are_written(finished: Path, small: Dataset) -> None:
    steps = read_steps(finished)
    assert [row["epoch"] for row in steps] == ["1"] * len(steps)
    assert steps[-1]["step"] == steps[-1]["num_steps"] == "2"
    answers, examples = Predictions.load(finished), TrackedExamples.load(finished)
    assert answers is not None
    assert examples is not None
    np.testing.assert_array_equal(answers.rows, small.rows_in("validation"))
    logits = ExpressionClassifier(open_model(finished)).logits(small.images[answers.rows])["fer2013"]
    np.testing.assert_array_equal(answers.at_epoch(), logits.argmax(1))
    assert answers.confusion_matrix().tolist() == read(finished / "report.json")["validation"]["confusion"]
    assert answers.class_names == FER2013_LABELS
    assert examples.probabilities.shape == (1, 12, 7)
    assert (read_robustness(finished) or {}).get("n") == 70
    assert list((finished / "tensorboard").glob("events.*"))


def test_the_report_has_the_scores_of_both_test_splits(finished: Path, small: Dataset) -> None:
    report = read(finished / "report.json")
    for split in ("validation", "test"):
        one = report[split]
        assert (one["split"], one["n"]) == (split, 70)
        assert one["n_deduplicated"] == (65 if split == "test" else 70)
        assert one["ferplus_n"] == (majority_vote(small)[small.rows_in(split)] >= 0).sum() < 70
        assert np.sum(one["confusion"]) == 70
    assert report["epochs"] == 1
    assert 0 < report["train_minutes"] < 10
    assert report["export_difference"] < 1e-3
    card = open_model(finished).card_fields["metrics"]
    assert card["test"]["fer2013"]["accuracy"] == report["test"]["accuracy"]
    assert card["validation"]["ferplus"]["accuracy"] == report["validation"]["ferplus_accuracy"]


def test_the_numbers_of_the_report_are_right(finished: Path, small: Dataset) -> None:
    """Computed from the logits by another implementation."""
    bundle = open_model(finished)
    classifier = ExpressionClassifier(bundle)
    training = {image.tobytes() for image in small.images[small.rows_in("train")]}
    for split in ("validation", "test"):
        part = small.take(small.rows_in(split))
        logits = classifier.logits(part.images)
        one = read(finished / "report.json")[split]
        predicted = logits["fer2013"].argmax(1)
        assert one["accuracy"] == pytest.approx(metrics.accuracy_score(part.labels, predicted))
        fresh = [image.tobytes() not in training for image in part.images]
        expected = metrics.accuracy_score(part.labels[fresh], predicted[fresh])
        assert one["accuracy_deduplicated"] == pytest.approx(expected)
        sure = softmax(logits["fer2013"], bundle.heads["fer2013"].temperature)
        assert one["ece"] == pytest.approx(expected_calibration_error(sure, part.labels))
        assert one["cross_entropy"] == pytest.approx(metrics.log_loss(part.labels, sure, labels=range(7)))
        majority = majority_vote(part)
        named = majority >= 0
        expected = metrics.accuracy_score(majority[named], logits["ferplus"].argmax(1)[named])
        assert one["ferplus_accuracy"] == one["ferplus"]["accuracy"] == pytest.approx(expected)
        sure = softmax(logits["ferplus"], bundle.heads["ferplus"].temperature)[named]
        assert one["ferplus"]["mean_confidence"] == pytest.approx(sure.max(1).mean())
        shown, shares = one["as_displayed"], vote_distribution(part)
        predicted = compute_probabilities(logits["expression"], bundle.heads["expression"])
        assert shown["accuracy"] == pytest.approx((predicted.argmax(1) == majority)[named].mean())
        voted = [i for i in range(len(part)) if shares[i].any()]
        assert shown["votes_n"] == len(voted) > named.sum()
        agreeing = [shares[i, predicted[i].argmax()] for i in voted]
        assert sum(row["n"] * row["accuracy"] for row in shown["votes_reliability"]) == pytest.approx(sum(agreeing))
        assert shown["votes_ece"] == pytest.approx(calibration_error(predicted[voted].max(1), np.array(agreeing)))


def test_temperatures_come_from_the_validation_split(finished: Path, small: Dataset) -> None:
    bundle = open_model(finished)
    validation = small.take(small.rows_in("validation"))
    logits = ExpressionClassifier(bundle).logits(validation.images)
    shares = vote_distribution(validation)
    voted = shares.sum(1) > 0
    expected = fit_temperature(logits["fer2013"], validation.labels)
    assert bundle.heads["fer2013"].temperature == pytest.approx(expected, abs=1e-4)
    expected = fit_temperature(logits["ferplus"][voted], shares[voted])
    assert bundle.heads["ferplus"].temperature == pytest.approx(expected, abs=1e-4)
    assert bundle.card_fields["face_head"]["threshold"] == 0.5  # too few validation faces to fit it


def test_evaluate_repeats_the_report(finished: Path, small: Dataset) -> None:
    report = read(finished / "report.json")
    for split in ("validation", "test"):
        close(json.loads(json.dumps(evaluate_classifier(finished, small, split))), report[split])


def test_evaluate_on_the_command_line(finished: Path, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (
        "classifier",
        "evaluate",
        finished,
        "--data",
        files / "fer2013.csv",
        "--ferplus-csv",
        files / "fer2013new.csv",
    )
    assert command(*arguments, "--split", "test", "--json") == 0
    got = json.loads(capsys.readouterr().out)
    close(got, read(finished / "report.json")["test"])
    assert {"n", "accuracy", "accuracy_deduplicated", "ferplus_accuracy", "ece", "per_class"} <= got.keys()
    assert set(got["per_class"]) == set(FER2013_LABELS)
    assert command(*arguments) == 0
    text = capsys.readouterr().out
    validation = read(finished / "report.json")["validation"]
    assert "validation split, 70 faces" in text
    assert f"{validation['accuracy']:.1%}" in text
    assert f"{validation['ferplus_accuracy']:.1%} of {validation['ferplus_n']}" in text
    assert command("classifier", "evaluate", finished, "--data", files / "fer2013.csv", "--json") == 0
    assert "ferplus_accuracy" not in json.loads(capsys.readouterr().out)


def test_evaluate_where_nothing_has_a_majority(
    finished: Path, small: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert small.has_votes is not None
    nameless = replace(small, has_votes=np.zeros(len(small), bool))
    assert evaluate_classifier(finished, nameless, "validation")["ferplus_accuracy"] is None
    monkeypatch.setattr("emotion.datasets.readers.loaders.load_dataset", lambda *_: nameless)
    assert command("classifier", "evaluate", finished, "--data", "here") == 0
    assert "accuracy" in capsys.readouterr().out


def test_evaluate_names_what_it_cannot_score(finished: Path, small: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no validation rows"):
        evaluate_classifier(finished, small.take(small.rows_in("test")), "validation")
    strange = replace(small, label_names=("happy", "sad"), labels=small.labels % 2, votes=None, has_votes=None)
    with pytest.raises(DataError, match=r"labels of fer2013.csv: happy, sad\."):
        evaluate_classifier(finished, strange, "validation")
    shutil.copytree(finished, tmp_path / "other")
    card = read(tmp_path / "other" / "card.json") | {
        "kind": "generator",
        "latent_dim": 4,
        "output": {"size": 48},
        "labels": ["happy"],
        "truncation": 1.0,
    }
    (tmp_path / "other" / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="is a generator; only a classifier"):
        evaluate_classifier(tmp_path / "other", small, "validation")


def test_a_head_is_scored_on_the_rows_of_its_split_alone() -> None:
    """`score_split` with logits that are right everywhere, wrong everywhere, and right only on unseen images."""
    data = dataset(20, 0, 14)
    data.images[20:24] = data.images[:4]
    card = {"heads": {"fer2013": {"labels": FER2013_LABELS, "temperature": 1.0}}}
    part = data.take(data.rows_in("test"))
    right = np.eye(7, dtype=np.float32)[part.labels] * 5
    assert score_split(card, {"fer2013": right}, data, "test")["accuracy"] == 1
    assert score_split(card, {"fer2013": -right}, data, "test")["accuracy"] == 0
    half = np.where(np.arange(14)[:, None] < 4, -right, right)
    got = score_split(card, {"fer2013": half}, data, "test")
    assert (got["accuracy"], got["accuracy_deduplicated"], got["n_deduplicated"]) == (10 / 14, 1.0, 10)
    copies = replace(data, images=np.repeat(data.images[:1], 34, axis=0))
    assert score_split(card, {"fer2013": half}, copies, "test")["accuracy_deduplicated"] is None


def test_logits_do_not_depend_on_the_batches(finished: Path, small: Dataset) -> None:
    classifier = ExpressionClassifier(open_model(finished))
    whole = split_logits(classifier, small, "test", batch_size=1000)
    for name, value in split_logits(classifier, small, "test", batch_size=32).items():
        assert value.shape == whole[name].shape
        np.testing.assert_allclose(value, whole[name], atol=1e-5)


# --- going on, and what is refused -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny_run(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run of the tiny network with the settings of `plan_of`. Read-only."""
    from emotion.training.classifier import trainer

    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.multi_head, "CLASSIFIER_NETWORKS", {"seresnet": tiny})
        assert fake_training(small, folder, plan_of()).card_fields["metrics"]
    return folder


def with_two_rows_exchanged(data: Dataset) -> Dataset:
    """Return the same rows; one for training and one for validation have changed places."""
    split = data.split.copy()
    one, other = data.rows_in("train")[0], data.rows_in("validation")[0]
    split[[one, other]] = split[[other, one]]
    return replace(data, split=split)


def test_a_second_call_trains_nothing_more_and_keeps_the_weights(
    finished: Path, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    from emotion.training.classifier import trainer

    again = shutil.copytree(finished, tmp_path / "again")
    monkeypatch.setattr(trainer, "ClassifierBatches", None)  # whoever wants to train fails
    arguments = (
        "classifier",
        "train",
        "--data",
        files / "fer2013.csv",
        "--ferplus-csv",
        files / "fer2013new.csv",
        "--negatives",
        files / "not_faces",
        "--epochs",
        1,
        "--out",
        again,
        "--tensorboard",
        "--json",
    )
    assert command(*arguments) == 0
    assert json.loads(capsys.readouterr().out) == open_model(again).card_fields["metrics"]
    one, other = (keras.saving.load_model(f / "model.keras", safe_mode=True).get_weights() for f in (finished, again))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
    for name in ("history.csv", "config.json", "checkpoint.npz"):
        assert (again / name).read_bytes() == (finished / name).read_bytes()
    close(read(again / "report.json"), read(finished / "report.json"))


@pytest.mark.parametrize(
    "change",
    [{"learning_rate": 0.05}, {"seed": 2}, {"epochs": 2}, {"rows": 1}, {"votes": None}, {"split": 1}, {"crops": None}],
)
def test_other_settings_in_the_same_folder_are_refused(
    finished: Path, files: Path, small: Dataset, tmp_path: Path, change: dict[str, Any]
) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    data, crops = small, mine_hard_negatives(files / "not_faces")
    if "rows" in change:
        data = data.take(np.arange(1, len(data)))
    elif "votes" in change:
        data = replace(data, votes=None, has_votes=None)
    elif "split" in change:
        data = with_two_rows_exchanged(data)
    changes = {k: v for k, v in change.items() if k not in ("rows", "votes", "split", "crops")}
    names = r"[a-z_, ]*\bsplit\b[a-z_, ]*" if "split" in change else "[a-z_, ]+"
    with pytest.raises(EmotionError, match=rf"other settings; choose another folder \(it differs in {names}\)\.$"):
        fake_training(data, folder, plan_of(**{"batch_size": 128} | changes), None if "crops" in change else crops)
    assert Job(folder).read_state().status == "failed"
    assert open_model(folder).sha256 == open_model(finished).sha256
    assert (folder / "config.json").read_bytes() == (finished / "config.json").read_bytes()


def test_settings_may_change_before_the_first_epoch(trainer: ModuleType, small: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least 1000"):
        fake_training(small, tmp_path, plan_of(batch_size=1000))
    assert fake_training(small, tmp_path, plan_of(batch_size=64)).heads


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_missing_split_is_refused_before_the_training(
    trainer: ModuleType, small: Dataset, tmp_path: Path, split: str
) -> None:
    data = small.take(np.flatnonzero(small.split != ("train", "validation", "test").index(split)))
    with pytest.raises(DataError, match=f"no {split} rows"):
        fake_training(data, tmp_path, plan_of())
    assert not (tmp_path / "config.json").exists()


def test_a_training_is_stopped_and_resumed_by_the_command(
    trainer: ModuleType,
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "run"
    monkeypatch.setattr(trainer.multi_head, "CLASSIFIER_NETWORKS", {"seresnet": tiny})
    arguments = ("classifier", "train", "--data", files / "fer2013.csv", "--out", folder, "--epochs", 2, "--json")
    end_epoch = trainer.MultiHeadTraining.end_epoch

    def ask_to_stop(self: Any, row: dict[str, float], best_epoch: int) -> None:
        end_epoch(self, row, best_epoch)
        (folder / "stop").touch()

    with monkeypatch.context() as patch:
        patch.setattr(trainer.MultiHeadTraining, "end_epoch", ask_to_stop)
        assert command(*arguments) == 130
    assert "emotion: Stopped after epoch 1 of 2. Run the same command again to go on.\n" in capsys.readouterr().err
    state = Job(folder).read_state()
    assert (state.status, state.done, state.total) == ("stopped", 1, 2)
    assert "epoch 1 of 2" in state.message
    assert not (folder / "card.json").exists()
    assert command(*arguments) == 0
    assert [row["epoch"] for row in read_history(folder)] == ["1", "2"]
    assert Job(folder).read_state().status == "done"
    bundle = open_model(folder)
    assert (bundle.default_head, bundle.card_fields["face_head"], bundle.card_fields["network"]) == (
        "fer2013",
        None,
        "seresnet",
    )
    assert set(json.loads(capsys.readouterr().out)["test"]) == {"fer2013"}


def test_a_folder_tree_with_other_labels_and_validation_rows_without_majority(
    trainer: ModuleType, tmp_path: Path
) -> None:
    for name, seed in (("surprise", 1), ("contempt", 2)):
        for number, image in enumerate(random_images(25, seed)):
            write_image(tmp_path / "faces" / name / f"{number}.png", image)
    data = load_dataset(tmp_path / "faces")
    votes = np.zeros((50, 10), np.int8)
    data = replace(data, votes=votes, has_votes=np.ones(50, bool))
    bundle = fake_training(data, tmp_path / "run", plan_of())
    assert bundle.heads["fer2013"].labels == ("surprise", "contempt")
    assert bundle.heads["ferplus"].temperature == 1.0
    assert read(tmp_path / "run" / "report.json")["validation"]["ferplus"] == {"n": 0}


def test_custom_labels_make_a_model_that_leaves_none_out(trainer: ModuleType, tmp_path: Path) -> None:
    """The native classifier has all labels of the data, whatever the plan requests."""
    for name, seed in (("happy", 1), ("sad", 2), ("bored", 3)):
        for number, image in enumerate(random_images(25, seed)):
            write_image(tmp_path / "faces" / name / f"{number}.png", image)
    words = ["--data", tmp_path / "faces", "--network", "seresnet", "--epochs", 1, "--batch-size", 16]
    assert command("classifier", "train", *words, "--label-set", "fer2013", "--out", tmp_path / "run") == 0
    config = read(tmp_path / "run" / "config.json")
    assert (config["label_set"], config["label_names"]) == ("own", ["happy", "sad", "bored"])
    bundle, data = open_model(tmp_path / "run"), load_dataset(tmp_path / "faces")
    assert bundle.heads["fer2013"].labels == ("happy", "sad", "bored")
    assert set(ExpressionClassifier(bundle).predict(random_images(1))[0].scores) == {"happy", "sad", "bored"}
    assert evaluate_classifier(tmp_path / "run", data, "test")["n"] == len(data.rows_in("test"))


def test_a_run_that_fails_while_it_is_scored_is_no_model_and_can_be_resumed(
    trainer: ModuleType, tiny_run: Path, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, config = small, plan_of()
    folder = shutil.copytree(tiny_run, tmp_path / "run")
    for name in ("card.json", "report.json", "robustness.json"):  # of the step that fails below, and after it
        (folder / name).unlink()
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(scoring, "evaluate_robustness", full)
        with pytest.raises(OSError, match="No space"):
            fake_training(data, folder, config)
    run = run_listing.load_run(folder)
    assert run is not None
    assert (run.epoch, run.epochs, run.has_model) == (1, 1, False)
    assert replace(run, network="seresnet", config={**run.config, "data": "x.npz"}).can_resume
    assert fake_training(data, folder, config).card_fields["metrics"]


def test_an_earlier_card_does_not_hide_an_interrupted_run(
    trainer: ModuleType, tiny_run: Path, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finished run that was resumed and killed while it was scored."""
    folder, config = shutil.copytree(tiny_run, tmp_path / "run"), plan_of()
    with monkeypatch.context() as patch:

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(scoring, "evaluate_robustness", killed)
        with pytest.raises(KeyboardInterrupt):
            fake_training(small, folder, config)
    run = run_listing.load_run(folder)
    assert run is not None
    assert (run.epoch, run.has_model) == (1, False)
    assert replace(run, network="seresnet", config={**run.config, "data": "x.npz"}).can_resume


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "nowhere.csv"], "There is no nowhere.csv"),
        (["--data", "fer2013.csv", "--network", "resnet152"], "no network 'resnet152'; choose one of mlp, "),
        (["--data", "fer2013.csv", "--epochs", "0"], "epochs is 0; expected a whole number from 1"),
        (["--data", "fer2013.csv", "--learning-rate", "nan"], "nan"),
        (["--data", "fer2013.csv", "--ferplus-csv", "fer2013.csv"], "line 1"),
        (["--data", "fer2013.csv", "--negatives", "nowhere"], "There is no folder nowhere"),
    ],
)
def test_an_error_is_one_sentence_and_stored_in_the_folder(
    arguments: list[str],
    words: str,
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(files)
    assert command("classifier", "train", *arguments, "--out", tmp_path / "run") == 1
    error = capsys.readouterr().err
    assert error.startswith("emotion: ")
    assert error.count("\n") == 1
    assert words in error
    state = Job(tmp_path / "run").read_state()
    assert state.status == "failed"
    assert words in str(state.error)
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_job_with_bad_data_is_failed_not_interrupted(tmp_path: Path) -> None:
    """As a page starts it: the output of the process is not read."""
    write_fer2013(tmp_path / "fer2013.csv", dataset(3, votes=False))
    with (tmp_path / "fer2013.csv").open("a") as file:
        file.write("9,1 2 3,Training\n")
    folder = jobs.create_job_folder(tmp_path, "bad data")
    job = jobs.start_job(["classifier", "train", "--data", str(tmp_path / "fer2013.csv"), "--out", str(folder)], folder)
    wait_until(lambda: not job.read_state().is_running, 60)
    assert job.read_state().status == "failed"
    assert "line 5" in str(job.read_state().error)


# --- use ---------------------------------------------------------------------------------------------------


def test_use_copies_a_model_where_the_app_finds_it(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = tmp_path / "models"
    monkeypatch.setattr("emotion.model_store.store.BUILTIN_MODELS", models)
    assert command("models", "install", finished, "--name", "my model") == 0
    assert capsys.readouterr().out == f"{models / 'my model'}\n"
    (found,), bad = list_models("classifier", models)
    assert (found.name, bad) == ("my model", [])
    assert found.card_fields == open_model(finished).card_fields | {
        "name": "my model",
        "source_run": finished.name,
        "default": False,
    }
    files = {path.name for path in found.folder.iterdir()}
    shown = {"predictions.npz", "tracked_examples.npz", "robustness.json", "steps.csv"}
    assert files == {"card.json", MANIFEST_FILE, *shown, *found.card_fields["files"]}  # the checkpoint stays behind
    assert command("models", "install", finished, "--name", "my model") == 1
    assert "my model" in capsys.readouterr().err
    assert command("models", "install", finished, "--name", "second", "--default") == 0
    assert list_models("classifier", models)[0][0].name == "second"
    assert command("models", "install", finished, "--name", "a third", "--default") == 0
    assert [b.card_fields["default"] for b in list_models("classifier", models)[0]] == [True, False, False]


@pytest.mark.parametrize("name", ["", " ", ".", "..", "../evil", "a/b", ".hidden", "/tmp/absolute"])
def test_a_name_is_no_path(finished: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(EmotionError, match="choose a plain word"):
        install_model(finished, tmp_path / "models", name)
    assert list(tmp_path.iterdir()) == []


def damaged(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"another file")


@pytest.mark.parametrize("damage", [damaged, lambda folder: (folder / "card.json").unlink(), shutil.rmtree])
def test_only_a_complete_model_is_copied(finished: Path, tmp_path: Path, damage: Callable[[Path], object]) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    damage(run)
    with pytest.raises(ModelError):
        install_model(run, tmp_path / "models", "mine")
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("full_at", ["report.json", "card.json"])
def test_a_copy_that_fails_leaves_nothing(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_at: str
) -> None:
    def copied(source: Path, target: Path) -> None:
        written(target, source.read_bytes())

    def written(target: Path, value: object) -> None:
        if target.name == full_at:
            raise OSError(28, "No space left on device")
        target.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", copied)
        patch.setattr(install, "write_json", written)
        with pytest.raises(ModelError, match="No space"):
            install_model(finished, tmp_path, "mine")
    assert list(tmp_path.iterdir()) == []
    assert install_model(finished, tmp_path, "mine").sha256 == compute_sha256(finished / "model.onnx")


def test_the_history_is_a_table_that_any_program_reads(finished: Path) -> None:
    with (finished / "history.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == read_history(finished)[0]
    assert all(math.isfinite(float(cell)) for cell in row.values())
