"""Values -> tidy tables and CSV; every schema of a table lives here. Plain values and JSON are made in `outputs`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pandas as pd

from emotion.faces import Face
from emotion.files import BYTE_ORDER_MARK
from emotion.outputs import counts

FACE_COLUMNS: Final = (
    "file", "face", "label", "confidence", "unsure", "detection", "x1", "y1", "x2", "y2",
)  # fmt: skip

STREAM_COLUMNS: Final = (
    "seconds", "track", "shown", "label", "confidence", "unsure", "detection", "x1", "y1", "x2", "y2",
)  # fmt: skip

_PART: Final = 2000  # frames
_PROBABILITY: Final = " (probability)"


def faces_table(photos: Sequence[tuple[str, Sequence[Face]]], labels: Sequence[str] = ()) -> pd.DataFrame:
    """One row a face of (file, faces): `FACE_COLUMNS`, then one probability column for each label; empty for no faces.

    `labels` have a column in any case.
    `face` counts from 1 in each file; `label` is the best one even where `unsure` gives a reason.
    """
    found = (label for _, faces in photos for face in faces for label in face.scores or ())
    labels = list(dict.fromkeys((*labels, *found)))
    rows = [
        [
            file, number, face.label or "",
            float("nan") if face.confidence is None else face.confidence, face.unsure or "", face.detection,
            *face.box.rounded(), *((face.scores or {}).get(label, float("nan")) for label in labels),
        ]
        for file, faces in photos
        for number, face in enumerate(faces, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=_with_labels(FACE_COLUMNS, labels))


def _with_labels(columns: Sequence[str], labels: Sequence[str]) -> list[str]:
    """The names of `columns` and of one for each label, which is called otherwise where its name is taken: models of
    before may have a label "unsure"."""
    names = [*columns]
    for label in labels:
        while label in names:
            label += _PROBABILITY
        names.append(label)
    return names


def label_of(column: str) -> str:
    """The label that a column of probabilities in `faces_table` or `stream_table` is for."""
    label = column.removesuffix(_PROBABILITY)
    return label if label in (*FACE_COLUMNS, *STREAM_COLUMNS) else column


def counts_table(faces: Sequence[Face]) -> pd.DataFrame:
    """Columns `expression`, `count`, `share`: what is shown, most frequent first, unsure last."""
    shown = counts(faces)
    shares = [n / len(faces) for n in shown.values()]
    return pd.DataFrame({"expression": list(shown), "count": list(shown.values()), "share": shares})


def scores_table(face: Face) -> pd.DataFrame:
    """Columns `expression`, `probability` of one face, in the model's order."""
    scores = face.scores or {}
    return pd.DataFrame({"expression": list(scores), "probability": list(scores.values())})


# What the rows of `evaluate-detector` tell, in words: key of the case, its name, and the measures in it.
_DETECTOR_PARTS: Final = (
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
_SOURCES: Final = {
    "wider": "crowds and events (WIDER)", "fddb_sy32": "news portraits (FDDB)", "ilc_mask": "people with masks",
    "kaggle853": "crowds with masks", "macwin": "portraits with masks",
}  # fmt: skip
# What stands in the columns of a history, in words; those of single sources of photos are made of their names.
_HISTORY_WORDS: Final = {
    "fer2013_accuracy": "FER-2013, faces it learns", "val_fer2013_accuracy": "FER-2013, faces held out",
    "ferplus_accuracy": "FER+, faces it learns", "val_ferplus_accuracy": "FER+, faces held out",
    "val_ap": "mean of the sources",
}  # fmt: skip


def detectors_long(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Columns `detector`, `part`, `name`, `case`, `measure`, `value`: one line for each number that
    `evaluate-detector` gives; `part` is one of source, face, rotation, blur, empty, size, `case` names it alone,
    `name` under a title that says the part."""
    lines = []
    for row in rows:
        for part, words, measures in _DETECTOR_PARTS:
            for measure, said in measures.items() if part in row else ():
                if measure not in row:  # tables of before knew no roll
                    continue
                name = _SOURCES.get(row[part], str(row[part]))
                lines.append((row["detector"], part, name, f"{words} {name}", said, row[measure]))
    return pd.DataFrame(lines, columns=["detector", "part", "name", "case", "measure", "value"])


def detectors_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Columns `case`, `measure` and one for each detector, of the rows that `evaluate-detector` gives."""
    wide: dict[tuple[str, str], dict[str, Any]] = {}
    for detector, _, _, case, measure, value in detectors_long(rows).itertuples(index=False):
        wide.setdefault((case, measure), {})[detector] = value
    detectors = list(dict.fromkeys(row["detector"] for row in rows))
    return pd.DataFrame(
        [[case, measure, *(values.get(name) for name in detectors)] for (case, measure), values in wide.items()],
        columns=["case", "measure", *detectors],
    )  # fmt: skip


# What `evaluate-gan` tells, in words: the measure, its key, and the key of what real faces reach in it.
_GENERATOR_PARTS: Final = (
    ("recognised as asked", "consistency", "real_consistency"),
    ("Fréchet distance, features of the judge", "frechet", "frechet_floor"),
    ("Fréchet distance, untrained features", "frechet_untrained", "frechet_untrained_floor"),
    ("kernel distance, features of the judge", "kid", "kid_floor"),
    ("precision: synthetic faces among real ones", "precision", "real_precision"),
    ("recall: real faces among synthetic ones", "recall", "real_recall"),
    ("median distance to the nearest training face", "nearest", "nearest_held_out"),
    ("small recogniser learned from these, right on real ones", "trained_on_synthetic", "trained_on_real"),
)


def generator_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """Columns `measure`, `synthetic`, `real`, of what `evaluate-gan` gives; first over all, then by expression."""
    lines = [(name, result[key], result[real]) for name, key, real in _GENERATOR_PARTS if key in result]
    asked, known = result["consistency_per_class"], result["real_consistency_per_class"]
    lines += [(f"recognised as asked: {name}", share, known.get(name)) for name, share in asked.items()]
    lines += [(f"diversity: {name}", ratio, 1.0) for name, ratio in result["diversity_per_class"].items()]
    return pd.DataFrame(lines, columns=["measure", "synthetic", "real"])


def history_table(rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Columns `epoch`, `measure` (in words), `value` (0 to 1): the accuracies or precisions of a history."""
    lines = [
        (int(float(row["epoch"])), _history_words(name), float(value))
        for row in rows
        for name, value in row.items()
        if (name in _HISTORY_WORDS or name.startswith("val_ap_")) and value and row.get("epoch")
    ]
    return pd.DataFrame(lines, columns=["epoch", "measure", "value"])


def _history_words(column: str) -> str:
    source = column.removeprefix("val_ap_")
    return _HISTORY_WORDS.get(column) or _SOURCES.get(source, source)


def stream_table(frames: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a face of frames as from `frame_json`: `STREAM_COLUMNS`, then one probability column for each label;
    empty for no faces. `label` and `confidence` are those of `Face`, also where `shown` is "unsure"."""
    found = [(frame["seconds"], face) for frame in frames for face in frame["faces"]]
    labels = list(dict.fromkeys(label for _, face in found for label in face["scores"]))
    nothing = float("nan")
    rows = [
        [
            seconds, face["track"], face["shown"], face["label"] or "",
            nothing if face["confidence"] is None else face["confidence"], face["unsure"] or "", face["detection"],
            *face["box"], *(face["scores"].get(label, nothing) for label in labels),
        ]
        for seconds, face in found
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=_with_labels(STREAM_COLUMNS, labels))


def stream_csv(frames: Sequence[str]) -> str:
    """The CSV text of `stream_table` of frames that are already JSON, made in parts since an hour of them as values
    would take some hundred megabytes."""
    starts = range(0, len(frames), _PART)
    parts = [stream_table(map(json.loads, frames[start : start + _PART])) for start in starts]
    full = [part for part in parts if len(part)]
    return to_csv(pd.concat(full, ignore_index=True) if full else stream_table([]))


def to_csv(table: pd.DataFrame) -> str:
    """The text of a CSV file with four digits, which begins with a byte order mark for Excel; a text that a spreadsheet
    would run as a formula gets a quote in front."""
    safe = table.set_axis([_plain(name) for name in table.columns], axis=1)  # labels may have any name, too
    for place, dtype in enumerate(table.dtypes):  # two columns may have one name
        if dtype.kind in "OUT":
            safe.isetitem(place, [_plain(value) for value in table.iloc[:, place]])
    return BYTE_ORDER_MARK + safe.to_csv(index=False, float_format="%.4f", lineterminator="\n")


def _plain(value: object) -> object:
    if not isinstance(value, str):
        return value
    value = value.replace("\r", "\n")  # a lone one breaks the line for many readers, but Python would not quote it
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\n")) else value
