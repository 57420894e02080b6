"""Draw the video of an analysis again after people were renamed, merged or hidden: read and draw, no inference.

    redraw/            the job that draws: its state, its progress, its log
    redraw/cast.json   the names, merged and hidden faces with which annotated.mp4 was drawn last

`regions.jsonl` of an anonymized video holds what is pixelated in each of its frames, see `Drawn.regions`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from emotion.errors import JobError
from emotion.faces import Box, Face
from emotion.formatting import clock
from emotion.jobs.job import Job, JobState
from emotion.jobs.reporter import Reporter
from emotion.media.video_reader import Film
from emotion.storage import free_space_or_raise, patiently, read_json
from emotion.video.analysis import Analysis
from emotion.video.frame_log import FrameLog
from emotion.video.identities import Cast
from emotion.video.pipeline import FACTS, FILM, REDRAW, REGIONS, SUMMARY
from emotion.video.rendering.cover import COVER, Cover
from emotion.video.rendering.renderer import Drawn, Easel
from emotion.video.settings import Request
from emotion.video.workers import Encoder, Shot, decoded

_SPARE_BYTES: Final = 50_000_000


def is_outdated(analysis: Analysis) -> bool:
    """Whether faces were renamed, merged or hidden since the video with labels was drawn."""
    if analysis.film is None:
        return False
    drawn, now = Cast.read(analysis.folder / REDRAW), analysis.cast
    return drawn != now and not all(now.is_drawn_as(drawn, track) for track in analysis.tracks())


def state_of(folder: Path) -> JobState | None:
    """How the job is that draws the video of the analysis in `folder` again; None where there never was one."""
    return Job(folder / REDRAW).state() if (folder / REDRAW / "state.json").is_file() else None


def redraw(folder: Path, report: Reporter) -> bool:
    """Replace the annotated video of the analysis in `folder` by one with the current names, merged and hidden faces.

    Args:
        folder: Where the video was analyzed.
        report: Of the job that draws; the old video stays where it stops before the end.

    Returns:
        Whether the video was replaced.

    Raises:
        EmotionError: There is no such video, its source is not there any more or is another one, or the disk is full.
    """
    request, cast = Request.read(folder), Cast.read(folder)
    if Job(folder).state().running:
        raise JobError(f"{request.name} is being analyzed: wait for the end, then draw it again.")
    summary = read_json(folder / SUMMARY) or {}
    if not (folder / FILM).is_file() or not summary.get("written"):
        raise JobError(f"{request.name} has no video with labels: analyze it again with the video switched on.")
    regions = _regions(folder) if request.settings.blur else None
    place = folder / REDRAW
    try:
        place.mkdir(exist_ok=True)
        free_space_or_raise(place, _SPARE_BYTES + (folder / FILM).stat().st_size)
        with Film(request.film, request.name) as film:
            if asdict(film.facts) != read_json(folder / FACTS):
                raise JobError(
                    f"{request.film} is not the video that was analyzed: put that one back, or analyze anew."
                )
            whole = _Redrawing(request, cast, folder, report).run(film, summary, regions)
        if whole:
            _replace(place, folder, cast)
    except OSError as error:
        raise JobError(f"{folder} cannot be written to ({error.strerror or error}): make room there.") from error
    finally:
        for name in (FILM, COVER):
            with suppress(OSError):
                (place / name).unlink(missing_ok=True)
    return whole


def _replace(place: Path, folder: Path, cast: Cast) -> None:
    """Put the new files in the place of the old ones, and note what they show."""
    patiently(lambda: os.replace(place / FILM, folder / FILM))
    if (place / COVER).is_file():
        patiently(lambda: os.replace(place / COVER, folder / COVER))
    cast.write(place)


def _regions(folder: Path) -> Iterator[list[Box] | None]:
    """What to pixelate in frame after frame of the old video."""
    try:
        lines = (folder / REGIONS).read_text(encoding="utf-8").splitlines()
        rows: list[Any] = [json.loads(line) for line in lines]
        return iter([None if boxes is None else [Box(*map(float, box)) for box in boxes] for boxes in rows])
    except (OSError, ValueError, TypeError) as error:
        raise JobError(
            f"{folder / REGIONS} is missing or damaged, so the places to pixelate are unknown: analyze the video again."
        ) from error


class _Redrawing:
    """One video on its way."""

    def __init__(self, request: Request, cast: Cast, folder: Path, report: Reporter) -> None:
        self._request, self._cast, self._folder, self._report = request, cast, folder, report
        self._names: dict[int, str] = {}
        self._cover = Cover(folder / REDRAW, self._names)

    def run(self, film: Film, summary: dict[str, Any], regions: Iterator[list[Box] | None] | None) -> bool:
        """Draw all frames of the old video into `REDRAW`; whether it got to the end."""
        settings = replace(self._request.settings, film=True)
        size = film.facts.width, film.facts.height
        comment = self._request.receipt_line
        encoder = Encoder(self._folder / REDRAW / FILM, *size, self._request.film, comment)
        try:
            with decoded(film, settings) as shots:
                frames = islice(shots.items(lambda: self._report.stopping), int(summary["written"]))
                for number, drawn in enumerate(self._drawn(frames), 1):
                    # A frame for which nothing is known is hidden as a whole.
                    hide = [] if regions is None else next(regions, None)
                    drawn = drawn._replace(hide=hide)
                    encoder.put(drawn.picture(self._names), drawn.seconds)
                    self._cover.see(drawn)
                    self._tell(number, int(summary["written"]), drawn.seconds, film)
        finally:
            encoder.close(film.end if summary.get("ended") == "done" else None)
        self._cover.write()
        if self._report.stopping:
            return False
        if encoder.frames != summary["written"]:
            raise JobError(f"{self._request.film} has fewer frames than when it was analyzed: analyze it again.")
        return True

    def _drawn(self, shots: Iterator[Shot]) -> Iterator[Drawn]:
        easel = Easel(None, self._request.settings)
        logged = FrameLog(self._folder).faces_by_frame()
        following = next(logged, None)
        for shot in shots:
            while following is not None and following[0] < shot.index:
                following = next(logged, None)
            found = following[1] if following is not None and following[0] == shot.index else None
            yield from easel.add(shot.image, shot.seconds, None if found is None else self._shown(found))
        yield from easel.rest()

    def _shown(self, faces: tuple[Face, ...]) -> tuple[Face, ...]:
        """The faces that are not hidden under the numbers of those into whom they were merged; of two that are the
        same person in one frame, the larger."""
        people: dict[int, Face] = {}
        for face in sorted(faces, key=lambda face: face.box.area):
            track = face.track or 0
            if not self._cast.is_hidden(track):
                root = self._cast.root(track)
                people[root] = replace(face, track=root)
                self._names[root] = self._cast.given(track)
        return tuple(people[root] for root in sorted(people))

    def _tell(self, number: int, total: int, seconds: float, film: Film) -> None:
        told = film.facts.seconds
        self._report.progress(number, total, f"{clock(seconds)} of {clock(told)}" if told else clock(seconds))
