"""What all charts share: words with signs, colours, rims, axes, legends.

Colour never speaks alone: the sign and the word of each expression stand beside it. The charts set no colour of
text or ground, so that they can be shown in a light and in a dark theme.
"""

from __future__ import annotations

from typing import Final, Literal

import altair as alt

from emotion.expressions import get_style

EDGE_COLOR: Final = "#80808080"  # a thin rim, so that yellow stays visible on white and blue on dark
BAR_PX: Final = 24  # pixels for each bar
LANE_PX: Final = 24  # pixels for each face
LEGEND_COLUMNS: Final = 4
# Series that are no expressions: apart from each other in both themes, and each with a shape of its own.
SERIES_COLORS: Final = ["#3B82C4", "#C2571A", "#8A8A8A", "#2E9E6B", "#B0508F", "#A88A1E", "#6C5FC7", "#4FA3B5"]
SERIES_SHAPES: Final = [
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "cross",
    "triangle-down",
    "triangle-right",
    "triangle-left",
]


def make_color_scale(expressions: list[str], names: list[str] | None = None) -> alt.Scale:
    """The colours of the expressions, for their words or for `names` in the same order."""
    return alt.Scale(domain=names or expressions, range=[get_style(e).color for e in expressions])


def make_legend() -> alt.Legend:
    """Words with squares below a chart, as many beside each other as a narrow window holds."""
    return alt.Legend(
        title=None, orient="bottom", columns=LEGEND_COLUMNS, symbolType="square", symbolOpacity=1, labelFontSize=13
    )


def make_axis(orient: Literal["left", "right"], label_expr: str | None = None, allow_overlap: bool = True) -> alt.Axis:
    """Words beside lanes or bars, without lines; `label_expr` is a Vega expression that says them otherwise."""
    return alt.Axis(
        title=None,
        orient=orient,
        labelFontSize=13,
        labelLimit=140,
        domain=False,
        ticks=False,
        labelPadding=6,
        grid=False,
        labelExpr=label_expr or alt.Undefined,
        labelOverlap=alt.Undefined if allow_overlap else False,
    )


def apply_layout(chart: alt.LayerChart, height: float) -> alt.LayerChart:
    """The chart at that height (pixels), without a frame."""
    return chart.properties(height=height).configure_view(stroke=None)
