"""What a page chooses for a camera and what it shows of it: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.faces import Face, FrameResult, Scores
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.anonymizer import pixelate_all
from emotion.recognition.cropping import crop_faces, to_gray
from emotion.recognition.saliency import overlay_class_activation
from emotion.results import serialization, tables
from emotion.results.photos import downscale
from emotion.tracking.settings import StreamSettings, StreamStats

ImageArray = NDArray[np.uint8]  # RGB (H, W, 3)

THUMBNAIL_SIDE_PX: Final = 160


@dataclass(frozen=True)
class LiveOptions:
    """What can be chosen, at any time, for a camera. `anonymize`: no recognisable face leaves the session; `is_paused`: the
    frames pass without being looked at."""

    stream: StreamSettings = field(default_factory=StreamSettings)
    mirror: bool = True
    anonymize: bool = False
    is_paused: bool = False


@dataclass(frozen=True)
class LiveFace:
    """A face of the last result: `thumbnail` RGB uint8, pixelated where faces are blurred; `raw_scores`: its scores before
    they were read against its resting face, None where it has none."""

    face: Face
    thumbnail: ImageArray
    raw_scores: Scores | None


@dataclass(frozen=True)
class LiveState:
    """What a page shows beside the picture: all of one moment.

    `faces` are those of the last result, none while `is_paused`; `recent_results` the results of the last 30 seconds with their
    seconds before now (-30 to 0), the last one included; `frame_size` is the width and height of its image in pixels.
    `result_age_seconds`, `latency_p95_seconds`, `idle_seconds`, `calibration_seconds_left`, `recording_seconds` are seconds, None where there is nothing to
    tell: age of the last result now, age of 95 of 100 results when they were ready, time since the last frame came,
    time that resting faces are still looked at, length of the recording. Frames per second and ages are those of the
    last two seconds. `calibration_seconds_left` is 0 where no frame came for its end; `calibration_succeeded` says whether the last one took a
    resting face, None where none ended. `dropped_frames` frames were replaced by newer ones,
    `late_frames` ones went out without their result.
    """

    faces: tuple[LiveFace, ...] = ()
    recent_results: tuple[tuple[float, FrameResult], ...] = ()
    is_paused: bool = False
    frame_size: tuple[int, int] | None = None
    num_frames: int = 0
    fps_in: float = 0.0
    fps_out: float = 0.0
    detect_ms: float = 0.0
    classify_ms: float = 0.0
    draw_ms: float = 0.0
    result_age_seconds: float | None = None
    latency_p95_seconds: float | None = None
    idle_seconds: float | None = None
    dropped_frames: int = 0
    late_frames: int = 0
    errors: int = 0
    last_error: str | None = None
    calibration_seconds_left: float | None = None
    calibration_succeeded: bool | None = None
    recording_seconds: float | None = None
    recording_warning: str | None = None  # what a person should know of the recording

    def to_dataframe(self) -> pd.DataFrame:
        """`recent_results` as a `tables.stream_table` with `timestamp` in seconds before now."""
        return tables.stream_table(
            serialization.frame_to_dict(seconds, result.faces) for seconds, result in self.recent_results
        )


@dataclass(frozen=True)
class AnalyzedFrame:
    """One frame that was analysed: its `result`, `clean_image` and `annotated_image` picture (RGB uint8, (H, W, 3)) and whether
    faces are `is_anonymized` in both; when it `arrival_time` by our clock; the `head` that was chosen then; `raw_scores` scores of the
    faces with a resting face, by their numbers."""

    result: FrameResult
    clean_image: ImageArray
    annotated_image: ImageArray
    is_anonymized: bool
    arrival_time: float
    head: str | None
    raw_scores: Mapping[int, Scores]
    stats: StreamStats
    draw_ms: float
    calibration_seconds_left: float | None
    calibration_succeeded: bool | None

    def faces(self, anonymize: bool) -> tuple[LiveFace, ...]:
        """Its faces for a page; with `anonymize` pixelated even if they were not hidden when the frame came."""
        return tuple(
            LiveFace(face, self._make_thumbnail(face, anonymize), self.raw_scores.get(face.track_id or 0))
            for face in self.result.faces
        )

    def faces_with_saliency(self, analyzer: Analyzer, anonymize: bool, max_faces: int) -> tuple[LiveFace, ...]:
        """As `faces`, with what speaks for the labels of the first `max_faces` in their thumbnails; as they are where faces
        are blurred or the classifier cannot tell."""
        faces, reader = self.faces(anonymize), analyzer.classifier
        if anonymize or self.is_anonymized or not max_faces or not reader.has_cam(self.head):
            return faces
        labels = reader.bundle.heads[self.head or reader.bundle.default_head].labels
        some, geometry = faces[:max_faces], analyzer.detector.crop_geometry
        crops = crop_faces(to_gray(self.clean_image), tuple(one.face for one in some), geometry, reader.input_size)
        why = list[LiveFace]()
        for one, crop in zip(some, crops, strict=True):
            label = one.face.label
            # A face that was not read since another answer was chosen has a label of the one before.
            if label is not None and label in labels:
                one = replace(
                    one, thumbnail=overlay_class_activation(reader, crop, label, self.head, THUMBNAIL_SIDE_PX)
                )
            why.append(one)
        return (*why, *faces[max_faces:])

    def display_image(self, anonymize: bool) -> ImageArray:
        """The annotated picture; with `anonymize` without a face even if they were not hidden when the frame came."""
        return pixelate_all(self.annotated_image) if anonymize and not self.is_anonymized else self.annotated_image

    def _make_thumbnail(self, face: Face, anonymize: bool) -> ImageArray:
        cut = downscale(serialization.crop_with_margin(self.clean_image, face), THUMBNAIL_SIDE_PX)
        return pixelate_all(cut) if anonymize else cut.copy()
