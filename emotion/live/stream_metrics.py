"""How live a stream is: frames per second, age of the results, and the time of frames whose clocks jump."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import numpy as np

WINDOW_SECONDS: Final = 2.0  # seconds over which everything is measured
_MAX_FRAMES: Final = 500  # frames in a window, so that the memory stays bounded
_MAX_TIMESTAMP: Final = 1e9  # no camera runs for thirty years, and larger floats lose the milliseconds
_MAX_DRIFT_SECONDS: Final = 1.0  # seconds that the clock of the frames may be off


class StreamMetrics:
    """Counts what comes and what is ready, by a clock that never jumps (`now`, seconds). Not for two threads."""

    def __init__(self) -> None:
        self._first_arrival: float | None = None
        self._arrivals: deque[float] = deque(maxlen=_MAX_FRAMES)
        self._results: deque[tuple[float, float]] = deque(maxlen=_MAX_FRAMES)  # when, age

    def record_arrival(self, now: float) -> None:
        """A frame came."""
        self._first_arrival = now if self._first_arrival is None else self._first_arrival
        self._arrivals.append(now)

    def record_result(self, now: float, latency: float) -> None:
        """A result was ready, `latency` seconds after its frame came."""
        self._results.append((now, latency))

    def frame_rates(self, now: float) -> tuple[float, float]:
        """Frames that came and results that were ready, in a second."""
        seconds = (
            min(WINDOW_SECONDS, max(now - self._first_arrival, 0.25))
            if self._first_arrival is not None
            else WINDOW_SECONDS
        )
        came = sum(now - at <= WINDOW_SECONDS for at in self._arrivals)
        return came / seconds, len(self._recent_latencies(now)) / seconds

    def latency_p95(self, now: float) -> float | None:
        """The age in seconds that 95 of 100 results did not exceed; None without results."""
        ages = self._recent_latencies(now)
        return float(np.percentile(ages, 95)) if ages else None

    def seconds_since_last(self, now: float) -> float | None:
        """Seconds since the last frame came; None before the first."""
        return now - self._arrivals[-1] if self._arrivals else None

    def _recent_latencies(self, now: float) -> list[float]:
        return [age for at, age in self._results if now - at <= WINDOW_SECONDS]


class MonotonicFrameClock:
    """Times of frames on one clock that always goes on: those that the frames carry, as long as they go as our own
    clock does. After a reconnection they start at 0 again, and some sources say none."""

    def __init__(self) -> None:
        self._offset = 0.0  # what to add to the time of a frame
        self._last_timestamp = -math.inf

    def timestamp(self, source_timestamp: float | None, now: float) -> float:
        """The time of a frame that carries `source_timestamp`, if any, and came at `now`; later than that of the one before."""
        if source_timestamp is None or not abs(source_timestamp) < _MAX_TIMESTAMP:  # also what is no number
            source_timestamp = now - self._offset
        elif abs(source_timestamp + self._offset - now) > _MAX_DRIFT_SECONDS:
            self._offset = now - source_timestamp
        self._last_timestamp = max(source_timestamp + self._offset, self._last_timestamp + 0.001)
        return self._last_timestamp
