"""Make the timestamps of a video nondecreasing seconds."""

from __future__ import annotations

from typing import Final

_MIN_RESET_SECONDS: Final = 1.0  # timestamps that fall by less are jitter, by more they restart


class TimestampNormalizer:
    """Makes nondecreasing seconds of timestamps that may be missing, jitter or restart."""

    def __init__(self, start: float | None, frame_duration: float) -> None:
        self._start, self._frame_duration = start, frame_duration
        self._last_timestamp: float | None = None

    def normalize(self, timestamp: float | None) -> float:
        """Return the time of the next frame: one frame duration later where its timestamp is missing or restarts."""
        next_timestamp = 0.0 if self._last_timestamp is None else self._last_timestamp + self._frame_duration
        if timestamp is not None and (
            self._start is None or (self._last_timestamp is None and timestamp < self._start)
        ):
            self._start = timestamp - next_timestamp
        seconds = next_timestamp if timestamp is None or self._start is None else timestamp - self._start
        if (
            self._last_timestamp is not None
            and timestamp is not None
            and seconds < self._last_timestamp - _MIN_RESET_SECONDS
        ):
            self._start, seconds = timestamp - next_timestamp, next_timestamp
        self._last_timestamp = max(seconds, self._last_timestamp or 0.0)
        return self._last_timestamp
