"""Keep what a stream says of each frame, and the frames as a film, until somebody takes them away."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.errors import EmotionError
from emotion.faces import Face
from emotion.live.latest_worker import Mailbox
from emotion.media.video_writer import FilmWriter
from emotion.results import serialization, tables

MOST_SECONDS: Final = 3600.0
MOST_ROWS: Final = 108_000  # an hour of one face at 30 frames a second, about 40 MB
_PATIENCE: Final = 10.0  # seconds that whoever stops a recording waits for the last frames of its film
_FULL: Final = f"The recording ended by itself after {MOST_SECONDS / 60:.0f} minutes or {MOST_ROWS:,} rows."


@dataclass(frozen=True)
class Recording:
    """What was recorded: `csv` with one row a face and frame (`tables.stream_table`), `json` with every frame and the
    receipt, `faces` different people in `rows` rows of `frames` frames in `seconds`. `sizes`: width and height of the
    frames in pixels, from the smallest to the largest; a browser may change them. `film`: its file, None where there
    is none; `film_dropped`: frames for which the film was too slow; `hidden`: whether `settings` said `blur` for all of
    its frames. `note`: what a person should know of it."""

    csv: str
    json: str
    seconds: float = 0.0
    frames: int = 0
    rows: int = 0
    faces: int = 0
    sizes: tuple[tuple[int, int], ...] = ()
    film: Path | None = None
    film_dropped: int = 0
    hidden: bool = True
    note: str | None = None


NOTHING: Final = Recording(tables.stream_csv([]), serialization.stream_json({}, []))


class Recorder:
    """Takes one frame after the other, none of them waiting for the film. Ends by itself at `MOST_SECONDS` or
    `MOST_ROWS`. May be used from many threads."""

    def __init__(self, film: Path | None = None) -> None:
        self.seconds = 0.0  # from the first frame to the last one, in the frames' own time
        self._film = _Film(film) if film else None
        self._lines: list[str] = []  # frames as JSON: plain text takes a third of the memory of the values
        self._rows = 0
        self._tracks: set[int | None] = set()
        self._settings: list[dict[str, Any]] = []
        self._sizes: list[dict[str, Any]] = []
        self._start: float | None = None
        self._open = True
        self._ended: str | None = None  # why it ended by itself
        self._lock = threading.Lock()

    def add(
        self,
        seconds: float,
        faces: Sequence[Face],
        picture: NDArray[np.uint8],
        settings: Mapping[str, Any],
    ) -> None:
        """Keep a frame of that time: its faces, and `picture` RGB uint8 (H, W, 3) for the film; `settings` (plain JSON
        values) where they are not those of the frame before."""
        with self._lock:
            if not self._open:
                return
            if self._start is None:
                self._start = seconds
            passed = seconds - self._start
            if passed >= MOST_SECONDS or self._rows + len(faces) > MOST_ROWS:
                self._open, self._ended = False, _FULL
                return
            if not self._settings or self._settings[-1]["values"] != settings:
                self._settings.append({"seconds": round(passed, 3), "values": dict(settings)})
            height, width = picture.shape[:2]
            if not self._sizes or (self._sizes[-1]["width"], self._sizes[-1]["height"]) != (width, height):
                self._sizes.append({"seconds": round(passed, 3), "width": width, "height": height})
            self._lines.append(json.dumps(serialization.frame_json(passed, faces), ensure_ascii=False, allow_nan=False))
            self._rows += len(faces)
            self._tracks |= {face.track for face in faces}
            self.seconds = passed
        if self._film is not None:
            self._film.offer(picture, passed)

    def stop(self, receipt: Mapping[str, Any]) -> Recording:
        """End, finish the film and give what was recorded; `receipt` (plain JSON values) goes into its JSON."""
        with self._lock:
            self._open = False
        film = self._film.close() if self._film else None
        whole = {**receipt, "duration": round(self.seconds, 3), "sizes": self._sizes, "settings": self._settings}
        return Recording(
            csv=tables.stream_csv(self._lines),
            json=serialization.stream_json(whole, self._lines),
            seconds=self.seconds,
            frames=len(self._lines),
            rows=self._rows,
            faces=len(self._tracks),
            sizes=tuple(sorted({(one["width"], one["height"]) for one in self._sizes})),
            film=film,
            film_dropped=self._film.dropped if self._film else 0,
            hidden=all(one["values"].get("blur") for one in self._settings),
            note=self.notice,
        )

    def close(self) -> None:
        """End and finish the film, if that was not done before."""
        with self._lock:
            self._open = False
        if self._film is not None:
            self._film.close()

    @property
    def notice(self) -> str | None:
        """What a person should know of it so far, or None."""
        return " ".join(filter(None, [self._ended, self._film and self._film.fault])) or None


class _Shot(NamedTuple):
    picture: NDArray[np.uint8]  # RGB (H, W, 3)
    seconds: float


class _Film:
    """Writes a film in a thread of its own; what comes while it is busy replaces what waits."""

    def __init__(self, path: Path) -> None:
        self.dropped = 0
        self.fault: str | None = None
        self._path = path
        self._writer: FilmWriter | None = None
        self._mailbox = Mailbox(self._write, "film")

    def offer(self, picture: NDArray[np.uint8], seconds: float) -> None:
        """Leave a frame for the film, never waiting."""
        if self.fault is None and self._mailbox.put(_Shot(picture, seconds)) is not None:
            self.dropped += 1

    def close(self) -> Path | None:
        """Finish the film; None where there is none. May be called again."""
        if not self._mailbox.close(_PATIENCE):
            self.fault = self.fault or f"The film {self._path.name} is not finished yet; its disk is very slow."
            return None
        try:
            if self._writer is not None:
                self._writer.close()
        except EmotionError as error:
            self.fault = str(error)
        return self._path if self._writer is not None and self.fault is None else None

    def _write(self, shot: _Shot) -> None:
        if self.fault is not None:
            return
        try:
            if self._writer is None:
                self._writer = FilmWriter(self._path, shot.picture.shape[1], shot.picture.shape[0])
            self._writer.write(shot.picture, shot.seconds)
        except EmotionError as error:
            self.fault = str(error)
