"""The table of end-to-end accuracy: detector and classifier together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from emotion import charts
from emotion.formatting import percent
from emotion.training import tables
from emotion.ui import components
from emotion.ui.training import run_table

_WAY: Final = {"found": "found at all", "accuracy_found": "right, of those found", "accuracy_all": "right, of all",
               "accuracy_crops": "right, cut out by hand"}  # fmt: skip


def whole_way(ways: Sequence[Mapping[str, Any]]) -> None:
    """What becomes of a face in a picture, with each detector."""
    if not ways:
        return
    st.subheader("From picture to label", anchor=False)
    table = tables.pipeline_intervals(ways, _WAY)
    said = "; ".join(f"{row['detector']}: right for {percent(row['accuracy_all'])} of all" for row in ways)
    components.chart(charts.intervals(table, "detector"), key="card_way", alt_text=said)
    widths, turns = ([one["value"] for one in ways[0][part]] for part in ("by_side", "by_turn"))
    st.caption(
        f"{ways[0]['n']:,} {'test' if ways[0]['split'] == 'private' else 'validation'} faces, each somewhere in a "
        f"picture: {min(widths)} to {max(widths)} pixels wide, turned by up to {max(turns)} degrees."
    )
    sides = tables.pipeline_sides(ways)
    components.chart(
        charts.stress_curve(sides, "pixels a side"), key="card_sides", alt_text="Faces found, by their size"
    )
    st.caption("How many of them are found, by their size.")
    run_table.save_table(tables.pipeline_table(ways), "picture-to-label", "card_way_save")
