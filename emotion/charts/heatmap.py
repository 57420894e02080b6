"""Heatmap of counts with one color scale, shared by confusion matrix and label agreement."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import altair as alt
import pandas as pd

from emotion.charts.style import EDGE_COLOR, LABEL_FONT_PX
from emotion.formatting import format_percent

# Keys: whether the theme is dark.
_CELL_COLORS: Final = {False: ("#EEF3F3", "#1F6F78"), True: ("#232D2F", "#6FC3C6")}  # share 0 and 1
_TEXT_COLORS: Final = {False: ("#1D2B2E", "#FFFFFF"), True: ("#E4ECEC", "#10181A")}  # on low and on high shares
_CONTRAST_THRESHOLDS: Final = {False: 0.75, True: 0.55}  # the share from which on a cell has the second text color
_MIN_NAME_PX: Final = 62  # a narrower cell has only the sign of its label above it, since names would overlap
_NAME_LINE_PX: Final = 20  # room for the second line above the cells


class HeatmapField(NamedTuple):
    """A column of the table, and the title of its axis."""

    column: str
    title: str


def plot_heatmap(
    table: pd.DataFrame,
    x_field: HeatmapField,
    y_field: HeatmapField,
    tooltips: list[alt.Tooltip],
    *,
    selection_name: str,
    dark: bool,
) -> alt.LayerChart:
    """Plot cells with counts; a click sets the selection `selection_name` with `row` and `column`.

    Args:
        table: The columns of both fields, in the order of first occurrence, `share` (0 to 1), `count`, `row`, `column`.
        x_field: Horizontal axis, on top.
        y_field: Vertical axis.
        tooltips: Of the table's columns and `part`, the share as text.
        selection_name: Name of the selection.
        dark: Whether the theme is dark.
    """
    low_share_color, high_share_color = _TEXT_COLORS[dark]
    rows = table.assign(
        part=[format_percent(share) for share in table["share"]],
        text_color=[
            high_share_color if share >= _CONTRAST_THRESHOLDS[dark] else low_share_color for share in table["share"]
        ],
    )
    clicked = alt.selection_point(name=selection_name, fields=["row", "column"], on="click", clear=False)
    x = alt.X(
        f"{x_field.column}:N",
        sort=list(dict.fromkeys(table[x_field.column])),
        axis=_make_upright_axis(x_field, len(set(table[x_field.column]))),
    )
    y = alt.Y(f"{y_field.column}:N", sort=list(dict.fromkeys(table[y_field.column])), axis=_make_axis(y_field))
    base = alt.Chart(rows).encode(x=x, y=y, tooltip=tooltips)
    cells = (
        base.mark_rect(cursor="pointer", stroke=EDGE_COLOR)
        .encode(
            color=alt.Color("share:Q", scale=alt.Scale(domain=[0, 1], range=[*_CELL_COLORS[dark]]), legend=None),
            strokeWidth=alt.condition(clicked, alt.value(3), alt.value(0.5), empty=False),
        )
        .add_params(clicked)
    )
    counts = base.mark_text(fontSize=LABEL_FONT_PX, cursor="pointer").encode(
        text=alt.Text("count:Q"), color=alt.Color("text_color:N", scale=None)
    )
    return alt.LayerChart(layer=[cells, counts]).resolve_scale(color="independent").configure_view(stroke=None)


def _make_upright_axis(field: HeatmapField, num_labels: int) -> alt.Axis:
    """Return the axis above the cells: each sign stands upright, since turned ones look like others, above its name."""
    sign, name = "split(datum.label, ' ')[0]", "slice(datum.label, indexof(datum.label, ' ') + 1)"
    return _make_axis(
        field,
        orient="top",
        labelAngle=0,
        labelOverlap=False,
        labelPadding=_NAME_LINE_PX,
        labelExpr=f"[{sign}, width < {_MIN_NAME_PX * num_labels} ? '' : {name}]",
    )


def _make_axis(field: HeatmapField, **options: Any) -> alt.Axis:
    return alt.Axis(title=field.title, labelFontSize=LABEL_FONT_PX, domain=False, ticks=False, **options)
