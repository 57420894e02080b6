"""Charts of sweeps and runs: settings against accuracy, the best trial so far, and the importance of settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import altair as alt
import pandas as pd

from emotion.charts.style import (
    BAR_PX,
    EDGE_COLOR,
    LABEL_FONT_PX,
    QUARTERS,
    REFERENCE_COLOR,
    SERIES_COLORS,
    SERIES_SHAPES,
    apply_layout,
    make_axis,
    make_series_legend,
)
from emotion.formatting import format_percent
from emotion.translation.messages import gettext as _

# In the order of drawing; "best" is a single trial.
_STATES: Final = ["stopped early", "failed", "running", "complete", "best"]
_COLORS: Final = [SERIES_COLORS[i] for i in (2, 4, 3, 0, 1)]
_DASHES: Final = [[3, 3], [1, 3], [6, 2], [1, 0], [1, 0]]
_SHAPES: Final = [SERIES_SHAPES[i] for i in (1, 4, 2, 0, 3)]
_LINE_PX: Final = 1.5
_HOVERED_LINE_PX: Final = 4
_TITLE_PADDING_PX: Final = 22  # room for the second line of a title above its axis
_COORDINATES_PX: Final = 380
_POSITIONS: Final = alt.Scale(domain=[-0.05, 1.05], nice=False)


def plot_parallel_coordinates(trials: pd.DataFrame, ends: pd.DataFrame) -> alt.LayerChart:
    """Plot a line for each trial across the axes of its settings and its accuracy.

    Args:
        trials: As from `training.sweep.tables.coordinates_table`.
        ends: As from `training.sweep.tables.axis_ends_table`.
    """
    x, y = _encode_position(ends)
    trials = trials.assign(title=[_(state) for state in trials["state"]])
    states = _filter_states(trials)
    legend = make_series_legend("bottom", symbolType="stroke", symbolStrokeWidth=3)
    hovered = alt.selection_point(fields=["trial"], on="pointerover", empty=False)
    base = alt.Chart(trials).encode(
        x=x, y=y, detail="trial:N", color=alt.Color("title:N", scale=_make_scale(states, _COLORS), legend=legend)
    )
    lines = base.mark_line().encode(
        strokeDash=alt.StrokeDash("title:N", scale=_make_scale(states, _DASHES), legend=None),
        strokeWidth=alt.condition(hovered, alt.value(_HOVERED_LINE_PX), alt.value(_LINE_PX)),
    )
    best = base.transform_filter("datum.state == 'best'").mark_line(strokeWidth=_HOVERED_LINE_PX)
    tooltips = [
        alt.Tooltip("trial:Q", title=_("trial")),
        alt.Tooltip("title:N", title=_("state")),
        alt.Tooltip("axis:N", title=_("setting")),
        alt.Tooltip("value:N", title=_("value")),
    ]
    points = base.mark_point(filled=True, size=70, opacity=1).encode(tooltip=tooltips).add_params(hovered)
    return _add_axes([lines, best, points], ends)


def plot_run_coordinates(table: pd.DataFrame, ends: pd.DataFrame, colors: Mapping[str, str]) -> alt.LayerChart:
    """Plot a line for each run across the axes of its settings and its accuracy.

    Args:
        table: Points as from `training.sweep.run_coordinates.make_coordinates`.
        ends: Ends as from there.
        colors: The color of each run.
    """
    x, y = _encode_position(ends)
    runs = list(dict.fromkeys(table["run"]))
    legend = make_series_legend("bottom", columns=2, labelLimit=220, symbolType="stroke", symbolStrokeWidth=3)
    hovered = alt.selection_point(fields=["run"], on="pointerover", empty=False)
    color = alt.Color("run:N", scale=alt.Scale(domain=runs, range=[colors[run] for run in runs]), legend=legend)
    base = alt.Chart(table).encode(x=x, y=y, detail="run:N", color=color)
    lines = base.mark_line().encode(
        strokeWidth=alt.condition(hovered, alt.value(_HOVERED_LINE_PX), alt.value(_LINE_PX))
    )
    tooltips = [
        alt.Tooltip("run:N", title=_("run")),
        alt.Tooltip("axis:N", title=_("setting")),
        alt.Tooltip("value:N", title=_("value")),
    ]
    points = base.mark_point(filled=True, size=70, opacity=1).encode(tooltip=tooltips).add_params(hovered)
    return _add_axes([lines, points], ends)


def _encode_position(ends: pd.DataFrame) -> tuple[alt.X, alt.Y]:
    """Return the encodings of the fields `axis` and `position`."""
    axes = list(dict.fromkeys(ends["axis"]))
    return (
        alt.X("axis:N", sort=axes, scale=alt.Scale(padding=0.5), axis=_make_settings_axis()),
        alt.Y("position:Q", scale=_POSITIONS, axis=None),
    )


def _add_axes(layers: list[alt.Chart], ends: pd.DataFrame) -> alt.LayerChart:
    """Return a chart of layers in front of vertical axes, with the values at their ends."""
    x, y = _encode_position(ends)
    axes = list(dict.fromkeys(ends["axis"]))
    rules = alt.Chart(pd.DataFrame({"axis": axes, "low": 0.0, "high": 1.0})).mark_rule(color=REFERENCE_COLOR)
    rules = rules.encode(x=x, y=alt.Y("low:Q", scale=_POSITIONS, axis=None), y2="high:Q")
    texts = alt.Chart(ends).mark_text(align="left", dx=8, fontSize=LABEL_FONT_PX, color=REFERENCE_COLOR)
    texts = texts.encode(x=x, y=y, text="value:N")
    return apply_layout(alt.LayerChart(layer=[rules, *layers, texts]), height=_COORDINATES_PX)


def _make_settings_axis() -> alt.Axis:
    return alt.Axis(
        title=None,
        orient="top",
        labelAngle=0,
        labelFontSize=LABEL_FONT_PX,
        labelExpr="split(datum.label, ' ')",  # a line for each word
        labelLimit=110,
        labelOverlap=False,
        labelPadding=_TITLE_PADDING_PX,
        domain=False,
        ticks=False,
    )


def _filter_states(table: pd.DataFrame) -> list[str]:
    return [state for state in _STATES if state in set(table["state"])]


def _make_scale(states: list[str], values: list) -> alt.Scale:
    return alt.Scale(domain=[_(state) for state in states], range=[values[_STATES.index(state)] for state in states])


def plot_best_so_far(table: pd.DataFrame, baseline: float | None) -> alt.LayerChart:
    """Plot the accuracy of each trial, the best so far as a line, and that of the settings as given as a dashed one.

    Args:
        table: As from `training.sweep.tables.best_so_far_table`.
        baseline: The accuracy of the settings as given, 0 to 1.
    """
    states, legend = _filter_states(table), make_series_legend("bottom")
    y_axis = alt.Axis(title=None, format="%", tickCount=5)
    rows = table.assign(
        text=[format_percent(value) for value in table["accuracy"]], title=[_(state) for state in table["state"]]
    )
    base = alt.Chart(rows).encode(x=alt.X("trial:Q", axis=alt.Axis(title=_("trial"), tickMinStep=1, grid=False)))
    line = base.mark_line(interpolate="step-after", color=SERIES_COLORS[0], strokeWidth=2).encode(
        y=alt.Y("best:Q", scale=alt.Scale(zero=False), axis=y_axis)
    )
    points = base.mark_point(filled=True, size=80, opacity=1, stroke=EDGE_COLOR).encode(
        y=alt.Y("accuracy:Q", scale=alt.Scale(zero=False), axis=y_axis),
        color=alt.Color("title:N", scale=_make_scale(states, _COLORS), legend=legend),
        shape=alt.Shape("title:N", scale=_make_scale(states, _SHAPES), legend=legend),
        tooltip=[
            alt.Tooltip("trial:Q", title=_("trial")),
            alt.Tooltip("title:N", title=_("state")),
            alt.Tooltip("text:N", title=_("accuracy")),
        ],
    )
    layers = [line, points]
    if baseline is not None:
        rule = alt.Chart(pd.DataFrame({"accuracy": [baseline]}))
        layers.append(rule.mark_rule(strokeDash=[5, 4], strokeWidth=1.5, color=REFERENCE_COLOR).encode(y="accuracy:Q"))
    return apply_layout(alt.LayerChart(layer=layers), height=300)


def plot_importance(table: pd.DataFrame) -> alt.LayerChart:
    """Plot the share of each setting; `table` as from `training.sweep.tables.importance_table`."""
    names = list(table["setting"])
    base = alt.Chart(table.assign(text=[format_percent(share) for share in table["share"]])).encode(
        y=alt.Y("setting:N", sort=names, axis=make_axis("left", allow_overlap=False)),
        x=alt.X("share:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(title=None, format="%", values=QUARTERS)),
    )
    bars = base.mark_bar(color=SERIES_COLORS[0], height={"band": 0.7})
    texts = base.mark_text(align="left", dx=5, color=REFERENCE_COLOR, fontSize=LABEL_FONT_PX).encode(text="text:N")
    return apply_layout(alt.LayerChart(layer=[bars, texts]), height=60 + 1.4 * BAR_PX * max(1, len(names)))
