"""The settings and the counters of a stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from emotion.checks import check_count, check_number
from emotion.errors import SettingsError
from emotion.recognition.settings import AnalyzerSettings

_MIN_CLASSIFY_HZ: Final = 0.01


@dataclass(frozen=True)
class StreamSettings:
    """Settings of a stream; all times are in seconds of the frames' timestamps.

    Attributes:
        recognition: The settings of detector and classifier.
        half_life: Time after which a prediction counts half in the average; 0 shows each prediction as it is.
        switch_margin: Lead in probability with which another label replaces the displayed one immediately.
        switch_delay: Time for which another label must lead by less. At 0.4 noise changed labels twice as often.
        classify_hz: Predictions per second and face. Expressions last longer than 1/25 s, and each costs 2 ms.
        detect_interval: Time between two searches of the whole frame: the latest detection of a new face.
        min_detect_interval: The same while there is no face, one was just lost, or the image has changed.
        max_roi_searches: Faces that are searched near their positions in one frame, the longest unseen first.
        max_faces_per_frame: Faces that are classified in one frame, the longest unclassified first.
        max_lost_seconds: Time for which the track of a lost face is kept.
    """

    recognition: AnalyzerSettings = field(default_factory=lambda: AnalyzerSettings(max_side=640))
    half_life: float = 0.5
    switch_margin: float = 0.2
    switch_delay: float = 0.6
    classify_hz: float = 12.0
    detect_interval: float = 0.5
    min_detect_interval: float = 0.1
    max_roi_searches: int = 4
    max_faces_per_frame: int = 8
    max_lost_seconds: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.recognition, AnalyzerSettings):
            raise SettingsError(f"The setting recognition is {self.recognition!r}; expected AnalyzerSettings.")
        for name in (
            "half_life",
            "switch_delay",
            "detect_interval",
            "min_detect_interval",
            "max_lost_seconds",
        ):
            check_number(name, getattr(self, name), 0)
        check_number("classify_hz", self.classify_hz, _MIN_CLASSIFY_HZ)
        check_number("switch_margin", self.switch_margin, 0, 1)
        check_count("max_roi_searches", self.max_roi_searches, 0)
        check_count("max_faces_per_frame", self.max_faces_per_frame, 1)


@dataclass
class StreamStats:
    """Counters of a stream, and the milliseconds that its last frame took.

    Attributes:
        frames: Processed frames.
        full_searches: Searches of a whole frame.
        roi_searches: Searches of a window around a tracked face.
        classifications: Classified faces.
        errors: Exceptions of detector and classifier, which do not end the stream.
        last_error: The type and the message of the last of them.
        detect_ms: Time of the detection in the last frame.
        classify_ms: Time of the classification in the last frame.
        total_ms: Time of the whole last frame.
    """

    frames: int = 0
    full_searches: int = 0
    roi_searches: int = 0
    classifications: int = 0
    errors: int = 0
    last_error: str | None = None
    detect_ms: float = 0.0
    classify_ms: float = 0.0
    total_ms: float = 0.0
