"""Keep what a stream says of each frame, and the frames as a film, until somebody takes them away."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.errors import EmotionError
from emotion.faces import Face
from emotion.live.latest_worker import LatestItemWorker
from emotion.media.video_writer import VideoWriter
from emotion.results import serialization, tables

MAX_SECONDS: Final = 3600.0
MAX_ROWS: Final = 108_000  # an hour of one face at 30 frames a second, about 40 MB
_CLOSE_TIMEOUT_SECONDS: Final = 10.0  # seconds that whoever stops a recording waits for the last frames of its film
_LIMIT_MESSAGE: Final = f"The recording ended by itself after {MAX_SECONDS / 60:.0f} minutes or {MAX_ROWS:,} rows."


@dataclass(frozen=True)
class Recording:
    """What was recorded: `csv` with one row a face and frame (`tables.stream_table`), `json` with every frame and the
    receipt, `num_tracks` different people in `num_rows` rows of `num_frames` frames in `seconds`. `frame_sizes`: width and height of the
    frames in pixels, from the smallest to the largest; a browser may change them. `video_path`: its file, None where there
    is none; `dropped_frames`: frames for which the film was too slow; `is_anonymized`: whether `settings` had `anonymize` for all of
    its frames. `warning`: what a person should know of it."""

    csv: str
    json: str
    duration: float = 0.0
    num_frames: int = 0
    num_rows: int = 0
    num_tracks: int = 0
    frame_sizes: tuple[tuple[int, int], ...] = ()
    video_path: Path | None = None
    dropped_frames: int = 0
    is_anonymized: bool = True
    warning: str | None = None


EMPTY_RECORDING: Final = Recording(tables.stream_to_csv([]), serialization.stream_to_json({}, []))


class LiveRecorder:
    """Takes one frame after the other, none of them waiting for the film. Ends by itself at `MAX_SECONDS` or
    `MAX_ROWS`. May be used from many threads."""

    def __init__(self, video_path: Path | None = None) -> None:
        self.duration = 0.0  # from the first frame to the last one, in the frames' own time
        self._video = _AsyncVideoWriter(video_path) if video_path else None
        self._json_lines: list[str] = []  # frames as JSON: plain text takes a third of the memory of the values
        self._num_rows = 0
        self._track_ids: set[int | None] = set()
        self._settings: list[dict[str, Any]] = []
        self._sizes: list[dict[str, Any]] = []
        self._start_time: float | None = None
        self._is_open = True
        self._end_message: str | None = None  # why it ended by itself
        self._lock = threading.Lock()

    def append(
        self,
        timestamp: float,
        faces: Sequence[Face],
        image: NDArray[np.uint8],
        settings: Mapping[str, Any],
    ) -> None:
        """Keep a frame of that time: its faces, and `image` RGB uint8 (H, W, 3) for the film; `settings` (plain JSON
        values) where they are not those of the frame before."""
        with self._lock:
            if not self._is_open:
                return
            if self._start_time is None:
                self._start_time = timestamp
            passed = timestamp - self._start_time
            if passed >= MAX_SECONDS or self._num_rows + len(faces) > MAX_ROWS:
                self._is_open, self._end_message = False, _LIMIT_MESSAGE
                return
            if not self._settings or self._settings[-1]["values"] != settings:
                self._settings.append({"timestamp": round(passed, 3), "values": dict(settings)})
            height, width = image.shape[:2]
            if not self._sizes or (self._sizes[-1]["width"], self._sizes[-1]["height"]) != (width, height):
                self._sizes.append({"timestamp": round(passed, 3), "width": width, "height": height})
            self._json_lines.append(
                json.dumps(serialization.frame_to_dict(passed, faces), ensure_ascii=False, allow_nan=False)
            )
            self._num_rows += len(faces)
            self._track_ids |= {face.track_id for face in faces}
            self.duration = passed
        if self._video is not None:
            self._video.submit(image, passed)

    def finish(self, provenance: Mapping[str, Any]) -> Recording:
        """End, finish the film and give what was recorded; `provenance` (plain JSON values) goes into its JSON."""
        with self._lock:
            self._is_open = False
        film = self._video.close() if self._video else None
        whole = {**provenance, "duration": round(self.duration, 3), "sizes": self._sizes, "settings": self._settings}
        return Recording(
            csv=tables.stream_to_csv(self._json_lines),
            json=serialization.stream_to_json(whole, self._json_lines),
            duration=self.duration,
            num_frames=len(self._json_lines),
            num_rows=self._num_rows,
            num_tracks=len(self._track_ids),
            frame_sizes=tuple(sorted({(one["width"], one["height"]) for one in self._sizes})),
            video_path=film,
            dropped_frames=self._video.dropped_frames if self._video else 0,
            is_anonymized=all(one["values"].get("anonymize") for one in self._settings),
            warning=self.warning,
        )

    def close(self) -> None:
        """End and finish the film, if that was not done before."""
        with self._lock:
            self._is_open = False
        if self._video is not None:
            self._video.close()

    @property
    def warning(self) -> str | None:
        """What a person should know of it so far, or None."""
        return " ".join(filter(None, [self._end_message, self._video and self._video.error_message])) or None


class _TimedImage(NamedTuple):
    image: NDArray[np.uint8]  # RGB (H, W, 3)
    timestamp: float


class _AsyncVideoWriter:
    """Writes a film in a thread of its own; what comes while it is busy replaces what waits."""

    def __init__(self, path: Path) -> None:
        self.dropped_frames = 0
        self.error_message: str | None = None
        self._path = path
        self._writer: VideoWriter | None = None
        self._worker = LatestItemWorker(self._write, "film")

    def submit(self, image: NDArray[np.uint8], timestamp: float) -> None:
        """Leave a frame for the film, never waiting."""
        if self.error_message is None and self._worker.put(_TimedImage(image, timestamp)) is not None:
            self.dropped_frames += 1

    def close(self) -> Path | None:
        """Finish the film; None where there is none. May be called again."""
        if not self._worker.close(_CLOSE_TIMEOUT_SECONDS):
            self.error_message = (
                self.error_message or f"The film {self._path.name} is not finished yet; its disk is very slow."
            )
            return None
        try:
            if self._writer is not None:
                self._writer.close()
        except EmotionError as error:
            self.error_message = str(error)
        return self._path if self._writer is not None and self.error_message is None else None

    def _write(self, frame: _TimedImage) -> None:
        if self.error_message is not None:
            return
        try:
            if self._writer is None:
                self._writer = VideoWriter(self._path, frame.image.shape[1], frame.image.shape[0])
            self._writer.write(frame.image, frame.timestamp)
        except EmotionError as error:
            self.error_message = str(error)
