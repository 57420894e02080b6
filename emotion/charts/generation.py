"""Charts of synthetic faces: what is seen in a row of them, how a generator learned, whether it helps."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from emotion.charts.style import EDGE_COLOR, SERIES_COLORS, SERIES_SHAPES, make_color_scale, make_legend
from emotion.expressions import EXPRESSIONS, symbol_and_name
from emotion.formatting import format_percent


def plot_strip_predictions(table: pd.DataFrame, ticks: Sequence[tuple[float, str]]) -> alt.Chart:
    """What a classifier sees in a row of faces, stacked, exactly as wide as the row above it.

    `table`: `position` (0 to 1, the middle of a face in the row), `expression`, `probability` (0 to 1). `ticks`: positions
    and the labels below them.
    """
    words = [word for word in EXPRESSIONS if word in set(table["expression"])]
    names = [symbol_and_name(word) for word in words]
    rows = table.assign(
        name=[symbol_and_name(e) for e in table["expression"]],
        order=[words.index(e) for e in table["expression"]],
        text_label=[format_percent(p) for p in table["probability"]],
    )
    cases = (f"abs(datum.value - {position:.6f}) < 1e-4 ? '{label}' : " for position, label in ticks)
    axis = alt.Axis(
        title=None,
        values=[position for position, _ in ticks],
        labelExpr="".join(cases) + "''",
        labelFontSize=13,
        grid=True,
        domain=False,
        labelFlush=True,
    )
    chart = (
        alt.Chart(rows)
        .mark_area(stroke=EDGE_COLOR, strokeWidth=0.5, interpolate="monotone")
        .encode(
            x=alt.X("position:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=axis),
            y=alt.Y("probability:Q", stack="zero", scale=alt.Scale(domain=[0, 1]), axis=None),
            color=alt.Color("name:N", scale=make_color_scale(words, names), legend=make_legend()),
            order=alt.Order("order:Q"),
            tooltip=[alt.Tooltip("name:N", title="expression"), alt.Tooltip("text_label:N", title="seen")],
        )
    )
    return chart.properties(height=130 + 24 * -(-len(names) // 4)).configure_view(stroke=None)


def plot_generator_history(
    table: pd.DataFrame, selected_epoch: int, *, as_percent: bool = False, log_scale: bool = False
) -> alt.LayerChart:
    """Measures of a generator by epoch; a line marks the `selected_epoch` one.

    `table`: `epoch`, `metric` (in words), `value`, with `as_percent` 0 to 1.
    """
    metrics = table["metric"].unique().tolist()
    words = alt.Legend(title=None, orient="bottom", columns=2, labelFontSize=13, labelLimit=220, symbolSize=110)
    rows = table.assign(text=[format_percent(v) if as_percent else f"{v:.3g}" for v in table["value"]])
    lines = (
        alt.Chart(rows)
        .mark_line(point=alt.OverlayMarkDef(size=24), strokeWidth=2)
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(title="epoch", tickMinStep=1, grid=False)),
            y=alt.Y(
                "value:Q",
                axis=alt.Axis(title=None, format="%" if as_percent else "~g", tickCount=5),
                scale=alt.Scale(type="log" if log_scale else "linear", zero=False, nice=True),
            ),
            color=alt.Color("metric:N", scale=alt.Scale(domain=metrics, range=SERIES_COLORS), legend=words),
            shape=alt.Shape("metric:N", scale=alt.Scale(domain=metrics, range=SERIES_SHAPES), legend=words),
            tooltip=[alt.Tooltip("epoch:Q"), alt.Tooltip("metric:N"), alt.Tooltip("text:N", title="value")],
        )
    )
    here = (
        alt.Chart(pd.DataFrame({"epoch": [selected_epoch]}))
        .mark_rule(strokeDash=[4, 4], color="#888888")
        .encode(x="epoch:Q")
    )
    layers = alt.LayerChart(layer=[here, lines]).properties(height=230 + 24 * -(-len(metrics) // 2))
    return layers.configure_view(stroke=None)


def plot_intervals(table: pd.DataFrame, group_title: str) -> alt.LayerChart:
    """Shares of several things side by side: a point and its interval for each condition.

    `table`: `metric` (in words, in the order to show), `condition` (in words), `mean`, `low`, `high` (0 to 1).
    `group_title`: what the conditions are.
    """
    conditions, metrics = table["condition"].unique().tolist(), table["metric"].unique().tolist()
    words = alt.Legend(title=None, orient="bottom", columns=1, labelFontSize=13, labelLimit=320, symbolSize=110)
    rows = table.assign(
        text_label=[
            f"{format_percent(m)} ({format_percent(a)} to {format_percent(b)})"
            for m, a, b in table[["mean", "low", "high"]].itertuples(index=False)
        ]
    )
    base = alt.Chart(rows).encode(
        y=alt.Y(
            "metric:N",
            sort=metrics,
            axis=alt.Axis(title=None, labelFontSize=13, labelLimit=180, ticks=False, labelPadding=10),
        ),
        yOffset=alt.YOffset("condition:N", sort=conditions),
        color=alt.Color("condition:N", scale=alt.Scale(domain=conditions, range=SERIES_COLORS), legend=words),
        tooltip=[
            alt.Tooltip("metric:N"),
            alt.Tooltip("condition:N", title=group_title),
            alt.Tooltip("text_label:N", title="share"),
        ],
    )
    x = alt.X("low:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(title=None, format="%", tickCount=5))
    spans = base.mark_rule(strokeWidth=3).encode(x=x, x2="high:Q")
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        x="mean:Q",
        shape=alt.Shape("condition:N", scale=alt.Scale(domain=conditions, range=SERIES_SHAPES), legend=words),
    )
    height = 40 + 16 * len(conditions) * len(metrics) + 24 * len(conditions)
    return alt.LayerChart(layer=[spans, points]).properties(height=height).configure_view(stroke=None)
