"""Charts as pictures to keep, drawn without a browser and without a network."""

from __future__ import annotations

from typing import Final, Literal

import altair as alt

_WIDTH: Final = 900  # pixels, without axes and legend
_SHARP: Final = 2.0  # pixels of the file for each of the chart


def chart_file(chart: alt.Chart | alt.LayerChart, kind: Literal["svg", "png"]) -> bytes:
    """A chart of this package on white, as the content of a file."""
    import vl_convert  # 60 MB, which only those who save a chart shall pay for

    spec = chart.properties(width=_WIDTH, background="white").to_json()
    if kind == "svg":
        return vl_convert.vegalite_to_svg(spec).encode()
    return vl_convert.vegalite_to_png(spec, scale=_SHARP)
