"""The table of end-to-end accuracy: detector and classifier together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from emotion import charts
from emotion.formatting import format_percent
from emotion.training import prediction_tables
from emotion.ui import components
from emotion.ui.training import run_table

_METRIC_NAMES: Final = {
    "detection_rate": "found at all",
    "accuracy_detected": "right, of those found",
    "accuracy_all": "right, of all",
    "accuracy_crops": "right, cut out by hand",
}


def show_end_to_end(results: Sequence[Mapping[str, Any]]) -> None:
    """What becomes of a face in a picture, with each detector."""
    if not results:
        return
    st.subheader("From picture to label", anchor=False)
    table = prediction_tables.end_to_end_intervals(results, _METRIC_NAMES)
    said = "; ".join(f"{row['detector']}: right for {format_percent(row['accuracy_all'])} of all" for row in results)
    components.show_chart(charts.plot_intervals(table, "detector"), key="card_way", alt_text=said)
    widths, turns = ([one["value"] for one in results[0][part]] for part in ("by_face_size", "by_rotation"))
    st.caption(
        f"{results[0]['n']:,} {results[0]['split']} faces, each somewhere in a "
        f"picture: {min(widths)} to {max(widths)} pixels wide, turned by up to {max(turns)} degrees."
    )
    sides = prediction_tables.end_to_end_by_size(results)
    components.show_chart(
        charts.plot_robustness(sides, "pixels a side"), key="card_sides", alt_text="Faces found, by their size"
    )
    st.caption("How many of them are found, by their size.")
    run_table.show_table_download(prediction_tables.end_to_end_table(results), "picture-to-label", "card_way_save")
