"""Charts of a film: a lane a face, the whole cast over the time, shares of time."""

from __future__ import annotations

import math

import altair as alt
import pandas as pd

from emotion.charts.style import (
    BAR_PX,
    EDGE_COLOR,
    LANE_PX,
    LEGEND_COLUMNS,
    apply_layout,
    make_axis,
    make_color_scale,
    make_legend,
)
from emotion.expressions import UNCERTAIN, get_style, legend_order, symbol_and_name, text_color
from emotion.formatting import format_clock_tenths, format_percent

TIME_SELECTION = "time"
_CLOCK_EXPR = "floor(datum.value / 60) + ':' + pad('' + floor(datum.value % 60), 2, '0', 'left')"


def plot_video_timeline(table: pd.DataFrame, duration: float) -> alt.Chart:
    """One lane a face of a film, in the order given, with a ribbon in the colour of what was shown; paler where that
    was less certain, thin where it was unsure. The wheel and dragging move along the time, a click in the legend
    leaves one expression.

    `table` as from `VideoAnalysis.segments`, with a different `name` for each face. `duration`: how long the film is.
    """
    words = legend_order(table["expression"])
    names = [symbol_and_name(word) for word in words]
    sure = table["expression"] != UNCERTAIN.name
    rows = table.assign(
        word=[symbol_and_name(e) for e in table["expression"]],
        opacity=(0.35 + 0.65 * table["confidence"].fillna(0)).where(sure, 0.5),
        height=(sure * 0.45 + 0.25) * LANE_PX,
        text_label=[format_percent(c) if c == c else "" for c in table["confidence"]],
        time_span=[
            f"{format_clock_tenths(a)} to {format_clock_tenths(b)}"
            for a, b in zip(table["start"], table["end"], strict=True)
        ],
    )
    lanes = list(dict.fromkeys(rows["name"]))
    chosen = alt.selection_point(fields=["word"], bind="legend")
    chart = (
        alt.Chart(rows)
        .mark_bar(stroke=EDGE_COLOR, strokeWidth=0.5, clip=True)
        .encode(
            x=alt.X(
                "start:Q",
                scale=alt.Scale(domain=[0, max(duration, 0.1)], nice=False),
                axis=alt.Axis(title=None, labelFontSize=13, labelExpr=_CLOCK_EXPR, labelFlush=True, tickMinStep=1),
            ),
            x2="end:Q",
            y=alt.Y("name:N", sort=lanes, axis=make_axis("left", allow_overlap=False)),
            color=alt.Color("word:N", scale=make_color_scale(words, names), legend=make_legend()),
            opacity=alt.condition(chosen, alt.Opacity("opacity:Q", scale=None), alt.value(0.06)),
            size=alt.Size("height:Q", scale=None),
            tooltip=[
                alt.Tooltip("name:N", title="face"),
                alt.Tooltip("word:N", title="expression"),
                alt.Tooltip("time_span:N", title="time"),
                alt.Tooltip("text_label:N", title="probability"),
            ],
        )
        .add_params(chosen)
        .interactive(bind_y=False)
    )
    return chart.properties(height=20 + LANE_PX * max(1, len(lanes))).configure_view(stroke=None)


def plot_expressions_over_time(table: pd.DataFrame, duration: float, *, as_percent: bool = False) -> alt.LayerChart:
    """What the faces of a film show over its time, stacked; a click gives the selection `TIME_SELECTION` with `start`.

    `table` as from `VideoAnalysis.face_counts`: `start`, `end` (seconds), `expression`, `mean_faces`; with `as_percent`
    as from `VideoAnalysis.group_shares`, of which `share` (0 to 1, NaN where nothing is to be shown) counts.
    `duration`: how long the video is.
    """
    value = "share" if as_percent else "mean_faces"
    rows = table[table[value] > 0]
    words = legend_order(rows["expression"])
    names = [symbol_and_name(word) for word in words]
    tops = rows.groupby("start")[value].cumsum()
    ticks = [0, 0.25, 0.5, 0.75, 1] if as_percent else _make_integer_ticks(max([1.0, *tops.tolist()]))
    rows = rows.assign(
        name=[symbol_and_name(e) for e in rows["expression"]],
        low=tops - rows[value],
        high=tops,
        text_label=[format_percent(v) if as_percent else f"{v:.1f}".removesuffix(".0") for v in rows[value]],
        time_span=[
            f"{format_clock_tenths(a)} to {format_clock_tenths(b)}"
            for a, b in zip(rows["start"], rows["end"], strict=True)
        ],
    )
    areas = (
        alt.Chart(rows)
        .mark_rect(cursor="pointer")
        .encode(
            x=alt.X(
                "start:Q",
                scale=alt.Scale(domain=[0, max(duration, 0.1)], nice=False),
                axis=alt.Axis(
                    title=None,
                    labelFontSize=13,
                    labelExpr=_CLOCK_EXPR,
                    labelFlush=True,
                    labelOverlap="greedy",
                    labelSeparation=6,
                    grid=False,
                    tickMinStep=1,
                ),
            ),
            x2="end:Q",
            y=alt.Y(
                "low:Q",
                scale=alt.Scale(domain=[0, ticks[-1]], nice=False),
                axis=alt.Axis(
                    title=None,
                    labelFontSize=13,
                    format="%" if as_percent else "d",
                    values=ticks,
                    domain=False,
                ),
            ),
            y2="high:Q",
            color=alt.Color("name:N", scale=make_color_scale(words, names), legend=make_legend()),
            tooltip=[
                alt.Tooltip("time_span:N", title="time"),
                alt.Tooltip("name:N", title="expression"),
                alt.Tooltip("text_label:N", title="of all" if as_percent else "faces"),
            ],
        )
        .add_params(alt.selection_point(name=TIME_SELECTION, fields=["start"], on="click", clear=False))
    )
    # Streamlit fits the legend into the height as well.
    return apply_layout(alt.LayerChart(layer=[areas]), height=180 + 24 * -(-len(names) // LEGEND_COLUMNS))


def _make_integer_ticks(max_value: float) -> list[int]:
    """Whole numbers from 0 to `max_value` or a little beyond, five at most and equally far apart."""
    step = next(
        factor * 10**power for power in range(10) for factor in (1, 2, 5) if 4 * factor * 10**power >= max_value
    )
    return [step * i for i in range(math.ceil(max_value / step - 1e-9) + 1)]


def plot_people_shares(table: pd.DataFrame) -> alt.LayerChart:
    """A whole bar for each face of a film: the share of its time by expression, with the signs in it.

    `table`: `name` (in the order to show), `expression`, `share` (0 to 1, together 1 for each name).
    """
    people = list(dict.fromkeys(table["name"]))
    words = legend_order(table["expression"])
    names = [symbol_and_name(word) for word in words]
    ends = table.groupby("name")["share"].cumsum()
    rows = table.assign(
        word=[symbol_and_name(e) for e in table["expression"]],
        start=ends - table["share"],
        end=ends,
        middle=ends - table["share"] / 2,
        symbol=[get_style(e).symbol for e in table["expression"]],
        text_color=[text_color(e) for e in table["expression"]],
        part=[format_percent(share) for share in table["share"]],
    )
    base = alt.Chart(rows).encode(
        y=alt.Y("name:N", sort=people, axis=make_axis("left", allow_overlap=False)),
        tooltip=[
            alt.Tooltip("name:N", title="face"),
            alt.Tooltip("word:N", title="expression"),
            alt.Tooltip("part:N", title="of the time"),
        ],
    )
    bars = base.mark_bar(height=BAR_PX * 0.8, stroke=EDGE_COLOR, strokeWidth=1).encode(
        x=alt.X("start:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None),
        x2="end:Q",
        color=alt.Color("word:N", scale=make_color_scale(words, names), legend=make_legend()),
    )
    signs = (
        base.transform_filter("datum.share >= 0.05")
        .mark_text(fontSize=13, fontWeight="bold")
        .encode(x="middle:Q", text="symbol:N", color=alt.Color("text_color:N", scale=None))
    )
    height = 30 + (BAR_PX + 8) * max(1, len(people)) + 24 * -(-len(names) // LEGEND_COLUMNS)
    return apply_layout(alt.LayerChart(layer=[bars, signs]).resolve_scale(color="independent"), height=height)
