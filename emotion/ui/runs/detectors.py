"""Comparison of face detectors on the Runs page, all measured in one evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from emotion import charts
from emotion.results import tables as results_tables
from emotion.training.detector import tables
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import components, messages

_CHARTS: Final = {
    "source": (gettext_noop("Photos of different kinds: average precision"), "average precision, IoU 0.5"),
    "face_size": (gettext_noop("Large and small faces: recall"), "recall"),
    "rotation": (gettext_noop("Rotated photos: recall"), "recall"),
    "blur": (gettext_noop("Blurred photos: recall"), "recall"),
}


def show_detector_comparison(rows: Sequence[Mapping[str, Any]]) -> None:
    """Show the rows of `evaluate_detectors` as charts and as a table."""
    values = tables.detectors_long_table(rows)
    columns = st.columns(2, gap="large")
    for i, (section, (title, metric)) in enumerate(_CHARTS.items()):
        with columns[i % 2]:
            _show_chart(_(title), _filter_rows(values, section=section, metric=_(metric)), f"runs_{section}")
    with columns[0]:
        _show_chart(
            _("Time for an image, on one core"),
            _filter_rows(values, section="frame_size"),
            "runs_time",
            in_milliseconds=True,
        )
    with columns[1]:
        st.markdown("## " + _("How to read this"), anchors=False)
        st.markdown("\n".join(f"- {text}" for text in _explain(rows)))
    table = tables.detectors_table(rows)
    with st.expander(_("All numbers"), icon=":material/table_rows:"):
        st.dataframe(
            table,
            hide_index=True,
            key="runs_detectors",
            column_config={"case": _("case"), "metric": _("metric")},
        )
    # The file is made when it is asked for, outside of the session, and so in English.
    components.download_button(
        _("Table (CSV)"),
        lambda: results_tables.to_csv(tables.detectors_table(rows)),
        "detectors.csv",
        "runs_save",
    )


def _explain(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the metrics mean, and the false positives of each detector, as Markdown."""
    false_positives = _("{detector}: {count} false positives on {num_photos} photos without a face")
    return [
        _("**Average precision**: 100% would be every face found, and nothing else detected."),
        _("**Recall**: the share of the faces that are found at the threshold that the app starts with."),
        _("Faces count from 16 pixels up. None of these photos was used for training."),
        *(
            false_positives.format(
                detector=messages.escape_markdown(row["detector"]),
                count=row["false_positives"],
                num_photos=row["negatives"],
            )
            for row in rows
            if "negatives" in row
        ),
    ]


def _filter_rows(table: pd.DataFrame, **criteria: str) -> pd.DataFrame:
    """Return the rows whose columns have these values."""
    return pd.DataFrame(table[(table[list(criteria)] == list(criteria.values())).all(axis=1)])


def _show_chart(title: str, table: pd.DataFrame, key: str, *, in_milliseconds: bool = False) -> None:
    """Show a chart with its title, unless it has no values."""
    if bool(table["value"].notna().any()):
        st.markdown(f"## {title}", anchors=False)
        rows = table[["detector", "case", "value"]].itertuples(index=False)
        alt_text = "; ".join(f"{detector}, {case}: {value:.3g}" for detector, case, value in rows)
        components.show_chart(
            charts.plot_detector_metrics(table, in_milliseconds=in_milliseconds), key=key, alt_text=alt_text
        )
