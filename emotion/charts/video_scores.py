"""Charts of the scores of the faces of a video over time, and of one expression in several videos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import altair as alt
import pandas as pd

from emotion.charts.style import (
    LABEL_FONT_PX,
    QUARTERS,
    REFERENCE_COLOR,
    SERIES_COLORS,
    apply_layout,
    legend_height,
    make_color_scale,
    make_legend,
    make_series_legend,
)
from emotion.charts.video import TIME_SELECTION, make_time_x
from emotion.expressions import legend_order, symbol_and_name
from emotion.formatting import format_clock_tenths, format_percent
from emotion.translation.messages import gettext as _

_CURVES_PX: Final = 220  # height without the legend
_DASHES: Final = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]]  # of neighboring series, beside their colors
_FADED_OPACITY: Final = 0.12  # of the curves that are not chosen in the legend


def plot_score_curves(table: pd.DataFrame, duration: float) -> alt.LayerChart:
    """Plot the scores of a face over time, one line for each expression.

    A click in the legend shows one expression alone, a click in the chart sets the selection `TIME_SELECTION` with
    `start`, and the pointer shows all scores of its time.

    Args:
        table: As from `VideoAnalysis.score_curves`.
        duration: Of the video, in seconds.
    """
    labels = legend_order(table["expression"])
    names = [symbol_and_name(label) for label in labels]
    rows = table.assign(word=[symbol_and_name(label) for label in table["expression"]])
    chosen = alt.selection_point(name="expression", fields=["word"], bind="legend")
    lines = (
        alt.Chart(rows)
        .mark_line(strokeWidth=2, clip=True, interpolate="monotone")
        .encode(
            x=make_time_x(duration, labelOverlap="greedy", labelSeparation=6, grid=False),
            y=_make_share_y("probability"),
            color=alt.Color("word:N", scale=make_color_scale(labels, names), legend=make_legend("stroke")),
            opacity=alt.condition(chosen, alt.value(1), alt.value(_FADED_OPACITY)),
        )
        .add_params(chosen)
    )
    chart = alt.LayerChart(layer=[lines, _make_pointer(table, duration)])
    return apply_layout(chart, height=_CURVES_PX + legend_height(len(names)))


def _make_pointer(table: pd.DataFrame, duration: float) -> alt.Chart:
    """Return a rule that follows the pointer, with all scores of its time; a click selects the time."""
    wide = table.pivot_table(index="start", columns="expression", values="probability", sort=True)
    texts = pd.DataFrame({"start": wide.index, "time": [format_clock_tenths(second) for second in wide.index]})
    tooltips = [alt.Tooltip("time:N", title=_("time"))]
    # Labels may be of any characters, which a field of Vega may not have.
    for number, label in enumerate(wide.columns):
        texts[f"text{number}"] = ["" if pd.isna(value) else format_percent(value) for value in wide[label]]
        tooltips.append(alt.Tooltip(f"text{number}:N", title=symbol_and_name(str(label))))
    hovered = alt.selection_point(
        name="pointer", fields=["start"], nearest=True, on="pointerover", clear="pointerout", empty=False
    )
    clicked = alt.selection_point(name=TIME_SELECTION, fields=["start"], nearest=True, on="click", clear=False)
    return (
        alt.Chart(texts)
        .mark_rule(color=REFERENCE_COLOR, cursor="pointer")
        .encode(
            x=make_time_x(duration, labelOverlap="greedy", labelSeparation=6, grid=False),
            opacity=alt.condition(hovered, alt.value(1), alt.value(0)),
            tooltip=tooltips,
        )
        .add_params(hovered, clicked)
    )


def plot_video_comparison(table: pd.DataFrame, duration: float, names: Sequence[str]) -> alt.Chart:
    """Plot the score of one expression in several videos on one time axis, one line for each video.

    Args:
        table: `name` of the video, `start` (seconds) and `probability` (0 to 1, NaN where no face is seen).
        duration: Of the longest video, in seconds.
        names: Of the videos, in the order of the legend.
    """
    rows = table.assign(
        time=[format_clock_tenths(second) for second in table["start"]],
        text=["" if pd.isna(value) else format_percent(value) for value in table["probability"]],
    )
    dashes = [_DASHES[number % len(_DASHES)] for number in range(len(names))]
    legend = make_series_legend("bottom", columns=1, symbolType="stroke", labelLimit=400)
    chart = (
        alt.Chart(rows)
        .mark_line(strokeWidth=2.5, clip=True, interpolate="monotone")
        .encode(
            x=make_time_x(duration, labelOverlap="greedy", labelSeparation=6, grid=False),
            y=_make_share_y("probability"),
            color=alt.Color("name:N", scale=alt.Scale(domain=list(names), range=SERIES_COLORS), legend=legend),
            strokeDash=alt.StrokeDash("name:N", scale=alt.Scale(domain=list(names), range=dashes), legend=legend),
            tooltip=[
                alt.Tooltip("name:N", title=_("video")),
                alt.Tooltip("time:N", title=_("time")),
                alt.Tooltip("text:N", title=_("probability")),
            ],
        )
    )
    return chart.properties(height=_CURVES_PX + legend_height(len(names), 1)).configure_view(stroke=None)


def _make_share_y(field: str) -> alt.Y:
    axis = alt.Axis(title=None, labelFontSize=LABEL_FONT_PX, format="%", values=QUARTERS, domain=False)
    return alt.Y(f"{field}:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=axis)
