"""Charts of what moves in the faces of a video: curves of one face, and the times of smiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import altair as alt
import pandas as pd

from emotion.charts.style import (
    EDGE_COLOR,
    LABEL_FONT_PX,
    LANE_PX,
    QUARTERS,
    SMILE_COLOR,
    legend_height,
    make_axis,
    make_series_legend,
)
from emotion.charts.video import format_time_spans, make_time_x
from emotion.formatting import format_clock_tenths, format_percent
from emotion.translation.messages import gettext as _

_CURVE_COLORS: Final = [SMILE_COLOR, "#3B82C4", "#2E9E6B", "#C2571A"]
_CURVE_DASHES: Final = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]]
_CURVES_PX: Final = 200  # height without the legend


def plot_movement_curves(table: pd.DataFrame, duration: float, *, choose_face: bool = False) -> alt.Chart:
    """Plot the movements of one face over time, one line each; a line breaks where the face is not seen.

    Args:
        table: As from `VideoAnalysis.movement_curves`, with a unique `name` for each face.
        duration: Of the video, in seconds.
        choose_face: Whether the chart has a list of the faces of the table, of which it shows one.
    """
    movements = [_(movement) for movement in dict.fromkeys(table["movement"])]
    legend = make_series_legend("bottom", columns=len(movements), symbolType="stroke")
    rows = table.assign(
        movement=[_(movement) for movement in table["movement"]],
        time=[format_clock_tenths(seconds) for seconds in table["start"]],
        text=["" if pd.isna(strength) else format_percent(strength) for strength in table["strength"]],
    )
    chart = (
        alt.Chart(rows)
        .mark_line(strokeWidth=2, clip=True)
        .encode(
            x=make_time_x(duration, labelOverlap="greedy", labelSeparation=6, grid=False),
            y=alt.Y(
                "strength:Q",
                scale=alt.Scale(domain=[0, 1], nice=False),
                axis=alt.Axis(title=None, labelFontSize=LABEL_FONT_PX, format="%", values=QUARTERS, domain=False),
            ),
            color=alt.Color("movement:N", scale=alt.Scale(domain=movements, range=_CURVE_COLORS), legend=legend),
            strokeDash=alt.StrokeDash("movement:N", scale=alt.Scale(domain=movements, range=_CURVE_DASHES)),
            tooltip=[
                alt.Tooltip("time:N", title=_("time")),
                alt.Tooltip("movement:N", title=_("movement")),
                alt.Tooltip("text:N", title=_("strength")),
            ],
        )
    )
    if choose_face:
        chart = _add_choice(chart, rows)
    return chart.properties(height=_CURVES_PX + legend_height(1)).configure_view(stroke=None)


def _add_choice(chart: alt.Chart, rows: pd.DataFrame) -> alt.Chart:
    """Add a list of the faces; the one with the longest curve is chosen first."""
    names = list(dict.fromkeys(rows["name"]))
    longest = rows.loc[rows["strength"].notna(), "name"].value_counts()
    first = str(longest.index[0]) if len(longest) else names[0]
    face = alt.param(name="face", value=first, bind=alt.binding_select(options=names, name=_("Face: ")))
    return chart.add_params(face).transform_filter(alt.datum.name == face)


def plot_smiles(table: pd.DataFrame, names: Sequence[str], duration: float) -> alt.Chart:
    """Plot one lane per face with the times of its smiles; weaker smiles are paler.

    Args:
        table: As from `VideoAnalysis.smiles`, with a unique `name` for each face.
        names: Of the lanes from top to bottom, also of faces that never smile.
        duration: Of the video, in seconds.
    """
    rows = table.assign(
        time_span=format_time_spans(table["start"], table["end"]),
        text=[format_percent(strength) for strength in table["strength"]],
    )
    chart = (
        alt.Chart(rows)
        .mark_bar(color=SMILE_COLOR, stroke=EDGE_COLOR, strokeWidth=0.5, height=LANE_PX * 0.6, clip=True)
        .encode(
            x=make_time_x(duration),
            x2="end:Q",
            y=alt.Y(
                "name:N", scale=alt.Scale(domain=list(names)), sort=None, axis=make_axis("left", allow_overlap=False)
            ),
            opacity=alt.Opacity("strength:Q", scale=alt.Scale(domain=[0, 1]), legend=None),
            tooltip=[
                alt.Tooltip("name:N", title=_("face")),
                alt.Tooltip("time_span:N", title=_("smiles")),
                alt.Tooltip("text:N", title=_("strength")),
            ],
        )
    )
    return chart.properties(height=20 + LANE_PX * max(1, len(names))).configure_view(stroke=None)
