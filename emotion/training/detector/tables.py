"""Tables of what detectors were measured to find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

# What the rows of `evaluate-detector` tell, in words: key of the case, its name, and the measures in it.
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
    ("face", "faces of", {"recall": "recall", "precision": "precision"}),
    ("rotation", "turned by", {"recall": "recall", "precision": "precision", "roll": "roll of the eyes, degrees"}),
    ("blur", "blurred by", {"recall": "recall", "precision": "precision"}),
    ("empty", "photos without a face:", {"false_boxes": "false boxes"}),
    ("size", "time for", {"milliseconds": "milliseconds"}),
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
    """Columns `detector`, `part`, `name`, `case`, `measure`, `value`: one line for each number that
    `evaluate-detector` gives; `part` is one of source, face, rotation, blur, empty, size, `case` names it alone,
    `name` under a title that says the part."""
    lines = []
    for row in rows:
        for part, words, measures in _REPORT_SECTIONS:
            for measure, said in measures.items() if part in row else ():
                if measure not in row:  # tables of before knew no roll
                    continue
                name = _SOURCE_TITLES.get(row[part], str(row[part]))
                lines.append((row["detector"], part, name, f"{words} {name}", said, row[measure]))
    return pd.DataFrame(lines, columns=["detector", "part", "name", "case", "measure", "value"])


def detectors_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Columns `case`, `measure` and one for each detector, of the rows that `evaluate-detector` gives."""
    wide: dict[tuple[str, str], dict[str, Any]] = {}
    for detector, _, _, case, measure, value in detectors_long_table(rows).itertuples(index=False):
        wide.setdefault((case, measure), {})[detector] = value
    detectors = list(dict.fromkeys(row["detector"] for row in rows))
    return pd.DataFrame(
        [[case, measure, *(values.get(name) for name in detectors)] for (case, measure), values in wide.items()],
        columns=["case", "measure", *detectors],
    )


def history_table(rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Columns `epoch`, `measure` (in words), `value` (0 to 1): the accuracies or precisions of a history."""
    lines = [
        (int(float(row["epoch"])), _get_history_label(name), float(value))
        for row in rows
        for name, value in row.items()
        if (name in _HISTORY_LABELS or name.startswith("val_ap_")) and value and row.get("epoch")
    ]
    return pd.DataFrame(lines, columns=["epoch", "measure", "value"])


def _get_history_label(column: str) -> str:
    source = column.removeprefix("val_ap_")
    return _HISTORY_LABELS.get(column) or _SOURCE_TITLES.get(source, source)
