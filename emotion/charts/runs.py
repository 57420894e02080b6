"""Charts of finished runs: laid over each other, and what one of them answers."""

from __future__ import annotations

from typing import Final

import altair as alt
import pandas as pd

from emotion.charts.heatmap import heat
from emotion.charts.style import EDGE, SERIES, SHAPES, axis
from emotion.charts.training import zoom
from emotion.formatting import percent

CELL_CLICK: Final = "cell"
_CELL: Final = 44  # pixels


def run_curves(table: pd.DataFrame, *, shares: bool, log: bool = False) -> alt.LayerChart:
    """Runs laid over each other: full lines for faces held out, dashed ones for those it learns, rings at the best
    epochs; a click in the legend leaves one run, Shift and clicks several.

    `table` as from `run_tables.curves_table`; `shares`: 0 to 1, shown in percent.
    """
    runs = list(dict.fromkeys(table["run"]))
    chosen = alt.selection_point(fields=["run"], bind="legend")
    rows = table.assign(text=[percent(v) if shares else f"{v:.4g}" for v in table["raw"]])
    base = alt.Chart(rows).encode(
        x=alt.X("epoch:Q", axis=alt.Axis(title="epoch", tickMinStep=1, grid=False)),
        y=alt.Y(
            "value:Q", scale=alt.Scale(zero=False, type="log" if log else "linear"),
            axis=alt.Axis(title=None, format="%" if shares else "~g", tickCount=6),
        ),
        color=_by_run(runs),
        opacity=alt.condition(chosen, alt.value(1), alt.value(0.08)),
    )  # fmt: skip
    dashes = alt.Scale(domain=["faces held out", "faces it learns"], range=[[1, 0], [5, 4]])
    lines = base.mark_line(strokeWidth=2, clip=True).encode(
        strokeDash=alt.StrokeDash("part:N", scale=dashes, legend=None)
    )
    told = [
        alt.Tooltip("run:N"), alt.Tooltip("part:N"), alt.Tooltip("epoch:Q"),
        alt.Tooltip("text:N", title="right" if shares else "value"),
    ]  # fmt: skip
    # Points would hide the lines of long runs; what cannot be seen can still be pointed at.
    points = base.mark_point(size=60, filled=True, clip=True).encode(opacity=alt.value(0), tooltip=told)
    best = (
        base.transform_filter("datum.best")
        .mark_point(size=200, filled=False, strokeWidth=2.5, clip=True)
        .encode(tooltip=told)
    )
    layers = alt.LayerChart(layer=[lines.add_params(zoom(), chosen), points, best])
    return layers.properties(height=330 + _legend_height(runs)).configure_view(stroke=None)


def _by_run(runs: list[str]) -> alt.Color:
    legend = alt.Legend(
        title=None, orient="bottom", columns=2, labelFontSize=13, labelLimit=220, symbolType="stroke", symbolSize=200,
        symbolStrokeWidth=3, symbolOpacity=1,
    )  # fmt: skip
    return alt.Color("run:N", scale=alt.Scale(domain=runs, range=SERIES), legend=legend)


def _legend_height(names: list[str]) -> int:
    return 24 * -(-len(names) // 2)  # Streamlit fits the legend into the height as well


def confusion_heat(table: pd.DataFrame, *, dark: bool = False) -> alt.LayerChart:
    """What faces are (rows) and what was said of them (columns), as shares of the rows with the counts in the cells; a
    click gives the selection `CELL_CLICK` with `row` and `column`.

    `table` as from `run_tables.confusion_table`; `dark`: the ground that it stands on.
    """
    tooltips = [
        alt.Tooltip("true:N", title="is"), alt.Tooltip("said:N", title="said"),
        alt.Tooltip("count:Q", title="faces"), alt.Tooltip("part:N", title="of these faces"),
    ]  # fmt: skip
    return heat(
        table, ("said", "what the run says"), ("true", "what the face is"), tooltips, click=CELL_CLICK, dark=dark,
        height=90 + _CELL * max(1, len(set(table["true"]))),
    )  # fmt: skip


def class_dots(table: pd.DataFrame) -> alt.Chart:
    """Recall, precision and F1 of each label as points in its row; `table` as from `run_tables.classes_table`."""
    names, measures = list(dict.fromkeys(table["name"])), list(dict.fromkeys(table["measure"]))
    legend = alt.Legend(title=None, orient="top", labelFontSize=13, symbolSize=110)
    return (
        alt.Chart(table.assign(text=[percent(v) for v in table["value"]]))
        .mark_point(filled=True, size=120, opacity=1, stroke=EDGE, strokeWidth=1)
        .encode(
            x=alt.X(
                "value:Q", scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(title=None, format="%", values=[0, 0.25, 0.5, 0.75, 1]),
            ),
            y=alt.Y("name:N", sort=names, axis=axis("left", overlap=False)),
            color=alt.Color("measure:N", scale=alt.Scale(domain=measures, range=SERIES), legend=legend),
            shape=alt.Shape("measure:N", scale=alt.Scale(domain=measures, range=SHAPES), legend=legend),
            tooltip=[
                alt.Tooltip("name:N", title="expression"), alt.Tooltip("measure:N"), alt.Tooltip("text:N"),
                alt.Tooltip("n:Q", title="faces"),
            ],
        )
        .properties(height=80 + 30 * max(1, len(names)))
        .configure_view(stroke=None)
    )  # fmt: skip


def reliability_curve(table: pd.DataFrame, right: str = "how often it is right") -> alt.LayerChart:
    """How often answers are right (or what `right` says), by how certain they are; on the dashed line both are the
    same. Larger points are more answers.

    `table`: `confidence`, `accuracy` (0 to 1), `n`, a row for each filled bin.
    """
    rows = table.assign(
        said=[percent(c) for c in table["confidence"]], right=[percent(a) for a in table["accuracy"]]
    )  # fmt: skip
    share = alt.Scale(domain=[0, 1], nice=False)
    quarters = [0, 0.25, 0.5, 0.75, 1]
    base = alt.Chart(rows).encode(
        x=alt.X("confidence:Q", scale=share, axis=alt.Axis(title="how certain it is", format="%", values=quarters)),
        y=alt.Y("accuracy:Q", scale=share, axis=alt.Axis(title=right, format="%", values=quarters)),
    )
    ideal = (
        alt.Chart(pd.DataFrame({"confidence": [0.0, 1.0], "accuracy": [0.0, 1.0]}))
        .mark_line(color="#8A8A8A", strokeDash=[5, 4], strokeWidth=1.5)
        .encode(x="confidence:Q", y="accuracy:Q")
    )
    line = base.mark_line(color=SERIES[0], strokeWidth=2)
    points = base.mark_circle(color=SERIES[0], opacity=1, stroke=EDGE).encode(
        size=alt.Size("n:Q", scale=alt.Scale(range=[20, 320]), legend=None),
        tooltip=[
            alt.Tooltip("said:N", title="certain"), alt.Tooltip("right:N", title=right),
            alt.Tooltip("n:Q", title="answers"),
        ],
    )  # fmt: skip
    return alt.LayerChart(layer=[ideal, line, points]).properties(height=340).configure_view(stroke=None)


def coverage_curve(table: pd.DataFrame, threshold: float) -> alt.LayerChart:
    """How many faces get a label, and how many labels are right, by the least certainty asked for; a dashed line
    marks the `threshold` in use, 0 to 1.

    `table`: `threshold`, `answered`, `accuracy` (0 to 1).
    """
    names = {"answered": "faces that get a label", "accuracy": "labels that are right"}
    rows = table.melt("threshold", list(names), var_name="measure", value_name="share")
    rows = rows.assign(measure=[names[name] for name in rows["measure"]], text=[percent(v) for v in rows["share"]])
    legend = alt.Legend(title=None, orient="bottom", columns=1, labelFontSize=13, labelLimit=260, symbolSize=110)
    domain, quarters = list(names.values()), [0, 0.25, 0.5, 0.75, 1]
    lines = (
        alt.Chart(rows)
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=30))
        .encode(
            x=alt.X("threshold:Q", scale=alt.Scale(domain=[0, 1]),
                    axis=alt.Axis(title="least certainty", format="%", values=quarters, grid=False)),
            y=alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]),
                    axis=alt.Axis(title=None, format="%", values=quarters)),
            color=alt.Color("measure:N", scale=alt.Scale(domain=domain, range=SERIES[:2]), legend=legend),
            shape=alt.Shape("measure:N", scale=alt.Scale(domain=domain, range=SHAPES[:2]), legend=legend),
            tooltip=[alt.Tooltip("threshold:Q", format=".0%"), alt.Tooltip("measure:N"), alt.Tooltip("text:N")],
        )
    )  # fmt: skip
    here = alt.Chart(pd.DataFrame({"threshold": [threshold]})).mark_rule(strokeDash=[4, 4], color="#888888")
    layers = [here.encode(x="threshold:Q"), lines]
    return alt.LayerChart(layer=layers).properties(height=290).configure_view(stroke=None)


def stress_curve(table: pd.DataFrame, unit: str) -> alt.Chart:
    """How often runs are right while pictures get worse in one way; `table`: rows of `run_tables.stress_table` of one
    kind. `unit`: what the amounts are in."""
    runs = list(dict.fromkeys(table["run"]))
    chart = (
        alt.Chart(table.assign(text=[percent(v) for v in table["accuracy"]]))
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=40), clip=True)
        .encode(
            x=alt.X(
                "amount:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=unit or None, grid=False, tickCount=6)
            ),
            y=alt.Y("accuracy:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(title=None, format="%", tickCount=3)),
            color=_by_run(runs),
            tooltip=[alt.Tooltip("run:N"), alt.Tooltip("amount:Q"), alt.Tooltip("text:N", title="right")],
        )
    )  # fmt: skip
    return chart.properties(height=190 + _legend_height(runs)).configure_view(stroke=None)
