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
from emotion.recognition.anonymizer import hidden
from emotion.recognition.cropping import crop_faces, to_grey
from emotion.recognition.saliency import explained
from emotion.results import serialization, tables
from emotion.results.photos import smaller
from emotion.tracking.stream import StreamSettings, StreamStats

Picture = NDArray[np.uint8]  # RGB (H, W, 3)

THUMBNAIL_SIDE: Final = 160


@dataclass(frozen=True)
class LiveOptions:
    """What can be chosen, at any time, for a camera. `blur`: no recognisable face leaves the session; `paused`: the
    frames pass without being looked at."""

    stream: StreamSettings = field(default_factory=StreamSettings)
    mirror: bool = True
    blur: bool = False
    paused: bool = False


@dataclass(frozen=True)
class LiveFace:
    """A face of the last result: `thumbnail` RGB uint8, pixelated where faces are blurred; `raw`: its scores before
    they were read against its resting face, None where it has none."""

    face: Face
    thumbnail: Picture
    raw: Scores | None


@dataclass(frozen=True)
class LiveView:
    """What a page shows beside the picture: all of one moment.

    `faces` are those of the last result, none while `paused`; `past` the results of the last 30 seconds with their
    seconds before now (-30 to 0), the last one included; `size` is the width and height of its image in pixels.
    `seconds`, `age`, `age_p95`, `silent`, `calibrating`, `recording` are seconds, None where there is nothing to
    tell: age of the last result now, age of 95 of 100 results when they were ready, time since the last frame came,
    time that resting faces are still looked at, length of the recording. Frames per second and ages are those of the
    last two seconds. `calibrating` is 0 where no frame came for its end; `rested` says whether the last one took a
    resting face, None where none ended. `dropped` frames were replaced by newer ones,
    `late` ones went out without their result.
    """

    faces: tuple[LiveFace, ...] = ()
    past: tuple[tuple[float, FrameResult], ...] = ()
    paused: bool = False
    size: tuple[int, int] | None = None
    frames: int = 0
    fps_in: float = 0.0
    fps_out: float = 0.0
    search_ms: float = 0.0
    read_ms: float = 0.0
    draw_ms: float = 0.0
    age: float | None = None
    age_p95: float | None = None
    silent: float | None = None
    dropped: int = 0
    late: int = 0
    faults: int = 0
    last_fault: str | None = None
    calibrating: float | None = None
    rested: bool | None = None
    recording: float | None = None
    notice: str | None = None  # what a person should know of the recording

    def history(self) -> pd.DataFrame:
        """`past` as a `tables.stream_table` with `seconds` before now."""
        return tables.stream_table(serialization.frame_json(seconds, result.faces) for seconds, result in self.past)


@dataclass(frozen=True)
class Shown:
    """One frame that was analysed: its `result`, `clean` and `annotated` picture (RGB uint8, (H, W, 3)) and whether
    faces are `hidden` in both; when it `arrived` by our clock; the `head` that was chosen then; `raw` scores of the
    faces with a resting face, by their numbers."""

    result: FrameResult
    clean: Picture
    annotated: Picture
    hidden: bool
    arrived: float
    head: str | None
    raw: Mapping[int, Scores]
    stats: StreamStats
    draw_ms: float
    calibrating: float | None
    rested: bool | None

    def faces(self, blur: bool) -> tuple[LiveFace, ...]:
        """Its faces for a page; with `blur` pixelated even if they were not hidden when the frame came."""
        return tuple(
            LiveFace(face, self._thumbnail(face, blur), self.raw.get(face.track or 0)) for face in self.result.faces
        )

    def explained(self, analyzer: Analyzer, blur: bool, most: int) -> tuple[LiveFace, ...]:
        """As `faces`, with what speaks for the labels of the first `most` in their thumbnails; as they are where faces
        are blurred or the classifier cannot tell."""
        faces, reader = self.faces(blur), analyzer.recogniser
        if blur or self.hidden or not most or not reader.explains(self.head):
            return faces
        labels = reader.bundle.heads[self.head or reader.bundle.shown_head].labels
        some, geometry = faces[:most], analyzer.detector.geometry
        crops = crop_faces(to_grey(self.clean), tuple(one.face for one in some), geometry, reader.size)
        why = list[LiveFace]()
        for one, crop in zip(some, crops, strict=True):
            label = one.face.label
            # A face that was not read since another answer was chosen has a label of the one before.
            if label is not None and label in labels:
                one = replace(one, thumbnail=explained(reader, crop, label, self.head, THUMBNAIL_SIDE))
            why.append(one)
        return (*why, *faces[most:])

    def picture(self, blur: bool) -> Picture:
        """The annotated picture; with `blur` without a face even if they were not hidden when the frame came."""
        return hidden(self.annotated) if blur and not self.hidden else self.annotated

    def _thumbnail(self, face: Face, blur: bool) -> Picture:
        cut = smaller(serialization.cut_out(self.clean, face), THUMBNAIL_SIDE)
        return hidden(cut) if blur else cut.copy()
