"""Charts of an analyzed video: a timeline per person, expressions over time, shares of time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

import altair as alt
import pandas as pd

from emotion.charts.style import (
    BAR_PX,
    EDGE_COLOR,
    LABEL_FONT_PX,
    LANE_PX,
    QUARTERS,
    apply_layout,
    legend_height,
    make_axis,
    make_color_scale,
    make_legend,
)
from emotion.expressions import UNCERTAIN, get_style, legend_order, symbol_and_name, text_color
from emotion.formatting import format_clock_tenths, format_percent
from emotion.translation.messages import gettext as _

TIME_SELECTION: Final = "time"
_CLOCK_EXPR: Final = "floor(datum.value / 60) + ':' + pad('' + floor(datum.value % 60), 2, '0', 'left')"
_MIN_DURATION: Final = 0.1  # seconds; an axis needs a length
_MIN_OPACITY: Final = 0.35  # at confidence 0
_UNCERTAIN_OPACITY: Final = 0.5
_MAX_TICKS: Final = 5  # of a count
_MIN_SYMBOL_SHARE: Final = 0.05  # of a bar's width; a narrower part has no room for its symbol


def plot_video_timeline(table: pd.DataFrame, duration: float) -> alt.Chart:
    """Plot one lane per person, with segments in the color of the displayed expression.

    Less confident segments are paler, uncertain ones thin. The time axis pans and zooms; a click in the legend shows
    one expression alone.

    Args:
        table: As from `VideoAnalysis.segments`, with a unique `name` for each person.
        duration: Of the video, in seconds.
    """
    labels = legend_order(table["expression"])
    names = [symbol_and_name(label) for label in labels]
    is_certain = table["expression"] != UNCERTAIN.name
    opacity = _MIN_OPACITY + (1 - _MIN_OPACITY) * table["confidence"].fillna(0)
    rows = table.assign(
        word=[symbol_and_name(e) for e in table["expression"]],
        opacity=opacity.where(is_certain, _UNCERTAIN_OPACITY),
        height=(is_certain * 0.45 + 0.25) * LANE_PX,
        text_label=["" if math.isnan(c) else format_percent(c) for c in table["confidence"]],
        time_span=format_time_spans(table["start"], table["end"]),
    )
    lanes = list(dict.fromkeys(rows["name"]))
    selected = alt.selection_point(fields=["word"], bind="legend")
    chart = (
        alt.Chart(rows)
        .mark_bar(stroke=EDGE_COLOR, strokeWidth=0.5, clip=True)
        .encode(
            x=make_time_x(duration),
            x2="end:Q",
            y=alt.Y("name:N", sort=lanes, axis=make_axis("left", allow_overlap=False)),
            color=alt.Color("word:N", scale=make_color_scale(labels, names), legend=make_legend()),
            opacity=alt.condition(selected, alt.Opacity("opacity:Q", scale=None), alt.value(0.06)),
            size=alt.Size("height:Q", scale=None),
            tooltip=[
                alt.Tooltip("name:N", title=_("face")),
                alt.Tooltip("word:N", title=_("expression")),
                alt.Tooltip("time_span:N", title=_("time")),
                alt.Tooltip("text_label:N", title=_("probability")),
            ],
        )
        .add_params(selected)
        .interactive(bind_y=False)
    )
    return chart.properties(height=20 + LANE_PX * max(1, len(lanes))).configure_view(stroke=None)


def plot_expressions_over_time(table: pd.DataFrame, duration: float, *, as_percent: bool = False) -> alt.LayerChart:
    """Plot the displayed expressions of all faces over time, stacked.

    A click sets the selection `TIME_SELECTION` with `start`.

    Args:
        table: As from `VideoAnalysis.face_counts`: `start`, `end` (seconds), `expression`, `mean_faces`; with
            `as_percent` as from `VideoAnalysis.group_shares`, with `share` (0 to 1, NaN where it is not shown).
        duration: Of the video, in seconds.
        as_percent: Whether shares are shown instead of counts.
    """
    value = "share" if as_percent else "mean_faces"
    rows = table[table[value] > 0]
    labels = legend_order(rows["expression"])
    names = [symbol_and_name(label) for label in labels]
    highs = rows.groupby("start")[value].cumsum()
    ticks = QUARTERS if as_percent else _make_integer_ticks(max([1.0, *highs.tolist()]))
    rows = rows.assign(
        name=[symbol_and_name(e) for e in rows["expression"]],
        low=highs - rows[value],
        high=highs,
        text_label=[format_percent(v) if as_percent else f"{v:.1f}".removesuffix(".0") for v in rows[value]],
        time_span=format_time_spans(rows["start"], rows["end"]),
    )
    y_axis = alt.Axis(
        title=None, labelFontSize=LABEL_FONT_PX, format="%" if as_percent else "d", values=ticks, domain=False
    )
    areas = (
        alt.Chart(rows)
        .mark_rect(cursor="pointer")
        .encode(
            x=make_time_x(duration, labelOverlap="greedy", labelSeparation=6, grid=False),
            x2="end:Q",
            y=alt.Y("low:Q", scale=alt.Scale(domain=[0, ticks[-1]], nice=False), axis=y_axis),
            y2="high:Q",
            color=alt.Color("name:N", scale=make_color_scale(labels, names), legend=make_legend()),
            tooltip=[
                alt.Tooltip("time_span:N", title=_("time")),
                alt.Tooltip("name:N", title=_("expression")),
                alt.Tooltip("text_label:N", title=_("of all") if as_percent else _("faces")),
            ],
        )
        .add_params(alt.selection_point(name=TIME_SELECTION, fields=["start"], on="click", clear=False))
    )
    return apply_layout(alt.LayerChart(layer=[areas]), height=180 + legend_height(len(names)))


def make_time_x(duration: float, **axis_options: Any) -> alt.X:
    """Return the time axis of the column `start`; `axis_options` are further arguments of `alt.Axis`."""
    axis = alt.Axis(
        title=None,
        labelFontSize=LABEL_FONT_PX,
        labelExpr=_CLOCK_EXPR,
        labelFlush=True,
        tickMinStep=1,
        **axis_options,
    )
    return alt.X("start:Q", scale=alt.Scale(domain=[0, max(duration, _MIN_DURATION)], nice=False), axis=axis)


def format_time_spans(starts: Iterable[float], ends: Iterable[float]) -> list[str]:
    """Return texts such as "0:01.5 to 0:02.0" for the tooltips of segments, all times in seconds."""
    spans = zip(starts, ends, strict=True)
    return [
        _("{start} to {end}").format(start=format_clock_tenths(start), end=format_clock_tenths(end))
        for start, end in spans
    ]


def _make_integer_ticks(max_value: float) -> Sequence[int]:
    """Return up to `_MAX_TICKS` equidistant whole numbers from 0 to `max_value` or a little beyond."""
    num_steps = _MAX_TICKS - 1
    steps = (factor * 10**power for power in range(10) for factor in (1, 2, 5))
    step = next(step for step in steps if num_steps * step >= max_value)
    return [step * i for i in range(math.ceil(max_value / step - 1e-9) + 1)]


def plot_people_shares(table: pd.DataFrame) -> alt.LayerChart:
    """Plot one full bar per person: the share of time of each expression, with its symbol.

    Args:
        table: `name` (in display order), `expression`, `share` (0 to 1, with the sum 1 for each name).
    """
    people = list(dict.fromkeys(table["name"]))
    labels = legend_order(table["expression"])
    names = [symbol_and_name(label) for label in labels]
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
            alt.Tooltip("name:N", title=_("face")),
            alt.Tooltip("word:N", title=_("expression")),
            alt.Tooltip("part:N", title=_("of the time")),
        ],
    )
    bars = base.mark_bar(height=BAR_PX * 0.8, stroke=EDGE_COLOR, strokeWidth=1).encode(
        x=alt.X("start:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None),
        x2="end:Q",
        color=alt.Color("word:N", scale=make_color_scale(labels, names), legend=make_legend()),
    )
    symbols = (
        base.transform_filter(f"datum.share >= {_MIN_SYMBOL_SHARE}")
        .mark_text(fontSize=LABEL_FONT_PX, fontWeight="bold")
        .encode(x="middle:Q", text="symbol:N", color=alt.Color("text_color:N", scale=None))
    )
    layers = alt.LayerChart(layer=[bars, symbols]).resolve_scale(color="independent")
    return apply_layout(layers, height=30 + (BAR_PX + 8) * max(1, len(people)) + legend_height(len(names)))
