"""Who counts in a film: what looks like a face for a moment only, or not to the classifier, is left out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from emotion.faces import Box, Face
from emotion.media.video_reader import VideoInfo
from emotion.tracking.label_smoothing import TrackInfo
from emotion.video.settings import FAST_STRIDE, VideoSettings
from emotion.video.workers import FAST_FPS, DecodedFrame

# Measured on films of a stage, an audience and a cartoon: of faces from 24 pixels on, also in profile, the classifier
# says on average 0.6 and more that they are some, of hands, backs of heads and letters 0.01 to 0.5, and those last for
# 0.2 seconds or have less than 0.25. Of true faces below 20 pixels it doubts a third.
_MIN_FACE_PROB: Final = 0.3
_MIN_TRACK_SECONDS: Final = 0.3  # seconds that a face must last
_MAX_INTERVAL_SECONDS: Final = 0.165  # seconds between two looks beyond which nobody can tell how long a face lasts
_SHORT_VIDEO_SECONDS: Final = 1.0  # seconds of a film in which nobody lasts long
_DELAY_SECONDS: Final = 0.4  # seconds for which frames wait for what comes, so that a face counts from its first one on
_SOFT_LIMIT_BYTES: Final = 100_000_000  # of the frames that wait: beyond, they wait only as long as a face must last
_MAX_PENDING_BYTES: Final = (
    300_000_000  # of them at all: at 4K and 60 frames a second a face counts a tenth of a second late
)
_MAX_LOST_SECONDS: Final = 5.0  # seconds after which a face that was not seen never comes back under its number

Faces = tuple[Face, ...]


class FilteredFrame(NamedTuple):
    """A frame and the faces that count in it, numbered from 1 in the order in which they came, None where nobody
    looked; `all_boxes` are the boxes of all, also of those that do not count."""

    frame: DecodedFrame
    faces: Faces | None
    all_boxes: list[Box]


class TrackFilter:
    """Takes frame after frame with the faces of a stream, and gives them back with those that count, a little later
    and in the same order."""

    def __init__(self, settings: VideoSettings, video_info: VideoInfo) -> None:
        frame = 1 / (video_info.fps or 25.0)  # seconds
        step = max(1 / FAST_FPS, frame) if settings.frame_stride == FAST_STRIDE else settings.frame_stride * frame
        short = video_info.duration is not None and video_info.duration < _SHORT_VIDEO_SECONDS
        self._min_seconds = 0.0 if step > _MAX_INTERVAL_SECONDS or short else _MIN_TRACK_SECONDS
        self._pending: deque[FilteredFrame] = deque()
        self._candidates: dict[int, tuple[float, float]] = {}  # of those that do not count yet: first and last second
        self._confirmed_ids: dict[int, int] = {}  # of those that count, by their track
        self._last_processed: float | None = None  # second of the last look
        self._verified_tracks: list[int] = []  # those in it whom the classifier takes for faces

    def push(
        self, decoded_frame: DecodedFrame, faces: Faces | None, track_info: Mapping[int, TrackInfo]
    ) -> Iterator[FilteredFrame]:
        """The next frame, `faces` None where nobody looked, with what the stream notes of them; gives those that are
        ready."""
        self._confirm_stationary(decoded_frame.timestamp)
        if faces is not None:
            noted = {face.track_id or 0: track_info.get(face.track_id or 0) for face in faces}
            self._last_processed = decoded_frame.timestamp
            self._verified_tracks = [
                track for track, note in noted.items() if note is not None and note.face_prob >= _MIN_FACE_PROB
            ]
            for track in noted:
                self._update_track(track, decoded_frame.timestamp)
        self._candidates = {
            track: seen
            for track, seen in self._candidates.items()
            if decoded_frame.timestamp - seen[1] <= _MAX_LOST_SECONDS
        }
        self._pending.append(FilteredFrame(decoded_frame, faces, [face.box for face in faces or ()]))
        while self._pending and (self._is_ready(decoded_frame.timestamp) or self._is_full(decoded_frame.timestamp)):
            yield self._pop_frame()

    def flush(self, end_time: float | None = None) -> Iterator[FilteredFrame]:
        """Those that still wait, when no more come; `end_time` is the second at which the last frame is over, None where
        nobody knows."""
        if end_time is not None:
            self._confirm_stationary(end_time)
        while self._pending:
            yield self._pop_frame()

    def _confirm_stationary(self, timestamp: float) -> None:
        """A picture that stands for long has a face for as long: its frame is one, and there is no second look."""
        if self._last_processed is not None and round(timestamp - self._last_processed, 3) > _MAX_INTERVAL_SECONDS:
            for track in self._verified_tracks:
                self._confirm_track(track)

    def _update_track(self, track_id: int, timestamp: float) -> None:
        if track_id in self._confirmed_ids:
            return
        first = self._candidates.get(track_id, (timestamp, timestamp))[0]
        self._candidates[track_id] = first, timestamp
        if track_id in self._verified_tracks and timestamp - first >= self._min_seconds:
            self._confirm_track(track_id)

    def _confirm_track(self, track_id: int) -> None:
        self._confirmed_ids.setdefault(track_id, len(self._confirmed_ids) + 1)
        self._candidates.pop(track_id, None)

    def _is_ready(self, timestamp: float) -> bool:
        return not self._min_seconds or timestamp - self._pending[0].frame.timestamp >= _DELAY_SECONDS

    def _is_full(self, timestamp: float) -> bool:
        held = sum(frame.frame.image.nbytes for frame in self._pending)
        return held > _MAX_PENDING_BYTES or (
            held > _SOFT_LIMIT_BYTES and timestamp - self._pending[0].frame.timestamp > self._min_seconds
        )

    def _pop_frame(self) -> FilteredFrame:
        frame = self._pending.popleft()
        if frame.faces is None:
            return frame
        counting = [face for face in frame.faces if face.track_id in self._confirmed_ids]
        numbered = (replace(face, track_id=self._confirmed_ids[face.track_id or 0]) for face in counting)
        return frame._replace(faces=tuple(sorted(numbered, key=lambda face: face.track_id or 0)))
