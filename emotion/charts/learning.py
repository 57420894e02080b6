"""Charts of trainings: curves over epochs, detectors side by side."""

from __future__ import annotations

import altair as alt
import pandas as pd

from emotion.charts.style import EDGE, SERIES, SHAPES
from emotion.faces import percent


def learning_curves(table: pd.DataFrame) -> alt.Chart:
    """How often a network was right after each epoch, one line for each measure.

    `table` as from `tables.history_table`.
    """
    measures = table["measure"].unique().tolist()
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelFontSize=13, labelLimit=260, symbolSize=110)
    chart = (
        alt.Chart(table.assign(text=[percent(v) for v in table["value"]]))
        .mark_line(point=alt.OverlayMarkDef(size=26), strokeWidth=2)
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(title="epoch", tickMinStep=1, grid=False)),
            y=alt.Y("value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=None, format="%")),
            color=alt.Color("measure:N", scale=alt.Scale(domain=measures, range=SERIES), legend=legend),
            shape=alt.Shape("measure:N", scale=alt.Scale(domain=measures, range=SHAPES), legend=legend),
            tooltip=[alt.Tooltip("epoch:Q"), alt.Tooltip("measure:N"), alt.Tooltip("text:N", title="right")],
        )
    )
    # Streamlit fits the legend into the height as well.
    return chart.properties(height=300 + 24 * -(-len(measures) // 2)).configure_view(stroke=None)


def detectors_dots(table: pd.DataFrame, *, milliseconds: bool = False) -> alt.Chart:
    """One row for each case and a point in it for each detector, known by colour and by shape.

    `table` as from `tables.detectors_long`, of one measure: shares (0 to 1) or `milliseconds`.
    """
    rows = table.dropna(subset="value")
    detectors, names = rows["detector"].unique().tolist(), rows["name"].unique().tolist()
    text = [f"{v:.1f} ms" if milliseconds else percent(v) for v in rows["value"]]
    scale = alt.Scale(zero=True) if milliseconds else alt.Scale(domain=[0, 1])
    axis = (
        alt.Axis(title="milliseconds", grid=True)
        if milliseconds
        else alt.Axis(title=None, format="%", grid=True, values=[0, 0.25, 0.5, 0.75, 1])
    )
    legend = alt.Legend(title=None, orient="top", labelFontSize=13, symbolSize=110)
    chart = (
        alt.Chart(rows.assign(text=text)[::-1])  # the first detector lies on top of the others
        .mark_point(filled=True, size=120, opacity=1, stroke=EDGE, strokeWidth=1)
        .encode(
            x=alt.X("value:Q", scale=scale, axis=axis),
            y=alt.Y("name:N", sort=names, axis=alt.Axis(title=None, labelFontSize=13, labelLimit=200, grid=True)),
            color=alt.Color("detector:N", scale=alt.Scale(domain=detectors, range=SERIES), legend=legend),
            shape=alt.Shape("detector:N", scale=alt.Scale(domain=detectors, range=SHAPES), legend=legend),
            tooltip=[
                alt.Tooltip("detector:N"),
                alt.Tooltip("case:N", title="for"),
                alt.Tooltip("text:N", title=rows["measure"].iloc[0]),
            ],
        )
    )  # fmt: skip
    return chart.properties(height=80 + 28 * len(names)).configure_view(stroke=None)
