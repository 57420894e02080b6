"""Find the highlights of a video: where a face changes its expression, and where it shows it most clearly."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypedDict

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
MAX_HIGHLIGHTS: Final = 24  # as many as people look at
_MIN_CHANGE_SECONDS: Final = 0.5  # that a new expression must last
_MIN_PEAK_SECONDS: Final = 0.7  # that an expression must last for its peak to count
_MAX_GAP_SECONDS: Final = 1.0  # for which a face may be missed or unsure within one expression
_CLEAR_FACE_PX: Final = 80.0  # from this size on, an expression is easy to see
_NEUTRAL_WEIGHT: Final = 0.4  # of a neutral face relative to other expressions
_CHANGE_WEIGHT: Final = 0.9  # of a change relative to a peak
_MAX_CANDIDATES: Final = 200  # bounds the memory of a long video
_JPEG_QUALITY: Final = 88


@dataclass(eq=False)
class _ExpressionSegment:
    """A time in which a face shows one expression; `peak_*` are of its most confident frame."""

    label: str
    previous_label: str | None
    start: float
    last_seen: float
    start_confidence: float
    start_crop: ImageArray
    peak_confidence: float
    peak_timestamp: float
    peak_crop: ImageArray
    size_score: float
    is_reported: bool = False  # as a change


class _HighlightRecord(TypedDict):
    """An entry of `HIGHLIGHTS_FILE` without its thumbnail; `previous_label` is None for a peak."""

    timestamp: float
    track_id: int
    kind: Literal["peak", "change"]
    label: str
    previous_label: str | None
    confidence: float


@dataclass(eq=False)
class _HighlightCandidate:
    record: _HighlightRecord
    score: float
    jpeg: bytes

    @property
    def group_key(self) -> tuple[int, str, str]:
        return self.record["track_id"], self.record["kind"], self.record["label"]

    @property
    def thumbnail_path(self) -> str:
        milliseconds = self.record["timestamp"] * 1000
        return f"{HIGHLIGHTS_FOLDER}/{milliseconds:08.0f}-{self.record['track_id']}-{self.record['kind']}.jpg"


@dataclass(eq=False)
class HighlightDetector:
    """Finds highlights during the analysis, and maintains `HIGHLIGHTS_FILE` and thumbnails in a folder.

    Thumbnails are pixelated with `anonymize`.
    """

    folder: Path
    anonymize: bool
    _segments: dict[int, _ExpressionSegment] = field(default_factory=dict)
    _candidates: list[_HighlightCandidate] = field(default_factory=list)
    _written_paths: list[str] | None = None

    def update(self, image: ImageArray, faces: tuple[Face, ...], timestamp: float) -> None:
        """Add the faces of the next frame, RGB uint8 (H, W, 3)."""
        for track in list(self._segments):
            if timestamp - self._segments[track].last_seen > _MAX_GAP_SECONDS:
                self._end_segment(track)
        for face in faces:
            if face.track_id is not None and face.confidence is not None and face.display_label != UNCERTAIN.name:
                self._update_segment(image, face, face.track_id, face.confidence, timestamp)

    def finish(self) -> None:
        """End all segments after the last frame."""
        for track in list(self._segments):
            self._end_segment(track)

    def write(self) -> None:
        """Write the best highlights in time order."""
        selected = _select_top(self._candidates, MAX_HIGHLIGHTS)
        selected.sort(key=lambda candidate: (candidate.record["timestamp"], candidate.group_key))
        paths = [candidate.thumbnail_path for candidate in selected]
        if paths == self._written_paths:
            return
        (self.folder / HIGHLIGHTS_FOLDER).mkdir(exist_ok=True)
        for candidate in selected:
            if candidate.thumbnail_path not in (self._written_paths or ()):
                write_atomic(self.folder / candidate.thumbnail_path, candidate.jpeg)
        records = [{**candidate.record, "thumbnail": candidate.thumbnail_path} for candidate in selected]
        write_json(self.folder / HIGHLIGHTS_FILE, {"highlights": records})
        for outdated in set(self._written_paths or ()) - set(paths):
            (self.folder / outdated).unlink(missing_ok=True)
        self._written_paths = paths

    def _update_segment(
        self, image: ImageArray, face: Face, track_id: int, confidence: float, timestamp: float
    ) -> None:
        segment = self._segments.get(track_id)
        if segment is None or segment.label != face.display_label:
            self._end_segment(track_id)
            self._segments[track_id] = self._start_segment(image, face, segment, confidence, timestamp)
            return
        segment.last_seen = timestamp
        if confidence > segment.peak_confidence:
            segment.peak_confidence, segment.peak_timestamp = confidence, timestamp
            segment.peak_crop, segment.size_score = self._cut_thumbnail(image, face), _score_size(face)
        is_change = segment.previous_label is not None and timestamp - segment.start >= _MIN_CHANGE_SECONDS
        if is_change and not segment.is_reported:
            segment.is_reported = True
            self._add_candidate(track_id, segment, "change")

    def _start_segment(
        self, image: ImageArray, face: Face, previous: _ExpressionSegment | None, confidence: float, timestamp: float
    ) -> _ExpressionSegment:
        previous_label = None
        if previous is not None:
            is_long = previous.last_seen - previous.start >= _MIN_CHANGE_SECONDS
            previous_label = previous.label if is_long else previous.previous_label
        if previous_label == face.display_label:
            previous_label = None  # the expression was only interrupted
        crop = self._cut_thumbnail(image, face)
        return _ExpressionSegment(
            label=face.display_label,
            previous_label=previous_label,
            start=timestamp,
            last_seen=timestamp,
            start_confidence=confidence,
            start_crop=crop,
            peak_confidence=confidence,
            peak_timestamp=timestamp,
            peak_crop=crop,
            size_score=_score_size(face),
        )

    def _end_segment(self, track_id: int) -> None:
        segment = self._segments.pop(track_id, None)
        if segment is not None and segment.last_seen - segment.start >= _MIN_PEAK_SECONDS:
            self._add_candidate(track_id, segment, "peak")

    def _add_candidate(self, track_id: int, segment: _ExpressionSegment, kind: Literal["peak", "change"]) -> None:
        is_peak = kind == "peak"
        record: _HighlightRecord = {
            "timestamp": round(segment.peak_timestamp if is_peak else segment.start, 3),
            "track_id": track_id,
            "kind": kind,
            "label": segment.label,
            "previous_label": None if is_peak else segment.previous_label,
            "confidence": round(segment.peak_confidence if is_peak else segment.start_confidence, 4),
        }
        score = (
            segment.peak_confidence
            * segment.size_score
            * (_NEUTRAL_WEIGHT if segment.label == NEUTRAL else 1.0)
            * (1.0 if is_peak else _CHANGE_WEIGHT)
        )
        self._candidates.append(
            _HighlightCandidate(
                record, score, encode_jpeg(segment.peak_crop if is_peak else segment.start_crop, _JPEG_QUALITY)
            )
        )
        if len(self._candidates) > _MAX_CANDIDATES:
            self._candidates = _select_top(self._candidates, _MAX_CANDIDATES // 2)

    def _cut_thumbnail(self, image: ImageArray, face: Face) -> ImageArray:
        return make_thumbnail(serialization.crop_with_margin(image, face), self.anonymize)


def _select_top(candidates: list[_HighlightCandidate], max_count: int) -> list[_HighlightCandidate]:
    """Return the best candidates; the n-th of one face, kind and label counts 1 / n, for variety."""
    ranks: Counter[tuple[int, str, str]] = Counter()
    weighted = []
    for candidate in sorted(candidates, key=lambda candidate: -candidate.score):
        ranks[candidate.group_key] += 1
        weighted.append((candidate.score / ranks[candidate.group_key], candidate))
    return [candidate for _, candidate in sorted(weighted, key=lambda pair: -pair[0])[:max_count]]


def _score_size(face: Face) -> float:
    return min(1.0, max(0.0, min(face.box.width, face.box.height)) / _CLEAR_FACE_PX)
