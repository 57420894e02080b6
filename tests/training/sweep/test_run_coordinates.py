"""Settings and accuracy of runs on parallel axes."""

from pathlib import Path

import pytest

from emotion import charts
from emotion.training.run_listing import RunSummary, load_run
from emotion.training.sweep.run_coordinates import MAX_SETTINGS, make_coordinates
from tests.pages.runs_making import make_run


def make_runs(parent: Path, *configs: dict) -> dict[str, RunSummary]:
    runs = {}
    for i, config in enumerate(configs):
        run = load_run(make_run(parent / f"run-{i}", **config))
        assert run is not None
        runs[f"run-{i}"] = run
    return runs


def test_only_settings_that_differ_have_an_axis_and_accuracy_is_the_last(tmp_path: Path) -> None:
    runs = make_runs(tmp_path, {"optimizer": "adam", "seed": 1}, {"optimizer": "sgd", "seed": 2, "epochs": 3})
    points, ends = make_coordinates(runs)
    assert list(dict.fromkeys(points["axis"])) == ["Optimizer", "Accuracy"]
    assert points[points["axis"] == "Optimizer"][["run", "position", "value"]].to_numpy().tolist() == [
        ["run-0", 0.0, "adam"],
        ["run-1", 1.0, "sgd"],
    ]
    assert ends[ends["axis"] == "Accuracy"]["value"].tolist() == ["30%", "50%"]


def test_numbers_of_different_magnitude_are_on_a_logarithmic_axis(tmp_path: Path) -> None:
    runs = make_runs(
        tmp_path, *({"learning_rate": rate, "batch_size": size} for rate, size in ((1e-3, 10), (1e-2, 15), (1e-1, 20)))
    )
    points, ends = make_coordinates(runs)
    assert points[points["axis"] == "Learning rate"]["position"].tolist() == pytest.approx([0, 0.5, 1])
    assert points[points["axis"] == "Batch size"]["position"].tolist() == [0, 0.5, 1]
    assert ends[ends["axis"] == "Batch size"]["value"].tolist() == ["10", "20"]


def test_nested_and_missing_settings_are_allowed_and_axes_are_limited(tmp_path: Path) -> None:
    runs = make_runs(
        tmp_path,
        {"augmentation": {f"a{i}": i for i in range(20)}},
        {"augmentation": {f"a{i}": 2.5 * i + 1 for i in range(15)}},
    )
    points, _ = make_coordinates(runs)
    assert points["axis"].nunique() == MAX_SETTINGS + 1
    assert points["position"].between(0, 1).all()


def test_there_is_a_chart_without_runs_and_with_some(tmp_path: Path) -> None:
    assert make_coordinates({}).points.empty
    runs = make_runs(tmp_path, {"batch_size": 8}, {"batch_size": 16})
    chart = charts.plot_run_coordinates(*make_coordinates(runs), {"run-0": "#111111", "run-1": "#222222"})
    assert chart.to_dict()["layer"][1]["encoding"]["color"]["scale"]["range"] == ["#111111", "#222222"]
