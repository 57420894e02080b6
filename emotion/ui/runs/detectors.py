"""Comparison of face detectors on the Runs page, all measured in one evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from emotion import charts
from emotion.results import tables as results_tables
from emotion.training.detector import tables
from emotion.ui import components, messages

_CHARTS: Final = {
    "source": ("Photos of different kinds: average precision", "average precision, IoU 0.5"),
    "face_size": ("Large and small faces: recall", "recall"),
    "rotation": ("Rotated photos: recall", "recall"),
    "blur": ("Blurred photos: recall", "recall"),
}


def show_detector_comparison(rows: Sequence[Mapping[str, Any]]) -> None:
    """Show the rows of `evaluate_detectors` as charts and as a table."""
    values = tables.detectors_long_table(rows)
    columns = st.columns(2, gap="large")
    for i, (section, (title, metric)) in enumerate(_CHARTS.items()):
        with columns[i % 2]:
            _show_chart(title, _filter_rows(values, section=section, metric=metric), f"runs_{section}")
    with columns[0]:
        _show_chart(
            "Time for an image, on one core",
            _filter_rows(values, section="frame_size"),
            "runs_time",
            in_milliseconds=True,
        )
    with columns[1]:
        st.markdown("##### How to read this", anchors=False)
        false_positives = [
            f"- {messages.escape_markdown(row['detector'])}: {row['false_positives']} false positives "
            f"on {row['negatives']} photos without a face"
            for row in rows
            if "negatives" in row
        ]
        explanations = [
            "- **Average precision**: 100% would be every face found, and nothing else detected.",
            "- **Recall**: the share of the faces that are found at the threshold that the app starts with.",
            "- Faces count from 16 pixels up. None of these photos was used for training.",
        ]
        st.markdown("\n".join(explanations + false_positives))
    table = tables.detectors_table(rows)
    with st.expander("All numbers", icon=":material/table_rows:"):
        st.dataframe(table, hide_index=True, key="runs_detectors")
    components.download_button("Table (CSV)", results_tables.to_csv(table), "detectors.csv", "runs_save")


def _filter_rows(table: pd.DataFrame, **criteria: str) -> pd.DataFrame:
    """Return the rows whose columns have these values."""
    return pd.DataFrame(table[(table[list(criteria)] == list(criteria.values())).all(axis=1)])


def _show_chart(title: str, table: pd.DataFrame, key: str, *, in_milliseconds: bool = False) -> None:
    """Show a chart with its title, unless it has no values."""
    if bool(table["value"].notna().any()):
        st.markdown(f"##### {title}", anchors=False)
        rows = table[["detector", "case", "value"]].itertuples(index=False)
        alt_text = "; ".join(f"{detector}, {case}: {value:.3g}" for detector, case, value in rows)
        components.show_chart(
            charts.plot_detector_metrics(table, in_milliseconds=in_milliseconds), key=key, alt_text=alt_text
        )
