"""The neutral calibration of a stream: what its faces show for some seconds is their neutral expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto

from emotion.faces import Face
from emotion.tracking.label_smoothing import TrackState


class _Request(Enum):
    START = auto()
    CLEAR = auto()


class Calibration:
    """Start and end of a calibration; any thread may request one, which the next frame carries out.

    Attributes:
        succeeded: Whether the last calibration found a neutral face; None before the first one ends.
    """

    def __init__(self) -> None:
        self.succeeded: bool | None = None
        self._request: _Request | None = None
        self._duration = 0.0
        self._end: float | None = None  # timestamp; None while there is no calibration

    def start(self, duration: float) -> None:
        """Request a calibration of this many seconds."""
        self._duration, self._request = duration, _Request.START

    def clear(self) -> None:
        """Request that the scores are not shifted."""
        self._request = _Request.CLEAR

    def seconds_left(self, timestamp: float) -> float | None:
        """Return the seconds from a timestamp until the calibration ends; None while there is none."""
        end = self._end  # read once, since another thread may process the next frame
        if self._request is _Request.START:
            return self._duration
        return None if end is None else max(0.0, end - timestamp)

    def update(self, timestamp: float, track_states: Mapping[int, TrackState], faces: Sequence[Face]) -> None:
        """Start, clear or finish a calibration.

        Args:
            timestamp: The time of the frame in seconds.
            track_states: The states of all tracks by track ID.
            faces: The visible faces, which a new calibration includes.
        """
        request, self._request = self._request, None
        if request is not None:
            self.succeeded = None
        if request is _Request.CLEAR:
            self._end = None
            for state in track_states.values():
                state.clear_calibration()
        elif request is _Request.START:
            self._end = timestamp + self._duration
            for face in faces:
                track_states[face.track_id or 0].start_calibration()
        elif self._end is not None and timestamp >= self._end:
            self._end = None
            succeeded = [state.finish_calibration() for state in track_states.values()]
            self.succeeded = any(succeeded)
