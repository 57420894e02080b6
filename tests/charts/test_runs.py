"""Charts of trainings and runs: stable specs, best epochs, contrast, and that every chart is drawn."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import vl_convert

from emotion import charts
from emotion.training import prediction_tables, tables

HISTORY = [
    {"epoch": str(i), "accuracy": str(0.1 * i), "val_accuracy": str(v), "loss": str(1 / i), "learning_rate": "0.01"}
    for i, v in enumerate([0.3, 0.5, 0.4], 1)
]
NAMES = ["happy", "sad"]
COLORS = {"a": "#111111", "b": "#222222"}


def chart_rows(chart: Any) -> list[dict[str, Any]]:
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


def plot_curve(rows: list[dict[str, str]]) -> Any:
    return charts.plot_training_curve(tables.step_curves_table(rows, [], "accuracy"), as_percent=True)


def test_a_growing_history_changes_only_the_rows_of_the_chart() -> None:
    """With any other change, Streamlit would create a new chart, and the zoom would be lost."""
    before, after = (plot_curve(rows).to_dict() for rows in (HISTORY[:1], HISTORY))
    for spec in (before, after):
        names = spec.pop("datasets").keys()
        text = str(spec)
        for name in names:
            text = text.replace(name, "data")
        spec["text"] = text
    names_of_spec = [
        {part for part in spec["text"].split("'") if part.startswith(("view_", "param_"))} for spec in (before, after)
    ]
    for spec, generated_names in zip((before, after), names_of_spec, strict=True):
        for number, name in enumerate(sorted(generated_names, key=spec["text"].index)):
            spec["text"] = spec["text"].replace(name, f"name{number}")
    assert before["text"] == after["text"]


def test_the_best_epoch_has_a_ring() -> None:
    assert [row["epoch"] for row in chart_rows(plot_curve(HISTORY)) if row["best"]] == [2.0]
    assert [row["text"] for row in chart_rows(plot_curve(HISTORY)) if row["best"]] == ["50%"]


def test_each_run_has_a_color_and_tooltips_have_unsmoothed_values() -> None:
    table = tables.curves_table({"a": HISTORY, "b": HISTORY[:2]}, "accuracy", 0.9)
    spec = charts.plot_run_curves(table, COLORS, as_percent=True).to_dict()
    assert spec["layer"][0]["encoding"]["color"]["scale"] == {"domain": ["a", "b"], "range": ["#111111", "#222222"]}
    assert spec["layer"][0]["encoding"]["y"]["scale"]["type"] == "linear"
    (rows,) = spec["datasets"].values()
    assert {row["text"] for row in rows if row["best"]} == {"50%"}


def test_the_axis_of_a_loss_can_be_logarithmic() -> None:
    spec = charts.plot_run_curves(
        tables.curves_table({"a": HISTORY}, "loss"), COLORS, as_percent=False, log_scale=True
    ).to_dict()
    assert spec["layer"][0]["encoding"]["y"]["scale"]["type"] == "log"


def test_a_run_keeps_its_color_when_another_one_is_drawn_before_it() -> None:
    for histories in ({"b": HISTORY}, {"a": HISTORY, "b": HISTORY}):
        spec = charts.plot_run_curves(tables.curves_table(histories, "accuracy"), COLORS, as_percent=True).to_dict()
        scale = spec["layer"][0]["encoding"]["color"]["scale"]
        assert dict(zip(scale["domain"], scale["range"], strict=True))["b"] == "#222222"


def test_the_signs_above_a_matrix_are_upright() -> None:
    table = prediction_tables.confusion_table(np.array([[90, 10], [50, 50]]), NAMES)
    axis = charts.plot_confusion_matrix(table).to_dict()["layer"][0]["encoding"]["x"]["axis"]
    assert axis["labelAngle"] == 0


@pytest.mark.parametrize("dark", [False, True])
def test_the_counts_in_a_matrix_have_enough_contrast(dark: bool) -> None:
    table = prediction_tables.confusion_table(np.array([[90, 10], [50, 50]]), NAMES)
    spec = charts.plot_confusion_matrix(table, dark=dark).to_dict()
    low_color, high_color = (
        np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)])
        for c in spec["layer"][0]["encoding"]["color"]["scale"]["range"]
    )
    for row in chart_rows(charts.plot_confusion_matrix(table, dark=dark)):
        cell_color = low_color + (high_color - low_color) * row["share"]
        count_color = np.array([int(row["text_color"][i : i + 2], 16) for i in (1, 3, 5)])
        assert contrast(cell_color, count_color) > 3.3


def contrast(color: Any, other_color: Any) -> float:
    """Return the contrast ratio of the WCAG."""
    luminances = []
    for rgb in (color, other_color):
        c = np.asarray(rgb) / 255
        linear = np.where(c <= 0.03928, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        luminances.append(float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(luminances) / min(luminances)


def test_a_click_in_the_matrix_selects_its_cell() -> None:
    spec = charts.plot_confusion_matrix(prediction_tables.confusion_table(np.eye(2), NAMES)).to_dict()
    (param,) = spec["params"]
    assert param["name"] == charts.CELL_SELECTION
    assert param["select"]["fields"] == ["row", "column"]


def make_class_metrics() -> pd.DataFrame:
    return prediction_tables.class_metrics_table(
        [{"label": n, "recall": 0.5, "precision": 0.25, "f1": 1 / 3, "n": 4} for n in NAMES]
    )


CHARTS = {
    "curve": lambda: plot_curve(HISTORY),
    "rate": lambda: charts.plot_learning_rate(tables.step_curves_table(HISTORY, [], "learning_rate")),
    "runs": lambda: charts.plot_run_curves(tables.curves_table({"a": HISTORY}, "accuracy"), COLORS, as_percent=True),
    "matrix": lambda: charts.plot_confusion_matrix(prediction_tables.confusion_table(np.eye(2), NAMES)),
    "class metrics": lambda: charts.plot_class_metrics(make_class_metrics()),
    "reliability": lambda: charts.plot_reliability_diagram(
        pd.DataFrame({"confidence": [0.3, 0.9], "accuracy": [0.2, 0.8], "n": [5, 9]})
    ),
    "robustness": lambda: charts.plot_robustness(
        prediction_tables.robustness_table(
            {"a": {"rows": [{"corruption": "blur", "severity": 1, "unit": "px", "accuracy": 0.5}]}}
        ),
        "px",
    ),
    "predictions": lambda: charts.plot_prediction_history(
        prediction_tables.epoch_probabilities_table(np.full((3, 2), 0.5), [1, 2, 3], NAMES)
    ),
}
EMPTY_CHARTS = {
    "curve": lambda: plot_curve([]),
    "rate": lambda: charts.plot_learning_rate(tables.step_curves_table([], [], "learning_rate")),
    "runs": lambda: charts.plot_run_curves(tables.curves_table({}, "accuracy"), {}, as_percent=True),
    "matrix": lambda: charts.plot_confusion_matrix(prediction_tables.confusion_table(np.zeros((0, 0)), [])),
    "predictions": lambda: charts.plot_prediction_history(
        prediction_tables.epoch_probabilities_table(np.zeros((0, 2)), [], NAMES)
    ),
}


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_can_be_drawn(name: str) -> None:
    svg = vl_convert.vegalite_to_svg(CHARTS[name]().to_json())
    assert svg.count("<path") > 3


@pytest.mark.parametrize("name", EMPTY_CHARTS)
def test_empty_tables_can_be_drawn(name: str) -> None:
    assert "<svg" in vl_convert.vegalite_to_svg(EMPTY_CHARTS[name]().to_json())
