"""The two threads beside the one that looks for faces: one decodes a film, the other writes it with its labels."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.media.video_reader import VideoReader
from emotion.media.video_writer import VideoWriter
from emotion.video.channel import BoundedChannel
from emotion.video.settings import FAST_STRIDE, VideoSettings

FAST_FPS: Final = 8.0  # frames looked at in a second where it has to be fast
_EARLY_TOLERANCE: Final = 0.55  # of a frame: frames do not fall on the beat, so the one nearest to it is taken


@dataclass(frozen=True)
class DecodedFrame:
    """A decoded frame: `image` RGB uint8 (H, W, 3); `should_process` where faces are to be looked for."""

    index: int
    timestamp: float
    image: NDArray[np.uint8]
    should_process: bool


class FrameSampler:
    """Says of frame after frame whether faces are to be looked for, by number and time alone."""

    def __init__(self, frame_stride: int) -> None:
        self._frame_stride = frame_stride
        self._last_processed = self._last_timestamp = -math.inf  # seconds of the last look, and of the last frame

    def should_process(self, index: int, timestamp: float) -> bool:
        """Of the next frame."""
        if self._frame_stride != FAST_STRIDE:
            return index % self._frame_stride == 0
        frame, self._last_timestamp = timestamp - self._last_timestamp, timestamp
        due = timestamp - self._last_processed >= 1 / FAST_FPS - _EARLY_TOLERANCE * frame
        self._last_processed = timestamp if due else self._last_processed
        return due


@contextmanager
def decode_in_thread(video: VideoReader, settings: VideoSettings) -> Iterator[BoundedChannel[DecodedFrame]]:
    """The frames of a film as a thread decodes them; what is neither looked at nor written is left out."""
    shots: BoundedChannel[DecodedFrame] = BoundedChannel()

    def decode() -> None:
        pace = FrameSampler(settings.frame_stride)
        try:
            for frame in video.frames():
                due = pace.should_process(frame.index, frame.timestamp)
                if (due or settings.write_video) and not shots.put(
                    DecodedFrame(frame.index, frame.timestamp, frame.image(), due)
                ):
                    return
            shots.close()
        except BaseException as error:
            shots.close(error)

    thread = threading.Thread(target=decode, name="video-decode", daemon=True)
    thread.start()
    try:
        yield shots
    finally:
        shots.abandon()
        thread.join()  # the film is for one thread at a time


class VideoEncoderThread:
    """Writes a film to `path` in a thread of its own, with the sound of the film `audio_path`, see `VideoWriter`."""

    def __init__(self, path: Path, width: int, height: int, audio_path: Path, comment: str) -> None:
        self.num_frames = 0
        self.audio_warning: str | None = None
        self._writer_args = path, width, height, audio_path, comment
        self._channel: BoundedChannel[tuple[NDArray[np.uint8], float]] = BoundedChannel()
        self._error: BaseException | None = None
        self._end_time: float | None = None
        self._thread = threading.Thread(target=self._encode, name="video-encode", daemon=True)
        self._thread.start()

    def put(self, image: NDArray[np.uint8], timestamp: float) -> None:
        """Add RGB uint8 (H, W, 3), shown from `timestamp` on; `VideoError` where the film cannot be written."""
        if not self._channel.put((image, timestamp)):
            self.close()

    def close(self, end_time: float | None = None) -> None:
        """Finish the film, see `VideoWriter.close`; raises what went wrong while it was written. May be called again."""
        self._end_time = end_time
        self._channel.close()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _encode(self) -> None:
        try:
            with VideoWriter(*self._writer_args) as film:
                for picture, seconds in self._channel.receive():
                    film.write(picture, seconds)
                    self.num_frames = film.num_frames
                film.close(self._end_time)
            self.audio_warning = film.audio_warning
        except BaseException as error:
            self._error = error
        finally:
            self._channel.abandon()
