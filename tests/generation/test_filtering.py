"""Filtering of synthetic faces, the best seeds, and adding faces to a training split."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion.cli.main import main
from emotion.datasets.readers.loaders import load_dataset
from emotion.errors import DataError, EmotionError
from emotion.generation.filtering import FaceFilter, add_to_dataset, best_seeds, find_confused_faces, sample_accepted
from emotion.generation.sampler import Sampler
from emotion.model_store.store import ModelBundle, open_model
from emotion.recognition.classification import ExpressionClassifier
from tests.generation.making import write_classifier


@pytest.fixture(scope="module")
def classifier(classifier_bundle: ModelBundle) -> ExpressionClassifier:
    return ExpressionClassifier(classifier_bundle, num_threads=1)


def predict_probs(classifier: ExpressionClassifier, faces: np.ndarray, name: str) -> list[float]:
    return [prediction.scores[name] for prediction in classifier.predict(faces)]


@pytest.mark.parametrize("min_prob", [0.0, 0.1, 0.2])
def test_the_first_faces_that_pass_are_accepted(
    sampler: Sampler, classifier: ExpressionClassifier, min_prob: float
) -> None:
    accepted = sample_accepted(sampler, FaceFilter(classifier, min_prob), "sad", 10, first_seed=5)
    drawn = sampler.sample(range(5, 5 + accepted.num_drawn), "sad")
    passing = [i for i, prob in enumerate(predict_probs(classifier, drawn, "sad")) if prob >= min_prob]
    assert accepted.seeds == tuple(5 + i for i in passing[:10])
    np.testing.assert_array_equal(accepted.faces, drawn[passing[:10]])
    assert accepted.num_drawn == (200 if len(passing) < 10 else passing[9] + 1)


def test_without_an_accepted_face_the_result_is_empty(sampler: Sampler, classifier: ExpressionClassifier) -> None:
    accepted = sample_accepted(sampler, FaceFilter(classifier, 1.0), "sad", 3)
    assert (accepted.faces.shape, accepted.seeds, accepted.num_drawn) == ((0, 48, 48), (), 60)


def test_seeds_continue_at_zero(sampler: Sampler, classifier: ExpressionClassifier) -> None:
    assert sample_accepted(sampler, FaceFilter(classifier, 0), "sad", 3, first_seed=2**32 - 2).seeds == (
        2**32 - 2,
        2**32 - 1,
        0,
    )


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_one_is_refused(sampler: Sampler, classifier: ExpressionClassifier, count: int) -> None:
    with pytest.raises(EmotionError, match="expected 1 or more"):
        sample_accepted(sampler, FaceFilter(classifier), "sad", count)


@pytest.mark.parametrize("min_prob", [1.1, -0.1, float("nan")])
def test_an_invalid_minimum_probability_is_refused(classifier: ExpressionClassifier, min_prob: float) -> None:
    with pytest.raises(EmotionError, match="expected 0 to 1"):
        FaceFilter(classifier, min_prob)


def test_a_label_of_neither_model_is_refused(sampler: Sampler, classifier: ExpressionClassifier) -> None:
    with pytest.raises(EmotionError, match="has no label 'bored'"):
        sample_accepted(sampler, FaceFilter(classifier), "bored", 1)


def test_the_best_seeds_have_the_best_worst_faces(sampler: Sampler, classifier: ExpressionClassifier) -> None:
    worst = np.min(
        [
            [
                prediction.scores[label] * prediction.face_prob
                for prediction in classifier.predict(sampler.sample(range(12), label))
            ]
            for label in sampler.labels
        ],
        axis=0,
    )
    seeds = best_seeds(sampler, classifier, 5, num_candidates=12)
    assert [*worst[list(seeds)]] == sorted(worst)[::-1][:5]


def test_labels_that_the_classifier_lacks_do_not_affect_the_best_seeds(sampler: Sampler, tmp_path: Path) -> None:
    two_labels = ExpressionClassifier(
        open_model(write_classifier(tmp_path / "two", labels=("happy", "contempt"))), num_threads=1
    )
    scores = [
        prediction.scores["happy"] * prediction.face_prob
        for prediction in two_labels.predict(sampler.sample(range(6), "happy"))
    ]
    assert best_seeds(sampler, two_labels, 6, num_candidates=6) == tuple(np.argsort(-np.array(scores), kind="stable"))


def test_only_the_training_split_gets_synthetic_faces(
    sampler: Sampler, classifier: ExpressionClassifier, tmp_path: Path
) -> None:
    for split in ("train", "validation", "test"):
        for label in ("happy", "sad"):
            (tmp_path / "set" / split / label).mkdir(parents=True)
            for i in range(3):
                gray = np.random.default_rng(i).integers(0, 255, (48, 48)).astype(np.uint8)
                cv2.imwrite(str(tmp_path / "set" / split / label / f"{i}.png"), gray)
    before = load_dataset(tmp_path / "set")
    face_filter = FaceFilter(classifier, 0.0)
    added = add_to_dataset(tmp_path / "set", sampler, face_filter, "sad", 4, first_seed=9)
    after = load_dataset(tmp_path / "set")
    assert added["seeds"] == [9, 10, 11, 12]
    assert len(after.rows_in("train")) == len(before.rows_in("train")) + 4
    assert [len(after.rows_in(name)) for name in ("validation", "test")] == [6, 6]
    add_to_dataset(tmp_path / "set", sampler, face_filter, "happy", 1)
    entries = json.loads((tmp_path / "set" / "synthetic_faces.json").read_text())["added"]
    assert [(entry["expression"], entry["generator"]["sha256"]) for entry in entries] == [
        ("sad", sampler.bundle.sha256),
        ("happy", sampler.bundle.sha256),
    ]


def test_a_refused_folder_stays_unchanged(sampler: Sampler, classifier: ExpressionClassifier, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    with pytest.raises(DataError, match="no data set with a folder train/"):
        add_to_dataset(tmp_path / "letters", sampler, FaceFilter(classifier), "sad", 1)
    with pytest.raises(EmotionError, match="In none of 20 faces"):
        add_to_dataset(tmp_path / "new", sampler, FaceFilter(classifier, 1.0), "sad", 1)
    assert list((tmp_path / "letters").iterdir()) == []
    assert not (tmp_path / "new").exists()


def test_the_command_adds_faces_to_a_data_set(
    generator_folder: Path, classifier_bundle: ModelBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "generator",
        "sample",
        "--model",
        str(generator_folder),
        "--add-to-dataset",
        str(tmp_path / "set"),
        "--filter-classifier",
        str(classifier_bundle.folder),
    ]
    assert main([*arguments, "--expression", "sad", "--count", "2", "--min-prob", "0"]) == 0
    assert "2 of 2 sampled faces are in" in capsys.readouterr().out
    assert len(list((tmp_path / "set" / "train" / "sad").glob("*.png"))) == 2
    assert main(arguments) == 1
    assert "one expression at a time" in capsys.readouterr().err
    assert main([*arguments, "--expression", "sad", "--enlarge"]) == 1
    assert "a data set has the faces of the generator" in capsys.readouterr().err
    assert main(["generator", "sample", "--model", str(generator_folder)]) == 1
    assert "give --out DIR, or --add-to-dataset FOLDER" in capsys.readouterr().err


def test_a_confused_face_is_predicted_as_the_other_label(sampler: Sampler, classifier: ExpressionClassifier) -> None:
    pairs = [(label, other) for label in sampler.labels for other in sampler.labels if other != label]
    found = find_confused_faces(sampler, classifier, [*pairs, ("bored", "sad")], num_seeds=8)
    assert found, "some faces of an untrained generator are confused"
    for (label, predicted), example in found.items():
        np.testing.assert_array_equal(example.face, sampler.sample([example.seed], label)[0])
        (prediction,) = classifier.predict(example.face[None], classifier.bundle.default_head)
        assert prediction.scores.label == predicted
        assert prediction.scores[predicted] == pytest.approx(example.probability, abs=1e-5)
