"""What is known of one film, at any time while it is read and after: its tables, its people, its moments."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from emotion.errors import EmotionError, JobError
from emotion.jobs.job import Job, JobState
from emotion.media.video_reader import FilmFacts
from emotion.storage import read_json
from emotion.video import tables
from emotion.video.frame_log import FrameLog
from emotion.video.identities import CAST, Cast
from emotion.video.people import Moment, Person
from emotion.video.pipeline import FACTS, FILM, PREVIEW, SUMMARY
from emotion.video.rendering import thumbnails
from emotion.video.rendering.cover import COVER
from emotion.video.rendering.highlights import FOLDER, MOMENTS
from emotion.video.settings import FilmSettings, Request

AUDIENCE: Final = 3  # faces that must be there, so that what the audience shows is nobody's own
_END: Final = 1.0  # seconds by which a film that was read to its end may be longer than its last frame tells


class Analysis:
    """What is known of one film, also while it is read; cheap to make. Not for two threads at once.

    Who was hidden appears in `people` only. `JobError` where `cast.json` or another file was damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = FrameLog(folder)
        self._faces: pd.DataFrame | None = None
        self._seen: tuple[int, Cast] | None = None  # what `_faces` was made of

    @classmethod
    def open(cls, folder: Path) -> Analysis:
        """That of a folder; `JobError` where there is none."""
        Request.read(folder)
        return cls(folder)

    # ------------------------------------------------------------------ the film and its job

    @cached_property
    def request(self) -> Request:
        """What was asked for; `JobError` where that is missing or damaged."""
        return Request.read(self.folder)

    @property
    def name(self) -> str:
        """What people called the film; any characters."""
        try:
            return self.request.name
        except JobError:
            return Job(self.folder).label

    @property
    def settings(self) -> FilmSettings:
        """What was chosen for it."""
        return self.request.settings

    @property
    def receipt(self) -> dict[str, Any]:
        """Program, model and detector with their sha256, and settings: what makes the same numbers again."""
        return self.request.receipt

    @property
    def created(self) -> datetime:
        """When it was asked for, in local time."""
        found = read_json(self.folder / "job.json") or {}
        seconds = found.get("created")
        if not isinstance(seconds, float) or not 0 < seconds < 1e11:
            seconds = self.folder.stat().st_mtime
        return datetime.fromtimestamp(seconds).astimezone()

    @property
    def state(self) -> JobState:
        """How the job is now."""
        return Job(self.folder).state()

    @property
    def finished(self) -> bool:
        """Whether nothing more comes: it was read to its end, stopped, failed or interrupted."""
        return not self.state.running

    @property
    def facts(self) -> FilmFacts | None:
        """What the film is; None until it was opened."""
        found = read_json(self.folder / FACTS)
        try:
            return FilmFacts(**found) if found else None
        except TypeError as error:
            raise JobError(f"{self.folder / FACTS} is damaged: delete this film and read it again.") from error

    @property
    def summary(self) -> dict[str, Any]:
        """How it ended: `frames` looked at, `decoded`, `written`, `seconds`, `broken` packets, `faults`, `ended`
        ("done", "stopped", "failed"), `error`, `took` (seconds), `faces`; {} until then."""
        return read_json(self.folder / SUMMARY) or {}

    @property
    def film(self) -> Path | None:
        """The film with its labels, where it is finished."""
        return self._there(FILM)

    @property
    def preview(self) -> bytes | None:
        """The newest frame with its labels while it is read, JPEG of at most 640 pixels."""
        path = self._there(PREVIEW)
        return path.read_bytes() if path else None

    @property
    def cover(self) -> bytes | None:
        """A frame with faces and their labels, JPEG of at most 640 pixels; the newest frame where none had a face."""
        path = self._there(COVER)
        return path.read_bytes() if path else self.preview

    def _there(self, name: str) -> Path | None:
        return self.folder / name if (self.folder / name).is_file() else None

    # ------------------------------------------------------------------ what was read

    def refresh(self) -> bool:
        """Read what was added since; whether anything was. All below do so themselves."""
        return self._log.refresh()

    @property
    def frames(self) -> int:
        """Frames in which faces were looked for, so far."""
        self.refresh()
        return self._log.frames

    @property
    def seconds(self) -> float:
        """Time of the last of them."""
        self.refresh()
        return self._log.seconds

    @property
    def duration(self) -> float:
        """Seconds that the film lasts, or its first part where the rest was not read."""
        facts, read = self.facts, self.seconds
        read += float(self._log.spans()[-1]) if self._log.frames else 0.0
        told = facts.seconds if facts and facts.seconds else 0.0
        return max(read, told) if told - read <= _END or not self.finished else read

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the model, in its order; () until a face was read."""
        self.refresh()
        return self._log.labels

    @property
    def log(self) -> FrameLog:
        """The frames as they were read, without what people changed."""
        return self._log

    @property
    def cast(self) -> Cast:
        """What people changed."""
        return Cast.read(self.folder)

    def _shown(self) -> pd.DataFrame:
        self.refresh()
        made_of = (self._log.frames, self.cast)
        if self._faces is None or self._seen != made_of:
            self._faces, self._seen = tables.cast_faces(self._log.faces(), made_of[1]), made_of
        return self._faces

    def table(self) -> pd.DataFrame:
        """One row a face and frame: `film_tables.FILM_COLUMNS` and one probability for each label."""
        return tables.film_table(self._shown())

    def lanes(self) -> pd.DataFrame:
        """Ribbons: runs of one shown expression, `film_tables.LANE_COLUMNS`."""
        return tables.lanes(self._shown())

    def audience(self, least: int = AUDIENCE) -> pd.DataFrame:
        """Shares of expressions over time where at least `least` faces are seen at once, see
        `film_tables.audience`."""
        return tables.audience(self._shown(), self.duration, self.labels, least)

    def crowd(self) -> pd.DataFrame:
        """How many faces show what over time, see `film_tables.crowd`."""
        log = self._log
        return tables.crowd(self._shown(), log.times(), log.spans(), self.duration, self.labels)

    def shares(self) -> dict[str, float]:
        """Shares of the time of all faces by shown expression, largest first, unsure last."""
        return tables.shares(tables.one_each(self._shown()))

    # ------------------------------------------------------------------ who is in it

    def people(self) -> list[Person]:
        """All faces, in the order in which they appeared; also those that are hidden."""
        self.refresh()
        cast, faces = self.cast, self._log.faces()
        everybody = tables.one_each(tables.cast_faces(faces, Cast(cast.names, cast.merged)))
        tracks = tables.column(everybody, "track")
        order = np.argsort(tracks, kind="stable")
        numbers, starts = np.unique(tracks[order], return_index=True)
        parts, kept = np.split(order, starts[1:]), thumbnails.Kept.read(self.folder)
        found = [
            self._person(int(track), everybody.iloc[part], cast, kept)
            for track, part in zip(numbers, parts, strict=False)
        ]
        return sorted(found, key=lambda person: (person.first, person.track))

    def _person(self, track: int, rows: pd.DataFrame, cast: Cast, kept: thumbnails.Kept) -> Person:
        seconds, spans = (tables.column(rows, name) for name in ("seconds", "span"))
        merged = tuple(sorted(one for one in cast.merged if cast.root(one) == track))
        return Person(
            track=track,
            name=cast.name(track),
            named=bool(cast.given(track)),
            crop=kept.best((track, *merged)),
            first=float(seconds.min()),
            last=float(seconds.max()),
            seen=float(spans.sum()),
            shares=tables.shares(rows),
            hidden=cast.is_hidden(track),
            merged=merged,
        )

    def moments(self) -> list[Moment]:
        """The most telling moments in the order of time."""
        cast, found = self.cast, (read_json(self.folder / MOMENTS) or {}).get("moments", [])
        try:
            return [
                Moment(
                    seconds=float(one["seconds"]),
                    track=cast.root(int(one["track"])),
                    name=cast.name(int(one["track"])),
                    kind=str(one["kind"]),
                    label=str(one["label"]),
                    before=one["before"],
                    confidence=float(one["confidence"]),
                    crop=self._there(f"{FOLDER}/{Path(one['crop']).name}"),
                )
                for one in found
                if not cast.is_hidden(int(one["track"]))
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise JobError(f"{self.folder / MOMENTS} is damaged: delete this film and read it again.") from error

    def rename(self, track: int, name: str) -> None:
        """Call a face so; "" gives it its number again."""
        self._change(self.cast.renamed(track, name), track)

    def merge(self, track: int, into: int) -> None:
        """Show a face as part of another one, see `Cast.with_merged`; `EmotionError` for two that are seen in the same
        frame."""
        cast = self.cast
        merged = cast.with_merged(track, into)
        if cast.root(into) in self.seen_together([cast.root(track)])[cast.root(track)]:
            raise EmotionError(
                f"{cast.name(track)} and {cast.name(into)} are seen in the same frame, so they are two people; choose "
                "another face."
            )
        self._change(merged, track, into)

    def seen_together(self, tracks: Iterable[int]) -> dict[int, frozenset[int]]:
        """For each of `tracks`, as in `people`: those that are seen with it in at least one frame."""
        self.refresh()
        return tables.seen_together(self._log.faces(), self.cast, tracks)

    def split(self, track: int) -> None:
        """Show all that was merged into a face on its own again."""
        self._change(self.cast.split(track), track)

    def hide(self, track: int, hidden: bool = True) -> None:
        """Show a face, or not; the video with labels shows it until it is drawn again."""
        self._change(self.cast.with_hidden(track, hidden), track)

    def _change(self, cast: Cast, *tracks: int) -> None:
        known = self.tracks()
        for track in tracks:
            if track not in known:
                raise EmotionError(f"There is no face {track} in this film; it has {len(known)} faces.")
        try:
            cast.write(self.folder)
        except OSError as error:
            raise JobError(f"{CAST} cannot be written to {self.folder} ({error.strerror}); check the disk.") from error

    def tracks(self) -> set[int]:
        """The numbers of all faces before any was merged."""
        self.refresh()
        return set(tables.column(self._log.faces(), "track").tolist())
