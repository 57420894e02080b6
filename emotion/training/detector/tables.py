"""Build tables of detector evaluations and of training histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

# Titles of the rows of `evaluate_detectors`: key of the section, its title, and the titles of its metrics by key.
_REPORT_SECTIONS: Final = (
    (
        "source",
        gettext_noop("photos of {name}"),
        {
            "ap50": gettext_noop("average precision, IoU 0.5"),
            "ap30": gettext_noop("average precision, IoU 0.3"),
            "ap50_find_all": gettext_noop("average precision, IoU 0.5, searched for all"),
        },
    ),
    (
        "face_size",
        gettext_noop("faces of {name}"),
        {"recall": gettext_noop("recall"), "precision": gettext_noop("precision")},
    ),
    (
        "rotation",
        gettext_noop("turned by {name}"),
        {"recall": "recall", "precision": "precision", "roll": gettext_noop("roll of the eyes, degrees")},
    ),
    ("blur", gettext_noop("blurred by {name}"), {"recall": "recall", "precision": "precision"}),
    ("negatives", gettext_noop("photos without a face: {name}"), {"false_positives": gettext_noop("false positives")}),
    ("frame_size", gettext_noop("time for {name}"), {"latency_ms": gettext_noop("milliseconds")}),
)


# Titles of the evaluation data sets by their keys.
_SOURCE_TITLES: Final = {
    "wider": gettext_noop("crowds and events (WIDER)"),
    "fddb_sy32": gettext_noop("news portraits (FDDB)"),
    "ilc_mask": gettext_noop("people with masks"),
    "kaggle853": gettext_noop("crowds with masks"),
    "macwin": gettext_noop("portraits with masks"),
}


# Titles of the columns of a history; those of single data sets are derived from `_SOURCE_TITLES`.
_HISTORY_LABELS: Final = {
    "fer2013_accuracy": gettext_noop("FER-2013, training"),
    "val_fer2013_accuracy": gettext_noop("FER-2013, validation"),
    "ferplus_accuracy": gettext_noop("FER+, training"),
    "val_ferplus_accuracy": gettext_noop("FER+, validation"),
    "val_ap": gettext_noop("mean of the sources"),
}


def detectors_long_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Build a long table with one row for each metric of an evaluation, in the language of the page.

    Args:
        rows: Rows of `evaluate_detectors`.

    Returns:
        Columns `detector`, `section` (source, face_size, rotation, blur, negatives or frame_size), `name` (a title
        within the section), `case` (a title that includes the section), `metric` and `value`.
    """
    table_rows = []
    for row in rows:
        for section, title, metrics in _REPORT_SECTIONS:
            for metric, metric_title in metrics.items() if section in row else ():
                if metric not in row:  # only rows of rotated images have a roll
                    continue
                name = _(_SOURCE_TITLES.get(row[section], str(row[section])))
                case = _(title).format(name=name)
                table_rows.append((row["detector"], section, name, case, _(metric_title), row[metric]))
    return pd.DataFrame(table_rows, columns=["detector", "section", "name", "case", "metric", "value"])


def detectors_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Build a table with columns `case`, `metric` and one per detector from the rows of `evaluate_detectors`.

    It is in the language of the page.
    """
    values_by_case: dict[tuple[str, str], dict[str, Any]] = {}
    long_table = detectors_long_table(rows)[["detector", "case", "metric", "value"]]
    for detector, case, metric, value in long_table.itertuples(index=False):
        values_by_case.setdefault((case, metric), {})[detector] = value
    detectors = list(dict.fromkeys(row["detector"] for row in rows))
    return pd.DataFrame(
        [
            [case, metric, *(values.get(name) for name in detectors)]
            for (case, metric), values in values_by_case.items()
        ],
        columns=["case", "metric", *detectors],
    )


def history_table(rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Build a table with columns `epoch`, `metric` (title) and `value` (0 to 1) of the metrics in a history."""
    table_rows = [
        (int(float(row["epoch"])), _get_history_label(name), float(value))
        for row in rows
        for name, value in row.items()
        if (name in _HISTORY_LABELS or name.startswith("val_ap_")) and value and row.get("epoch")
    ]
    return pd.DataFrame(table_rows, columns=["epoch", "metric", "value"])


def _get_history_label(column: str) -> str:
    source = column.removeprefix("val_ap_")
    return _HISTORY_LABELS.get(column) or _SOURCE_TITLES.get(source, source)
