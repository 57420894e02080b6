"""The moments of a film that tell most: where a face began to show something else, and where it showed it most."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from emotion.expressions import UNCERTAIN
from emotion.faces import Face
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import encode_jpeg
from emotion.results import serialization
from emotion.storage import write_atomic, write_json
from emotion.tracking.label_smoothing import NEUTRAL
from emotion.video.rendering.thumbnails import make_thumbnail

HIGHLIGHTS_FILE: Final = "highlights.json"
HIGHLIGHTS_FOLDER: Final = "highlights"
MAX_HIGHLIGHTS: Final = 24  # as many as a person looks at
_MIN_CHANGE_SECONDS: Final = 0.5  # seconds that another expression must last
_MIN_PEAK_SECONDS: Final = 0.7  # seconds that an expression must last for its best moment to count
_MAX_GAP_SECONDS: Final = 1.0  # seconds for which a face may be missed or unsure within one expression
_CLEAR_FACE_PX: Final = 80.0  # pixels from which on a face is large enough to see what it shows
_NEUTRAL_WEIGHT: Final = 0.4  # what a neutral face counts against one that shows something
_CHANGE_WEIGHT: Final = 0.9  # what a change counts against a peak
_MAX_CANDIDATES: Final = 200  # moments that wait to be chosen, so that a long film stays small


@dataclass(eq=False)
class _ExpressionSegment:
    """What a face shows since `start`: `crop` is of then, `peak_crop` of the second at which it shows it most."""

    label: str
    previous_label: str | None
    start: float
    last_seen: float
    start_confidence: float  # at the start
    start_crop: ImageArray
    peak_confidence: float
    peak_timestamp: float
    peak_crop: ImageArray
    size_score: float
    is_reported: bool = False  # that it is a change


@dataclass(eq=False)
class _HighlightCandidate:
    record: dict[str, Any]
    score: float
    jpeg: bytes  # JPEG

    @property
    def group_key(self) -> tuple[int, str, str]:
        return self.record["track_id"], self.record["kind"], self.record["label"]

    @property
    def thumbnail_path(self) -> str:
        return f"{HIGHLIGHTS_FOLDER}/{self.record['timestamp'] * 1000:08.0f}-{self.record['track_id']}-{self.record['kind']}.jpg"


@dataclass(eq=False)
class HighlightDetector:
    """Finds them while the film is read, and keeps `HIGHLIGHTS_FILE` and their crops in a folder; mosaics with `anonymize`."""

    folder: Path
    anonymize: bool
    _segments: dict[int, _ExpressionSegment] = field(default_factory=dict)
    _candidates: list[_HighlightCandidate] = field(default_factory=list)
    _written_paths: list[str] | None = None  # names of the crops

    def update(self, image: ImageArray, faces: tuple[Face, ...], timestamp: float) -> None:
        """Look at the faces of the next frame RGB uint8 (H, W, 3)."""
        for track in [track for track, run in self._segments.items() if timestamp - run.last_seen > _MAX_GAP_SECONDS]:
            self._end_segment(track)
        for face in faces:
            if face.track_id is not None and face.confidence is not None and face.display_label != UNCERTAIN.name:
                self._update_segment(image, face, face.track_id, face.confidence, timestamp)

    def finish(self) -> None:
        """There are no more frames."""
        for track in list(self._segments):
            self._end_segment(track)

    def write(self) -> None:
        """Write the most telling ones, in the order of time."""
        chosen = sorted(
            _select_top(self._candidates, MAX_HIGHLIGHTS), key=lambda one: (one.record["timestamp"], one.group_key)
        )
        crops = [one.thumbnail_path for one in chosen]
        if crops == self._written_paths:
            return
        (self.folder / HIGHLIGHTS_FOLDER).mkdir(exist_ok=True)
        for one in chosen:
            if one.thumbnail_path not in (self._written_paths or ()):
                write_atomic(self.folder / one.thumbnail_path, one.jpeg)
        write_json(
            self.folder / HIGHLIGHTS_FILE,
            {"highlights": [{**one.record, "thumbnail": one.thumbnail_path} for one in chosen]},
        )
        for left in set(self._written_paths or ()) - set(crops):
            (self.folder / left).unlink(missing_ok=True)
        self._written_paths = crops

    def _update_segment(
        self, image: ImageArray, face: Face, track_id: int, confidence: float, timestamp: float
    ) -> None:
        run = self._segments.get(track_id)
        if run is None or run.label != face.display_label:
            before = run and (run.label if run.last_seen - run.start >= _MIN_CHANGE_SECONDS else run.previous_label)
            before = None if before == face.display_label else before  # it was only interrupted
            self._end_segment(track_id)
            crop, size = self._cut_thumbnail(image, face), _score_size(face)
            self._segments[track_id] = _ExpressionSegment(
                face.display_label, before, timestamp, timestamp, confidence, crop, confidence, timestamp, crop, size
            )
            return
        run.last_seen = timestamp
        if confidence > run.peak_confidence:
            run.peak_confidence, run.peak_timestamp, run.peak_crop, run.size_score = (
                confidence,
                timestamp,
                self._cut_thumbnail(image, face),
                _score_size(face),
            )
        if run.previous_label is not None and not run.is_reported and timestamp - run.start >= _MIN_CHANGE_SECONDS:
            run.is_reported = True
            self._add_candidate(track_id, run, "change")

    def _end_segment(self, track_id: int) -> None:
        run = self._segments.pop(track_id, None)
        if run is not None and run.last_seen - run.start >= _MIN_PEAK_SECONDS:
            self._add_candidate(track_id, run, "peak")

    def _add_candidate(self, track_id: int, segment: _ExpressionSegment, kind: str) -> None:
        peak = kind == "peak"
        value = {
            "timestamp": round(segment.peak_timestamp if peak else segment.start, 3),
            "track_id": track_id,
            "kind": kind,
            "label": segment.label,
            "previous_label": None if peak else segment.previous_label,
            "confidence": round(segment.peak_confidence if peak else segment.start_confidence, 4),
        }
        weight = (
            segment.peak_confidence
            * segment.size_score
            * (_NEUTRAL_WEIGHT if segment.label == NEUTRAL else 1.0)
            * (1.0 if peak else _CHANGE_WEIGHT)
        )
        self._candidates.append(
            _HighlightCandidate(value, weight, encode_jpeg(segment.peak_crop if peak else segment.start_crop, 88))
        )
        if len(self._candidates) > _MAX_CANDIDATES:
            self._candidates = _select_top(self._candidates, _MAX_CANDIDATES // 2)

    def _cut_thumbnail(self, image: ImageArray, face: Face) -> ImageArray:
        return make_thumbnail(serialization.crop_with_margin(image, face), self.anonymize)


def _select_top(candidates: list[_HighlightCandidate], max_count: int) -> list[_HighlightCandidate]:
    """The weightiest ones, each of a face, kind and label counting less the more of them are weightier: the third
    smile says less than the first surprise."""
    ranks: Counter[tuple[int, str, str]] = Counter()
    valued = []
    for one in sorted(candidates, key=lambda one: -one.score):
        ranks[one.group_key] += 1
        valued.append((one.score / ranks[one.group_key], one))
    return [one for _, one in sorted(valued, key=lambda pair: -pair[0])[:max_count]]


def _score_size(face: Face) -> float:
    return min(1.0, max(0.0, min(face.box.width, face.box.height)) / _CLEAR_FACE_PX)
