"""Tables of faces, photos and streams, and their CSV text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from emotion.faces import Face, FaceFeatures
from emotion.movements import MOVEMENT_NAMES
from emotion.recognition.features.wording import list_strongest
from emotion.results.serialization import count_expressions, features_from_dict
from emotion.storage import BYTE_ORDER_MARK, escape_formula
from emotion.translation.messages import gettext as _

# Of one prediction, in every table that has a row per face.
PREDICTION_COLUMNS: Final = ("label", "confidence", "uncertainty_reason", "detection_score", "x1", "y1", "x2", "y2")
FACE_COLUMNS: Final = ("file", "face_index", *PREDICTION_COLUMNS)
STREAM_COLUMNS: Final = ("timestamp", "track_id", "display_label", *PREDICTION_COLUMNS)
SCORE_PREFIX: Final = "score_"  # of the columns of probabilities
MOVEMENT_PREFIX: Final = "movement_"
# Certainty, pose in degrees, and movements from 0 to 1.
FEATURE_COLUMNS: Final = (
    "features_certainty",
    "yaw",
    "pitch",
    "roll",
    *(f"{MOVEMENT_PREFIX}{name}" for name in MOVEMENT_NAMES),
)
CHUNK_FRAMES: Final = 2000  # decoded together


def faces_table(
    photos: Sequence[tuple[str, Sequence[Face]]], labels: Sequence[str] = (), *, with_features: bool = False
) -> pd.DataFrame:
    """Return one row per face: `FACE_COLUMNS`, then `score_<label>` for each label.

    Where a face has features, `FEATURE_COLUMNS` follow; they are empty where a value is withheld.

    Args:
        photos: File and faces of each photo. `face_index` counts from 1 in each; `label` is the most probable one,
            also where there is an `uncertainty_reason`.
        labels: Have a column in any case.
        with_features: Whether `FEATURE_COLUMNS` follow in any case.
    """
    scored = (label for _, faces in photos for face in faces for label in face.scores or ())
    labels = list(dict.fromkeys((*labels, *scored)))
    with_features = with_features or any(face.features for _, faces in photos for face in faces)
    columns = FEATURE_COLUMNS if with_features else ()
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
            *(feature_values(face.features).get(column, float("nan")) for column in columns),
        ]
        for file, faces in photos
        for number, face in enumerate(faces, 1)
    ]
    table = pd.DataFrame(rows, columns=[*FACE_COLUMNS, *score_columns(labels), *columns])
    floats = ("confidence", "detection_score", *score_columns(labels), *columns)
    types = dict.fromkeys(("face_index", "x1", "y1", "x2", "y2"), "int64") | dict.fromkeys(floats, "float64")
    return table.astype(types)  # without a face they would be objects


def feature_values(features: FaceFeatures | None) -> dict[str, float]:
    """Return the known values by the names of `FEATURE_COLUMNS`; {} without features."""
    if features is None:
        return {}
    values = {"features_certainty": features.certainty}
    if features.pose is not None:
        values |= {"yaw": features.pose.yaw, "pitch": features.pose.pitch, "roll": features.pose.roll}
    return values | {f"{MOVEMENT_PREFIX}{name}": strength for name, strength in features.movements.items()}


def score_columns(labels: Iterable[str]) -> list[str]:
    """Return the names of the columns of probabilities."""
    return [f"{SCORE_PREFIX}{label}" for label in labels]


def get_score_labels(table: pd.DataFrame) -> list[str]:
    """Return the labels for which a table has a column of probabilities."""
    return [name.removeprefix(SCORE_PREFIX) for name in table.columns if name.startswith(SCORE_PREFIX)]


def counts_table(faces: Sequence[Face]) -> pd.DataFrame:
    """Return the displayed labels, most frequent first, unsure last: `expression`, `count`, `share` (0 to 1)."""
    counts = count_expressions(faces)
    shares = [count / len(faces) for count in counts.values()]
    return pd.DataFrame({"expression": list(counts), "count": list(counts.values()), "share": shares})


def scores_table(face: Face) -> pd.DataFrame:
    """Return the scores of a face in the order of the classifier: `expression`, `probability`."""
    scores = face.scores or {}
    return pd.DataFrame({"expression": list(scores), "probability": list(scores.values())})


def movements_table(features: FaceFeatures) -> pd.DataFrame:
    """Return the strongest movements of a face: `movement`, `strength` (0 to 1), `action_unit` ("" for none).

    Names are in the language of the page.
    """
    strongest = list_strongest(features.movements)
    return pd.DataFrame(
        [
            (_(group.plain_name), strength, _(group.action_unit) if group.action_unit else "")
            for group, strength in strongest
        ],
        columns=["movement", "strength", "action_unit"],
    )


def stream_table(frames: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row per face of frames, as `frame_to_dict` gives them: `STREAM_COLUMNS`, then `score_<label>`.

    Where a face has features, `FEATURE_COLUMNS` follow. `label` and `confidence` are those of `Face`, also where
    `display_label` is "unsure".
    """
    timed_faces = [(frame["timestamp"], face) for frame in frames for face in frame["faces"]]
    labels = list(dict.fromkeys(label for _, face in timed_faces for label in face["scores"]))
    columns = FEATURE_COLUMNS if any("features" in face for _, face in timed_faces) else ()
    nan = float("nan")
    rows = [
        [
            timestamp,
            face["track_id"],
            face["display_label"],
            face["label"] or "",
            nan if face["confidence"] is None else face["confidence"],
            face["uncertainty_reason"] or "",
            face["detection_score"],
            *face["box"],
            *(face["scores"].get(label, nan) for label in labels),
            *(values.get(column, nan) for column in columns),
        ]
        for timestamp, face in timed_faces
        for values in [feature_values(features_from_dict(face["features"])) if "features" in face else {}]
    ]
    return pd.DataFrame(rows, columns=[*STREAM_COLUMNS, *score_columns(labels), *columns])


def stream_to_csv(frames: Sequence[str], markers: Sequence[float] = ()) -> str:
    """Return the CSV text of `stream_table` of frames that are JSON texts.

    Args:
        frames: JSON texts of `frame_to_dict`.
        markers: Seconds of markers, ascending. With markers, the last column `marker` has the number of the latest one,
            counted from 1; it is empty before the first.
    """
    # In chunks: an hour of decoded frames takes some hundred megabytes.
    starts = range(0, len(frames), CHUNK_FRAMES)
    parts = [stream_table(map(json.loads, frames[start : start + CHUNK_FRAMES])) for start in starts]
    with_faces = [part for part in parts if len(part)]
    table = pd.concat(with_faces, ignore_index=True) if with_faces else stream_table([])
    if markers:
        numbers = np.searchsorted(markers, table["timestamp"], "right")
        table["marker"] = [str(number) if number else "" for number in numbers]
    return to_csv(table)


def to_csv(table: pd.DataFrame) -> str:
    """Return the text of a CSV file with four decimals; it begins with a byte order mark, for Excel.

    A cell that a spreadsheet would run as a formula is preceded by a quote.
    """
    safe = table.set_axis([escape_formula(name) for name in table.columns], axis=1)  # labels may have any name, too
    for index, dtype in enumerate(table.dtypes):  # by index, since two columns may have one name
        if dtype.kind in "OUT":
            safe.isetitem(index, [escape_formula(value) for value in table.iloc[:, index]])
    return BYTE_ORDER_MARK + safe.to_csv(index=False, float_format="%.4f", lineterminator="\n")
