"""A matrix of cells in one colour, from few to many, with the counts in them."""

from __future__ import annotations

from typing import Final

import altair as alt
import pandas as pd

from emotion.charts.style import EDGE_COLOR
from emotion.formatting import format_percent

_CELL_COLORS: Final = {
    False: ("#EEF3F3", "#1F6F78"),
    True: ("#232D2F", "#6FC3C6"),
}  # few and many, light and dark ground
_TEXT_COLORS: Final = {False: ("#1D2B2E", "#FFFFFF"), True: ("#E4ECEC", "#10181A")}
_CONTRAST_THRESHOLDS: Final = {False: 0.75, True: 0.55}  # from this share on the words in a cell take the other ink


def plot_heatmap(
    table: pd.DataFrame,
    x_field: tuple[str, str],
    y_field: tuple[str, str],
    tooltips: list[alt.Tooltip],
    *,
    selection_name: str,
    dark: bool,
    height: float,
) -> alt.LayerChart:
    """Cells by the columns of `table` that `x_field` and `y_field` name (the column, its title), in the order in which
    their values come first; a click gives the selection `selection_name` with `row` and `column`.

    `table`: besides those `share` (0 to 1, the colour), `count`, `row` and `column`; `tooltips` may also use `part`,
    the share in words. `dark`: the ground that it stands on.
    """
    weak, strong = _TEXT_COLORS[dark]
    rows = table.assign(
        part=[format_percent(share) for share in table["share"]],
        text_color=[strong if share >= _CONTRAST_THRESHOLDS[dark] else weak for share in table["share"]],
    )
    clicked = alt.selection_point(name=selection_name, fields=["row", "column"], on="click", clear=False)
    base = alt.Chart(rows).encode(
        x=alt.X(
            f"{x_field[0]}:N",
            sort=list(dict.fromkeys(table[x_field[0]])),
            axis=alt.Axis(
                title=x_field[1],
                orient="top",
                labelAngle=-40,
                labelFontSize=13,
                domain=False,
                ticks=False,
            ),
        ),
        y=alt.Y(
            f"{y_field[0]}:N",
            sort=list(dict.fromkeys(table[y_field[0]])),
            axis=alt.Axis(
                title=y_field[1],
                labelFontSize=13,
                domain=False,
                ticks=False,
            ),
        ),
        tooltip=tooltips,
    )
    cells = (
        base.mark_rect(cursor="pointer", stroke=EDGE_COLOR)
        .encode(
            color=alt.Color("share:Q", scale=alt.Scale(domain=[0, 1], range=[*_CELL_COLORS[dark]]), legend=None),
            strokeWidth=alt.condition(clicked, alt.value(3), alt.value(0.5), empty=False),
        )
        .add_params(clicked)
    )
    words = base.mark_text(fontSize=13, cursor="pointer").encode(
        text=alt.Text("count:Q"), color=alt.Color("text_color:N", scale=None)
    )
    layers = alt.LayerChart(layer=[cells, words]).resolve_scale(color="independent")
    return layers.properties(height=height).configure_view(stroke=None)
