"""Only what is seen as asked passes, and it gets into training alone."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion.cli.main import main
from emotion.datasets.loaders import load_dataset
from emotion.errors import DataError, EmotionError
from emotion.generation.filtering import add_to_dataset, best_seeds, sample_accepted
from emotion.generation.sampler import Sampler
from emotion.model_store.store import ModelBundle, open_model
from emotion.recognition.classification import ExpressionClassifier
from tests.generation.making import write_judge


@pytest.fixture(scope="module")
def classifier(judge_bundle: ModelBundle) -> ExpressionClassifier:
    return ExpressionClassifier(judge_bundle, num_threads=1)


def shares(classifier: ExpressionClassifier, faces: np.ndarray, name: str) -> list[float]:
    return [verdict.scores[name] for verdict in classifier.predict(faces)]


@pytest.mark.parametrize("least", [0.0, 0.1, 0.2])
def test_the_first_that_pass(sampler: Sampler, classifier: ExpressionClassifier, least: float) -> None:
    passed = sample_accepted(sampler, classifier, "sad", 10, min_prob=least, first_seed=5)
    drawn = sampler.sample(range(5, 5 + passed.num_drawn), "sad")
    good = [i for i, share in enumerate(shares(classifier, drawn, "sad")) if share >= least]
    assert passed.seeds == tuple(5 + i for i in good[:10])
    np.testing.assert_array_equal(passed.faces, drawn[good[:10]])
    assert passed.num_drawn == (200 if len(good) < 10 else good[9] + 1)


def test_none_pass(sampler: Sampler, classifier: ExpressionClassifier) -> None:
    passed = sample_accepted(sampler, classifier, "sad", 3, min_prob=1.0)
    assert (passed.faces.shape, passed.seeds, passed.num_drawn) == ((0, 48, 48), (), 60)


def test_seeds_go_round(sampler: Sampler, classifier: ExpressionClassifier) -> None:
    assert sample_accepted(sampler, classifier, "sad", 3, min_prob=0, first_seed=2**32 - 2).seeds == (
        2**32 - 2,
        2**32 - 1,
        0,
    )


@pytest.mark.parametrize(("count", "least"), [(0, 0.5), (-1, 0.5), (1, 1.1), (1, -0.1), (1, float("nan"))])
def test_nothing_is_asked_for(sampler: Sampler, classifier: ExpressionClassifier, count: int, least: float) -> None:
    with pytest.raises(EmotionError, match="expected 1 or more and 0 to 1"):
        sample_accepted(sampler, classifier, "sad", count, min_prob=least)


def test_a_label_that_one_of_them_does_not_know(sampler: Sampler, classifier: ExpressionClassifier) -> None:
    with pytest.raises(EmotionError, match="does not know 'bored'"):
        sample_accepted(sampler, classifier, "bored", 1)


def test_people_are_as_good_as_their_worst_face(sampler: Sampler, classifier: ExpressionClassifier) -> None:
    worst = np.min(
        [
            [
                verdict.scores[label] * verdict.face_prob
                for verdict in classifier.predict(sampler.sample(range(12), label))
            ]
            for label in sampler.labels
        ],
        axis=0,
    )
    seeds = best_seeds(sampler, classifier, 5, num_candidates=12)
    assert [*worst[list(seeds)]] == sorted(worst)[::-1][:5]


def test_of_expressions_that_it_does_not_know_nothing_is_asked(sampler: Sampler, tmp_path: Path) -> None:
    two = ExpressionClassifier(open_model(write_judge(tmp_path / "two", labels=("happy", "contempt"))), num_threads=1)
    shares = [verdict.scores["happy"] * verdict.face_prob for verdict in two.predict(sampler.sample(range(6), "happy"))]
    assert best_seeds(sampler, two, 6, num_candidates=6) == tuple(np.argsort(-np.array(shares), kind="stable"))


def test_they_get_into_training_alone(sampler: Sampler, classifier: ExpressionClassifier, tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        for label in ("happy", "sad"):
            (tmp_path / "set" / split / label).mkdir(parents=True)
            for i in range(3):
                grey = np.random.default_rng(i).integers(0, 255, (48, 48)).astype(np.uint8)
                cv2.imwrite(str(tmp_path / "set" / split / label / f"{i}.png"), grey)
    before = load_dataset(tmp_path / "set")
    said = add_to_dataset(tmp_path / "set", sampler, classifier, "sad", 4, min_prob=0.0, first_seed=9)
    after = load_dataset(tmp_path / "set")
    assert said["seeds"] == [9, 10, 11, 12]
    assert len(after.rows_in("train")) == len(before.rows_in("train")) + 4
    assert [len(after.rows_in(name)) for name in ("validation", "test")] == [6, 6]
    add_to_dataset(tmp_path / "set", sampler, classifier, "happy", 1, min_prob=0.0)
    told = json.loads((tmp_path / "set" / "synthetic_faces.json").read_text())["added"]
    assert [(one["expression"], one["generator"]["sha256"]) for one in told] == [
        ("sad", sampler.bundle.sha256),
        ("happy", sampler.bundle.sha256),
    ]


def test_what_is_no_data_set_stays_as_it_is(sampler: Sampler, classifier: ExpressionClassifier, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    with pytest.raises(DataError, match="no data set with a folder train/"):
        add_to_dataset(tmp_path / "letters", sampler, classifier, "sad", 1)
    with pytest.raises(EmotionError, match="In none of 20 faces"):
        add_to_dataset(tmp_path / "new", sampler, classifier, "sad", 1, min_prob=1.0)
    assert list((tmp_path / "letters").iterdir()) == []
    assert not (tmp_path / "new").exists()


def test_by_the_command_line(
    made: Path, judge_bundle: ModelBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "generator",
        "sample",
        "--model",
        str(made),
        "--add-to-dataset",
        str(tmp_path / "set"),
        "--filter-classifier",
        str(judge_bundle.folder),
    ]
    assert main([*arguments, "--expression", "sad", "--count", "2", "--min-prob", "0"]) == 0
    assert "2 of 2 sampled faces are in" in capsys.readouterr().out
    assert len(list((tmp_path / "set" / "train" / "sad").glob("*.png"))) == 2
    assert main(arguments) == 1
    assert "one expression at a time" in capsys.readouterr().err
    assert main(["generator", "sample", "--model", str(made)]) == 1
    assert "give --out DIR, or --add-to-dataset FOLDER" in capsys.readouterr().err
