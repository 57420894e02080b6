"""Values -> tidy tables and CSV of faces, photos and streams."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pandas as pd

from emotion.faces import Face
from emotion.results.serialization import count_expressions
from emotion.storage import BYTE_ORDER_MARK, escape_formula

FACE_COLUMNS: Final = (
    "file",
    "face_index",
    "label",
    "confidence",
    "uncertainty_reason",
    "detection_score",
    "x1",
    "y1",
    "x2",
    "y2",
)

STREAM_COLUMNS: Final = (
    "timestamp",
    "track_id",
    "display_label",
    "label",
    "confidence",
    "uncertainty_reason",
    "detection_score",
    "x1",
    "y1",
    "x2",
    "y2",
)

_CHUNK_FRAMES: Final = 2000  # frames
SCORE_PREFIX: Final = "score_"  # of the columns that hold the probability of a label


def faces_table(photos: Sequence[tuple[str, Sequence[Face]]], labels: Sequence[str] = ()) -> pd.DataFrame:
    """One row a face of (file, faces): `FACE_COLUMNS`, then `score_<label>` for each label; empty for no faces.

    `labels` have a column in any case.
    `face_index` counts from 1 in each file; `label` is the best one even where `uncertainty_reason` gives a reason.
    """
    found = (label for _, faces in photos for face in faces for label in face.scores or ())
    labels = list(dict.fromkeys((*labels, *found)))
    rows = [
        [
            file,
            number,
            face.label or "",
            float("nan") if face.confidence is None else face.confidence,
            face.uncertainty_reason or "",
            face.detection_score,
            *face.box.to_int_xyxy(),
            *((face.scores or {}).get(label, float("nan")) for label in labels),
        ]
        for file, faces in photos
        for number, face in enumerate(faces, 1)
    ]
    return pd.DataFrame(rows, columns=[*FACE_COLUMNS, *score_columns(labels)])


def score_columns(labels: Iterable[str]) -> list[str]:
    """The columns of the probabilities of `labels`."""
    return [f"{SCORE_PREFIX}{label}" for label in labels]


def get_score_labels(table: pd.DataFrame) -> list[str]:
    """The labels for which a table has a column of probabilities."""
    return [name.removeprefix(SCORE_PREFIX) for name in table.columns if name.startswith(SCORE_PREFIX)]


def counts_table(faces: Sequence[Face]) -> pd.DataFrame:
    """Columns `expression`, `count`, `share`: what is shown, most frequent first, unsure last."""
    shown = count_expressions(faces)
    shares = [n / len(faces) for n in shown.values()]
    return pd.DataFrame({"expression": list(shown), "count": list(shown.values()), "share": shares})


def scores_table(face: Face) -> pd.DataFrame:
    """Columns `expression`, `probability` of one face, in the model's order."""
    scores = face.scores or {}
    return pd.DataFrame({"expression": list(scores), "probability": list(scores.values())})


def stream_table(frames: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a face of frames as from `frame_to_dict`: `STREAM_COLUMNS`, then `score_<label>` for each label; empty for
    no faces. `label` and `confidence` are those of `Face`, also where `display_label` is "unsure"."""
    found = [(frame["timestamp"], face) for frame in frames for face in frame["faces"]]
    labels = list(dict.fromkeys(label for _, face in found for label in face["scores"]))
    nothing = float("nan")
    rows = [
        [
            timestamp,
            face["track_id"],
            face["display_label"],
            face["label"] or "",
            nothing if face["confidence"] is None else face["confidence"],
            face["uncertainty_reason"] or "",
            face["detection_score"],
            *face["box"],
            *(face["scores"].get(label, nothing) for label in labels),
        ]
        for timestamp, face in found
    ]
    return pd.DataFrame(rows, columns=[*STREAM_COLUMNS, *score_columns(labels)])


def stream_to_csv(frames: Sequence[str]) -> str:
    """The CSV text of `stream_table` of frames that are already JSON, made in parts since an hour of them as values
    would take some hundred megabytes."""
    starts = range(0, len(frames), _CHUNK_FRAMES)
    parts = [stream_table(map(json.loads, frames[start : start + _CHUNK_FRAMES])) for start in starts]
    full = [part for part in parts if len(part)]
    return to_csv(pd.concat(full, ignore_index=True) if full else stream_table([]))


def to_csv(table: pd.DataFrame) -> str:
    """The text of a CSV file with four digits, which begins with a byte order mark for Excel; a text that a spreadsheet
    would run as a formula gets a quote in front."""
    safe = table.set_axis([escape_formula(name) for name in table.columns], axis=1)  # labels may have any name, too
    for place, dtype in enumerate(table.dtypes):  # two columns may have one name
        if dtype.kind in "OUT":
            safe.isetitem(place, [escape_formula(value) for value in table.iloc[:, place]])
    return BYTE_ORDER_MARK + safe.to_csv(index=False, float_format="%.4f", lineterminator="\n")
