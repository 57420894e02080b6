"""Measure frame rates and latencies of a stream, and make its timestamps monotonic."""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple

import numpy as np

WINDOW_SECONDS: Final = 2.0  # over which everything is measured
_MIN_WINDOW_SECONDS: Final = 0.25  # a rate over less time after the first frame would jump
_MAX_FRAMES: Final = 500  # kept per window, which bounds the memory
_LATENCY_PERCENTILE: Final = 95
_MAX_TIMESTAMP: Final = 1e9  # 30 years; larger floats lose the milliseconds
_MAX_DRIFT_SECONDS: Final = 1.0  # between the clock of the frames and ours
_MIN_STEP_SECONDS: Final = 0.001


class StreamRates(NamedTuple):
    """Frame rates and latencies over the last `WINDOW_SECONDS`."""

    fps_in: float = 0.0  # frames that arrived per second
    fps_out: float = 0.0  # results per second
    latency_p95_seconds: float | None = None  # from the arrival of a frame to its result; None without results
    idle_seconds: float | None = None  # since the last frame arrived; None before the first


class StreamMetrics:
    """Counts frames and results by a monotonic clock (`now`, seconds); not thread-safe."""

    def __init__(self) -> None:
        self._first_arrival: float | None = None
        self._arrivals: deque[float] = deque(maxlen=_MAX_FRAMES)
        self._results: deque[tuple[float, float]] = deque(maxlen=_MAX_FRAMES)  # time and latency

    def record_arrival(self, now: float) -> None:
        """Record that a frame arrived."""
        self._first_arrival = now if self._first_arrival is None else self._first_arrival
        self._arrivals.append(now)

    def record_result(self, now: float, latency: float) -> None:
        """Record that a result is ready, `latency` seconds after its frame arrived."""
        self._results.append((now, latency))

    def measure(self, now: float) -> StreamRates:
        """Return the rates of the window that ends now."""
        window = WINDOW_SECONDS
        if self._first_arrival is not None:
            window = min(window, max(now - self._first_arrival, _MIN_WINDOW_SECONDS))
        num_arrivals = sum(now - time <= WINDOW_SECONDS for time in self._arrivals)
        latencies = [latency for time, latency in self._results if now - time <= WINDOW_SECONDS]
        return StreamRates(
            fps_in=num_arrivals / window,
            fps_out=len(latencies) / window,
            latency_p95_seconds=float(np.percentile(latencies, _LATENCY_PERCENTILE)) if latencies else None,
            idle_seconds=now - self._arrivals[-1] if self._arrivals else None,
        )


class MonotonicFrameClock:
    """Increasing timestamps of frames: their own ones as long as these advance like our clock.

    The timestamps of a source restart at 0 after a reconnection, and some sources have none.
    """

    def __init__(self) -> None:
        self._offset = 0.0  # added to the timestamps of the source
        self._last_timestamp = -math.inf

    def timestamp(self, source_timestamp: float | None, now: float) -> float:
        """Return the timestamp of a frame that arrived at `now`, later than that of the frame before it."""
        if source_timestamp is None or not abs(source_timestamp) < _MAX_TIMESTAMP:  # the latter also for NaN
            source_timestamp = now - self._offset
        elif abs(source_timestamp + self._offset - now) > _MAX_DRIFT_SECONDS:
            self._offset = now - source_timestamp
        self._last_timestamp = max(source_timestamp + self._offset, self._last_timestamp + _MIN_STEP_SECONDS)
        return self._last_timestamp
