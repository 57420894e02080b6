"""Charts of sweeps: a line for each trial, the best one marked, and that every chart is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import vl_convert

from emotion import charts
from emotion.training.sweep import tables
from tests.training.sweep.making import make_record

RECORD = make_record()
CHARTS: dict[str, Callable[[], Any]] = {
    "coordinates": lambda: charts.plot_parallel_coordinates(
        tables.coordinates_table(RECORD), tables.axis_ends_table(RECORD)
    ),
    "best": lambda: charts.plot_best_so_far(tables.best_so_far_table(RECORD), 0.5),
    "importance": lambda: charts.plot_importance(tables.importance_table(RECORD)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHARTS)
def test_each_chart_is_drawn(name: str) -> None:
    assert "<svg" in vl_convert.vegalite_to_svg(CHARTS[name]().to_dict())


def test_a_state_has_the_same_color_in_both_charts() -> None:
    lines, points = (
        CHARTS[name]().to_dict()["layer"][1]["encoding"]["color"]["scale"] for name in ("coordinates", "best")
    )
    colors = dict(zip(lines["domain"], lines["range"], strict=True))
    assert {state: colors[state] for state in points["domain"]} == dict(
        zip(points["domain"], points["range"], strict=True)
    )
    assert len(set(colors.values())) == len(colors)


def test_the_settings_as_given_are_a_dashed_line_where_they_are_known() -> None:
    table = tables.best_so_far_table(RECORD)
    assert len(charts.plot_best_so_far(table, 0.5).to_dict()["layer"]) == 3
    assert len(charts.plot_best_so_far(table, None).to_dict()["layer"]) == 2


def test_the_axes_are_in_the_order_of_the_space_and_end_with_the_accuracy() -> None:
    spec = CHARTS["coordinates"]().to_dict()
    assert spec["layer"][0]["encoding"]["x"]["sort"] == ["Learning rate", "Batch size", "Accuracy"]
