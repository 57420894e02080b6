"""Read one film from its first frame to its last, into a folder.

    facts.json     what the film is                     annotated.mp4  the film with its labels
    frames.jsonl   a line a frame that was looked at    preview.jpg    the newest frame, while it is read
    crops/         the best picture of each face        summary.json   how it ended
    moments.json, moments/   what tells most            cover.jpg      a frame with faces
    regions.jsonl  with `blur`: what is pixelated in each frame of annotated.mp4

All of it is written as it comes, and stays when the work is stopped or fails.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TextIO

from emotion.errors import EmotionError, JobError
from emotion.faces import Face
from emotion.formatting import clock
from emotion.jobs.reporter import Reporter
from emotion.jobs.result_folder import VIDEO, Mark, begin, check, clear, complete, is_own
from emotion.media.image_reader import encode_jpeg
from emotion.media.video_reader import Film
from emotion.recognition.analyzer import Analyzer
from emotion.results import serialization
from emotion.results.photos import smaller
from emotion.storage import free_space_or_raise, write_atomic, write_json
from emotion.tracking.stream import Stream, StreamSettings
from emotion.video.frame_log import FRAMES
from emotion.video.rendering.cover import Cover
from emotion.video.rendering.highlights import Moments
from emotion.video.rendering.renderer import Drawn, Easel
from emotion.video.rendering.thumbnails import Crops
from emotion.video.settings import Request
from emotion.video.track_filter import Casting, Counted
from emotion.video.workers import Encoder, Shot, decoded

FACTS: Final = "facts.json"
FILM: Final = "annotated.mp4"
PREVIEW: Final = "preview.jpg"
SUMMARY: Final = "summary.json"
REGIONS: Final = "regions.jsonl"
REDRAW: Final = "redraw"
_NEWS_EVERY: Final = 0.5  # seconds, by the clock, between two writings of what is shown while the film is read
_PREVIEW_SIDE: Final = 640  # pixels
_SPARE_BYTES: Final = 50_000_000  # besides the film, which gets about as large as the one that is read

log = logging.getLogger(__name__)


def analyze_film(request: Request, analyzer: Analyzer, folder: Path, report: Reporter) -> None:
    """Read a film into `folder`, from its beginning; what another reading left there is removed first.

    Ends after the frame in work where `report` says so. Raises `EmotionError` where the film cannot be read, goes on
    beyond the limits, or cannot be written; what was done until then is kept in any case.
    """
    mark = replace(check(folder, VIDEO) or Mark(VIDEO), kind=VIDEO, complete=False)
    source = os.path.relpath(request.film.resolve(), folder.resolve())
    if is_own(mark, source):
        raise JobError(f"{request.film.name} would be overwritten in {folder}; choose another folder.")
    with _disk_in_words(folder):
        clear(folder, mark)
        begin(folder, mark)
        request.write(folder)
        with Film(request.film, request.name) as film:
            size = request.film.stat().st_size if request.settings.film else 0
            free_space_or_raise(folder, _SPARE_BYTES + size)
            write_json(folder / FACTS, asdict(film.facts))
            _Reading(request, analyzer, folder, report, film).run()
        if not report.stopping:
            complete(folder, mark)


@contextmanager
def _disk_in_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JobError(
            f"{folder} cannot be written to any more ({error.strerror or error}): what was read until then is kept; "
            "make room or choose another folder."
        ) from error


@dataclass(eq=False)
class _Seen:
    """One face over the whole film: seconds of its first and last frame, frames by shown expression."""

    first: float
    last: float
    shown: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        count = self.shown.total()
        return {
            "first": round(self.first, 3),
            "last": round(self.last, 3),
            "shares": {name: round(n / count, 4) for name, n in self.shown.most_common()},
        }


class _Reading:
    """One film on its way; belongs to the thread that looks for faces."""

    def __init__(self, request: Request, analyzer: Analyzer, folder: Path, report: Reporter, film: Film) -> None:
        settings = request.settings
        self._settings, self._folder, self._report, self._film = settings, folder, report, film
        self._stream = Stream(analyzer, StreamSettings(settings.recognition))
        self._casting = Casting(settings, film.facts)
        self._easel = Easel(analyzer, settings)
        self._crops = Crops(folder, settings.blur)
        self._moments = Moments(folder, settings.blur)
        self._cover = Cover(folder)
        size = film.facts.width, film.facts.height
        self._encoder = Encoder(folder / FILM, *size, request.film, request.receipt_line) if settings.film else None
        self._started = time.monotonic()
        self._news = -math.inf  # when there were any, by the clock
        self._frames = self._decoded = 0
        self._seconds = 0.0
        self._tracks: dict[int, _Seen] = {}
        self._regions: list[str] = []  # lines of `REGIONS`
        self._newest: Drawn | None = None
        self._now = ""  # how many faces there are, in words

    def run(self) -> None:
        """Read to the end, or until it has to stop; then finish all that was begun, also after an error."""
        error: Exception | None = None
        over: float | None = None  # second at which the film was read to its end
        try:
            with (
                open(self._folder / FRAMES, "w", encoding="utf-8") as lines,
                decoded(self._film, self._settings) as shots,
            ):
                try:
                    for shot in shots.items(lambda: self._report.stopping):
                        self._see(shot, lines)
                    over = None if self._report.stopping else self._film.end
                finally:
                    for counted in self._casting.rest(over):
                        self._keep(counted, lines)
        except Exception as problem:
            error = problem
        ended = "failed" if error else "stopped" if self._report.stopping else "done"
        for finish in (self._finish_film, self._finish_pictures):
            error = _after(error, finish)
        error = _after(error, lambda: self._summarise(ended, error))
        if error is not None:
            raise error

    def _see(self, shot: Shot, lines: TextIO) -> None:
        faces = self._stream.look(shot.image, shot.seconds).faces if shot.due else None
        self._decoded, self._seconds = shot.index + 1, shot.seconds
        for counted in self._casting.add(shot, faces, self._stream.notes):
            self._keep(counted, lines)
        self._tell()
        if time.monotonic() - self._news >= _NEWS_EVERY:
            self._write_news()

    def _keep(self, counted: Counted, lines: TextIO) -> None:
        """Write down what is known of a frame, and draw it."""
        shot, faces, found = counted
        if faces is not None:
            self._note(shot, faces, lines)
        for drawn in self._easel.add(shot.image, shot.seconds, faces, found):
            self._take(drawn)

    def _note(self, shot: Shot, faces: tuple[Face, ...], lines: TextIO) -> None:
        frame = {"index": shot.index, **serialization.frame_json(shot.seconds, faces)}
        lines.write(json.dumps(frame, ensure_ascii=False, allow_nan=False) + "\n")
        lines.flush()
        self._crops.see(shot.image, faces)
        self._moments.see(shot.image, faces, shot.seconds)
        for face in faces:
            seen = self._tracks.setdefault(face.track or 0, _Seen(shot.seconds, shot.seconds))
            seen.last = shot.seconds
            seen.shown[face.shown] += 1
        self._frames += 1
        self._now = f", {len(faces)} {'face' if len(faces) == 1 else 'faces'}" if faces else ""

    def _take(self, drawn: Drawn) -> None:
        if self._encoder is not None:
            self._encoder.put(drawn.picture(), drawn.seconds)
            if self._settings.blur:
                self._regions.append(f"{json.dumps(drawn.regions())}\n")
        self._cover.see(drawn)
        self._newest = drawn

    def _tell(self) -> None:
        """Say how far it is."""
        facts = self._film.facts
        whole = f" of {clock(facts.seconds)}" if facts.seconds else ""
        total = facts.frames or 0
        self._report.progress(min(self._decoded, total), total, f"{clock(self._seconds)}{whole}{self._now}")

    def _write_news(self) -> None:
        if self._newest is not None:
            picture = smaller(self._newest.picture(), _PREVIEW_SIDE)
            write_atomic(self._folder / PREVIEW, encode_jpeg(picture, 80))
        self._crops.write()
        self._moments.write()
        self._cover.write()
        self._news = time.monotonic()

    def _finish_film(self) -> None:
        for drawn in self._easel.rest():
            self._take(drawn)
        if self._encoder is not None:
            whole = self._decoded and not self._report.stopping
            self._encoder.close(self._film.end if whole else None)

    def _finish_pictures(self) -> None:
        self._moments.end()
        self._write_news()
        if self._regions:
            write_atomic(self._folder / REGIONS, "".join(self._regions))

    def _summarise(self, ended: str, error: Exception | None) -> None:
        stats, encoder = self._stream.stats, self._encoder
        summary = {
            "ended": "failed" if error else ended,
            "error": str(error) if isinstance(error, EmotionError) else None,
            "frames": self._frames,
            "decoded": self._decoded,
            "written": encoder.frames if encoder else 0,
            "seconds": round(self._seconds, 3),
            "broken": self._film.broken,
            "faults": stats.faults + self._easel.faults,
            "last_fault": stats.last_fault,
            "sound_note": encoder.sound_note if encoder else None,
            "took": round(time.monotonic() - self._started, 3),
            "faces": {str(track): seen.as_json() for track, seen in sorted(self._tracks.items())},
        }
        write_json(self._folder / SUMMARY, summary)


def _after(error: Exception | None, finish: Callable[[], None]) -> Exception | None:
    """Do the next thing also after an error, and keep the first one."""
    try:
        finish()
    except Exception as problem:
        if error is None:
            return problem
        log.info("after %s: %s", error, problem)
    return error
