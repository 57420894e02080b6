"""Tables of sweeps: trials, the best one so far, coordinates, importance."""

from __future__ import annotations

import csv

import pytest

from emotion.storage import BYTE_ORDER_MARK
from emotion.training.sweep.records import SweepRecord
from emotion.training.sweep.tables import (
    axis_ends_table,
    best_so_far_table,
    coordinates_table,
    describe_setting,
    importance_table,
    to_csv,
    trials_table,
)
from tests.training.sweep.making import make_record, make_request, make_trial


def test_each_trial_has_a_row_with_its_settings() -> None:
    table = trials_table(make_record())
    assert list(table.columns) == [
        "trial",
        "state",
        "accuracy",
        "best_epoch",
        "epochs",
        "seconds",
        "learning_rate",
        "batch_size",
    ]
    assert list(table["state"]) == ["complete", "complete", "complete", "pruned"]
    assert list(table["best_epoch"]) == [3, 3, 2, 1]
    assert list(table["batch_size"])[1:] == [32, 64, 32]


def test_the_csv_keeps_small_learning_rates() -> None:
    trial = make_trial(1, [0.5], settings={"learning_rate": 0.000123456, "batch_size": 32})
    text = to_csv(SweepRecord(request=make_request(), trials=[trial]))
    (row,) = csv.DictReader(text.removeprefix(BYTE_ORDER_MARK).splitlines())
    assert row["learning_rate"] == "0.000123456"


def test_the_best_so_far_never_falls_and_leaves_out_the_baseline() -> None:
    table = best_so_far_table(make_record())
    assert list(table["trial"]) == [1, 2, 3]
    assert list(table["best"]) == [0.4, 0.6, 0.6]
    assert list(table["state"]) == ["complete", "complete", "stopped early"]


def test_positions_on_the_axes_are_logarithmic_where_the_range_is() -> None:
    trial = make_trial(1, [0.5], settings={"learning_rate": 1e-3, "batch_size": 64})
    table = coordinates_table(SweepRecord(request=make_request(), trials=[trial])).set_index("axis")
    assert table["position"]["Learning rate"] == pytest.approx(0.5)
    assert table["position"]["Batch size"] == 1.0
    assert table["value"]["Batch size"] == "64"


def test_the_best_trial_is_marked_on_all_axes() -> None:
    table = coordinates_table(make_record())
    assert set(table[table["state"] == "best"]["trial"]) == {2}
    assert len(table) == 3 * 3
    assert list(axis_ends_table(make_record())["value"]) == ["0.0001", "0.01", "32", "64", "10%", "60%"]


def test_the_most_important_setting_is_first() -> None:
    table = importance_table(make_record())
    assert list(table["setting"]) == ["Batch size", "Learning rate"]


def test_a_sweep_without_trials_has_empty_tables() -> None:
    record = SweepRecord(request=make_request())
    for table in (trials_table(record), best_so_far_table(record), coordinates_table(record), importance_table(record)):
        assert len(table) == 0


def test_settings_have_names_for_people() -> None:
    assert describe_setting("augmentation.erase_prob") == "Augmentation: erase prob"
    assert describe_setting("lr_schedule") == "Learning rate schedule"
