"""DataFrame -> alt.Chart, one function per chart; nothing is computed here but places and words.

Colour never speaks alone: the sign and the word of each expression stand beside it. The charts set no colour of
text or ground, so that they can be shown in a light and in a dark theme.
"""

from __future__ import annotations

from typing import Literal

import altair as alt
import pandas as pd

from emotion.faces import UNSURE, expression, percent

_EDGE = "#80808080"  # a thin rim, so that yellow stays visible on white and blue on dark
_BAR = 24  # pixels for each bar
_LEGEND_COLUMNS = 4


def named(name: str) -> str:
    """Sign and word of an expression as they stand in every chart and table: "● happy"."""
    return f"{expression(name).sign} {name}"


def scores_bar(table: pd.DataFrame) -> alt.LayerChart:
    """One bar for each expression of one face, most probable first.

    `table` as from `tables.scores_table`: `expression`, `probability` (0 to 1).
    """
    table = table.sort_values("probability", ascending=False, kind="stable")
    rows = table.assign(
        name=[named(e) for e in table["expression"]],
        text=[percent(p) for p in table["probability"]],
    )
    # The numbers are labels of an axis on the right: only those take the colour of the theme's text.
    numbers = "".join(f"datum.value === '{n}' ? '{t}' : " for n, t in zip(rows["name"], rows["text"], strict=True))
    base = alt.Chart(rows).encode(
        x=alt.X("probability:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None),
        tooltip=[alt.Tooltip("name:N", title="expression"), alt.Tooltip("text:N", title="probability")],
    )
    bars = base.mark_bar(cornerRadius=3, stroke=_EDGE, strokeWidth=1, height=_BAR * 0.6).encode(
        y=alt.Y("name:N", sort=list(rows["name"]), axis=_axis("left")),
        color=alt.Color("expression:N", scale=_colours(rows["expression"].tolist()), legend=None),
    )
    words = base.mark_point(opacity=0).encode(
        y=alt.Y("name:N", sort=list(rows["name"]), axis=_axis("right", f"{numbers}''"))
    )
    return _calm(alt.LayerChart(layer=[bars, words]).resolve_scale(y="independent"), height=_BAR * max(1, len(rows)))


def group_bar(table: pd.DataFrame) -> alt.LayerChart:
    """One stacked bar for the faces of a whole group, the counts in it and the words in its legend.

    `table` as from `tables.counts_table`: `expression`, `count`, `share` (0 to 1), in the order to show.
    """
    names = [named(e) for e in table["expression"]]
    ends = table["share"].cumsum()
    rows = table.assign(
        name=names,
        start=ends - table["share"],
        end=ends,
        middle=ends - table["share"] / 2,
        text=table["count"].astype(str).where(table["share"] >= 0.04, ""),
        ink=[ink(e) for e in table["expression"]],
        part=[percent(share) for share in table["share"]],
    )
    base = alt.Chart(rows).encode(
        tooltip=[
            alt.Tooltip("name:N", title="expression"),
            alt.Tooltip("count:Q", title="faces"),
            alt.Tooltip("part:N", title="of all"),
        ]
    )
    unsure = f"datum.expression === '{UNSURE.name}'"
    bars = base.mark_bar(height=30).encode(
        stroke=alt.condition(unsure, alt.value("#EBEBEB"), alt.value(_EDGE)),
        strokeDash=alt.condition(unsure, alt.value([5, 4]), alt.value([1, 0])),
        x=alt.X("start:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=None),
        x2="end:Q",
        color=alt.Color(
            "name:N",
            scale=_colours(table["expression"].tolist(), names),
            legend=alt.Legend(
                title=None, orient="bottom", columns=_LEGEND_COLUMNS, symbolType="square", labelFontSize=13
            ),
        ),
    )
    counts = base.mark_text(fontSize=14, fontWeight="bold").encode(
        x="middle:Q", text="text:N", color=alt.Color("ink:N", scale=None)
    )
    # Streamlit fits the legend into the height as well.
    height = 44 + 24 * -(-len(names) // _LEGEND_COLUMNS)
    return _calm(alt.LayerChart(layer=[bars, counts]).resolve_scale(color="independent"), height=height)


def _axis(orient: Literal["left", "right"], label: str | None = None) -> alt.Axis:
    return alt.Axis(
        title=None, orient=orient, labelFontSize=13, labelLimit=140, domain=False, ticks=False, labelPadding=6,
        grid=False, labelExpr=label or alt.Undefined,
    )  # fmt: skip


def _colours(expressions: list[str], names: list[str] | None = None) -> alt.Scale:
    return alt.Scale(domain=names or expressions, range=[expression(e).colour for e in expressions])


def ink(name: str) -> str:
    """Black or white, whichever stands out from the colour of an expression."""
    colour = expression(name).colour
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#111111" if name != UNSURE.name and 0.3 * red + 0.59 * green + 0.11 * blue > 100 else "#FFFFFF"


def _calm(chart: alt.LayerChart, height: float) -> alt.LayerChart:
    return chart.properties(height=height).configure_view(stroke=None)
