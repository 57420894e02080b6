"""What people take away of a film besides the film itself. Everything carries the receipt of what made it."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emotion import outputs, tables
from emotion.errors import EmotionError, JobError
from emotion.faces import UNSURE, percent
from emotion.files import write_atomic
from emotion.films import crops as film_crops
from emotion.films.analysis import Analysis
from emotion.films.report import report_html
from emotion.films.tables import column
from emotion.photos import distinct, smaller
from emotion.recognition.video import Film, FilmFrame

__all__ = ["GIF_SECONDS", "crops_zip", "csv", "gif", "json_text", "report_html", "vtt", "write_results"]

GIF_SECONDS: Final = 10  # at most
_GIF_RATE: Final = 10  # pictures a second
_GIF_SIDE: Final = 480  # pixels
_PALETTE_OF: Final = 10  # pictures
_PALETTE_SIDE: Final = 160  # pixels of each
_CUE: Final = ("start", "end", "expression", "confidence")
_TINY: Final = 1e-3  # seconds: time stamps are rounded


def csv(analysis: Analysis) -> str:
    """One row a face and frame, see `Analysis.table`; the last column is the receipt, so that rows keep it wherever
    they are copied. The same film and settings give the same text."""
    return tables.to_csv(analysis.table().assign(receipt=analysis.request.receipt_line))


def json_text(analysis: Analysis) -> str:
    """Receipt, film, people, moments, and all frames as they were read: tracks are those before any was merged."""
    facts, created = analysis.facts, analysis.created
    whole = {
        "name": analysis.name,
        **analysis.receipt,
        "made": created.isoformat(timespec="seconds"),
        "film": facts and vars(facts),
        "summary": {name: value for name, value in analysis.summary.items() if name != "faces"},
        "people": [_without_files(vars(person)) for person in analysis.people()],
        "moments": [_without_files(vars(moment)) for moment in analysis.moments()],
    }
    return outputs.stream_json(whole, analysis.log.lines())


def _without_files(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _rounded(value) for name, value in values.items() if name != "crop"}


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def vtt(analysis: Analysis) -> str:
    """Subtitles of what the face shows that is seen longest: WebVTT, one cue for each run of an expression."""
    main, lanes = analysis.main(), analysis.lanes()
    cues = [f"WEBVTT\n\nNOTE\n{_line(analysis.request.receipt_line)}\nFace: {_line(main.name) if main else 'none'}\n"]
    lanes = lanes.loc[column(lanes, "track") == (main.track if main else -1)]
    for start, end, word, confidence in zip(*(column(lanes, name) for name in _CUE), strict=True):
        if round(end, 3) > round(start, 3):
            sure = word != UNSURE.name and not math.isnan(confidence)
            text = f"{word} {percent(confidence)}" if sure else word
            cues.append(f"{_stamp(start)} --> {_stamp(end)}\n{_line(text)}\n")
    return "\n".join(cues)


def _line(text: str) -> str:
    """Text that stays one line of words in WebVTT."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(text.split())


def _stamp(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d}.{whole % 1000:03d}"


def crops_zip(analysis: Analysis) -> bytes:
    """The best picture of each face and expression as JPEG in a ZIP, a folder for each face, and the receipt."""
    return outputs.zip_files(dict(_crops(analysis)))


def _crops(analysis: Analysis) -> Iterator[tuple[str, bytes]]:
    yield "receipt.json", outputs.to_json({"name": analysis.name, **analysis.receipt}).encode()
    people = [person for person in analysis.people() if not person.hidden]
    kept = film_crops.Kept.read(analysis.folder)
    folders = distinct([outputs.file_label(person.name) for person in people])
    for person, folder in zip(people, folders, strict=True):
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


def write_results(analysis: Analysis, folder: Path) -> None:
    """Write faces.csv, faces.json, expressions.vtt, crops.zip and report.html into `folder`; `EmotionError` where it
    cannot be written to."""
    try:
        write_atomic(folder / "faces.csv", csv(analysis))
        write_atomic(folder / "faces.json", json_text(analysis))
        write_atomic(folder / "expressions.vtt", vtt(analysis))
        write_atomic(folder / "crops.zip", crops_zip(analysis))
        write_atomic(folder / "report.html", report_html(analysis))
    except OSError as error:
        raise JobError(f"{folder} cannot be written to ({error.strerror}); make room or choose another one.") from error
