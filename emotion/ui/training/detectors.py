"""A face detector beside the others, as the Runs page shows it; all of them were measured in one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from emotion import charts
from emotion.results import tables as results_tables
from emotion.training.detector import tables
from emotion.ui import components, messages

_PARTS: Final = {
    "source": ("Photos of different kinds: average precision", "average precision, IoU 0.5"),
    "face": ("Large and small faces: recall", "recall"),
    "rotation": ("Turned photos: recall", "recall"),
    "blur": ("Blurred photos: recall", "recall"),
}


def beside_others(rows: Sequence[Mapping[str, Any]]) -> None:
    """What `evaluate-detector` measured, as charts and as a table."""
    numbers = tables.detectors_long(rows)
    columns = st.columns(2, gap="large")
    for i, (part, (title, measure)) in enumerate(_PARTS.items()):
        with columns[i % 2]:
            _part(title, _only(numbers, part=part, measure=measure), f"runs_{part}")
    with columns[0]:
        _part("Time for a picture, on one core", _only(numbers, part="size"), "runs_time", milliseconds=True)
    with columns[1]:
        st.markdown("##### How to read this", anchors=False)
        ghosts = [
            f"- {messages.plain(row['detector'])}: {row['false_boxes']} false boxes "
            f"on {row['empty']} photos without a face"
            for row in rows
            if "empty" in row
        ]
        explained = [
            "- **Average precision**: 100 % would be every face found, and nothing else taken for one.",
            "- **Recall**: the share of the faces that are found at the threshold that the app begins with.",
            "- Faces count from 16 pixels up. None of these photos was learned from.",
        ]
        st.markdown("\n".join(explained + ghosts))
    table = tables.detectors_table(rows)
    with st.expander("All numbers", icon=":material/table_rows:"):
        st.dataframe(table, hide_index=True, key="runs_detectors")
    st.download_button(
        "Table (CSV)", results_tables.to_csv(table), "detectors.csv", on_click="ignore", icon=":material/download:",
        key="runs_save",
    )  # fmt: skip


def _only(numbers: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    """The lines that have these values."""
    return pd.DataFrame(numbers[(numbers[list(wanted)] == list(wanted.values())).all(axis=1)])


def _part(title: str, some: pd.DataFrame, key: str, *, milliseconds: bool = False) -> None:
    """One chart with its title."""
    if bool(some["value"].notna().any()):
        st.markdown(f"##### {title}", anchors=False)
        lines = some[["detector", "case", "value"]].itertuples(index=False)
        said = "; ".join(f"{detector}, {case}: {value:.3g}" for detector, case, value in lines)
        components.chart(charts.detectors_dots(some, milliseconds=milliseconds), key=key, alt_text=said)
