"""Charts of data sets: class counts by split, and agreement of two labelings."""

from __future__ import annotations

from typing import Final

import altair as alt
import pandas as pd

from emotion.charts.heatmap import HeatmapField, plot_heatmap
from emotion.charts.style import EDGE_COLOR, SERIES_COLORS, apply_layout, make_axis, make_series_legend
from emotion.expressions import FERPLUS_LABELS, symbol_and_name, translate_label
from emotion.formatting import format_percent
from emotion.translation.messages import gettext as _

AGREEMENT_SELECTION: Final = "agreement"
_ROW_PX: Final = 30  # height of a label
_CELL_PX: Final = 40


def plot_class_counts(table: pd.DataFrame) -> alt.LayerChart:
    """Plot one bar per label, stacked by split; `table` as from `datasets.tables.counts_table`."""
    splits, labels = [_(split) for split in dict.fromkeys(table["split"])], list(dict.fromkeys(table["label"]))
    names = [symbol_and_name(label) for label in labels]
    totals = dict.fromkeys(labels, 0)
    for label, count in zip(table["label"], table["count"], strict=True):
        totals[label] += count
    num_faces = max(1, sum(totals.values()))
    rows = table.assign(
        name=[symbol_and_name(label) for label in table["label"]],
        split=[_(split) for split in table["split"]],
        place=[splits.index(_(split)) for split in table["split"]],
        number=[labels.index(label) for label in table["label"]],
        share=[format_percent(totals[label] / num_faces) for label in table["label"]],
    )
    base = alt.Chart(rows)
    bars = base.mark_bar(cornerRadius=2, stroke=EDGE_COLOR, strokeWidth=1, height=_ROW_PX * 0.55).encode(
        x=alt.X("count:Q", axis=None, stack="zero"),
        y=alt.Y("name:N", sort=names, axis=make_axis("left", allow_overlap=False)),
        order="place:Q",
        color=alt.Color(
            "split:N",
            scale=alt.Scale(domain=splits, range=SERIES_COLORS[: len(splits)]),
            legend=make_series_legend("top", symbolType="square"),
        ),
        tooltip=[
            alt.Tooltip("name:N", title=_("label")),
            alt.Tooltip("split:N", title=_("split")),
            alt.Tooltip("count:Q", title=_("faces"), format=","),
            alt.Tooltip("share:N", title=_("label, of all faces")),
        ],
    )
    # The totals are labels of an axis on the right, because only axis labels follow the text color of the theme.
    cases = "".join(f"datum.value === {i} ? '{totals[label]:,}' : " for i, label in enumerate(labels))
    total_labels = base.mark_point(opacity=0).encode(
        y=alt.Y("number:O", axis=make_axis("right", f"{cases}''", allow_overlap=False), sort=None)
    )
    layers = alt.LayerChart(layer=[bars, total_labels]).resolve_scale(y="independent")
    return apply_layout(layers, height=50 + _ROW_PX * len(labels))


def plot_label_agreement(table: pd.DataFrame, *, dark: bool = False) -> alt.LayerChart:
    """Plot FER-2013 labels (rows) against FER+ majority labels (columns) as shares of the rows.

    A click sets the selection `AGREEMENT_SELECTION` with `row` and `column`.

    Args:
        table: As from `datasets.tables.agreement_table`.
        dark: Whether the theme is dark.
    """
    labels, majorities = list(dict.fromkeys(table["label"])), list(dict.fromkeys(table["majority"]))
    cells = table.assign(
        label=[translate_label(label) for label in table["label"]],
        majority=[translate_label(label) if label in FERPLUS_LABELS else _(label) for label in table["majority"]],
        row=[labels.index(label) for label in table["label"]],
        column=[majorities.index(majority) for majority in table["majority"]],
    )
    tooltips = [
        alt.Tooltip("label:N", title="FER-2013"),
        alt.Tooltip("majority:N", title="FER+"),
        alt.Tooltip("count:Q", title=_("faces"), format=","),
        alt.Tooltip("part:N", title=_("of the label")),
    ]
    chart = plot_heatmap(
        cells,
        HeatmapField("majority", "FER+"),
        HeatmapField("label", "FER-2013"),
        tooltips,
        selection_name=AGREEMENT_SELECTION,
        dark=dark,
    )
    return chart.properties(height=110 + _CELL_PX * len(labels))
