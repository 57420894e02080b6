"""Charts of data sets: how many faces of each label, and how far two labellings agree."""

from __future__ import annotations

from typing import Final

import altair as alt
import pandas as pd

from emotion.charts.heatmap import plot_heatmap
from emotion.charts.style import EDGE_COLOR, SERIES_COLORS, make_axis
from emotion.expressions import symbol_and_name
from emotion.formatting import format_percent

AGREEMENT_SELECTION: Final = "agreement"
_ROW_PX: Final = 30  # pixels for each label
_CELL_PX: Final = 40  # pixels


def plot_class_counts(table: pd.DataFrame) -> alt.LayerChart:
    """One bar a label, as long as it has faces, in three parts: training, validation, test.

    `table` as from `data_tables.counts_table`.
    """
    splits, labels = list(dict.fromkeys(table["split"])), list(dict.fromkeys(table["label"]))
    names = [symbol_and_name(label) for label in labels]
    totals = dict.fromkeys(labels, 0)
    for label, count in zip(table["label"], table["count"], strict=True):
        totals[label] += count
    whole = max(1, sum(totals.values()))
    rows = table.assign(
        name=[symbol_and_name(label) for label in table["label"]],
        place=[splits.index(split) for split in table["split"]],
        number=[labels.index(label) for label in table["label"]],
        share=[format_percent(totals[label] / whole) for label in table["label"]],
    )
    numbers = "".join(f"datum.value === {i} ? '{totals[label]:,}' : " for i, label in enumerate(labels))
    base = alt.Chart(rows)
    legend = alt.Legend(title=None, orient="top", labelFontSize=13, symbolSize=110, symbolType="square")
    bars = base.mark_bar(cornerRadius=2, stroke=EDGE_COLOR, strokeWidth=1, height=_ROW_PX * 0.55).encode(
        x=alt.X("count:Q", axis=None, stack="zero"),
        y=alt.Y("name:N", sort=names, axis=make_axis("left", allow_overlap=False)),
        order="place:Q",
        color=alt.Color("split:N", scale=alt.Scale(domain=splits, range=SERIES_COLORS[: len(splits)]), legend=legend),
        tooltip=[
            alt.Tooltip("name:N", title="label"),
            alt.Tooltip("split:N"),
            alt.Tooltip("count:Q", title="faces", format=","),
            alt.Tooltip("share:N", title="label, of all faces"),
        ],
    )
    # The totals are labels of an axis on the right: only those take the colour of the theme's text.
    words = base.mark_point(opacity=0).encode(
        y=alt.Y("number:O", axis=make_axis("right", f"{numbers}''", allow_overlap=False), sort=None)
    )
    layers = alt.LayerChart(layer=[bars, words]).resolve_scale(y="independent")
    return layers.properties(height=50 + _ROW_PX * len(labels)).configure_view(stroke=None)


def plot_label_agreement(table: pd.DataFrame, *, dark: bool = False) -> alt.LayerChart:
    """What FER-2013 calls the faces (rows) and what FER+ does (columns), as shares of the rows with the counts in the
    cells; a click gives the selection `AGREEMENT_SELECTION` with `row` and `column`.

    `table` as from `data_tables.agreement_table`; `dark`: the ground that it stands on.
    """
    labels, majorities = list(dict.fromkeys(table["label"])), list(dict.fromkeys(table["majority"]))
    placed = table.assign(
        row=[labels.index(label) for label in table["label"]],
        column=[majorities.index(majority) for majority in table["majority"]],
    )
    tooltips = [
        alt.Tooltip("label:N", title="FER-2013"),
        alt.Tooltip("majority:N", title="FER+"),
        alt.Tooltip("count:Q", title="faces", format=","),
        alt.Tooltip("part:N", title="of the label"),
    ]
    return plot_heatmap(
        placed,
        ("majority", "FER+"),
        ("label", "FER-2013"),
        tooltips,
        selection_name=AGREEMENT_SELECTION,
        dark=dark,
        height=110 + _CELL_PX * len(labels),
    )
