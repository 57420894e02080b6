"""What people take away of a film besides the film itself. What made it stands in it or beside it."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emotion.errors import EmotionError, JobError
from emotion.expressions import UNCERTAIN
from emotion.formatting import format_percent
from emotion.media.image_array import downscale
from emotion.media.video_reader import TimedFrame, VideoReader
from emotion.results import serialization, tables
from emotion.results.photos import make_unique_names
from emotion.storage import write_atomic
from emotion.video.analysis import VideoAnalysis
from emotion.video.html_report import render_report
from emotion.video.people import Person
from emotion.video.rendering import thumbnails
from emotion.video.tables import get_column

__all__ = [
    "FACES_FILE",
    "MAX_GIF_SECONDS",
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
MAX_GIF_SECONDS: Final = 10  # at most
_GIF_FPS: Final = 10  # pictures a second
_GIF_MAX_SIDE: Final = 480  # pixels
_NUM_PALETTE_FRAMES: Final = 10  # pictures
_PALETTE_TILE_PX: Final = 160  # pixels of each
_CUE_COLUMNS: Final = ("track_id", "name", "start", "end", "expression", "confidence")
_TIME_TOLERANCE: Final = 1e-3  # seconds: time stamps are rounded


class _Cue(NamedTuple):
    track_id: int
    name: str
    start: float
    end: float
    label: str
    confidence: float


def to_csv(analysis: VideoAnalysis) -> str:
    """One row a face and frame, see `VideoAnalysis.face_table`. The same video and settings give the same text.

    What made it stands beside it, in `provenance.json` of the folder or of `zip_results` and in `to_json`: in every
    row it would be most of the file, and a comment at its head breaks the default readers of pandas and spreadsheets.
    """
    return tables.to_csv(analysis.face_table())


def provenance_to_json(analysis: VideoAnalysis) -> str:
    """Program, model and detector with their sha256, and settings: what makes the same numbers again."""
    return serialization.to_json({"name": analysis.name, **analysis.provenance})


def to_json(analysis: VideoAnalysis) -> str:
    """Provenance, video, people, highlights, and all frames; faces that were merged have one number, and who is hidden
    is left out, as in the tables."""
    facts, created = analysis.video_info, analysis.created_at
    whole = {
        "name": analysis.name,
        **analysis.provenance,
        "created_at": created.isoformat(timespec="seconds"),
        "video": facts and vars(facts),
        "summary": {name: value for name, value in analysis.summary.items() if name != "faces"},
        "people": [_to_json_dict(vars(person)) for person in _list_visible_people(analysis)],
        "highlights": [_to_json_dict(vars(highlight)) for highlight in analysis.highlights()],
    }
    return serialization.stream_to_json(whole, _iter_frame_lines(analysis))


def _iter_frame_lines(analysis: VideoAnalysis) -> Iterator[str]:
    """The frames of the log as the people of the video are shown."""
    cast = analysis.identity_edits
    if not cast.merged_into and not cast.hidden:
        yield from analysis.frame_log.iter_lines()
        return
    for line in analysis.frame_log.iter_lines():
        frame = json.loads(line)
        frame["faces"] = [
            face | {"track_id": cast.canonical_track(face["track_id"])}
            for face in frame["faces"]
            if not cast.is_hidden(face["track_id"])
        ]
        yield json.dumps(frame, ensure_ascii=False, allow_nan=False)


def _list_visible_people(analysis: VideoAnalysis) -> list[Person]:
    """Who is not hidden."""
    return [person for person in analysis.people() if not person.is_hidden]


def _to_json_dict(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _round_floats(value) for name, value in fields.items() if name not in ("thumbnail", "is_hidden")}


def _round_floats(value: object) -> object:
    if isinstance(value, dict):
        return {name: _round_floats(inner) for name, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def to_vtt(analysis: VideoAnalysis, track_id: int | None = None) -> str:
    """WebVTT subtitles: one cue "Anna: happy 87 %" for each run of an expression of each face.

    Args:
        analysis: A video that was analyzed, or its first part.
        track_id: The only face to have cues, None for all that are not hidden.

    Returns:
        The text of the file. Cues of several faces overlap in time: players stack them. What is less
        certain than the smallest confidence of the settings is "unsure".

    Raises:
        EmotionError: That face is not in the video, or is hidden.
    """
    people = _list_visible_people(analysis)
    if track_id is not None:
        people = [person for person in people if person.track_id == track_id]
        if not people:
            raise EmotionError(f"There is no face {track_id} to make subtitles of; it may be hidden or merged.")
    names = ", ".join(_escape_text(person.name) for person in people) or "none"
    head = f"WEBVTT\n\nNOTE\n{_escape_text(analysis.request.provenance_line)}\nFaces: {names}\n"
    return "\n".join([head, *_iter_cues(analysis, people)])


def _iter_cues(analysis: VideoAnalysis, people: list[Person]) -> Iterator[str]:
    """Of these faces, in the order of time."""
    lanes = analysis.segments()
    lanes = lanes.loc[np.isin(get_column(lanes, "track_id"), [person.track_id for person in people])]
    words, sure = get_column(lanes, "expression"), get_column(lanes, "confidence")
    lanes = lanes.assign(
        expression=np.where(sure >= analysis.settings.recognition.min_confidence, words, UNCERTAIN.name)
    )
    cues = map(_Cue._make, zip(*(get_column(lanes, name) for name in _CUE_COLUMNS), strict=True))
    for cue in sorted(_merge_cues(cues), key=lambda cue: (cue.start, cue.end)):
        if round(cue.end, 3) > round(cue.start, 3):
            sure = "" if cue.label == UNCERTAIN.name else f" {format_percent(cue.confidence)}"
            text = _escape_text(f"{cue.name}: {cue.label}{sure}")
            yield f"{_format_timestamp(cue.start)} --> {_format_timestamp(cue.end)}\n{text}\n"


def _merge_cues(cues: Iterable[_Cue]) -> list[_Cue]:
    """Cues that come face after face; while a face stays unsure, it has one."""
    joined: list[_Cue] = []
    for cue in cues:
        last = joined[-1] if joined else None
        if (
            last
            and cue.label == UNCERTAIN.name
            and (cue.track_id, cue.start, cue.label) == (last.track_id, last.end, last.label)
        ):
            joined[-1] = last._replace(end=cue.end)
        else:
            joined.append(cue)
    return joined


def _escape_text(text: str) -> str:
    """Text that stays one line of words in WebVTT."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(text.split())


def _format_timestamp(timestamp: float) -> str:
    whole = round(timestamp * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d}.{whole % 1000:03d}"


def zip_thumbnails(analysis: VideoAnalysis) -> bytes:
    """The best picture of each face and expression as JPEG in a ZIP, a folder for each face, and `provenance_to_json`."""
    return serialization.zip_files(
        {"provenance.json": provenance_to_json(analysis).encode(), **dict(_iter_thumbnails(analysis))}
    )


def _assign_file_names(analysis: VideoAnalysis) -> Iterator[tuple[Person, str]]:
    """Who is not hidden, each with a different name for files."""
    people = _list_visible_people(analysis)
    yield from zip(
        people, make_unique_names([serialization.sanitize_filename(person.name) for person in people]), strict=True
    )


def _iter_thumbnails(analysis: VideoAnalysis) -> Iterator[tuple[str, bytes]]:
    kept = thumbnails.ThumbnailIndex.read(analysis.folder)
    for person, folder in _assign_file_names(analysis):
        words = [word for word in person.expression_shares if word != UNCERTAIN.name] or list(person.expression_shares)
        for word in words:
            path = kept.find_best((person.track_id, *person.merged_track_ids), word)
            if path is not None:
                yield f"{folder}/{word}.jpg", path.read_bytes()


def to_gif(analysis: VideoAnalysis, start: float, end: float) -> bytes:
    """The film with its labels from second `start` to second `end`, at most `MAX_GIF_SECONDS`, as an animated GIF."""
    if analysis.annotated_video is None:
        raise EmotionError("There is no film with labels to make a GIF of; read it again with the film switched on.")
    if not (math.isfinite(start) and math.isfinite(end)) or start < 0 or not 0 < end - start <= MAX_GIF_SECONDS:
        raise EmotionError(
            f"A GIF from second {start:g} to second {end:g} cannot be made; choose up to {MAX_GIF_SECONDS} seconds."
        )
    pictures = [Image.fromarray(picture) for picture in _sample_frames(analysis.annotated_video, start, end)]
    if not pictures:
        raise EmotionError(f"The film has no picture from second {start:g} on; choose an earlier part.")
    palette = _make_palette(pictures)
    drawn = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    buffer = io.BytesIO()
    drawn[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=drawn[1:],
        duration=round(1000 / _GIF_FPS),
        loop=0,
        comment=analysis.request.provenance_line.encode(),
        optimize=False,
    )
    return buffer.getvalue()


def _make_palette(images: list[Image.Image]) -> Image.Image:
    """Colours for all pictures, taken of some: one palette for each would take longer, and flicker."""
    some = images[:: max(1, len(images) // _NUM_PALETTE_FRAMES)]
    sheet = Image.new("RGB", (_PALETTE_TILE_PX, _PALETTE_TILE_PX * len(some)))
    for place, picture in enumerate(some):
        sheet.paste(picture.resize((_PALETTE_TILE_PX, _PALETTE_TILE_PX)), (0, _PALETTE_TILE_PX * place))
    return sheet.quantize(256, Image.Quantize.MEDIANCUT)


def _sample_frames(path: Path, start: float, end: float) -> Iterator[NDArray[np.uint8]]:
    """Pictures of a film at an even rate, small; a picture that stands for a while comes more than once."""
    wanted = (start + i / _GIF_FPS for i in range(max(1, round((end - start) * _GIF_FPS))))
    with VideoReader(path) as film:
        film.seek(start)
        frames = film.frames()
        now, later = next(frames, None), next(frames, None)
        made: tuple[TimedFrame, NDArray[np.uint8]] | None = None
        for seconds in wanted:
            while later is not None and later.timestamp <= seconds + _TIME_TOLERANCE:
                now, later = later, next(frames, None)
            if now is None or (later is None and seconds >= film.end_time):
                return
            if made is None or made[0] is not now:
                made = now, downscale(now.image(), _GIF_MAX_SIDE)
            yield made[1]


def zip_results(analysis: VideoAnalysis) -> bytes:
    """All files but the video in a ZIP: tables, `provenance.json`, all subtitles, report, thumbnails."""
    subtitles = {f"subtitles/{name}": text for name, text in _iter_subtitles(analysis)}
    images = {f"thumbnails/{name}": data for name, data in _iter_thumbnails(analysis)}
    return serialization.zip_files({**dict(_iter_text_files(analysis)), **subtitles, **images})


def write_results(analysis: VideoAnalysis, folder: Path) -> None:
    """Write faces.csv, provenance.json, faces.json, expressions.vtt, report.html, thumbnails.zip and subtitles.zip
    (a file for each face) into `folder`; `EmotionError` where it cannot be written to."""
    try:
        for name, data in _iter_text_files(analysis):
            write_atomic(folder / name, data)
        write_atomic(folder / "thumbnails.zip", zip_thumbnails(analysis))
        write_atomic(folder / "subtitles.zip", serialization.zip_files(dict(_iter_subtitles(analysis))))
    except OSError as error:
        raise JobError(f"{folder} cannot be written to ({error.strerror}); make room or choose another one.") from error


def _iter_text_files(analysis: VideoAnalysis) -> Iterator[tuple[str, bytes]]:
    yield FACES_FILE, to_csv(analysis).encode()
    yield "provenance.json", provenance_to_json(analysis).encode()
    yield "faces.json", to_json(analysis).encode()
    yield "expressions.vtt", to_vtt(analysis).encode()
    yield "report.html", render_report(analysis).encode()


def _iter_subtitles(analysis: VideoAnalysis) -> Iterator[tuple[str, bytes]]:
    for person, label in _assign_file_names(analysis):
        yield f"{label}.vtt", to_vtt(analysis, person.track_id).encode()
