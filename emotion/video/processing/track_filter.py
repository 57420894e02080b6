"""Filter the tracks of a video: false detections, which are brief or unlike a face to the classifier, are removed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from emotion.faces import Box, Face
from emotion.media.video_reader import VideoInfo
from emotion.tracking.label_smoothing import TrackInfo
from emotion.video.processing.workers import FAST_FPS, DecodedFrame
from emotion.video.settings import VideoSettings

# Measured on videos of a stage, an audience and a cartoon: faces from 24 pixels on, also in profile, have an average
# face probability of 0.6 and more; hands, backs of heads and letters have 0.01 to 0.5, and those above 0.25 last for at
# most 0.2 seconds. A third of true faces below 20 pixels is rejected.
_MIN_FACE_PROB: Final = 0.3
_DEFAULT_FPS: Final = 25.0  # of a video that states none
_MIN_TRACK_SECONDS: Final = 0.3
_MAX_INTERVAL_SECONDS: Final = 0.165  # between processed frames, beyond which the length of a track is unknown
_SHORT_VIDEO_SECONDS: Final = 1.0  # below, no minimum length applies
_DELAY_SECONDS: Final = 0.4  # that frames are held back, so that a face counts from its first frame on
SOFT_LIMIT_BYTES: Final = 100_000_000  # of held frames; above, they are held only for the minimum track length
MAX_PENDING_BYTES: Final = 130_000_000  # of held frames: 0.3 s at Full HD and 60 frames per second
MAX_REDUCED_BYTES: Final = 56_000_000  # the same for a video that is reduced, whose decoder takes much more memory
_MAX_LOST_SECONDS: Final = 5.0  # after which a track never continues

Faces = tuple[Face, ...]


class FilteredFrame(NamedTuple):
    """A frame with its confirmed faces.

    Attributes:
        frame: The frame.
        faces: Faces of confirmed tracks, numbered from 1 in order of confirmation; None in a frame that was not
            processed.
        all_boxes: The boxes of all faces, including unconfirmed ones.
    """

    frame: DecodedFrame
    faces: Faces | None
    all_boxes: list[Box]


class TrackFilter:
    """Takes the frames and faces of a stream, and yields them with confirmed faces only, delayed and in order."""

    def __init__(self, settings: VideoSettings, video_info: VideoInfo) -> None:
        frame_duration, stride = 1 / (video_info.fps or _DEFAULT_FPS), settings.frame_stride
        interval = max(1 / FAST_FPS, frame_duration) if stride is None else stride * frame_duration
        is_short = video_info.duration is not None and video_info.duration < _SHORT_VIDEO_SECONDS
        self._min_seconds = 0.0 if interval > _MAX_INTERVAL_SECONDS or is_short else _MIN_TRACK_SECONDS
        self._max_bytes = MAX_PENDING_BYTES if video_info.reduction == 1 else MAX_REDUCED_BYTES
        self._pending: deque[FilteredFrame] = deque()
        self._candidates: dict[int, tuple[float, float]] = {}  # unconfirmed: first and last second
        self._confirmed_ids: dict[int, int] = {}  # new number by track id
        self._last_processed: float | None = None  # its second
        self._verified_tracks: list[int] = []  # likely faces in that frame

    def push(
        self, decoded_frame: DecodedFrame, faces: Faces | None, track_info: Mapping[int, TrackInfo]
    ) -> Iterator[FilteredFrame]:
        """Add a frame, and yield the frames that are ready.

        Args:
            decoded_frame: The frame.
            faces: Its faces, None where it was not processed.
            track_info: The state of their tracks in the stream.
        """
        self._confirm_stationary(decoded_frame.timestamp)
        if faces is not None:
            infos = {face.track_id or 0: track_info.get(face.track_id or 0) for face in faces}
            self._last_processed = decoded_frame.timestamp
            self._verified_tracks = [
                track for track, info in infos.items() if info is not None and info.face_prob >= _MIN_FACE_PROB
            ]
            for track in infos:
                self._update_track(track, decoded_frame.timestamp)
        self._candidates = {
            track: (first, last)
            for track, (first, last) in self._candidates.items()
            if decoded_frame.timestamp - last <= _MAX_LOST_SECONDS
        }
        self._pending.append(FilteredFrame(decoded_frame, faces, [face.box for face in faces or ()]))
        while self._pending and (self._is_ready(decoded_frame.timestamp) or self._is_full(decoded_frame.timestamp)):
            yield self._pop_frame()

    def flush(self, end_time: float | None = None) -> Iterator[FilteredFrame]:
        """Yield the frames that are still held; `end_time` is the second at which the last frame ends, if known."""
        if end_time is not None:
            self._confirm_stationary(end_time)
        while self._pending:
            yield self._pop_frame()

    def _confirm_stationary(self, timestamp: float) -> None:
        """Confirm likely faces of a frame that is displayed for long: there is no second frame to confirm them."""
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
        pending_bytes = sum(frame.frame.image.nbytes for frame in self._pending)
        return pending_bytes > self._max_bytes or (
            pending_bytes > SOFT_LIMIT_BYTES and timestamp - self._pending[0].frame.timestamp > self._min_seconds
        )

    def _pop_frame(self) -> FilteredFrame:
        frame = self._pending.popleft()
        if frame.faces is None:
            return frame
        confirmed = [face for face in frame.faces if face.track_id in self._confirmed_ids]
        numbered = (replace(face, track_id=self._confirmed_ids[face.track_id or 0]) for face in confirmed)
        return frame._replace(faces=tuple(sorted(numbered, key=lambda face: face.track_id or 0)))
