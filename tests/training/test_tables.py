import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion import formatting
from emotion.training import prediction_tables, tables
from emotion.training.tables import STEP_SERIES, TRAIN_SERIES, VALIDATION_SERIES


def history(train_losses: list[float], held_out: list[float]) -> list[dict[str, str]]:
    return [
        {"epoch": str(i), "accuracy": str(a), "val_accuracy": str(v), "loss": str(1 / i), "learning_rate": "0.001"}
        for i, (a, v) in enumerate(zip(train_losses, held_out, strict=True), 1)
    ]


OTHERS = [
    ({"epoch": "1", "val_ap": "0.5"}, ("", "val_ap")),
    (
        {"epoch": "1", "fer2013_accuracy": "0.4", "val_fer2013_accuracy": "0.5"},
        ("fer2013_accuracy", "val_fer2013_accuracy"),
    ),
    ({"epoch": "1", "val_accuracy": "0.5"}, ("", "val_accuracy")),
    ({"epoch": "1", "accuracy": "0.5"}, ("", "")),
    ({"epoch": "1"}, ("", "")),
]


@pytest.mark.parametrize(("row", "columns"), OTHERS)
def test_the_columns_that_compare(row: dict[str, str], columns: tuple[str, str]) -> None:
    assert tables.find_metric_columns([row], "accuracy") == columns
    assert tables.find_metric_columns([], "accuracy") == ("", "")


@pytest.mark.parametrize("cell", ["", "nan", "inf", "x", None])
def test_what_is_no_number_is_left_out(cell: Any) -> None:
    rows = history([0.1, 0.2], [0.3, 0.4])
    rows[0]["val_accuracy"] = cell
    assert tables.extract_series(rows, "val_accuracy") == [(2, 0.4)]
    assert tables.find_best_epoch(rows) == 2


def test_the_best_epoch_is_the_one_that_is_kept() -> None:
    """By both heads, and of a detector also by its landmarks; the first of equals."""
    two = [
        {"epoch": str(i), "val_fer2013_accuracy": str(a), "val_ferplus_accuracy": str(b)}
        for i, (a, b) in enumerate([(0.70, 0.80), (0.69, 0.83), (0.68, 0.84)], 1)
    ]
    assert tables.find_best_epoch(two) == 2
    found = [
        {"epoch": str(i), "val_ap": str(ap), "val_landmark_error": str(off)}
        for i, (ap, off) in enumerate([(0.92, 0.14), (0.91, 0.05), (0.915, 0.06)], 1)
    ]
    assert tables.find_best_epoch(found) == 2
    frozen = [  # all heads but that of the expression
        {"epoch": str(i), "val_fer2013_accuracy": "0.7", "val_expression_recall": str(recall)}
        for i, recall in enumerate([0.5, 0.7, 0.6], 1)
    ]
    assert tables.find_best_epoch(frozen) == 2
    assert tables.find_best_epoch([{"epoch": "1", "loss": "2"}]) is None


def test_a_single_head_has_its_curve_too() -> None:
    rows = [{"epoch": "1", "accuracy": "0.4", "val_fer2013_accuracy": "0.5"}]
    assert tables.find_metric_columns(rows, "accuracy") == ("accuracy", "val_fer2013_accuracy")


def test_curves_of_two_runs_mark_their_best_epochs() -> None:
    table = tables.curves_table(
        {"a": history([0.2, 0.3, 0.4], [0.3, 0.5, 0.5]), "b": [{"epoch": "7", "val_ap": "0.25"}]}, "accuracy"
    )
    assert list(table.columns) == ["run", "split", "epoch", "value", "raw", "best"]
    best = table[table["best"]]
    assert [(r, p, e) for r, p, e in zip(best["run"], best["split"], best["epoch"], strict=True)] == [
        ("a", VALIDATION_SERIES, 2),
        ("b", VALIDATION_SERIES, 7),
    ]
    assert len(table[table["run"] == "a"]) == 6
    assert list(table[table["split"] == TRAIN_SERIES]["value"]) == [0.2, 0.3, 0.4]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"label_set": "four"}, "4: angry, fear, happy, sad"),
        ({"label_set": "fer2013"}, "7 (FER-2013)"),
        ({"label_set": "own", "label_names": ["a", "b"]}, "2 of its data"),
        ({"label_set": "own"}, "of its data"),
        ({"has_ferplus_votes": True}, "7, 8 (FER+)"),
        ({"has_ferplus_votes": True, "label_set": "fer2013"}, "7, 8 (FER+)"),
        ({"has_ferplus_votes": False}, ""),
        ({"ferplus_csv": "fer2013new.csv", "label_set": "ferplus"}, "8 (FER+)"),
        ({"label_set": 3}, ""),
        ({}, ""),
    ],
)
def test_the_labels_of_a_run_in_words(config: dict[str, Any], words: str) -> None:
    assert tables.describe_labels(config) == words


def test_no_history_is_an_empty_table() -> None:
    assert len(tables.curves_table({"a": []}, "loss")) == 0
    assert len(tables.step_curves_table([], [], "accuracy")) == 0


@given(st.lists(st.floats(-1e6, 1e6), max_size=30), st.floats(0, 0.99))
def test_smoothing_stays_within_the_values_and_0_changes_nothing(values: list[float], weight: float) -> None:
    out = tables.smooth_values(values, weight)
    assert len(out) == len(values)
    if values:
        assert out[0] == pytest.approx(values[0])
        slack = 1e-6 * max(1, *map(abs, values))
        assert min(values) - slack <= min(out) <= max(out) <= max(values) + slack
    assert tables.smooth_values(values, 0) == pytest.approx(values)


def test_smoothing_keeps_a_constant_and_follows_slowly() -> None:
    assert tables.smooth_values([3.0] * 5, 0.9) == pytest.approx([3.0] * 5)
    assert tables.smooth_values([0.0, 1.0], 0.6)[1] == pytest.approx(0.4 / 0.64)


def test_learning_rates_by_step_and_by_epoch() -> None:
    steps = [
        {"epoch": "1", "step": "5", "num_steps": "10", "loss": "2", "accuracy": "0.1", "learning_rate": "0.01"},
        {"epoch": "3", "step": "10", "num_steps": "10", "loss": "1", "accuracy": "nan", "learning_rate": "0.02"},
        {"epoch": "3", "step": "1", "num_steps": "0", "loss": "1", "accuracy": "0.5", "learning_rate": "0.02"},
    ]
    table = tables.step_curves_table(history([0.2, 0.3], [0.4, 0.35]), steps, "accuracy")
    within = table[table["split"] == STEP_SERIES]
    assert list(zip(within["epoch"], within["value"], strict=True)) == [(0.5, 0.1)]
    assert list(table[table["best"]]["epoch"]) == [1.0]
    rates = tables.step_curves_table([], steps, "learning_rate")
    assert list(rates["epoch"]) == [0.5, 3.0]


RISING = [0.3 + 0.03 * i for i in range(23)]
ADVICE = [
    (RISING, [0.4 + 0.01 * i for i in range(23)], 40, None),  # the newest is the best
    (
        RISING,
        [0.4 + 0.01 * min(i, 13) - 0.01 * max(0, i - 13) for i in range(23)],
        40,
        "Best epoch 14 of 23, gap 52 points: stop?",
    ),
    (RISING, [0.4 + 0.01 * min(i, 13) - 0.01 * max(0, i - 13) for i in range(23)], 23, None),  # it ends anyway
    ([0.3] * 23, [0.31] + [0.3] * 22, 40, None),  # tired, but no gap
    ([], [], 40, None),
]


@pytest.mark.parametrize(("train_losses", "held_out", "epochs", "text"), ADVICE)
def test_overfitting_is_detected(
    train_losses: list[float], held_out: list[float], epochs: int, text: str | None
) -> None:
    assert tables.detect_overfitting(history(train_losses, held_out), epochs) == text


def test_only_settings_that_differ() -> None:
    table = tables.diff_settings(
        {
            "a": {"epochs": 5, "seed": 1, "augmentation": {"flip": True, "rotation": 10.0}, "label_names": ["x"]},
            "b": {"epochs": 5, "seed": 2, "augmentation": {"flip": True, "rotation": 14.5}, "patience": None},
        }
    )
    assert table.to_numpy().tolist() == [
        ["seed", "1", "2"],
        ["augmentation: rotation", "10", "14.5"],
        ["patience", "", "none"],
    ]
    assert tables.diff_settings({"a": {"x": 1}}).empty


def test_a_confusion_matrix_as_cells() -> None:
    table = prediction_tables.confusion_table(np.array([[3, 1], [0, 0]]), ["happy", "sad"])
    assert table[["count", "share", "row", "column"]].to_numpy().tolist() == [
        [3, 0.75, 0, 0],
        [1, 0.25, 0, 1],
        [0, 0.0, 1, 0],
        [0, 0.0, 1, 1],
    ]
    assert table["true"].tolist() == ["happy"] * 2 + ["sad"] * 2


def test_votes_as_text() -> None:
    names = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
    assert (
        prediction_tables.format_votes(np.array([2, 7, 0, 0, 0, 0, 0, 0, 1, 0]), names)
        == "happy 7, neutral 2, unknown 1"
    )
    assert prediction_tables.format_votes(np.zeros(10), names) == ""
    assert prediction_tables.format_votes(None, names) == ""


STRESS = [
    None,
    {},
    {"rows": None},
    {"rows": "x"},
    {"rows": [None, 3, {}, {"corruption": "blur", "severity": "x", "accuracy": 1}]},
]


@pytest.mark.parametrize("stress", STRESS)
def test_a_damaged_robustness_file_counts_as_none(stress: Any) -> None:
    good = {"rows": [{"corruption": "blur", "severity": 1, "unit": "pixels", "accuracy": 0.5}]}
    table = prediction_tables.robustness_table({"bad": stress, "good": good})
    assert table["run"].tolist() == ["good"]
    assert math.isnan(table["macro_recall"][0])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (89, "89 s"), (90, "2 min"), (5000, "83 min"), (7200, "2 h"), (9000, "2.5 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert formatting.format_duration(seconds) == text
    assert formatting.format_time_left(seconds) == f"about {text} left"
    assert formatting.format_time_left(None) == ""


def test_the_most_frequent_mistakes_come_first() -> None:
    scores = {"per_class": {"happy": {}, "sad": {}, "fear": {}}, "confusion": [[8, 1, 0], [5, 4, 3], [0, 0, 2]]}
    assert prediction_tables.list_confusions(scores, 2) == [("sad", "happy", 5, 12), ("sad", "fear", 3, 12)]


@pytest.mark.parametrize("matrix", [None, [[1, 2]], [["a", "b"], ["c", "d"]], {}, [[1, 2], [3]]])
def test_scores_without_a_valid_matrix_have_no_mistakes(matrix: object) -> None:
    assert prediction_tables.list_confusions({"per_class": {"happy": {}, "sad": {}}, "confusion": matrix}, 6) == []
