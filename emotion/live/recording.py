"""Record the faces of each frame of a stream, and the annotated frames as a video."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.errors import EmotionError
from emotion.live.frame_analysis import AnalyzedFrame
from emotion.live.latest_worker import LatestItemWorker
from emotion.live.state import RecordingState
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import encode_jpeg
from emotion.media.video_writer import VideoWriter
from emotion.results import serialization, tables
from emotion.results.records import Provenance
from emotion.translation.messages import get_message, gettext_noop
from emotion.translation.messages import gettext as _

MAX_SECONDS: Final = 3600.0
MAX_ROWS: Final = 108_000  # an hour of one face at 30 frames a second, about 40 MB
MAX_MARKERS: Final = 200  # as many as a video may have
_MAX_THUMBNAILS: Final = 200  # of persons, 15 MB
_JPEG_QUALITY: Final = 88
_CLOSE_TIMEOUT_SECONDS: Final = 10.0  # for the last frames of the video to be written
_LIMIT_MESSAGE: Final = gettext_noop("The recording ended by itself after {minutes:.0f} minutes or {rows:,} rows.")


class LiveProvenance(Provenance):
    """What made a snapshot or a recording, and when."""

    created_at: str
    detector: str
    features_model: str | None  # sha256 of the features network, which also turns the crops of tilted faces


@dataclass(frozen=True)
class Recording:
    """A finished recording.

    Attributes:
        csv: One row per face and frame (`tables.stream_table`).
        json: Every frame, the settings and the provenance.
        duration: Seconds from the first frame to the last.
        num_frames: Number of frames.
        num_rows: Number of faces in all frames.
        num_tracks: Number of different people.
        markers: Seconds of the markers that a person set.
        frame_sizes: Widths and heights of the frames in pixels, ascending; a browser may change the size.
        video_path: The video, None where there is none.
        dropped_frames: Frames that the video left out because writing was too slow.
        is_anonymized: Whether faces were anonymized in all frames.
        provenance: What made it, and when; None of one without frames.
        frames: JSON texts of the frames (`serialization.frame_to_dict`).
        thumbnails: JPEG of each person by track id, pixelated where faces were anonymized.
        warnings: A sentence for each thing that is wrong with the recording.
    """

    csv: str
    json: str
    duration: float = 0.0
    num_frames: int = 0
    num_rows: int = 0
    num_tracks: int = 0
    markers: tuple[float, ...] = ()
    frame_sizes: tuple[tuple[int, int], ...] = ()
    video_path: Path | None = None
    dropped_frames: int = 0
    is_anonymized: bool = True
    provenance: LiveProvenance | None = None
    frames: tuple[str, ...] = ()
    thumbnails: Mapping[int, bytes] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


EMPTY_RECORDING: Final = Recording(tables.stream_to_csv([]), serialization.stream_to_json({}, []))


class _SettingsChange(NamedTuple):
    timestamp: float
    values: dict[str, Any]


class _SizeChange(NamedTuple):
    timestamp: float
    width: int
    height: int


class LiveRecorder:
    """Records frames without waiting for the video to be written; thread-safe.

    Ends by itself after `MAX_SECONDS` or `MAX_ROWS`.
    """

    def __init__(self, video_path: Path | None = None, *, start_time: float = 0.0) -> None:
        """Begin a recording.

        Args:
            video_path: The video, None for none.
            start_time: Frames that arrived before are left out; in seconds of the session's clock.
        """
        self.duration = 0.0  # from the first frame to the last, by their timestamps
        self._video = _AsyncVideoWriter(video_path) if video_path else None
        self._json_lines: list[str] = []  # one frame each: text takes a third of the memory of the values
        self._num_rows = 0
        self._track_ids: set[int | None] = set()
        self._markers: list[float] = []
        self._thumbnails = _BestThumbnails()
        self._settings: list[_SettingsChange] = []
        self._sizes: list[_SizeChange] = []
        self._start_time = start_time
        self._first_timestamp: float | None = None
        self._is_open = True
        self._end_message: str | None = None  # where it ended by itself
        self._lock = threading.Lock()

    def append(self, frame: AnalyzedFrame, settings: Mapping[str, Any]) -> None:
        """Record a frame.

        Args:
            frame: The frame; its annotated image is for the video.
            settings: The current options as plain JSON values; recorded where they change.
        """
        timestamp, faces, image = frame.result.timestamp, frame.result.faces, frame.annotated_image
        with self._lock:
            if not self._is_open or frame.arrival_time < self._start_time:
                return
            if self._first_timestamp is None:
                self._first_timestamp = timestamp
            elapsed = timestamp - self._first_timestamp
            if elapsed >= MAX_SECONDS or self._num_rows + len(faces) > MAX_ROWS:
                self._is_open = False
                self._end_message = _(_LIMIT_MESSAGE).format(minutes=MAX_SECONDS / 60, rows=MAX_ROWS)
                return
            if not self._settings or self._settings[-1].values != settings:
                self._settings.append(_SettingsChange(round(elapsed, 3), dict(settings)))
            height, width = image.shape[:2]
            if not self._sizes or self._sizes[-1][1:] != (width, height):
                self._sizes.append(_SizeChange(round(elapsed, 3), width, height))
            self._json_lines.append(
                json.dumps(serialization.frame_to_dict(elapsed, faces), ensure_ascii=False, allow_nan=False)
            )
            self._num_rows += len(faces)
            self._track_ids |= {face.track_id for face in faces}
            self._thumbnails.update(frame)
            self.duration = elapsed
        if self._video is not None:
            self._video.submit(image, elapsed)

    def add_marker(self) -> None:
        """Mark the moment of the last frame; does nothing before the first frame, after `MAX_MARKERS` and the end."""
        with self._lock:
            if self._is_open and self._json_lines and len(self._markers) < MAX_MARKERS:
                self._markers.append(round(self.duration, 3))

    def describe(self, now: float) -> RecordingState:
        """Return its state at `now`, in seconds of the session's clock."""
        return RecordingState(self.duration, self.warnings, max(0.0, self._start_time - now), len(self._markers))

    def finish(self, provenance: LiveProvenance) -> Recording:
        """End, finish the video and return the recording; its JSON includes `provenance`."""
        with self._lock:
            self._is_open = False
        video_path = self._video.close() if self._video else None
        header = {
            **provenance,
            "duration": round(self.duration, 3),
            "sizes": [size._asdict() for size in self._sizes],
            "settings": [change._asdict() for change in self._settings],
            "markers": self._markers,
        }
        return Recording(
            csv=tables.stream_to_csv(self._json_lines, self._markers),
            json=serialization.stream_to_json(header, self._json_lines),
            duration=self.duration,
            num_frames=len(self._json_lines),
            num_rows=self._num_rows,
            num_tracks=len(self._track_ids),
            markers=tuple(self._markers),
            frame_sizes=tuple(sorted({(size.width, size.height) for size in self._sizes})),
            video_path=video_path,
            dropped_frames=self._video.dropped_frames if self._video else 0,
            is_anonymized=all(change.values.get("anonymize") for change in self._settings),
            provenance=provenance,
            frames=tuple(self._json_lines),
            thumbnails=self._thumbnails.encode(),
            warnings=self.warnings,
        )

    def close(self) -> None:
        """End and finish the video; does nothing when that is done."""
        with self._lock:
            self._is_open = False
        if self._video is not None:
            self._video.close()

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each thing that went wrong so far."""
        return tuple(filter(None, (self._end_message, self._video and self._video.error_message)))


class _BestThumbnails:
    """Keeps the thumbnail of the largest, most certain view of each person."""

    def __init__(self) -> None:
        self._images: dict[int, tuple[float, ImageArray]] = {}

    def update(self, frame: AnalyzedFrame) -> None:
        """Compare the faces of a frame with the best ones so far."""
        for face in frame.result.faces:
            if face.track_id is None or face.confidence is None:
                continue
            quality = face.confidence * min(face.box.width, face.box.height)
            best = self._images.get(face.track_id)
            if len(self._images) < _MAX_THUMBNAILS if best is None else quality > best[0]:
                self._images[face.track_id] = quality, frame.make_thumbnail(face, frame.is_anonymized)

    def encode(self) -> dict[int, bytes]:
        """Return the thumbnails as JPEG by track id."""
        return {track_id: encode_jpeg(image, _JPEG_QUALITY) for track_id, (_quality, image) in self._images.items()}


class _TimedImage(NamedTuple):
    image: NDArray[np.uint8]  # RGB (H, W, 3)
    timestamp: float


class _AsyncVideoWriter:
    """Writes a video in a thread of its own; a frame that arrives while it is busy replaces one that waits."""

    def __init__(self, path: Path) -> None:
        self.dropped_frames = 0
        self.error_message: str | None = None
        self._path = path
        self._writer: VideoWriter | None = None
        self._worker = LatestItemWorker(self._write, "video-recording")

    def submit(self, image: NDArray[np.uint8], timestamp: float) -> None:
        """Queue a frame without waiting."""
        if self.error_message is None and self._worker.put(_TimedImage(image, timestamp)) is not None:
            self.dropped_frames += 1

    def close(self) -> Path | None:
        """Finish the video and return its path, None where there is none. May be called repeatedly."""
        if not self._worker.close(_CLOSE_TIMEOUT_SECONDS):
            slow = _("The video was not saved, because its disk is very slow; tables and charts are complete.")
            self.error_message = self.error_message or slow
            threading.Thread(target=self._discard, name="video-recording-end", daemon=True).start()
            return None
        try:
            if self._writer is not None:
                self._writer.close()
        except EmotionError as error:
            self.error_message = get_message(error)
        return self._path if self._writer is not None and self.error_message is None else None

    def _discard(self) -> None:
        """Remove what was written, once the last frame is."""
        self._worker.close(None)
        if self._writer is not None:
            self._writer.discard()

    def _write(self, frame: _TimedImage) -> None:
        if self.error_message is not None:
            return
        try:
            if self._writer is None:
                self._writer = VideoWriter(self._path, frame.image.shape[1], frame.image.shape[0])
            self._writer.write(frame.image, frame.timestamp)
        except EmotionError as error:
            self.error_message = get_message(error)
