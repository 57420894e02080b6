"""A matrix of cells in one colour, from few to many, with the counts in them."""

from __future__ import annotations

from typing import Final

import altair as alt
import pandas as pd

from emotion.charts.style import EDGE
from emotion.formatting import percent

_CELLS: Final = {False: ("#EEF3F3", "#1F6F78"), True: ("#232D2F", "#6FC3C6")}  # few and many, light and dark ground
_INKS: Final = {False: ("#1D2B2E", "#FFFFFF"), True: ("#E4ECEC", "#10181A")}
_STRONG: Final = {False: 0.75, True: 0.55}  # from this share on the words in a cell take the other ink


def heat(
    table: pd.DataFrame, across: tuple[str, str], down: tuple[str, str], tooltips: list[alt.Tooltip], *,
    click: str, dark: bool, height: float,
) -> alt.LayerChart:  # fmt: skip
    """Cells by the columns of `table` that `across` and `down` name (the column, its title), in the order in which
    their values come first; a click gives the selection `click` with `row` and `column`.

    `table`: besides those `share` (0 to 1, the colour), `count`, `row` and `column`; `tooltips` may also use `part`,
    the share in words. `dark`: the ground that it stands on.
    """
    weak, strong = _INKS[dark]
    rows = table.assign(
        part=[percent(share) for share in table["share"]],
        ink=[strong if share >= _STRONG[dark] else weak for share in table["share"]],
    )
    clicked = alt.selection_point(name=click, fields=["row", "column"], on="click", clear=False)
    base = alt.Chart(rows).encode(
        x=alt.X(f"{across[0]}:N", sort=list(dict.fromkeys(table[across[0]])), axis=alt.Axis(
            title=across[1], orient="top", labelAngle=-40, labelFontSize=13, domain=False, ticks=False,
        )),
        y=alt.Y(f"{down[0]}:N", sort=list(dict.fromkeys(table[down[0]])), axis=alt.Axis(
            title=down[1], labelFontSize=13, domain=False, ticks=False,
        )),
        tooltip=tooltips,
    )  # fmt: skip
    cells = (
        base.mark_rect(cursor="pointer", stroke=EDGE)
        .encode(
            color=alt.Color("share:Q", scale=alt.Scale(domain=[0, 1], range=[*_CELLS[dark]]), legend=None),
            strokeWidth=alt.condition(clicked, alt.value(3), alt.value(0.5), empty=False),
        )
        .add_params(clicked)
    )
    words = base.mark_text(fontSize=13, cursor="pointer").encode(
        text=alt.Text("count:Q"), color=alt.Color("ink:N", scale=None)
    )
    layers = alt.LayerChart(layer=[cells, words]).resolve_scale(color="independent")
    return layers.properties(height=height).configure_view(stroke=None)
