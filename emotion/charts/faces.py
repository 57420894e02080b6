"""Charts of faces: the scores of one, and the labels of a group."""

from __future__ import annotations

import json
from typing import Final

import altair as alt
import pandas as pd

from emotion.charts.style import (
    BAR_PX,
    EDGE_COLOR,
    SERIES_COLORS,
    apply_layout,
    legend_height,
    make_axis,
    make_color_scale,
    make_legend,
)
from emotion.expressions import UNCERTAIN, symbol_and_name, text_color
from emotion.formatting import format_percent
from emotion.translation.messages import gettext as _

_MIN_TEXT_SHARE: Final = 0.04  # of a bar's width; a narrower part has no room for its count
_UNCERTAIN_EDGE_COLOR: Final = "#EBEBEB"


def plot_scores(table: pd.DataFrame) -> alt.LayerChart:
    """Plot one bar per expression of one face, most probable first.

    Args:
        table: `expression` and `probability` (0 to 1), as from `results.tables.scores_table`.
    """
    table = table.sort_values("probability", ascending=False, kind="stable")
    rows = table.assign(
        name=[symbol_and_name(e) for e in table["expression"]],
        value=table["probability"],
        text=[format_percent(p) for p in table["probability"]],
    )
    color = alt.Color("expression:N", scale=make_color_scale(rows["expression"].tolist()), legend=None)
    tooltip = [alt.Tooltip("name:N", title=_("expression")), alt.Tooltip("text:N", title=_("probability"))]
    return _plot_bars(rows, color, tooltip)


def plot_movements(table: pd.DataFrame) -> alt.LayerChart:
    """Plot one bar per movement of one face, in the order of the table.

    Args:
        table: `movement`, `strength` (0 to 1) and `action_unit`, as from `results.tables.movements_table`.
    """
    rows = table.assign(
        name=table["movement"],
        value=table["strength"],
        text=[format_percent(strength) for strength in table["strength"]],
    )
    tooltip = [
        alt.Tooltip("name:N", title=_("movement")),
        alt.Tooltip("text:N", title=_("strength")),
        alt.Tooltip("action_unit:N", title=_("action unit")),
    ]
    return _plot_bars(rows, alt.ColorValue(SERIES_COLORS[0]), tooltip)


def _plot_bars(rows: pd.DataFrame, color: alt.Color | alt.ColorValue, tooltip: list[alt.Tooltip]) -> alt.LayerChart:
    """Plot one bar for each row with `name`, `value` (0 to 1) and `text`, in their order."""
    base = alt.Chart(rows).encode(
        x=alt.X("value:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None), tooltip=tooltip
    )
    names = list(rows["name"])
    bars = base.mark_bar(cornerRadius=3, stroke=EDGE_COLOR, strokeWidth=1, height=BAR_PX * 0.6).encode(
        y=alt.Y("name:N", sort=names, axis=make_axis("left")), color=color
    )
    # The percentages are labels of an axis on the right, because only axis labels follow the text color of the theme.
    # They are quoted as in JSON, because a label may contain an apostrophe.
    quoted = zip(map(json.dumps, rows["name"]), map(json.dumps, rows["text"]), strict=True)
    cases = "".join(f"datum.value === {name} ? {text} : " for name, text in quoted)
    percentages = base.mark_point(opacity=0).encode(
        y=alt.Y("name:N", sort=names, axis=make_axis("right", f"{cases}''"))
    )
    layers = alt.LayerChart(layer=[bars, percentages]).resolve_scale(y="independent")
    return apply_layout(layers, height=BAR_PX * max(1, len(rows)))


def plot_group_shares(table: pd.DataFrame) -> alt.LayerChart:
    """Plot one stacked bar for all faces of a group, with the counts in it.

    Args:
        table: `expression`, `count` and `share` (0 to 1) in display order, as from `results.tables.counts_table`.
    """
    names = [symbol_and_name(e) for e in table["expression"]]
    ends = table["share"].cumsum()
    rows = table.assign(
        name=names,
        start=ends - table["share"],
        end=ends,
        middle=ends - table["share"] / 2,
        text=table["count"].astype(str).where(table["share"] >= _MIN_TEXT_SHARE, ""),
        text_color=[text_color(e) for e in table["expression"]],
        part=[format_percent(share) for share in table["share"]],
    )
    base = alt.Chart(rows).encode(
        tooltip=[
            alt.Tooltip("name:N", title=_("expression")),
            alt.Tooltip("count:Q", title=_("faces")),
            alt.Tooltip("part:N", title=_("of all")),
        ]
    )
    is_uncertain = f"datum.expression === '{UNCERTAIN.name}'"
    bars = base.mark_bar(height=30).encode(
        stroke=alt.condition(is_uncertain, alt.value(_UNCERTAIN_EDGE_COLOR), alt.value(EDGE_COLOR)),
        strokeDash=alt.condition(is_uncertain, alt.value([5, 4]), alt.value([1, 0])),
        x=alt.X("start:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None),
        x2="end:Q",
        color=alt.Color("name:N", scale=make_color_scale(table["expression"].tolist(), names), legend=make_legend()),
    )
    counts = base.mark_text(fontSize=14, fontWeight="bold").encode(
        x="middle:Q", text="text:N", color=alt.Color("text_color:N", scale=None)
    )
    layers = alt.LayerChart(layer=[bars, counts]).resolve_scale(color="independent")
    return apply_layout(layers, height=44 + legend_height(len(names)))
