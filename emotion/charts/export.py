"""Export of charts as SVG or PNG, without a browser and without a network."""

from __future__ import annotations

from typing import Final, Literal

import altair as alt

_WIDTH_PX: Final = 900  # without axes and legend
_SCALE_FACTOR: Final = 2.0  # file pixels per chart pixel


def export_chart(chart: alt.Chart | alt.LayerChart, file_format: Literal["svg", "png"]) -> bytes:
    """Return a chart on white as the content of a file."""
    import vl_convert  # 60 MB of memory, only needed to save a chart

    spec = chart.properties(width=_WIDTH_PX, background="white").to_json()
    if file_format == "svg":
        return vl_convert.vegalite_to_svg(spec).encode()
    return vl_convert.vegalite_to_png(spec, scale=_SCALE_FACTOR)
