"""The options of a camera session and the state that a page shows of it: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from emotion.faces import Face, FrameResult, Scores
from emotion.live.stream_metrics import StreamRates
from emotion.media.image_array import ImageArray
from emotion.results import serialization, tables
from emotion.tracking.settings import StreamSettings, StreamStats


@dataclass(frozen=True)
class LiveOptions:
    """The options of a session, which may change at any time.

    Attributes:
        stream: Settings of detection, tracking and classification.
        mirror: Whether frames are mirrored left-right. Boxes and points are in the mirrored frame; the sides of
            movements and head pose are those of the person.
        anonymize: Whether faces are pixelated in every image that leaves the session, and have no features.
        is_paused: Whether frames pass without being analyzed.
        draw_points: Whether the points of faces with features are drawn.
    """

    stream: StreamSettings = field(default_factory=StreamSettings)
    mirror: bool = True
    anonymize: bool = False
    is_paused: bool = False
    draw_points: bool = False


@dataclass(frozen=True)
class LiveFace:
    """A face of the last result.

    Attributes:
        face: The face.
        thumbnail: RGB uint8, pixelated where faces are anonymized.
        raw_scores: Its scores before calibration, None for a face that is not calibrated.
    """

    face: Face
    thumbnail: ImageArray
    raw_scores: Scores | None


@dataclass
class LiveCounters:
    """Counts since the start of a session; the session changes its own in place and hands out copies."""

    num_frames: int = 0
    dropped_frames: int = 0  # replaced by newer ones before they were analyzed
    late_frames: int = 0  # returned without their result
    errors: int = 0
    last_error: str | None = None


@dataclass(frozen=True)
class RecordingState:
    """The recording in progress.

    Attributes:
        duration: Seconds so far.
        warnings: A sentence for each thing that is wrong with it.
        seconds_to_start: Until it starts, 0 when it has started.
        num_markers: Number of markers so far.
    """

    duration: float
    warnings: tuple[str, ...] = ()
    seconds_to_start: float = 0.0
    num_markers: int = 0


@dataclass(frozen=True)
class CalibrationState:
    """The calibration to neutral faces.

    Attributes:
        seconds_left: Until it ends, None where none is in progress; 0 where frames are missing to end it.
        succeeded: Whether the last one calibrated a face, None where none has ended.
    """

    seconds_left: float | None = None
    succeeded: bool | None = None


@dataclass(frozen=True)
class LiveState:
    """What a page shows beside the image, all of one moment.

    Attributes:
        is_paused: Whether the session is paused.
        faces: Of the last result, none while paused.
        recent_results: The results of the last 30 seconds, each with its time in seconds before now (-30 to 0).
        frame_size: Width and height of the last analyzed frame in pixels.
        result_age_seconds: Since the frame of the last result arrived, None without a result.
        counters: Counts since the start; its errors include those of the stream.
        rates: Frame rates and latencies.
        stats: Counts and durations of detection and classification.
        draw_ms: Duration of the last annotation.
        recording: The recording in progress, None where there is none.
        calibration: The calibration to neutral faces.
    """

    is_paused: bool = False
    faces: tuple[LiveFace, ...] = ()
    recent_results: tuple[tuple[float, FrameResult], ...] = ()
    frame_size: tuple[int, int] | None = None
    result_age_seconds: float | None = None
    counters: LiveCounters = field(default_factory=LiveCounters)
    rates: StreamRates = field(default_factory=StreamRates)
    stats: StreamStats = field(default_factory=StreamStats)
    draw_ms: float = 0.0
    recording: RecordingState | None = None
    calibration: CalibrationState = field(default_factory=CalibrationState)

    def to_dataframe(self) -> pd.DataFrame:
        """Return `recent_results` as a `tables.stream_table` with `timestamp` in seconds before now."""
        return tables.stream_table(
            serialization.frame_to_dict(seconds, result.faces) for seconds, result in self.recent_results
        )
