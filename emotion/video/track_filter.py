"""Who counts in a film: what looks like a face for a moment only, or not to the recogniser, is left out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from emotion.faces import Box, Face
from emotion.media.video_reader import FilmFacts
from emotion.tracking.label_smoothing import Note
from emotion.video.settings import FAST, FilmSettings
from emotion.video.workers import FAST_RATE, Shot

# Measured on films of a stage, an audience and a cartoon: of faces from 24 pixels on, also in profile, the recogniser
# says on average 0.6 and more that they are some, of hands, backs of heads and letters 0.01 to 0.5, and those last for
# 0.2 seconds or have less than 0.25. Of true faces below 20 pixels it doubts a third.
_LEAST: Final = 0.3
_LONG: Final = 0.3  # seconds that a face must last
_SLOW: Final = 0.165  # seconds between two looks beyond which nobody can tell how long a face lasts
_SHORT: Final = 1.0  # seconds of a film in which nobody lasts long
_WAIT: Final = 0.4  # seconds for which frames wait for what comes, so that a face counts from its first one on
_MANY_BYTES: Final = 100_000_000  # of the frames that wait: beyond, they wait only as long as a face must last
_MOST_BYTES: Final = 300_000_000  # of them at all: at 4K and 60 frames a second a face counts a tenth of a second late
_GONE: Final = 5.0  # seconds after which a face that was not seen never comes back under its number

Faces = tuple[Face, ...]


class Counted(NamedTuple):
    """A frame and the faces that count in it, numbered from 1 in the order in which they came, None where nobody
    looked; `found` are the boxes of all, also of those that do not count."""

    shot: Shot
    faces: Faces | None
    found: list[Box]


class Casting:
    """Takes frame after frame with the faces of a stream, and gives them back with those that count, a little later
    and in the same order."""

    def __init__(self, settings: FilmSettings, facts: FilmFacts) -> None:
        frame = 1 / (facts.fps or 25.0)  # seconds
        step = max(1 / FAST_RATE, frame) if settings.every == FAST else settings.every * frame
        short = facts.seconds is not None and facts.seconds < _SHORT
        self._long = 0.0 if step > _SLOW or short else _LONG
        self._waiting: deque[Counted] = deque()
        self._seen: dict[int, tuple[float, float]] = {}  # of those that do not count yet: first and last second
        self._numbers: dict[int, int] = {}  # of those that count, by their track
        self._looked: float | None = None  # second of the last look
        self._believed: list[int] = []  # those in it whom the recogniser takes for faces

    def add(self, shot: Shot, faces: Faces | None, notes: Mapping[int, Note]) -> Iterator[Counted]:
        """The next frame, `faces` None where nobody looked, with what the stream notes of them; gives those that are
        ready."""
        self._count_who_stood(shot.seconds)
        if faces is not None:
            noted = {face.track or 0: notes.get(face.track or 0) for face in faces}
            self._looked = shot.seconds
            self._believed = [track for track, note in noted.items() if note is not None and note.face >= _LEAST]
            for track in noted:
                self._judge(track, shot.seconds)
        self._seen = {track: seen for track, seen in self._seen.items() if shot.seconds - seen[1] <= _GONE}
        self._waiting.append(Counted(shot, faces, [face.box for face in faces or ()]))
        while self._waiting and (self._is_ready(shot.seconds) or self._is_full(shot.seconds)):
            yield self._give()

    def rest(self, end: float | None = None) -> Iterator[Counted]:
        """Those that still wait, when no more come; `end` is the second at which the last frame is over, None where
        nobody knows."""
        if end is not None:
            self._count_who_stood(end)
        while self._waiting:
            yield self._give()

    def _count_who_stood(self, now: float) -> None:
        """A picture that stands for long has a face for as long: its frame is one, and there is no second look."""
        if self._looked is not None and round(now - self._looked, 3) > _SLOW:
            for track in self._believed:
                self._count(track)

    def _judge(self, track: int, seconds: float) -> None:
        if track in self._numbers:
            return
        first = self._seen.get(track, (seconds, seconds))[0]
        self._seen[track] = first, seconds
        if track in self._believed and seconds - first >= self._long:
            self._count(track)

    def _count(self, track: int) -> None:
        self._numbers.setdefault(track, len(self._numbers) + 1)
        self._seen.pop(track, None)

    def _is_ready(self, now: float) -> bool:
        return not self._long or now - self._waiting[0].shot.seconds >= _WAIT

    def _is_full(self, now: float) -> bool:
        held = sum(frame.shot.image.nbytes for frame in self._waiting)
        return held > _MOST_BYTES or (held > _MANY_BYTES and now - self._waiting[0].shot.seconds > self._long)

    def _give(self) -> Counted:
        frame = self._waiting.popleft()
        if frame.faces is None:
            return frame
        counting = [face for face in frame.faces if face.track in self._numbers]
        numbered = (replace(face, track=self._numbers[face.track or 0]) for face in counting)
        return frame._replace(faces=tuple(sorted(numbered, key=lambda face: face.track or 0)))
