"""Charts of trainings: curves over epochs, detectors side by side."""

from __future__ import annotations

from typing import Final

import altair as alt
import pandas as pd

from emotion.charts.style import EDGE_COLOR, SERIES_COLORS, SERIES_SHAPES, make_color_scale, make_legend
from emotion.formatting import format_percent

_CURVE_COLORS: Final = {
    "batches": "#9AA5A8",
    "training": SERIES_COLORS[0],
    "validation": SERIES_COLORS[1],
}
_CURVE_WIDTHS: Final = {"batches": 1.0, "training": 2.0, "validation": 2.5}
_CURVE_SYMBOLS: Final = {"batches": "stroke", "training": "circle", "validation": "square"}


def make_zoom_selection() -> alt.Parameter:
    """Drag moves, Ctrl with the wheel or a pinch zooms, a double click goes back: the wheel alone scrolls the page."""
    return alt.selection_interval(bind="scales", zoom="wheel![event.ctrlKey]")


def plot_training_curve(table: pd.DataFrame, *, as_percent: bool) -> alt.LayerChart:
    """One metric of a training, by step within the epoch (thin) and by epoch; a ring marks the best epoch.

    `table` as from `tables.step_curves_table`; `as_percent`: 0 to 1, shown in percent. Its series stay the same while it
    grows, so that a page that shows it again keeps the zoom.
    """
    text = [format_percent(v) if as_percent else f"{v:.4g}" for v in table["value"]]
    rows = table.assign(text=text, size=[_CURVE_WIDTHS[split] for split in table["split"]])
    base = alt.Chart(rows).encode(
        x=alt.X(
            "epoch:Q", axis=alt.Axis(title="epoch", tickMinStep=1, grid=False), scale=alt.Scale(nice=False, padding=12)
        ),
        y=alt.Y(
            "value:Q",
            scale=alt.Scale(zero=False, padding=12),
            axis=alt.Axis(title=None, format="%" if as_percent else "~g", tickCount=5),
        ),
        color=alt.Color(
            "split:N",
            scale=alt.Scale(domain=[*_CURVE_COLORS], range=[*_CURVE_COLORS.values()]),
            legend=_make_curve_legend(),
        ),
    )
    told = [alt.Tooltip("split:N"), alt.Tooltip("epoch:Q", format=".2~f"), alt.Tooltip("text:N")]
    lines = base.mark_line(clip=True).encode(strokeWidth=alt.StrokeWidth("size:Q", scale=None))
    points = (
        base.transform_filter("datum.split !== 'batches'")
        .mark_point(size=30, filled=True, opacity=1, clip=True)
        .encode(
            shape=alt.Shape(
                "split:N", scale=alt.Scale(domain=[*_CURVE_SYMBOLS], range=[*_CURVE_SYMBOLS.values()]), legend=None
            ),
            tooltip=told,
        )
    )
    best = (
        base.transform_filter("datum.best")
        .mark_point(size=190, filled=False, strokeWidth=2.5, clip=True)
        .encode(tooltip=[alt.Tooltip("epoch:Q", title="best epoch"), alt.Tooltip("text:N")])
    )
    layers = alt.LayerChart(layer=[lines.add_params(make_zoom_selection()), points, best])
    return layers.properties(height=270).configure_view(stroke=None)


def _make_curve_legend() -> alt.Legend:
    return alt.Legend(title=None, orient="bottom", columns=3, labelFontSize=13, symbolType="stroke", symbolSize=200)


def plot_learning_rate(table: pd.DataFrame) -> alt.Chart:
    """The learning rate over the epochs; `table` as from `tables.step_curves_table`."""
    return (
        alt.Chart(table.assign(text=[f"{v:.3g}" for v in table["value"]]))
        .mark_line(color=SERIES_COLORS[3], strokeWidth=2, interpolate="step-after", point=alt.OverlayMarkDef(size=20))
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(title="epoch", tickMinStep=1, grid=False), scale=alt.Scale(nice=False)),
            y=alt.Y("value:Q", axis=alt.Axis(title=None, format="~g", tickCount=3)),
            tooltip=[alt.Tooltip("epoch:Q", format=".2~f"), alt.Tooltip("text:N", title="learning rate")],
        )
        .properties(height=110)
        .configure_view(stroke=None)
    )


def plot_prediction_history(table: pd.DataFrame) -> alt.Chart:
    """What was said of one face after each epoch, as whole bars of probability in the colours of the expressions.

    `table` as from `prediction_tables.epoch_probabilities_table`.
    """
    words = list(dict.fromkeys(table["expression"]))
    names = list(dict.fromkeys(table["name"]))
    return (
        alt.Chart(
            table.assign(text=[format_percent(p) for p in table["probability"]], order=table["name"].map(names.index))
        )
        .mark_bar(stroke=EDGE_COLOR, strokeWidth=0.5)
        .encode(
            x=alt.X("epoch:O", axis=alt.Axis(title="epoch", labelAngle=0, labelOverlap="greedy", labelSeparation=6)),
            y=alt.Y(
                "probability:Q", stack="normalize", axis=alt.Axis(title=None, format="%", tickCount=3, domain=False)
            ),
            color=alt.Color("name:N", scale=make_color_scale(words, names), legend=make_legend()),
            order="order:Q",
            tooltip=[
                alt.Tooltip("epoch:O"),
                alt.Tooltip("name:N", title="expression"),
                alt.Tooltip("text:N", title="probability"),
            ],
        )
        .properties(height=170 + 24 * -(-len(names) // 4))
        .configure_view(stroke=None)
    )


def plot_accuracy_history(table: pd.DataFrame) -> alt.Chart:
    """How often a network was right after each epoch, one line for each metric.

    `table` as from `tables.history_table`.
    """
    metrics = table["metric"].unique().tolist()
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelFontSize=13, labelLimit=260, symbolSize=110)
    chart = (
        alt.Chart(table.assign(text=[format_percent(v) for v in table["value"]]))
        .mark_line(point=alt.OverlayMarkDef(size=26), strokeWidth=2)
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(title="epoch", tickMinStep=1, grid=False)),
            y=alt.Y("value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=None, format="%")),
            color=alt.Color("metric:N", scale=alt.Scale(domain=metrics, range=SERIES_COLORS), legend=legend),
            shape=alt.Shape("metric:N", scale=alt.Scale(domain=metrics, range=SERIES_SHAPES), legend=legend),
            tooltip=[alt.Tooltip("epoch:Q"), alt.Tooltip("metric:N"), alt.Tooltip("text:N", title="right")],
        )
    )
    # Streamlit fits the legend into the height as well.
    return chart.properties(height=300 + 24 * -(-len(metrics) // 2)).configure_view(stroke=None)


def plot_detector_metrics(table: pd.DataFrame, *, in_milliseconds: bool = False) -> alt.Chart:
    """One row for each case and a point in it for each detector, known by colour and by shape.

    `table` as from `tables.detectors_long_table`, of one metric: shares (0 to 1) or `in_milliseconds`.
    """
    rows = table.dropna(subset="value")
    detectors, names = rows["detector"].unique().tolist(), rows["name"].unique().tolist()
    text = [f"{v:.1f} ms" if in_milliseconds else format_percent(v) for v in rows["value"]]
    scale = alt.Scale(zero=True) if in_milliseconds else alt.Scale(domain=[0, 1])
    axis = (
        alt.Axis(title="milliseconds", grid=True)
        if in_milliseconds
        else alt.Axis(title=None, format="%", grid=True, values=[0, 0.25, 0.5, 0.75, 1])
    )
    legend = alt.Legend(title=None, orient="top", labelFontSize=13, symbolSize=110)
    chart = (
        alt.Chart(rows.assign(text=text)[::-1])  # the first detector lies on top of the others
        .mark_point(filled=True, size=120, opacity=1, stroke=EDGE_COLOR, strokeWidth=1)
        .encode(
            x=alt.X("value:Q", scale=scale, axis=axis),
            y=alt.Y("name:N", sort=names, axis=alt.Axis(title=None, labelFontSize=13, labelLimit=200, grid=True)),
            color=alt.Color("detector:N", scale=alt.Scale(domain=detectors, range=SERIES_COLORS), legend=legend),
            shape=alt.Shape("detector:N", scale=alt.Scale(domain=detectors, range=SERIES_SHAPES), legend=legend),
            tooltip=[
                alt.Tooltip("detector:N"),
                alt.Tooltip("case:N", title="for"),
                alt.Tooltip("text:N", title=rows["metric"].iloc[0]),
            ],
        )
    )
    return chart.properties(height=80 + 28 * len(names)).configure_view(stroke=None)
