"""Charts of a training: curves over epochs, predictions of one face by epoch, detectors side by side."""

from __future__ import annotations

from typing import Final

import altair as alt
import pandas as pd

from emotion.charts.style import (
    EDGE_COLOR,
    LABEL_FONT_PX,
    QUARTERS,
    SERIES_COLORS,
    apply_layout,
    encode_series,
    legend_height,
    make_color_scale,
    make_epoch_axis,
    make_legend,
    make_series_legend,
)
from emotion.formatting import format_percent
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

_CURVE_COLORS: Final = {
    gettext_noop("batches"): "#9AA5A8",
    gettext_noop("training"): SERIES_COLORS[0],
    gettext_noop("validation"): SERIES_COLORS[1],
}
_CURVE_WIDTHS: Final = {"batches": 1.0, "training": 2.0, "validation": 2.5}
_CURVE_SYMBOLS: Final = ("stroke", "circle", "square")  # in the order of the colors


def make_zoom_selection() -> alt.Parameter:
    """Return a selection that pans by dragging and zooms by Ctrl+wheel or a pinch; the wheel alone scrolls the page."""
    return alt.selection_interval(bind="scales", zoom="wheel![event.ctrlKey]")


def plot_training_curve(table: pd.DataFrame, *, as_percent: bool) -> alt.LayerChart:
    """Plot one metric of a training, by step (thin) and by epoch, with a ring at the best epoch.

    The series stay the same while the table grows, so that a page that updates the chart keeps its zoom.

    Args:
        table: As from `training.tables.step_curves_table`.
        as_percent: Whether values, 0 to 1, are shown in percent.
    """
    text = [format_percent(v) if as_percent else f"{v:.4g}" for v in table["value"]]
    rows = table.assign(
        text=text,
        size=[_CURVE_WIDTHS[split] for split in table["split"]],
        series=[_(split) for split in table["split"]],
    )
    series = [_(split) for split in _CURVE_COLORS]
    base = alt.Chart(rows).encode(
        x=alt.X("epoch:Q", axis=make_epoch_axis(), scale=alt.Scale(nice=False, padding=12)),
        y=alt.Y(
            "value:Q",
            scale=alt.Scale(zero=False, padding=12),
            axis=alt.Axis(title=None, format="%" if as_percent else "~g", tickCount=5),
        ),
        color=alt.Color(
            "series:N",
            scale=alt.Scale(domain=series, range=[*_CURVE_COLORS.values()]),
            legend=_make_curve_legend(),
        ),
    )
    metric_title = _("accuracy") if as_percent else _("value")
    tooltips = [
        alt.Tooltip("series:N", title=_("split")),
        alt.Tooltip("epoch:Q", title=_("epoch"), format=".2~f"),
        alt.Tooltip("text:N", title=metric_title),
    ]
    lines = base.mark_line(clip=True).encode(strokeWidth=alt.StrokeWidth("size:Q", scale=None))
    points = (
        base.transform_filter("datum.split !== 'batches'")
        .mark_point(size=30, filled=True, opacity=1, clip=True)
        .encode(
            shape=alt.Shape("series:N", scale=alt.Scale(domain=series, range=[*_CURVE_SYMBOLS]), legend=None),
            tooltip=tooltips,
        )
    )
    best_epoch = (
        base.transform_filter("datum.best")
        .mark_point(size=190, filled=False, strokeWidth=2.5, clip=True)
        .encode(tooltip=[alt.Tooltip("epoch:Q", title=_("best epoch")), alt.Tooltip("text:N", title=metric_title)])
    )
    layers = alt.LayerChart(layer=[lines.add_params(make_zoom_selection()), points, best_epoch])
    return apply_layout(layers, height=270)


def _make_curve_legend() -> alt.Legend:
    return make_series_legend("bottom", columns=3, symbolType="stroke", symbolSize=200)


def plot_learning_rate(table: pd.DataFrame) -> alt.Chart:
    """Plot the learning rate over the epochs; `table` as from `training.tables.step_curves_table`."""
    return (
        alt.Chart(table.assign(text=[f"{v:.3g}" for v in table["value"]]))
        .mark_line(color=SERIES_COLORS[3], strokeWidth=2, interpolate="step-after", point=alt.OverlayMarkDef(size=20))
        .encode(
            x=alt.X("epoch:Q", axis=make_epoch_axis(), scale=alt.Scale(nice=False)),
            y=alt.Y("value:Q", axis=alt.Axis(title=None, format="~g", tickCount=3)),
            tooltip=[
                alt.Tooltip("epoch:Q", title=_("epoch"), format=".2~f"),
                alt.Tooltip("text:N", title=_("learning rate")),
            ],
        )
        .properties(height=110)
        .configure_view(stroke=None)
    )


def plot_prediction_history(table: pd.DataFrame) -> alt.Chart:
    """Plot the predictions for one face after each epoch as stacked bars in the colors of the expressions.

    Args:
        table: As from `training.prediction_tables.epoch_probabilities_table`.
    """
    labels, names = list(dict.fromkeys(table["expression"])), list(dict.fromkeys(table["name"]))
    rows = table.assign(text=[format_percent(p) for p in table["probability"]], order=table["name"].map(names.index))
    chart = (
        alt.Chart(rows)
        .mark_bar(stroke=EDGE_COLOR, strokeWidth=0.5)
        .encode(
            x=alt.X("epoch:O", axis=alt.Axis(title=_("epoch"), labelAngle=0, labelOverlap="greedy", labelSeparation=6)),
            y=alt.Y(
                "probability:Q", stack="normalize", axis=alt.Axis(title=None, format="%", tickCount=3, domain=False)
            ),
            color=alt.Color("name:N", scale=make_color_scale(labels, names), legend=make_legend()),
            order="order:Q",
            tooltip=[
                alt.Tooltip("epoch:O", title=_("epoch")),
                alt.Tooltip("name:N", title=_("expression")),
                alt.Tooltip("text:N", title=_("probability")),
            ],
        )
    )
    return chart.properties(height=170 + legend_height(len(names))).configure_view(stroke=None)


def plot_accuracy_history(table: pd.DataFrame) -> alt.Chart:
    """Plot metrics after each epoch, one line each; `table` as from `training.tables.history_table`."""
    table = table.assign(metric=table["metric"].map(_))
    metrics = table["metric"].unique().tolist()
    color, shape = encode_series("metric", metrics, make_series_legend("bottom", columns=2, labelLimit=260))
    chart = (
        alt.Chart(table.assign(text=[format_percent(v) for v in table["value"]]))
        .mark_line(point=alt.OverlayMarkDef(size=26), strokeWidth=2)
        .encode(
            x=alt.X("epoch:Q", axis=make_epoch_axis()),
            y=alt.Y("value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=None, format="%")),
            color=color,
            shape=shape,
            tooltip=[
                alt.Tooltip("epoch:Q", title=_("epoch")),
                alt.Tooltip("metric:N", title=_("metric")),
                alt.Tooltip("text:N", title=_("value")),
            ],
        )
    )
    return chart.properties(height=300 + legend_height(len(metrics), 2)).configure_view(stroke=None)


def plot_detector_metrics(table: pd.DataFrame, *, in_milliseconds: bool = False) -> alt.Chart:
    """Plot one row per case with a point for each detector, by color and shape.

    Args:
        table: Rows of one metric, as from `training.tables.detectors_long_table`.
        in_milliseconds: Whether values are milliseconds instead of shares (0 to 1).
    """
    rows = table.dropna(subset="value")

    detectors, names = rows["detector"].unique().tolist(), rows["name"].unique().tolist()
    text = [f"{v:.1f} ms" if in_milliseconds else format_percent(v) for v in rows["value"]]
    scale = alt.Scale(zero=True) if in_milliseconds else alt.Scale(domain=[0, 1])
    axis = (
        alt.Axis(title=_("milliseconds"), grid=True)
        if in_milliseconds
        else alt.Axis(title=None, format="%", grid=True, values=QUARTERS)
    )
    color, shape = encode_series("detector", detectors, make_series_legend("top"))
    chart = (
        alt.Chart(rows.assign(text=text).iloc[::-1])  # reversed, so that the first detector is drawn on top
        .mark_point(filled=True, size=120, opacity=1, stroke=EDGE_COLOR, strokeWidth=1)
        .encode(
            x=alt.X("value:Q", scale=scale, axis=axis),
            y=alt.Y(
                "name:N",
                sort=names,
                axis=alt.Axis(title=None, labelFontSize=LABEL_FONT_PX, labelLimit=200, grid=True),
            ),
            color=color,
            shape=shape,
            tooltip=[
                alt.Tooltip("detector:N", title=_("detector")),
                alt.Tooltip("name:N", title=_("case")),
                alt.Tooltip("text:N", title=rows["metric"].iloc[0]),
            ],
        )
    )
    return chart.properties(height=80 + 28 * len(names)).configure_view(stroke=None)
