"""Charts of finished runs: overlaid training curves, confusion matrix, reliability, coverage, robustness."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import Final

import altair as alt
import pandas as pd

from emotion.charts.heatmap import HeatmapField, plot_heatmap
from emotion.charts.style import (
    EDGE_COLOR,
    LABEL_FONT_PX,
    QUARTERS,
    REFERENCE_COLOR,
    SERIES_COLORS,
    apply_layout,
    encode_series,
    legend_height,
    make_axis,
    make_epoch_axis,
    make_series_legend,
)
from emotion.charts.training import make_zoom_selection
from emotion.expressions import symbol_and_name
from emotion.formatting import format_percent
from emotion.translation.messages import gettext as _

CELL_SELECTION: Final = "cell"
_CELL_PX: Final = 44
_RUN_LEGEND_COLUMNS: Final = 2  # names of runs are long
_IDEAL_COLOR: Final = "#8A8A8A"


def plot_run_curves(
    table: pd.DataFrame, colors: Mapping[str, str], *, as_percent: bool, log_scale: bool = False
) -> alt.LayerChart:
    """Plot runs over each other: solid lines for validation, dashed ones for training, rings at the best epochs.

    A click in the legend shows one run alone, clicks with Shift several.

    Args:
        table: As from `training.tables.curves_table`.
        colors: The color of each run.
        as_percent: Whether values, 0 to 1, are shown in percent.
        log_scale: Whether the vertical axis is logarithmic.
    """
    runs = list(dict.fromkeys(table["run"]))
    selected = alt.selection_point(fields=["run"], bind="legend")
    rows = table.assign(
        text=[format_percent(v) if as_percent else f"{v:.4g}" for v in table["raw"]],
        split=[_(split) for split in table["split"]],
    )
    base = alt.Chart(rows).encode(
        x=alt.X("epoch:Q", axis=make_epoch_axis()),
        y=alt.Y(
            "value:Q",
            scale=alt.Scale(zero=False, type="log" if log_scale else "linear"),
            axis=alt.Axis(title=None, format="%" if as_percent else "~g", tickCount=6),
        ),
        color=_make_run_color(runs, colors),
        opacity=alt.condition(selected, alt.value(1), alt.value(0.08)),
    )
    dashes = alt.Scale(domain=[_("validation"), _("training")], range=[[1, 0], [5, 4]])
    lines = base.mark_line(strokeWidth=2, clip=True).encode(
        strokeDash=alt.StrokeDash("split:N", scale=dashes, legend=None)
    )
    tooltips = [
        alt.Tooltip("run:N", title=_("run")),
        alt.Tooltip("split:N", title=_("split")),
        alt.Tooltip("epoch:Q", title=_("epoch")),
        alt.Tooltip("text:N", title=_("accuracy") if as_percent else _("value")),
    ]
    # Visible points would hide the lines of long runs; invisible ones still have tooltips.
    points = base.mark_point(size=60, filled=True, clip=True).encode(opacity=alt.value(0), tooltip=tooltips)
    best_epochs = (
        base.transform_filter("datum.best")
        .mark_point(size=200, filled=False, strokeWidth=2.5, clip=True)
        .encode(tooltip=tooltips)
    )
    layers = alt.LayerChart(layer=[lines.add_params(make_zoom_selection(), selected), points, best_epochs])
    return apply_layout(layers, height=330 + legend_height(len(runs), _RUN_LEGEND_COLUMNS))


def _make_run_color(runs: list[str], colors: Mapping[str, str]) -> alt.Color:
    legend = alt.Legend(
        title=None,
        orient="bottom",
        columns=_RUN_LEGEND_COLUMNS,
        labelFontSize=LABEL_FONT_PX,
        labelLimit=220,
        symbolType="stroke",
        symbolSize=200,
        symbolStrokeWidth=3,
        symbolOpacity=1,
    )
    return alt.Color("run:N", scale=alt.Scale(domain=runs, range=[colors[run] for run in runs]), legend=legend)


def plot_confusion_matrix(table: pd.DataFrame, *, dark: bool = False) -> alt.LayerChart:
    """Plot true labels (rows) against predicted ones (columns) as shares of the rows, with the counts in the cells.

    A click sets the selection `CELL_SELECTION` with `row` and `column`.

    Args:
        table: As from `training.prediction_tables.confusion_table`.
        dark: Whether the theme is dark.
    """
    tooltips = [
        alt.Tooltip("true:N", title=_("true label")),
        alt.Tooltip("predicted:N", title=_("predicted label")),
        alt.Tooltip("count:Q", title=_("faces")),
        alt.Tooltip("part:N", title=_("of these faces")),
    ]
    chart = plot_heatmap(
        table.assign(true=table["true"].map(symbol_and_name), predicted=table["predicted"].map(symbol_and_name)),
        HeatmapField("predicted", _("predicted label")),
        HeatmapField("true", _("true label")),
        tooltips,
        selection_name=CELL_SELECTION,
        dark=dark,
    )
    return chart.properties(height=90 + _CELL_PX * max(1, len(set(table["true"]))))


def plot_class_metrics(table: pd.DataFrame) -> alt.Chart:
    """Plot recall, precision and F1 of each label; `table` as from `training.prediction_tables.class_metrics_table`."""
    rows = table.assign(
        name=table["label"].map(symbol_and_name),
        metric=table["metric"].map(_),
        text=[format_percent(v) for v in table["value"]],
    )
    names, metrics = list(dict.fromkeys(rows["name"])), list(dict.fromkeys(rows["metric"]))
    color, shape = encode_series("metric", metrics, make_series_legend("top"))
    chart = (
        alt.Chart(rows)
        .mark_point(filled=True, size=120, opacity=1, stroke=EDGE_COLOR, strokeWidth=1)
        .encode(
            x=alt.X(
                "value:Q",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(title=None, format="%", values=QUARTERS),
            ),
            y=alt.Y("name:N", sort=names, axis=make_axis("left", allow_overlap=False)),
            color=color,
            shape=shape,
            tooltip=[
                alt.Tooltip("name:N", title=_("expression")),
                alt.Tooltip("metric:N", title=_("metric")),
                alt.Tooltip("text:N", title=_("value")),
                alt.Tooltip("n:Q", title=_("faces")),
            ],
        )
    )
    return chart.properties(height=80 + 30 * max(1, len(names))).configure_view(stroke=None)


def plot_reliability_diagram(table: pd.DataFrame, accuracy_title: str = "") -> alt.LayerChart:
    """Plot accuracy against confidence, with a dashed line where both are equal; larger points have more predictions.

    Args:
        table: `confidence`, `accuracy` (0 to 1) and `n` of each bin that is not empty.
        accuracy_title: Title of the vertical axis; "accuracy" where it is "".
    """
    accuracy_title = accuracy_title or _("accuracy")
    rows = table.assign(
        text_label=[format_percent(c) for c in table["confidence"]],
        right=[format_percent(a) for a in table["accuracy"]],
    )
    scale = alt.Scale(domain=[0, 1], nice=False)
    base = alt.Chart(rows).encode(
        x=alt.X("confidence:Q", scale=scale, axis=alt.Axis(title=_("confidence"), format="%", values=QUARTERS)),
        y=alt.Y("accuracy:Q", scale=scale, axis=alt.Axis(title=accuracy_title, format="%", values=QUARTERS)),
    )
    ideal = (
        alt.Chart(pd.DataFrame({"confidence": [0.0, 1.0], "accuracy": [0.0, 1.0]}))
        .mark_line(color=_IDEAL_COLOR, strokeDash=[5, 4], strokeWidth=1.5)
        .encode(x="confidence:Q", y="accuracy:Q")
    )
    line = base.mark_line(color=SERIES_COLORS[0], strokeWidth=2)
    points = base.mark_circle(color=SERIES_COLORS[0], opacity=1, stroke=EDGE_COLOR).encode(
        size=alt.Size("n:Q", scale=alt.Scale(range=[20, 320]), legend=None),
        tooltip=[
            alt.Tooltip("text_label:N", title=_("confidence")),
            alt.Tooltip("right:N", title=accuracy_title),
            alt.Tooltip("n:Q", title=_("predictions")),
        ],
    )
    return apply_layout(alt.LayerChart(layer=[ideal, line, points]), height=340)


def plot_coverage(table: pd.DataFrame, threshold: float) -> alt.LayerChart:
    """Plot the share of labeled faces and the accuracy of their labels by minimum confidence.

    Args:
        table: `threshold`, `coverage`, `accuracy` (0 to 1).
        threshold: The minimum confidence in use, marked by a dashed line.
    """
    titles = {"coverage": _("coverage"), "accuracy": _("accuracy")}
    rows = table.melt("threshold", list(titles), var_name="metric", value_name="share")
    rows = rows.assign(
        metric=[titles[name] for name in rows["metric"]], text=[format_percent(v) for v in rows["share"]]
    )
    color, shape = encode_series(
        "metric", list(titles.values()), make_series_legend("bottom", columns=1, labelLimit=260)
    )
    lines = (
        alt.Chart(rows)
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=30))
        .encode(
            x=alt.X(
                "threshold:Q",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(title=_("minimum confidence"), format="%", values=QUARTERS, grid=False),
            ),
            y=alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(title=None, format="%", values=QUARTERS)),
            color=color,
            shape=shape,
            tooltip=[
                alt.Tooltip("threshold:Q", title=_("minimum confidence"), format=".0%"),
                alt.Tooltip("metric:N", title=_("metric")),
                alt.Tooltip("text:N", title=_("value")),
            ],
        )
    )
    threshold_line = (
        alt.Chart(pd.DataFrame({"threshold": [threshold]}))
        .mark_rule(strokeDash=[4, 4], color=REFERENCE_COLOR)
        .encode(x="threshold:Q")
    )
    return apply_layout(alt.LayerChart(layer=[threshold_line, lines]), height=290)


def plot_robustness(table: pd.DataFrame, unit: str, colors: Mapping[str, str] | None = None) -> alt.Chart:
    """Plot the accuracy of runs by severity of one corruption.

    Args:
        table: Rows of one corruption, as from `training.prediction_tables.robustness_table`.
        unit: Unit of the severity in the language of the page.
        colors: The color of each run; None for those of the series in their order.
    """
    runs = list(dict.fromkeys(table["run"]))
    colors = colors or dict(zip(runs, cycle(SERIES_COLORS), strict=False))
    chart = (
        alt.Chart(table.assign(text=[format_percent(v) for v in table["accuracy"]]))
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=40), clip=True)
        .encode(
            x=alt.X(
                "severity:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=unit or None, grid=False, tickCount=6)
            ),
            y=alt.Y("accuracy:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(title=None, format="%", tickCount=3)),
            color=_make_run_color(runs, colors),
            tooltip=[
                alt.Tooltip("run:N", title=_("run")),
                alt.Tooltip("severity:Q", title=unit or _("severity")),
                alt.Tooltip("text:N", title=_("accuracy")),
            ],
        )
    )
    height = 190 + legend_height(len(runs), _RUN_LEGEND_COLUMNS)
    return chart.properties(height=height).configure_view(stroke=None)
