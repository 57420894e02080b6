"""The people and highlights of a video, after names, merges and hidden faces were applied."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from emotion.errors import JobError
from emotion.formatting import format_name
from emotion.storage import read_json
from emotion.translation.messages import gettext as _
from emotion.video import tables
from emotion.video.edits.identities import IdentityEdits
from emotion.video.rendering.highlights import HIGHLIGHTS_FILE, HIGHLIGHTS_FOLDER
from emotion.video.rendering.thumbnails import ThumbnailIndex

_MAX_LABEL_LENGTH: Final = 100


@dataclass(frozen=True)
class Person:
    """A face of a video with all faces that were merged into it.

    Attributes:
        track_id: Its number.
        name: The name to display.
        has_custom_name: Whether a user gave it a name.
        thumbnail: Its best image (JPEG), None where there is none yet.
        first_seen: Second of its first frame.
        last_seen: Second of its last frame.
        duration: Seconds in which it is visible.
        expression_shares: Shares (0 to 1) of that time by displayed label, largest first.
        is_hidden: Whether a user hid it.
        merged_track_ids: The faces that were merged into it.
    """

    track_id: int
    name: str
    has_custom_name: bool
    thumbnail: Path | None
    first_seen: float
    last_seen: float
    duration: float
    expression_shares: Mapping[str, float]
    is_hidden: bool
    merged_track_ids: tuple[int, ...]


@dataclass(frozen=True)
class Highlight:
    """A moment at which a face begins to show an expression ("change") or shows it most clearly ("peak").

    Attributes:
        timestamp: Seconds.
        track_id: The face, after merging.
        name: Its name.
        kind: "change" or "peak".
        label: The expression.
        previous_label: The expression before a change, None for a peak.
        confidence: Of the label, 0 to 1.
        thumbnail: The face in that frame (JPEG).
    """

    timestamp: float
    track_id: int
    name: str
    kind: str
    label: str
    previous_label: str | None
    confidence: float
    thumbnail: Path | None


def build_people(faces: pd.DataFrame, edits: IdentityEdits, thumbnails: ThumbnailIndex) -> list[Person]:
    """Group the rows of `FrameLog.to_dataframe` by person, in order of appearance, including hidden people."""
    unhidden = tables.apply_identities(faces, IdentityEdits(edits.names, edits.merged_into))
    unhidden = tables.deduplicate_per_frame(unhidden)
    track_column = tables.get_column(unhidden, "track_id")
    order = np.argsort(track_column, kind="stable")
    track_ids, starts = np.unique(track_column[order], return_index=True)
    people = [
        _build_person(int(track), unhidden.iloc[rows], edits, thumbnails)
        for track, rows in zip(track_ids, np.split(order, starts[1:]), strict=False)
    ]
    return sorted(people, key=lambda person: (person.first_seen, person.track_id))


def _build_person(track_id: int, rows: pd.DataFrame, edits: IdentityEdits, thumbnails: ThumbnailIndex) -> Person:
    timestamps, durations = (tables.get_column(rows, name) for name in ("timestamp", "duration"))
    merged = tuple(sorted(track for track in edits.merged_into if edits.canonical_track(track) == track_id))
    return Person(
        track_id=track_id,
        name=edits.display_name(track_id),
        has_custom_name=bool(edits.custom_name(track_id)),
        thumbnail=thumbnails.find_best((track_id, *merged)),
        first_seen=float(timestamps.min()),
        last_seen=float(timestamps.max()),
        duration=float(durations.sum()),
        expression_shares=tables.compute_expression_shares(rows),
        is_hidden=edits.is_hidden(track_id),
        merged_track_ids=merged,
    )


def read_highlights(folder: Path, edits: IdentityEdits) -> list[Highlight]:
    """Read the highlights of the people who are not hidden, in time order; `JobError` for a damaged file."""
    records = (read_json(folder / HIGHLIGHTS_FILE) or {}).get("highlights", [])
    try:
        return [
            Highlight(
                timestamp=_to_finite(record["timestamp"]),
                track_id=edits.canonical_track(int(record["track_id"])),
                name=edits.display_name(int(record["track_id"])),
                kind=str(record["kind"]),
                label=_to_label(record["label"]),
                previous_label=None if record["previous_label"] is None else _to_label(record["previous_label"]),
                confidence=_to_finite(record["confidence"]),
                thumbnail=path if (path := _thumbnail_path(folder, record["thumbnail"])).is_file() else None,
            )
            for record in records
            if not edits.is_hidden(int(record["track_id"]))
        ]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise JobError(
            _("{path} is damaged: delete this video and analyze it again.").format(path=folder / HIGHLIGHTS_FILE)
        ) from error


def _to_finite(value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("a time or a confidence is a finite number")
    return number


def _to_label(value: object) -> str:
    return format_name(str(value), _MAX_LABEL_LENGTH)


def _thumbnail_path(folder: Path, stored_path: str) -> Path:
    return folder / HIGHLIGHTS_FOLDER / Path(stored_path).name
