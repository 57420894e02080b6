"""Metrics of a run from its saved predictions, compared with other implementations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from emotion.errors import DataError
from emotion.training.runs.prediction_recorder import PredictionRecorder, pick_examples, save_final_predictions
from emotion.training.runs.predictions import PREDICTIONS_FILE, Predictions
from emotion.training.runs.tracked_examples import EXAMPLES_FILE, TrackedExamples
from tests.training.making import dataset

NAMES = ("angry", "happy", "sad")


def make_predictions(seed: int = 0, n: int = 40, names: tuple[str, ...] = NAMES, first: int = 100) -> Predictions:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(len(names)), n)
    predicted_labels = np.stack([rng.integers(0, len(names), n), probabilities.astype(np.float16).argmax(1)])
    return Predictions(
        np.arange(first, first + n, dtype=np.int32),
        rng.integers(0, len(names), n).astype(np.int8),
        np.array([1, 2], np.int32),
        predicted_labels.astype(np.int8),
        probabilities.astype(np.float16),
        2,
        "validation",
        names,
    )


def test_written_and_read(tmp_path: Path) -> None:
    assert Predictions.load(tmp_path) is None
    one = make_predictions()
    one.save(tmp_path)
    again = Predictions.load(tmp_path)
    assert again is not None
    for name in ("rows", "labels", "epochs", "predicted", "probabilities"):
        np.testing.assert_array_equal(getattr(again, name), getattr(one, name))
    assert (again.best_epoch, again.split, again.class_names) == (2, "validation", NAMES)


def test_the_figures(tmp_path: Path) -> None:
    one = make_predictions()
    for epoch in (1, 2):
        predicted_labels = one.at_epoch(epoch)
        np.testing.assert_array_equal(
            one.confusion_matrix(epoch), metrics.confusion_matrix(one.labels, predicted_labels, labels=range(3))
        )
        assert one.accuracy(epoch) == pytest.approx(metrics.accuracy_score(one.labels, predicted_labels))
        for i, row in enumerate(one.per_class(epoch)):
            assert row["label"] == NAMES[i]
            assert row["n"] == (one.labels == i).sum()
            assert row["recall"] == pytest.approx((predicted_labels[one.labels == i] == i).mean())
            assert row["precision"] == pytest.approx((one.labels[predicted_labels == i] == i).mean())
            f1 = metrics.f1_score(one.labels, predicted_labels, labels=[i], average="macro")
            assert row["f1"] == pytest.approx(f1)
    np.testing.assert_array_equal(one.confusion_matrix(), one.confusion_matrix(2))
    assert sum(row["n"] for row in one.reliability_bins()) == 40
    for label in range(3):
        for predicted_labels in range(3):
            assert len(one.confusion_cell(label, predicted_labels)) == one.confusion_matrix()[label, predicted_labels]
    with pytest.raises(DataError, match="no predictions of epoch 7; choose one of 1 to 2"):
        one.at_epoch(7)


def test_mistakes_are_wrong_and_sorted_by_confidence() -> None:
    one = make_predictions()
    found = one.misclassifications(100)
    assert len(found) == 40 - round(one.accuracy() * 40)
    assert [m.confidence for m in found] == sorted((m.confidence for m in found), reverse=True)
    for mistake in found:
        assert mistake.row == 100 + mistake.index
        assert mistake.label == one.labels[mistake.index] != mistake.predicted == one.at_epoch()[mistake.index]
    assert one.misclassifications(2) == found[:2]


def test_two_runs_are_compared_on_the_faces_that_both_predicted() -> None:
    one, other = make_predictions(0), make_predictions(1, names=("sad", "angry", "fear"), first=120)
    both = one.compare(other)
    assert both.rows.tolist() == list(range(120, 140))
    mine = [one.class_names[i] for i in one.at_epoch()[20:]]
    theirs = [other.class_names[i] for i in other.at_epoch()[:20]]
    right = [one.class_names[i] for i in one.labels[20:]]
    assert both.agreement_rate == pytest.approx(np.mean([a == b for a, b in zip(mine, theirs, strict=True)]))
    triples = list(zip(both.rows.tolist(), mine, theirs, right, strict=True))
    assert both.only_first_correct.tolist() == [row for row, a, b, c in triples if a == c != b]
    assert both.only_other_correct.tolist() == [row for row, a, b, c in triples if b == c != a]
    assert both.neither_correct.tolist() == [row for row, a, b, c in triples if a != c != b]
    assert one.compare(make_predictions(2, first=900)).agreement_rate == 0


def test_rows_of_another_data_set_have_other_labels() -> None:
    one = make_predictions()
    assert not one.conflicts_with(one)
    assert not one.conflicts_with(make_predictions(1, first=900))  # no row in common
    assert one.conflicts_with(replace(one, labels=one.labels[::-1].copy()))


@given(junk=st.binary(max_size=300))
def test_a_damaged_file_is_refused(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    for name, kind in ((PREDICTIONS_FILE, Predictions), (EXAMPLES_FILE, TrackedExamples)):
        (folder / name).write_bytes(junk)
        with pytest.raises(DataError, match="is damaged; write it again"):
            kind.load(folder)
        (folder / name).unlink()


@pytest.mark.parametrize("cut", [1, 50, 200, 600])
def test_an_incomplete_file_is_refused(tmp_path: Path, cut: int) -> None:
    make_predictions().save(tmp_path)
    whole = (tmp_path / PREDICTIONS_FILE).read_bytes()
    (tmp_path / PREDICTIONS_FILE).write_bytes(whole[:-cut])
    with pytest.raises(DataError, match="is damaged"):
        Predictions.load(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"predicted": np.zeros((2, 39), np.int8)},
        {"predicted": np.full((2, 40), 3, np.int8)},
        {"labels": np.full(40, -1, np.int8)},
        {"probabilities": np.zeros((40, 2), np.float16)},
        {"rows": np.zeros(40)},
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, wrong: dict) -> None:
    one = make_predictions()
    arrays = {name: getattr(one, name) for name in ("rows", "labels", "epochs", "predicted", "probabilities")}
    arrays |= {"best_epoch": np.int32(2), "split": np.array("validation"), "class_names": np.array(NAMES)}
    np.savez(tmp_path / PREDICTIONS_FILE, allow_pickle=False, **(arrays | wrong))  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match="is damaged"):
        Predictions.load(tmp_path)


# --- recorded during the training --------------------------------------------------------------------------


def recorder(folder: Path, epoch: int) -> PredictionRecorder:
    data = dataset(0, 30)
    return PredictionRecorder(folder, data, np.arange(30, dtype=np.int32) + 5, data.label_names, epoch)


def probabilities_of(epoch: int) -> np.ndarray:
    return np.random.default_rng(epoch).dirichlet(np.ones(7), 30)


def test_a_recorder_goes_on_after_the_last_whole_epoch(tmp_path: Path) -> None:
    first = recorder(tmp_path, 0)
    for epoch, best in ((1, 1), (2, 2), (3, 2), (4, 4)):
        first.append(epoch, probabilities_of(epoch), best)
    again = recorder(tmp_path, 3)  # a crash between the predictions and the checkpoint of epoch 4
    again.append(4, probabilities_of(4), 4)
    again.append(5, probabilities_of(5), 4)
    answers, examples = Predictions.load(tmp_path), TrackedExamples.load(tmp_path)
    assert answers is not None
    assert examples is not None
    assert answers.epochs.tolist() == examples.epochs.tolist() == [1, 2, 3, 4, 5]
    assert answers.best_epoch == 4
    np.testing.assert_array_equal(answers.probabilities, probabilities_of(4).astype(np.float16))
    for epoch in range(1, 6):
        np.testing.assert_array_equal(answers.at_epoch(epoch), probabilities_of(epoch).argmax(1))
        shown = pick_examples(dataset(0, 30).labels, 7)
        np.testing.assert_array_equal(
            examples.probabilities[epoch - 1], probabilities_of(epoch)[shown].astype(np.float16)
        )


def test_damaged_records_do_not_stop_a_training(tmp_path: Path) -> None:
    recorder(tmp_path, 0).append(1, probabilities_of(1), 1)
    (tmp_path / PREDICTIONS_FILE).write_bytes(b"junk")
    recorder(tmp_path, 1).append(2, probabilities_of(2), 1)
    answers = Predictions.load(tmp_path)
    assert answers is not None
    assert answers.epochs.tolist() == [2]


def test_the_final_predictions_follow_those_of_the_epochs(tmp_path: Path) -> None:
    first = recorder(tmp_path, 0)
    for epoch in (1, 3):
        first.append(epoch, probabilities_of(epoch), 1)
    read = Predictions.load(tmp_path)
    assert read is not None
    best = Predictions(
        read.rows,
        read.labels,
        np.array([2], np.int32),
        probabilities_of(2).argmax(1).astype(np.int8)[None],
        probabilities_of(2).astype(np.float16),
        2,
        "validation",
        read.class_names,
    )
    save_final_predictions(tmp_path, best)
    joined = Predictions.load(tmp_path)
    assert joined is not None
    assert (joined.best_epoch, joined.epochs.tolist()) == (2, [1, 2, 3])
    for epoch in (1, 2, 3):
        np.testing.assert_array_equal(joined.at_epoch(epoch), probabilities_of(epoch).argmax(1))


def test_examples_show_every_label_and_are_always_the_same() -> None:
    labels = dataset(0, 60).labels
    shown = pick_examples(labels, 7)
    assert len(shown) == 12
    assert set(labels[shown]) == set(range(7))
    np.testing.assert_array_equal(shown, pick_examples(labels, 7))
    assert len(pick_examples(labels[:3], 7)) == 3


def test_a_hundred_epochs_of_fer2013_stay_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 3589).astype(np.int8)
    predicted_labels = np.where(rng.random((100, 3589)) < 0.6, labels, rng.integers(0, 7, (100, 3589))).astype(np.int8)
    Predictions(
        np.arange(3589, dtype=np.int32),
        labels,
        np.arange(1, 101, dtype=np.int32),
        predicted_labels,
        rng.dirichlet(np.ones(7), 3589).astype(np.float16),
        100,
        "validation",
        tuple("abcdefg"),
    ).save(tmp_path)
    assert (tmp_path / PREDICTIONS_FILE).stat().st_size < 300_000
