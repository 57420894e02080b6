"""The table of end-to-end accuracy: detector and classifier together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from emotion import charts
from emotion.formatting import format_percent
from emotion.training import prediction_tables
from emotion.ui import components
from emotion.ui.runs import run_table

_METRIC_NAMES: Final = {
    "detection_rate": "detected",
    "accuracy_detected": "accuracy, detected faces",
    "accuracy_all": "accuracy, all faces",
    "accuracy_crops": "accuracy, original crops",
}


def show_end_to_end(results: Sequence[Mapping[str, Any]]) -> None:
    """Show the detection rate and the accuracy of detector and classifier together, for each detector."""
    if not results:
        return
    st.subheader("End-to-end accuracy", anchor=False)
    table = prediction_tables.end_to_end_intervals(results, _METRIC_NAMES)
    alt_text = "; ".join(
        f"{row['detector']}: right for {format_percent(row['accuracy_all'])} of all" for row in results
    )
    components.show_chart(charts.plot_intervals(table, "detector"), key="card_way", alt_text=alt_text)
    widths, angles = ([group["value"] for group in results[0][key]] for key in ("by_face_size", "by_rotation"))
    st.caption(
        f"{results[0]['n']:,} {results[0]['split']} faces, each somewhere in an "
        f"image: {min(widths)} to {max(widths)} pixels wide, rotated by up to {max(angles)} degrees."
    )
    by_size = prediction_tables.end_to_end_by_size(results)
    components.show_chart(
        charts.plot_robustness(by_size, "pixels a side"), key="card_sides", alt_text="Faces found, by their size"
    )
    st.caption("How many of them are found, by their size.")
    run_table.show_table_download(prediction_tables.end_to_end_table(results), "image-to-label", "card_way_save")
