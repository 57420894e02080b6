"""The two threads beside the one that looks for faces: one decodes a film, the other writes it with its labels."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.media.video_reader import Film
from emotion.media.video_writer import FilmWriter
from emotion.video.channel import Pipe
from emotion.video.settings import FAST, FilmSettings

FAST_RATE: Final = 8.0  # frames looked at in a second where it has to be fast
_EARLY: Final = 0.55  # of a frame: frames do not fall on the beat, so the one nearest to it is taken


@dataclass(frozen=True)
class Shot:
    """A decoded frame: `image` RGB uint8 (H, W, 3); `due` where faces are to be looked for."""

    index: int
    seconds: float
    image: NDArray[np.uint8]
    due: bool


class Pace:
    """Says of frame after frame whether faces are to be looked for, by number and time alone."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._last = self._before = -math.inf  # seconds of the last look, and of the last frame

    def due(self, index: int, seconds: float) -> bool:
        """Of the next frame."""
        if self._every != FAST:
            return index % self._every == 0
        frame, self._before = seconds - self._before, seconds
        due = seconds - self._last >= 1 / FAST_RATE - _EARLY * frame
        self._last = seconds if due else self._last
        return due


@contextmanager
def decoded(film: Film, settings: FilmSettings) -> Iterator[Pipe[Shot]]:
    """The frames of a film as a thread decodes them; what is neither looked at nor written is left out."""
    shots: Pipe[Shot] = Pipe()

    def decode() -> None:
        pace = Pace(settings.every)
        try:
            for frame in film.frames():
                due = pace.due(frame.index, frame.seconds)
                if (due or settings.film) and not shots.put(Shot(frame.index, frame.seconds, frame.image(), due)):
                    return
            shots.end()
        except BaseException as error:
            shots.end(error)

    thread = threading.Thread(target=decode, name="film-decode", daemon=True)
    thread.start()
    try:
        yield shots
    finally:
        shots.leave()
        thread.join()  # the film is for one thread at a time


class Encoder:
    """Writes a film to `path` in a thread of its own, with the sound of the film `sound`, see `FilmWriter`."""

    def __init__(self, path: Path, width: int, height: int, sound: Path, comment: str) -> None:
        self.frames = 0
        self.sound_note: str | None = None
        self._film = path, width, height, sound, comment
        self._pictures: Pipe[tuple[NDArray[np.uint8], float]] = Pipe()
        self._error: BaseException | None = None
        self._end: float | None = None
        self._thread = threading.Thread(target=self._write, name="film-encode", daemon=True)
        self._thread.start()

    def put(self, picture: NDArray[np.uint8], seconds: float) -> None:
        """Add RGB uint8 (H, W, 3), shown from `seconds` on; `VideoError` where the film cannot be written."""
        if not self._pictures.put((picture, seconds)):
            self.close()

    def close(self, end: float | None = None) -> None:
        """Finish the film, see `FilmWriter.close`; raises what went wrong while it was written. May be called again."""
        self._end = end
        self._pictures.end()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _write(self) -> None:
        try:
            with FilmWriter(*self._film) as film:
                for picture, seconds in self._pictures.items():
                    film.write(picture, seconds)
                    self.frames = film.frames
                film.close(self._end)
            self.sound_note = film.sound_note
        except BaseException as error:
            self._error = error
        finally:
            self._pictures.leave()
