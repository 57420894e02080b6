"""Charts of data sets: how many faces of each label, and how far two labellings agree."""

from __future__ import annotations

from typing import Final

import altair as alt
import pandas as pd

from emotion.charts.style import EDGE, SERIES, axis, named
from emotion.faces import percent

AGREEMENT_CLICK: Final = "agreement"
_ROW: Final = 30  # pixels for each label
_CELL: Final = 40  # pixels
_CELLS: Final = {False: ("#EEF3F3", "#1F6F78"), True: ("#232D2F", "#6FC3C6")}  # few and many, light and dark ground
_INKS: Final = {False: ("#1D2B2E", "#FFFFFF"), True: ("#E4ECEC", "#10181A")}
_STRONG: Final = {False: 0.75, True: 0.55}  # from this share on the words in a cell take the other ink


def class_counts(table: pd.DataFrame) -> alt.LayerChart:
    """One bar a label, as long as it has faces, in three parts: training, validation, test.

    `table` as from `data_tables.counts_table`.
    """
    splits, labels = list(dict.fromkeys(table["split"])), list(dict.fromkeys(table["label"]))
    names = [named(label) for label in labels]
    totals = dict.fromkeys(labels, 0)
    for label, count in zip(table["label"], table["count"], strict=True):
        totals[label] += count
    whole = max(1, sum(totals.values()))
    rows = table.assign(
        name=[named(label) for label in table["label"]],
        place=[splits.index(split) for split in table["split"]],
        number=[labels.index(label) for label in table["label"]],
        share=[percent(totals[label] / whole) for label in table["label"]],
    )
    numbers = "".join(f"datum.value === {i} ? '{totals[label]:,}' : " for i, label in enumerate(labels))
    base = alt.Chart(rows)
    legend = alt.Legend(title=None, orient="top", labelFontSize=13, symbolSize=110, symbolType="square")
    bars = base.mark_bar(cornerRadius=2, stroke=EDGE, strokeWidth=1, height=_ROW * 0.55).encode(
        x=alt.X("count:Q", axis=None, stack="zero"),
        y=alt.Y("name:N", sort=names, axis=axis("left", overlap=False)),
        order="place:Q",
        color=alt.Color("split:N", scale=alt.Scale(domain=splits, range=SERIES[: len(splits)]), legend=legend),
        tooltip=[
            alt.Tooltip("name:N", title="label"), alt.Tooltip("split:N"),
            alt.Tooltip("count:Q", title="faces", format=","), alt.Tooltip("share:N", title="label, of all faces"),
        ],
    )  # fmt: skip
    # The totals are labels of an axis on the right: only those take the colour of the theme's text.
    words = base.mark_point(opacity=0).encode(
        y=alt.Y("number:O", axis=axis("right", f"{numbers}''", overlap=False), sort=None)
    )
    layers = alt.LayerChart(layer=[bars, words]).resolve_scale(y="independent")
    return layers.properties(height=50 + _ROW * len(labels)).configure_view(stroke=None)


def agreement_heat(table: pd.DataFrame, *, dark: bool = False) -> alt.LayerChart:
    """What FER-2013 calls the faces (rows) and what FER+ does (columns), as shares of the rows with the counts in the
    cells; a click gives the selection `AGREEMENT_CLICK` with `row` and `column`.

    `table` as from `data_tables.agreement_table`; `dark`: the ground that it stands on.
    """
    labels, majorities = list(dict.fromkeys(table["label"])), list(dict.fromkeys(table["majority"]))
    weak, strong = _INKS[dark]
    rows = table.assign(
        part=[percent(share) for share in table["share"]],
        ink=[strong if share >= _STRONG[dark] else weak for share in table["share"]],
        row=[labels.index(label) for label in table["label"]],
        column=[majorities.index(majority) for majority in table["majority"]],
    )
    clicked = alt.selection_point(name=AGREEMENT_CLICK, fields=["row", "column"], on="click", clear=False)
    base = alt.Chart(rows).encode(
        x=alt.X("majority:N", sort=majorities, axis=alt.Axis(
            title="FER+", orient="top", labelAngle=-40, labelFontSize=13, domain=False, ticks=False,
        )),
        y=alt.Y("label:N", sort=labels, axis=alt.Axis(
            title="FER-2013", labelFontSize=13, domain=False, ticks=False,
        )),
        tooltip=[
            alt.Tooltip("label:N", title="FER-2013"), alt.Tooltip("majority:N", title="FER+"),
            alt.Tooltip("count:Q", title="faces", format=","), alt.Tooltip("part:N", title="of the label"),
        ],
    )  # fmt: skip
    cells = (
        base.mark_rect(cursor="pointer", stroke=EDGE)
        .encode(
            color=alt.Color("share:Q", scale=alt.Scale(domain=[0, 1], range=[*_CELLS[dark]]), legend=None),
            strokeWidth=alt.condition(clicked, alt.value(3), alt.value(0.5), empty=False),
        )
        .add_params(clicked)
    )
    words = base.mark_text(fontSize=12, cursor="pointer").encode(
        text=alt.Text("count:Q"), color=alt.Color("ink:N", scale=None)
    )
    layers = alt.LayerChart(layer=[cells, words]).resolve_scale(color="independent")
    return layers.properties(height=110 + _CELL * len(labels)).configure_view(stroke=None)
