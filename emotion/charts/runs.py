"""Charts of finished runs: laid over each other, and what one of them answers."""

from __future__ import annotations

from typing import Final

import altair as alt
import pandas as pd

from emotion.charts.heatmap import plot_heatmap
from emotion.charts.style import EDGE_COLOR, SERIES_COLORS, SERIES_SHAPES, make_axis
from emotion.charts.training import make_zoom_selection
from emotion.formatting import format_percent

CELL_SELECTION: Final = "cell"
_CELL_PX: Final = 44  # pixels


def plot_run_curves(table: pd.DataFrame, *, as_percent: bool, log_scale: bool = False) -> alt.LayerChart:
    """Runs laid over each other: full lines for the validation split, dashed ones for the training split, rings at the best
    epochs; a click in the legend leaves one run, Shift and clicks several.

    `table` as from `tables.curves_table`; `as_percent`: 0 to 1, shown in percent.
    """
    runs = list(dict.fromkeys(table["run"]))
    chosen = alt.selection_point(fields=["run"], bind="legend")
    rows = table.assign(text=[format_percent(v) if as_percent else f"{v:.4g}" for v in table["raw"]])
    base = alt.Chart(rows).encode(
        x=alt.X("epoch:Q", axis=alt.Axis(title="epoch", tickMinStep=1, grid=False)),
        y=alt.Y(
            "value:Q",
            scale=alt.Scale(zero=False, type="log" if log_scale else "linear"),
            axis=alt.Axis(title=None, format="%" if as_percent else "~g", tickCount=6),
        ),
        color=_make_run_color(runs),
        opacity=alt.condition(chosen, alt.value(1), alt.value(0.08)),
    )
    dashes = alt.Scale(domain=["validation", "training"], range=[[1, 0], [5, 4]])
    lines = base.mark_line(strokeWidth=2, clip=True).encode(
        strokeDash=alt.StrokeDash("split:N", scale=dashes, legend=None)
    )
    told = [
        alt.Tooltip("run:N"),
        alt.Tooltip("split:N"),
        alt.Tooltip("epoch:Q"),
        alt.Tooltip("text:N", title="right" if as_percent else "value"),
    ]
    # Points would hide the lines of long runs; what cannot be seen can still be pointed at.
    points = base.mark_point(size=60, filled=True, clip=True).encode(opacity=alt.value(0), tooltip=told)
    best = (
        base.transform_filter("datum.best")
        .mark_point(size=200, filled=False, strokeWidth=2.5, clip=True)
        .encode(tooltip=told)
    )
    layers = alt.LayerChart(layer=[lines.add_params(make_zoom_selection(), chosen), points, best])
    return layers.properties(height=330 + _legend_height(runs)).configure_view(stroke=None)


def _make_run_color(runs: list[str]) -> alt.Color:
    legend = alt.Legend(
        title=None,
        orient="bottom",
        columns=2,
        labelFontSize=13,
        labelLimit=220,
        symbolType="stroke",
        symbolSize=200,
        symbolStrokeWidth=3,
        symbolOpacity=1,
    )
    return alt.Color("run:N", scale=alt.Scale(domain=runs, range=SERIES_COLORS), legend=legend)


def _legend_height(names: list[str]) -> int:
    return 24 * -(-len(names) // 2)  # Streamlit fits the legend into the height as well


def plot_confusion_matrix(table: pd.DataFrame, *, dark: bool = False) -> alt.LayerChart:
    """What faces are (rows) and what was said of them (columns), as shares of the rows with the counts in the cells; a
    click gives the selection `CELL_SELECTION` with `row` and `column`.

    `table` as from `prediction_tables.confusion_table`; `dark`: the ground that it stands on.
    """
    tooltips = [
        alt.Tooltip("true:N", title="is"),
        alt.Tooltip("predicted:N", title="predicted"),
        alt.Tooltip("count:Q", title="faces"),
        alt.Tooltip("part:N", title="of these faces"),
    ]
    return plot_heatmap(
        table,
        ("predicted", "what the run says"),
        ("true", "what the face is"),
        tooltips,
        selection_name=CELL_SELECTION,
        dark=dark,
        height=90 + _CELL_PX * max(1, len(set(table["true"]))),
    )


def plot_class_metrics(table: pd.DataFrame) -> alt.Chart:
    """Recall, precision and F1 of each label as points in its row; `table` as from `prediction_tables.class_metrics_table`."""
    names, metrics = list(dict.fromkeys(table["name"])), list(dict.fromkeys(table["metric"]))
    legend = alt.Legend(title=None, orient="top", labelFontSize=13, symbolSize=110)
    return (
        alt.Chart(table.assign(text=[format_percent(v) for v in table["value"]]))
        .mark_point(filled=True, size=120, opacity=1, stroke=EDGE_COLOR, strokeWidth=1)
        .encode(
            x=alt.X(
                "value:Q",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(title=None, format="%", values=[0, 0.25, 0.5, 0.75, 1]),
            ),
            y=alt.Y("name:N", sort=names, axis=make_axis("left", allow_overlap=False)),
            color=alt.Color("metric:N", scale=alt.Scale(domain=metrics, range=SERIES_COLORS), legend=legend),
            shape=alt.Shape("metric:N", scale=alt.Scale(domain=metrics, range=SERIES_SHAPES), legend=legend),
            tooltip=[
                alt.Tooltip("name:N", title="expression"),
                alt.Tooltip("metric:N"),
                alt.Tooltip("text:N"),
                alt.Tooltip("n:Q", title="faces"),
            ],
        )
        .properties(height=80 + 30 * max(1, len(names)))
        .configure_view(stroke=None)
    )


def plot_reliability_diagram(table: pd.DataFrame, accuracy_title: str = "how often it is right") -> alt.LayerChart:
    """How often answers are right (or what `accuracy_title` says), by how certain they are; on the dashed line both are the
    same. Larger points are more answers.

    `table`: `confidence`, `accuracy` (0 to 1), `n`, a row for each filled bin.
    """
    rows = table.assign(
        text_label=[format_percent(c) for c in table["confidence"]],
        right=[format_percent(a) for a in table["accuracy"]],
    )
    share = alt.Scale(domain=[0, 1], nice=False)
    quarters = [0, 0.25, 0.5, 0.75, 1]
    base = alt.Chart(rows).encode(
        x=alt.X("confidence:Q", scale=share, axis=alt.Axis(title="how certain it is", format="%", values=quarters)),
        y=alt.Y("accuracy:Q", scale=share, axis=alt.Axis(title=accuracy_title, format="%", values=quarters)),
    )
    ideal = (
        alt.Chart(pd.DataFrame({"confidence": [0.0, 1.0], "accuracy": [0.0, 1.0]}))
        .mark_line(color="#8A8A8A", strokeDash=[5, 4], strokeWidth=1.5)
        .encode(x="confidence:Q", y="accuracy:Q")
    )
    line = base.mark_line(color=SERIES_COLORS[0], strokeWidth=2)
    points = base.mark_circle(color=SERIES_COLORS[0], opacity=1, stroke=EDGE_COLOR).encode(
        size=alt.Size("n:Q", scale=alt.Scale(range=[20, 320]), legend=None),
        tooltip=[
            alt.Tooltip("text_label:N", title="certain"),
            alt.Tooltip("right:N", title=accuracy_title),
            alt.Tooltip("n:Q", title="answers"),
        ],
    )
    return alt.LayerChart(layer=[ideal, line, points]).properties(height=340).configure_view(stroke=None)


def plot_coverage(table: pd.DataFrame, threshold: float) -> alt.LayerChart:
    """How many faces get a label, and how many labels are right, by the least certainty asked for; a dashed line
    marks the `threshold` in use, 0 to 1.

    `table`: `threshold`, `coverage`, `accuracy` (0 to 1).
    """
    names = {"coverage": "faces that get a label", "accuracy": "labels that are right"}
    rows = table.melt("threshold", list(names), var_name="metric", value_name="share")
    rows = rows.assign(metric=[names[name] for name in rows["metric"]], text=[format_percent(v) for v in rows["share"]])
    legend = alt.Legend(title=None, orient="bottom", columns=1, labelFontSize=13, labelLimit=260, symbolSize=110)
    domain, quarters = list(names.values()), [0, 0.25, 0.5, 0.75, 1]
    lines = (
        alt.Chart(rows)
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=30))
        .encode(
            x=alt.X(
                "threshold:Q",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(title="least certainty", format="%", values=quarters, grid=False),
            ),
            y=alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(title=None, format="%", values=quarters)),
            color=alt.Color("metric:N", scale=alt.Scale(domain=domain, range=SERIES_COLORS[:2]), legend=legend),
            shape=alt.Shape("metric:N", scale=alt.Scale(domain=domain, range=SERIES_SHAPES[:2]), legend=legend),
            tooltip=[alt.Tooltip("threshold:Q", format=".0%"), alt.Tooltip("metric:N"), alt.Tooltip("text:N")],
        )
    )
    here = alt.Chart(pd.DataFrame({"threshold": [threshold]})).mark_rule(strokeDash=[4, 4], color="#888888")
    layers = [here.encode(x="threshold:Q"), lines]
    return alt.LayerChart(layer=layers).properties(height=290).configure_view(stroke=None)


def plot_robustness(table: pd.DataFrame, unit: str) -> alt.Chart:
    """How often runs are right while pictures get worse in one way; `table`: rows of `prediction_tables.robustness_table` of one
    corruption. `unit`: what the severity is in."""
    runs = list(dict.fromkeys(table["run"]))
    chart = (
        alt.Chart(table.assign(text=[format_percent(v) for v in table["accuracy"]]))
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=40), clip=True)
        .encode(
            x=alt.X(
                "severity:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=unit or None, grid=False, tickCount=6)
            ),
            y=alt.Y("accuracy:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(title=None, format="%", tickCount=3)),
            color=_make_run_color(runs),
            tooltip=[alt.Tooltip("run:N"), alt.Tooltip("severity:Q"), alt.Tooltip("text:N", title="right")],
        )
    )
    return chart.properties(height=190 + _legend_height(runs)).configure_view(stroke=None)
