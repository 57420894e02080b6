"""Tables of what detectors were measured to find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

# Titles of the rows that `evaluate_detectors` gives: key of the case, its title, and those of its metrics.
_REPORT_SECTIONS: Final = (
    (
        "source",
        "photos of",
        {
            "ap50": "average precision, IoU 0.5",
            "ap30": "average precision, IoU 0.3",
            "ap50_find_all": "average precision, IoU 0.5, searched for all",
        },
    ),
    ("face_size", "faces of", {"recall": "recall", "precision": "precision"}),
    ("rotation", "turned by", {"recall": "recall", "precision": "precision", "roll": "roll of the eyes, degrees"}),
    ("blur", "blurred by", {"recall": "recall", "precision": "precision"}),
    ("negatives", "photos without a face:", {"false_positives": "false positives"}),
    ("frame_size", "time for", {"latency_ms": "milliseconds"}),
)


# What people may know of the photos that detectors are measured on.
_SOURCE_TITLES: Final = {
    "wider": "crowds and events (WIDER)",
    "fddb_sy32": "news portraits (FDDB)",
    "ilc_mask": "people with masks",
    "kaggle853": "crowds with masks",
    "macwin": "portraits with masks",
}


# What stands in the columns of a history, in words; those of single sources of photos are made of their names.
_HISTORY_LABELS: Final = {
    "fer2013_accuracy": "FER-2013, faces it learns",
    "val_fer2013_accuracy": "FER-2013, faces held out",
    "ferplus_accuracy": "FER+, faces it learns",
    "val_ferplus_accuracy": "FER+, faces held out",
    "val_ap": "mean of the sources",
}


def detectors_long_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Columns `detector`, `section`, `name`, `case`, `metric`, `value`: one line for each number that
    `evaluate_detectors` gives; `section` is one of source, face_size, rotation, blur, negatives, frame_size; `case`
    is a title that can stand alone, `name` one under the title of the section."""
    lines = []
    for row in rows:
        for section, title, metrics in _REPORT_SECTIONS:
            for metric, metric_title in metrics.items() if section in row else ():
                if metric not in row:  # only rotated photos have a roll
                    continue
                name = _SOURCE_TITLES.get(row[section], str(row[section]))
                lines.append((row["detector"], section, name, f"{title} {name}", metric_title, row[metric]))
    return pd.DataFrame(lines, columns=["detector", "section", "name", "case", "metric", "value"])


def detectors_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Columns `case`, `metric` and one for each detector, of the rows that `evaluate_detectors` gives."""
    wide: dict[tuple[str, str], dict[str, Any]] = {}
    for detector, _, _, case, metric, value in detectors_long_table(rows).itertuples(index=False):
        wide.setdefault((case, metric), {})[detector] = value
    detectors = list(dict.fromkeys(row["detector"] for row in rows))
    return pd.DataFrame(
        [[case, metric, *(values.get(name) for name in detectors)] for (case, metric), values in wide.items()],
        columns=["case", "metric", *detectors],
    )


def history_table(rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Columns `epoch`, `metric` (in words), `value` (0 to 1): the accuracies or precisions of a history."""
    lines = [
        (int(float(row["epoch"])), _get_history_label(name), float(value))
        for row in rows
        for name, value in row.items()
        if (name in _HISTORY_LABELS or name.startswith("val_ap_")) and value and row.get("epoch")
    ]
    return pd.DataFrame(lines, columns=["epoch", "metric", "value"])


def _get_history_label(column: str) -> str:
    source = column.removeprefix("val_ap_")
    return _HISTORY_LABELS.get(column) or _SOURCE_TITLES.get(source, source)
