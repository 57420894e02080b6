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
from emotion.expressions import UNSURE
from emotion.formatting import percent
from emotion.media.video_reader import Film, FilmFrame
from emotion.results import serialization, tables
from emotion.results.photos import distinct, smaller
from emotion.storage import write_atomic
from emotion.video.analysis import Analysis
from emotion.video.html_report import report_html
from emotion.video.people import Person
from emotion.video.rendering import thumbnails
from emotion.video.tables import column

__all__ = [
    "GIF_SECONDS", "TABLE", "crops_zip", "csv", "gif", "json_text", "provenance_json", "report_html", "results_zip",
    "vtt", "write_results",
]  # fmt: skip

TABLE: Final = "faces.csv"
GIF_SECONDS: Final = 10  # at most
_GIF_RATE: Final = 10  # pictures a second
_GIF_SIDE: Final = 480  # pixels
_PALETTE_OF: Final = 10  # pictures
_PALETTE_SIDE: Final = 160  # pixels of each
_CUE: Final = ("track", "name", "start", "end", "expression", "confidence")
_TINY: Final = 1e-3  # seconds: time stamps are rounded


class _Cue(NamedTuple):
    track: int
    name: str
    start: float
    end: float
    word: str
    confidence: float


def csv(analysis: Analysis) -> str:
    """One row a face and frame, see `Analysis.table`. The same video and settings give the same text.

    What made it stands beside it, in `provenance.json` of the folder or of `results_zip` and in `json_text`: in every
    row it would be most of the file, and a comment at its head breaks the default readers of pandas and spreadsheets.
    """
    return tables.to_csv(analysis.table())


def provenance_json(analysis: Analysis) -> str:
    """Program, model and detector with their sha256, and settings: what makes the same numbers again."""
    return serialization.to_json({"name": analysis.name, **analysis.receipt})


def json_text(analysis: Analysis) -> str:
    """Provenance, video, people, moments, and all frames; faces that were merged have one number, and who is hidden
    is left out, as in the tables."""
    facts, created = analysis.facts, analysis.created
    whole = {
        "name": analysis.name,
        **analysis.receipt,
        "made": created.isoformat(timespec="seconds"),
        "film": facts and vars(facts),
        "summary": {name: value for name, value in analysis.summary.items() if name != "faces"},
        "people": [_plain(vars(person)) for person in _seen(analysis)],
        "moments": [_plain(vars(moment)) for moment in analysis.moments()],
    }
    return serialization.stream_json(whole, _lines(analysis))


def _lines(analysis: Analysis) -> Iterator[str]:
    """The frames of the log as the people of the video are shown."""
    cast = analysis.cast
    if not cast.merged and not cast.hidden:
        yield from analysis.log.lines()
        return
    for line in analysis.log.lines():
        frame = json.loads(line)
        frame["faces"] = [
            face | {"track": cast.root(face["track"])} for face in frame["faces"] if not cast.is_hidden(face["track"])
        ]
        yield json.dumps(frame, ensure_ascii=False, allow_nan=False)


def _seen(analysis: Analysis) -> list[Person]:
    """Who is not hidden."""
    return [person for person in analysis.people() if not person.hidden]


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _rounded(value) for name, value in values.items() if name not in ("crop", "hidden")}


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def vtt(analysis: Analysis, track: int | None = None) -> str:
    """WebVTT subtitles: one cue "Anna: happy 87 %" for each run of an expression of each face.

    Args:
        analysis: A video that was analyzed, or its first part.
        track: The only face to have cues, None for all that are not hidden.

    Returns:
        The text of the file. Cues of several faces overlap in time: players stack them. What is less
        certain than the smallest confidence of the settings is "unsure".

    Raises:
        EmotionError: That face is not in the video, or is hidden.
    """
    people = _seen(analysis)
    if track is not None:
        people = [person for person in people if person.track == track]
        if not people:
            raise EmotionError(f"There is no face {track} to make subtitles of; it may be hidden or merged.")
    names = ", ".join(_line(person.name) for person in people) or "none"
    head = f"WEBVTT\n\nNOTE\n{_line(analysis.request.receipt_line)}\nFaces: {names}\n"
    return "\n".join([head, *_cues(analysis, people)])


def _cues(analysis: Analysis, people: list[Person]) -> Iterator[str]:
    """Of these faces, in the order of time."""
    lanes = analysis.lanes()
    lanes = lanes.loc[np.isin(column(lanes, "track"), [person.track for person in people])]
    words, sure = column(lanes, "expression"), column(lanes, "confidence")
    lanes = lanes.assign(expression=np.where(sure >= analysis.settings.recognition.unsure, words, UNSURE.name))
    cues = map(_Cue._make, zip(*(column(lanes, name) for name in _CUE), strict=True))
    for cue in sorted(_joined(cues), key=lambda cue: (cue.start, cue.end)):
        if round(cue.end, 3) > round(cue.start, 3):
            sure = "" if cue.word == UNSURE.name else f" {percent(cue.confidence)}"
            text = _line(f"{cue.name}: {cue.word}{sure}")
            yield f"{_stamp(cue.start)} --> {_stamp(cue.end)}\n{text}\n"


def _joined(cues: Iterable[_Cue]) -> list[_Cue]:
    """Cues that come face after face; while a face stays unsure, it has one."""
    joined: list[_Cue] = []
    for cue in cues:
        last = joined[-1] if joined else None
        if last and cue.word == UNSURE.name and (cue.track, cue.start, cue.word) == (last.track, last.end, last.word):
            joined[-1] = last._replace(end=cue.end)
        else:
            joined.append(cue)
    return joined


def _line(text: str) -> str:
    """Text that stays one line of words in WebVTT."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(text.split())


def _stamp(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d}.{whole % 1000:03d}"


def crops_zip(analysis: Analysis) -> bytes:
    """The best picture of each face and expression as JPEG in a ZIP, a folder for each face, and `provenance_json`."""
    return serialization.zip_files({"provenance.json": provenance_json(analysis).encode(), **dict(_crops(analysis))})


def _labeled(analysis: Analysis) -> Iterator[tuple[Person, str]]:
    """Who is not hidden, each with a different name for files."""
    people = _seen(analysis)
    yield from zip(people, distinct([serialization.file_label(person.name) for person in people]), strict=True)


def _crops(analysis: Analysis) -> Iterator[tuple[str, bytes]]:
    kept = thumbnails.Kept.read(analysis.folder)
    for person, folder in _labeled(analysis):
        words = [word for word in person.shares if word != UNSURE.name] or list(person.shares)
        for word in words:
            path = kept.best((person.track, *person.merged), word)
            if path is not None:
                yield f"{folder}/{word}.jpg", path.read_bytes()


def gif(analysis: Analysis, start: float, end: float) -> bytes:
    """The film with its labels from second `start` to second `end`, at most `GIF_SECONDS`, as an animated GIF."""
    if analysis.film is None:
        raise EmotionError("There is no film with labels to make a GIF of; read it again with the film switched on.")
    if not (math.isfinite(start) and math.isfinite(end)) or start < 0 or not 0 < end - start <= GIF_SECONDS:
        raise EmotionError(
            f"A GIF from second {start:g} to second {end:g} cannot be made; choose up to {GIF_SECONDS} seconds."
        )
    pictures = [Image.fromarray(picture) for picture in _sampled(analysis.film, start, end)]
    if not pictures:
        raise EmotionError(f"The film has no picture from second {start:g} on; choose an earlier part.")
    palette = _palette(pictures)
    drawn = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    buffer = io.BytesIO()
    drawn[0].save(
        buffer, "GIF", save_all=True, append_images=drawn[1:], duration=round(1000 / _GIF_RATE), loop=0,
        comment=analysis.request.receipt_line.encode(), optimize=False,
    )  # fmt: skip
    return buffer.getvalue()


def _palette(pictures: list[Image.Image]) -> Image.Image:
    """Colours for all pictures, taken of some: one palette for each would take longer, and flicker."""
    some = pictures[:: max(1, len(pictures) // _PALETTE_OF)]
    sheet = Image.new("RGB", (_PALETTE_SIDE, _PALETTE_SIDE * len(some)))
    for place, picture in enumerate(some):
        sheet.paste(picture.resize((_PALETTE_SIDE, _PALETTE_SIDE)), (0, _PALETTE_SIDE * place))
    return sheet.quantize(256, Image.Quantize.MEDIANCUT)


def _sampled(path: Path, start: float, end: float) -> Iterator[NDArray[np.uint8]]:
    """Pictures of a film at an even rate, small; a picture that stands for a while comes more than once."""
    wanted = (start + i / _GIF_RATE for i in range(max(1, round((end - start) * _GIF_RATE))))
    with Film(path) as film:
        film.skip_to(start)
        frames = film.frames()
        now, later = next(frames, None), next(frames, None)
        made: tuple[FilmFrame, NDArray[np.uint8]] | None = None
        for seconds in wanted:
            while later is not None and later.seconds <= seconds + _TINY:
                now, later = later, next(frames, None)
            if now is None or (later is None and seconds >= film.end):
                return
            if made is None or made[0] is not now:
                made = now, smaller(now.image(), _GIF_SIDE)
            yield made[1]


def results_zip(analysis: Analysis) -> bytes:
    """All files but the video in a ZIP: tables, `provenance.json`, subtitles of all and of each face, report, crops."""
    subtitles = {f"subtitles/{name}": text for name, text in _subtitles(analysis)}
    crops = {f"crops/{name}": data for name, data in _crops(analysis)}
    return serialization.zip_files({**dict(_texts(analysis)), **subtitles, **crops})


def write_results(analysis: Analysis, folder: Path) -> None:
    """Write faces.csv, provenance.json, faces.json, expressions.vtt, report.html, crops.zip and subtitles.zip (a file
    for each face) into `folder`; `EmotionError` where it cannot be written to."""
    try:
        for name, data in _texts(analysis):
            write_atomic(folder / name, data)
        write_atomic(folder / "crops.zip", crops_zip(analysis))
        write_atomic(folder / "subtitles.zip", serialization.zip_files(dict(_subtitles(analysis))))
    except OSError as error:
        raise JobError(f"{folder} cannot be written to ({error.strerror}); make room or choose another one.") from error


def _texts(analysis: Analysis) -> Iterator[tuple[str, bytes]]:
    yield TABLE, csv(analysis).encode()
    yield "provenance.json", provenance_json(analysis).encode()
    yield "faces.json", json_text(analysis).encode()
    yield "expressions.vtt", vtt(analysis).encode()
    yield "report.html", report_html(analysis).encode()


def _subtitles(analysis: Analysis) -> Iterator[tuple[str, bytes]]:
    for person, label in _labeled(analysis):
        yield f"{label}.vtt", vtt(analysis, person.track).encode()
