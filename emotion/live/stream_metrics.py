"""How live a stream is: frames per second, age of the results, and the time of frames whose clocks jump."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import numpy as np

WINDOW: Final = 2.0  # seconds over which everything is measured
_MOST: Final = 500  # frames in a window, so that the memory stays bounded
_MOST_SECONDS: Final = 1e9  # no camera runs for thirty years, and larger floats lose the milliseconds
_TRUSTED: Final = 1.0  # seconds that the clock of the frames may be off


class Pulse:
    """Counts what comes and what is ready, by a clock that never jumps (`now`, seconds). Not for two threads."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._came: deque[float] = deque(maxlen=_MOST)
        self._ready: deque[tuple[float, float]] = deque(maxlen=_MOST)  # when, age

    def come(self, now: float) -> None:
        """A frame came."""
        self._first = now if self._first is None else self._first
        self._came.append(now)

    def ready(self, now: float, age: float) -> None:
        """A result was ready, `age` seconds after its frame came."""
        self._ready.append((now, age))

    def rates(self, now: float) -> tuple[float, float]:
        """Frames that came and results that were ready, in a second."""
        seconds = min(WINDOW, max(now - self._first, 0.25)) if self._first is not None else WINDOW
        came = sum(now - at <= WINDOW for at in self._came)
        return came / seconds, len(self._ages(now)) / seconds

    def age_p95(self, now: float) -> float | None:
        """The age in seconds that 95 of 100 results did not exceed; None without results."""
        ages = self._ages(now)
        return float(np.percentile(ages, 95)) if ages else None

    def silent(self, now: float) -> float | None:
        """Seconds since the last frame came; None before the first."""
        return now - self._came[-1] if self._came else None

    def _ages(self, now: float) -> list[float]:
        return [age for at, age in self._ready if now - at <= WINDOW]


class FrameClock:
    """Times of frames on one clock that always goes on: those that the frames carry, as long as they go as our own
    clock does. After a reconnection they start at 0 again, and some sources say none."""

    def __init__(self) -> None:
        self._offset = 0.0  # what to add to the time of a frame
        self._last = -math.inf

    def at(self, seconds: float | None, now: float) -> float:
        """The time of a frame that carries `seconds`, if any, and came at `now`; later than that of the one before."""
        if seconds is None or not abs(seconds) < _MOST_SECONDS:  # also what is no number
            seconds = now - self._offset
        elif abs(seconds + self._offset - now) > _TRUSTED:
            self._offset = now - seconds
        self._last = max(seconds + self._offset, self._last + 0.001)
        return self._last
