"""Markers that a person sets at moments of a video, each with a note.

markers.json    {"markers": [{"timestamp": seconds, "note": text}]}
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emotion.errors import EmotionError, JobError
from emotion.formatting import format_name
from emotion.storage import read_json, write_json
from emotion.translation.messages import gettext as _

MARKERS_FILE: Final = "markers.json"
MAX_NOTE_LENGTH: Final = 200
MAX_MARKERS: Final = 200
_DECIMALS: Final = 3  # of seconds; two markers of a video differ in them


@dataclass(frozen=True, order=True)
class Marker:
    """A moment of a video, `timestamp` in seconds, with a note, which may be ""."""

    timestamp: float
    note: str = ""


def read_markers(folder: Path) -> list[Marker]:
    """Read the markers of an analysis in order of time, [] where there are none; `JobError` for a damaged file."""
    try:
        records = (read_json(folder / MARKERS_FILE) or {}).get("markers", [])
        return sorted(_make_marker(record["timestamp"], str(record["note"])) for record in records)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise JobError(
            _("{path} is damaged: remove it, which removes the markers.").format(path=folder / MARKERS_FILE)
        ) from error


def set_marker(folder: Path, timestamp: float, note: str | None = None) -> None:
    """Set a marker, or the note of the one that is there.

    Args:
        folder: Of the analysis.
        timestamp: Second of the video, rounded to milliseconds.
        note: Any text; longer than `MAX_NOTE_LENGTH` it is cut. None keeps the note of a marker that is there.

    Raises:
        EmotionError: The video has `MAX_MARKERS` already, or the file cannot be written.
    """
    marker, markers = _make_marker(timestamp, note or ""), read_markers(folder)
    others = [other for other in markers if other.timestamp != marker.timestamp]
    if note is None and len(others) < len(markers):
        return
    if len(others) >= MAX_MARKERS:
        raise EmotionError(_("A video has up to {count} markers; remove one first.").format(count=MAX_MARKERS))
    _write_markers(folder, [*others, marker])


def remove_marker(folder: Path, timestamp: float) -> None:
    """Remove the marker at a second, if there is one; `JobError` where the file cannot be written."""
    _write_markers(folder, [marker for marker in read_markers(folder) if marker.timestamp != timestamp])


def _make_marker(timestamp: float, note: str) -> Marker:
    seconds = round(float(timestamp), _DECIMALS)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"{timestamp!r} is no time of a video")
    return Marker(seconds, format_name(note, MAX_NOTE_LENGTH))


def _write_markers(folder: Path, markers: Iterable[Marker]) -> None:
    records = [{"timestamp": marker.timestamp, "note": marker.note} for marker in sorted(markers)]
    try:
        write_json(folder / MARKERS_FILE, {"markers": records})
    except OSError as error:
        raise JobError(
            _("{name} cannot be written to {folder} ({reason}); check the disk.").format(
                name=MARKERS_FILE, folder=folder, reason=error.strerror
            )
        ) from error
