"""Shared style of all charts: colors, axes, legends, heights.

Color is never the only cue: a symbol and a name or a shape stand beside it. The charts set no color of text or
background, so that they work in a light and in a dark theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import altair as alt

from emotion.expressions import get_style
from emotion.translation.messages import gettext as _

EDGE_COLOR: Final = "#80808080"  # a thin edge keeps yellow visible on white and blue on dark
REFERENCE_COLOR: Final = "#888888"  # of lines that mark a value
BAR_PX: Final = 24  # height of a bar
LANE_PX: Final = 24  # height of the lane of a track
LABEL_FONT_PX: Final = 13
LEGEND_ROW_PX: Final = 24
LEGEND_COLUMNS: Final = 4
QUARTERS: Final = [0, 0.25, 0.5, 0.75, 1]  # ticks of a share
# For series other than expressions: distinguishable in both themes, each with a shape of its own.
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
SMILE_COLOR: Final = "#B0508F"  # of the movement, unlike the colors of the expressions
_SERIES_SYMBOL_PX2: Final = 110  # area of a legend symbol


def make_color_scale(expressions: list[str], names: list[str] | None = None) -> alt.Scale:
    """Return the colors of the expressions, for their labels or for `names` in the same order."""
    return alt.Scale(domain=names or expressions, range=[get_style(e).color for e in expressions])


def make_legend(symbol: Literal["square", "stroke"] = "square") -> alt.Legend:
    """Return a legend of expressions below a chart of areas or lines, with as many columns as fit a narrow window."""
    return alt.Legend(
        title=None,
        orient="bottom",
        columns=LEGEND_COLUMNS,
        symbolType=symbol,
        symbolStrokeWidth=3 if symbol == "stroke" else alt.Undefined,
        symbolOpacity=1,
        labelFontSize=LABEL_FONT_PX,
    )


def make_series_legend(orient: Literal["top", "bottom"], **options: Any) -> alt.Legend:
    """Return a legend of series; `options` are further arguments of `alt.Legend`."""
    defaults = {"title": None, "labelFontSize": LABEL_FONT_PX, "symbolSize": _SERIES_SYMBOL_PX2}
    return alt.Legend(orient=orient, **defaults | options)


def encode_series(field: str, names: Sequence[str], legend: alt.Legend) -> tuple[alt.Color, alt.Shape]:
    """Return a color and a shape for each of `names`, the values of `field`."""
    domain = list(names)
    return (
        alt.Color(f"{field}:N", scale=alt.Scale(domain=domain, range=SERIES_COLORS), legend=legend),
        alt.Shape(f"{field}:N", scale=alt.Scale(domain=domain, range=SERIES_SHAPES), legend=legend),
    )


def legend_height(num_entries: int, num_columns: int = LEGEND_COLUMNS) -> int:
    """Return the height of a legend in pixels; Streamlit fits the legend into the height of a chart."""
    return LEGEND_ROW_PX * -(-num_entries // num_columns)


def make_axis(orient: Literal["left", "right"], label_expr: str | None = None, allow_overlap: bool = True) -> alt.Axis:
    """Return an axis of labels beside lanes or bars, without lines; `label_expr` is a Vega expression of the label."""
    return alt.Axis(
        title=None,
        orient=orient,
        labelFontSize=LABEL_FONT_PX,
        labelLimit=140,
        domain=False,
        ticks=False,
        labelPadding=6,
        grid=False,
        labelExpr=label_expr or alt.Undefined,
        labelOverlap=alt.Undefined if allow_overlap else False,
    )


def make_epoch_axis() -> alt.Axis:
    """Return the axis of epochs, with ticks at whole numbers."""
    return alt.Axis(title=_("epoch"), tickMinStep=1, grid=False)


def apply_layout(chart: alt.LayerChart, height: float) -> alt.LayerChart:
    """Return the chart with a height in pixels and without a frame."""
    return chart.properties(height=height).configure_view(stroke=None)
