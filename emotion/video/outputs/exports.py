"""Export an analysis as CSV, JSON, WebVTT subtitles, GIF and ZIP, each with its provenance in it or beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from emotion.errors import EmotionError, JobError
from emotion.expressions import UNCERTAIN
from emotion.formatting import format_percent
from emotion.results import serialization, tables
from emotion.results.photos import make_unique_names
from emotion.storage import write_atomic
from emotion.translation.messages import gettext as _
from emotion.video.analysis import VideoAnalysis
from emotion.video.edits.markers import read_markers
from emotion.video.outputs.animated_gif import make_gif
from emotion.video.outputs.html_report import render_report
from emotion.video.people import Person
from emotion.video.rendering import thumbnails
from emotion.video.tables import get_column

__all__ = [
    "FACES_FILE",
    "MAX_GIF_SECONDS",
    "markers_to_csv",
    "provenance_to_json",
    "render_report",
    "to_csv",
    "to_gif",
    "to_json",
    "to_vtt",
    "write_results",
    "zip_results",
    "zip_thumbnails",
]

FACES_FILE: Final = "faces.csv"
MARKERS_TABLE_FILE: Final = "markers.csv"
PROVENANCE_FILE: Final = "provenance.json"
MAX_GIF_SECONDS: Final = 10
_CUE_COLUMNS: Final = ("track_id", "name", "start", "end", "expression", "confidence")


class _Cue(NamedTuple):
    track_id: int
    name: str
    start: float
    end: float
    label: str
    confidence: float


def to_csv(analysis: VideoAnalysis, *, with_features: bool = True) -> str:
    """Return one row per face and frame, see `VideoAnalysis.face_table`; the same text for the same video and settings.

    Without `with_features`, `FEATURE_COLUMNS` are left out, for readers who may not see the faces. The provenance is in
    a file beside it: in every row it would be most of the text, and a comment in the first line breaks the default
    readers of pandas and spreadsheets.
    """
    table = analysis.face_table()
    return tables.to_csv(table if with_features else table.drop(columns=[*tables.FEATURE_COLUMNS], errors="ignore"))


def markers_to_csv(analysis: VideoAnalysis) -> str:
    """Return one row per marker: its `timestamp` in seconds and its `note`."""
    rows = [(round(marker.timestamp, 3), marker.note) for marker in read_markers(analysis.folder)]
    return tables.to_csv(pd.DataFrame(rows, columns=["timestamp", "note"]))


def provenance_to_json(analysis: VideoAnalysis) -> str:
    """Return program, model and detector with their sha256, and settings: what reproduces the results."""
    return serialization.to_json({"name": analysis.name, **analysis.provenance})


def to_json(analysis: VideoAnalysis, *, with_features: bool = True) -> str:
    """Return provenance, video, people, highlights, markers and all frames, after identity edits as in the tables.

    Without `with_features`, faces have none, for readers who may not see the faces.
    """
    info = analysis.video_info
    header = {
        "name": analysis.name,
        **analysis.provenance,
        "created_at": analysis.created_at.isoformat(timespec="seconds"),
        "video": info and vars(info),
        "summary": {name: value for name, value in analysis.summary.items() if name != "faces"},
        "people": [_to_json_dict(vars(person)) for person in list_visible_people(analysis)],
        "highlights": [_to_json_dict(vars(highlight)) for highlight in analysis.highlights()],
        "markers": [_to_json_dict(vars(marker)) for marker in read_markers(analysis.folder)],
    }
    return serialization.stream_to_json(header, iter_frame_lines(analysis, with_features))


def iter_frame_lines(analysis: VideoAnalysis, with_features: bool = True) -> Iterator[str]:
    """Yield the frames of the log as JSON, after identity edits."""
    edits, are_features_left_out = analysis.identity_edits, analysis.has_features and not with_features
    if not edits.merged_into and not edits.hidden and not are_features_left_out:
        yield from analysis.frame_log.iter_lines()
        return
    for line in analysis.frame_log.iter_lines():
        frame = json.loads(line)
        frame["faces"] = [
            face | {"track_id": edits.canonical_track(face["track_id"])}
            for face in frame["faces"]
            if not edits.is_hidden(face["track_id"])
        ]
        if are_features_left_out:
            for face in frame["faces"]:
                face.pop("features", None)
        yield json.dumps(frame, ensure_ascii=False, allow_nan=False)


def list_visible_people(analysis: VideoAnalysis) -> list[Person]:
    """Return the people whom nobody has hidden, in order of appearance."""
    return [person for person in analysis.people() if not person.is_hidden]


def _to_json_dict(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _round_floats(value) for name, value in fields.items() if name not in ("thumbnail", "is_hidden")}


def _round_floats(value: object) -> object:
    if isinstance(value, dict):
        return {name: _round_floats(inner) for name, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def to_vtt(analysis: VideoAnalysis, track_id: int | None = None) -> str:
    """Return WebVTT subtitles with one cue "Anna: happy 87%" per segment of a face.

    Args:
        analysis: The analysis, which may be unfinished.
        track_id: The only face with cues, None: all that are not hidden.

    Returns:
        The text of the file. Cues of several faces overlap in time; players stack them. A label below the minimum
        confidence of the settings is replaced by "unsure".

    Raises:
        EmotionError: The face does not exist or is hidden.
    """
    people = list_visible_people(analysis)
    if track_id is not None:
        people = [person for person in people if person.track_id == track_id]
        if not people:
            raise EmotionError(
                _("There is no face {track_id} to make subtitles of; it may be hidden or merged.").format(
                    track_id=track_id
                )
            )
    names = ", ".join(_escape_text(person.name) for person in people) or "none"
    header = f"WEBVTT\n\nNOTE\n{_escape_text(analysis.request.provenance_line)}\nFaces: {names}\n"
    return "\n".join([header, *_iter_cues(analysis, people)])


def _iter_cues(analysis: VideoAnalysis, people: list[Person]) -> Iterator[str]:
    """Yield the cues of these people in time order."""
    segments = analysis.segments()
    segments = segments.loc[np.isin(get_column(segments, "track_id"), [person.track_id for person in people])]
    is_certain = get_column(segments, "confidence") >= analysis.settings.recognition.min_confidence
    segments = segments.assign(expression=np.where(is_certain, get_column(segments, "expression"), UNCERTAIN.name))
    cues = map(_Cue._make, zip(*(get_column(segments, name) for name in _CUE_COLUMNS), strict=True))
    for cue in sorted(_merge_cues(cues), key=lambda cue: (cue.start, cue.end)):
        if round(cue.end, 3) > round(cue.start, 3):
            confidence = "" if cue.label == UNCERTAIN.name else f" {format_percent(cue.confidence)}"
            text = _escape_text(f"{cue.name}: {cue.label}{confidence}")
            yield f"{_format_timestamp(cue.start)} --> {_format_timestamp(cue.end)}\n{text}\n"


def _merge_cues(cues: Iterable[_Cue]) -> list[_Cue]:
    """Join adjacent cues of a face that is unsure; the cues are ordered by face."""
    merged: list[_Cue] = []
    for cue in cues:
        last = merged[-1] if merged else None
        if (
            last
            and cue.label == UNCERTAIN.name
            and (cue.track_id, cue.start, cue.label) == (last.track_id, last.end, last.label)
        ):
            merged[-1] = last._replace(end=cue.end)
        else:
            merged.append(cue)
    return merged


def _escape_text(text: str) -> str:
    """Return one line of text without WebVTT markup."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(text.split())


def _format_timestamp(timestamp: float) -> str:
    seconds, milliseconds = divmod(round(timestamp * 1000), 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{milliseconds:03d}"


def zip_thumbnails(analysis: VideoAnalysis) -> bytes:
    """Return a ZIP with the best image of each face and expression (JPEG), one folder per face, and the provenance."""
    return serialization.zip_files(
        {PROVENANCE_FILE: provenance_to_json(analysis).encode(), **dict(_iter_thumbnails(analysis))}
    )


def _assign_file_names(analysis: VideoAnalysis) -> Iterator[tuple[Person, str]]:
    """Yield the visible people, each with a unique file name."""
    people = list_visible_people(analysis)
    names = make_unique_names([serialization.sanitize_filename(person.name) for person in people])
    yield from zip(people, names, strict=True)


def _iter_thumbnails(analysis: VideoAnalysis) -> Iterator[tuple[str, bytes]]:
    index = thumbnails.ThumbnailIndex.read(analysis.folder)
    for person, folder in _assign_file_names(analysis):
        shares = person.expression_shares
        for label in [label for label in shares if label != UNCERTAIN.name] or list(shares):
            path = index.find_best((person.track_id, *person.merged_track_ids), label)
            if path is not None:
                yield f"{folder}/{label}.jpg", path.read_bytes()


def to_gif(analysis: VideoAnalysis, start: float, end: float) -> bytes:
    """Encode the annotated video from second `start` to second `end` as an animated GIF.

    Raises:
        EmotionError: There is no annotated video, no frame in that time, or it is longer than `MAX_GIF_SECONDS`.
    """
    if analysis.annotated_video is None:
        raise EmotionError(
            _("There is no annotated video to make a GIF of; analyze it again with the video switched on.")
        )
    if not (math.isfinite(start) and math.isfinite(end)) or start < 0 or not 0 < end - start <= MAX_GIF_SECONDS:
        raise EmotionError(
            _(
                "A GIF from second {start:g} to second {end:g} cannot be made; choose up to {max_gif_seconds} seconds."
            ).format(start=start, end=end, max_gif_seconds=MAX_GIF_SECONDS)
        )
    gif = make_gif(analysis.annotated_video, start, end, analysis.request.provenance_line)
    if gif is None:
        raise EmotionError(
            _("The video has no frame from second {start:g} on; choose an earlier part.").format(start=start)
        )
    return gif


def zip_results(analysis: VideoAnalysis) -> bytes:
    """Return a ZIP of all results except the video: tables, provenance, subtitles, report, thumbnails."""
    subtitles = {f"subtitles/{name}": text for name, text in _iter_subtitles(analysis)}
    images = {f"thumbnails/{name}": data for name, data in _iter_thumbnails(analysis)}
    return serialization.zip_files({**dict(_iter_text_files(analysis)), **subtitles, **images})


def write_results(analysis: VideoAnalysis, folder: Path) -> None:
    """Write faces.csv, provenance.json, faces.json, expressions.vtt, report.html, thumbnails.zip and subtitles.zip.

    Where there are markers, also markers.csv.

    Raises:
        EmotionError: The folder cannot be written to.
    """
    try:
        for name, data in _iter_text_files(analysis):
            write_atomic(folder / name, data)
        write_atomic(folder / "thumbnails.zip", zip_thumbnails(analysis))
        write_atomic(folder / "subtitles.zip", serialization.zip_files(dict(_iter_subtitles(analysis))))
    except OSError as error:
        raise JobError(
            _("{folder} cannot be written to ({reason}); make room or choose another folder.").format(
                folder=folder, reason=error.strerror
            )
        ) from error


def _iter_text_files(analysis: VideoAnalysis) -> Iterator[tuple[str, bytes]]:
    yield FACES_FILE, to_csv(analysis).encode()
    if read_markers(analysis.folder):
        yield MARKERS_TABLE_FILE, markers_to_csv(analysis).encode()
    yield PROVENANCE_FILE, provenance_to_json(analysis).encode()
    yield "faces.json", to_json(analysis).encode()
    yield "expressions.vtt", to_vtt(analysis).encode()
    yield "report.html", render_report(analysis).encode()


def _iter_subtitles(analysis: VideoAnalysis) -> Iterator[tuple[str, bytes]]:
    for person, label in _assign_file_names(analysis):
        yield f"{label}.vtt", to_vtt(analysis, person.track_id).encode()
