"""The threads beside face analysis: one decodes a video, another one encodes the annotated video."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.media.video_reader import VideoReader
from emotion.media.video_writer import VideoWriter
from emotion.video.processing.channel import BoundedChannel
from emotion.video.settings import VideoRequest, VideoSettings

FAST_FPS: Final = 8.0  # frames processed per second with `FAST_STRIDE`
_EARLY_TOLERANCE: Final = 0.55  # frame durations by which a frame may be early: the nearest one to its due time counts


@dataclass(frozen=True)
class DecodedFrame:
    """A decoded frame: `image` is RGB uint8 (H, W, 3), `should_process` whether faces are detected in it."""

    index: int
    timestamp: float
    image: NDArray[np.uint8]
    should_process: bool


class FrameSampler:
    """Selects the frames to process by index and timestamp alone."""

    def __init__(self, frame_stride: int | None) -> None:
        self._frame_stride = frame_stride
        self._last_processed = self._last_timestamp = -math.inf

    def should_process(self, index: int, timestamp: float) -> bool:
        """Return whether to process the next frame."""
        if self._frame_stride is not None:
            return index % self._frame_stride == 0
        frame_duration, self._last_timestamp = timestamp - self._last_timestamp, timestamp
        is_due = timestamp - self._last_processed >= 1 / FAST_FPS - _EARLY_TOLERANCE * frame_duration
        self._last_processed = timestamp if is_due else self._last_processed
        return is_due


@contextmanager
def decode_in_thread(video: VideoReader, settings: VideoSettings) -> Iterator[BoundedChannel[DecodedFrame]]:
    """Decode the analyzed part of a video in a thread, without frames that are neither processed nor written."""
    channel: BoundedChannel[DecodedFrame] = BoundedChannel()

    def decode() -> None:
        sampler = FrameSampler(settings.frame_stride)
        try:
            for index, timestamp, frame in settings.time_range.iter_frames(video):
                should_process = sampler.should_process(index, timestamp)
                if not should_process and not settings.write_video:
                    continue
                if not channel.wait_for_room():  # before the image is made, so that one less is in memory
                    return
                channel.put(DecodedFrame(index, timestamp, frame.image(), should_process))
                del frame  # it is not kept in memory while the next one is decoded
            channel.close()
        except BaseException as error:  # raised again in the receiving thread, which would wait forever otherwise
            channel.close(error)

    thread = threading.Thread(target=decode, name="video-decode", daemon=True)
    thread.start()
    try:
        yield channel
    finally:
        channel.abandon()
        thread.join()  # the reader is not thread-safe


class VideoEncoderThread:
    """Writes a video to `path` in a thread of its own, with the audio of a request's video, see `VideoWriter`."""

    def __init__(self, path: Path, width: int, height: int, request: VideoRequest) -> None:
        self.num_frames = 0
        self.audio_warning: str | None = None
        audio_start = request.settings.time_range.start
        self._writer_args = path, width, height, request.video_path, request.provenance_line, audio_start
        self._channel: BoundedChannel[tuple[NDArray[np.uint8], float]] = BoundedChannel()
        self._error: BaseException | None = None
        self._end_time: float | None = None
        self._thread = threading.Thread(target=self._encode, name="video-encode", daemon=True)
        self._thread.start()

    def put(self, render: Callable[[], NDArray[np.uint8]], timestamp: float) -> None:
        """Add a frame as soon as there is room for it; `VideoError` where writing fails.

        Args:
            render: Returns the frame, RGB uint8 (H, W, 3).
            timestamp: Seconds from which it is displayed.
        """
        if self._channel.wait_for_room():
            self._channel.put((render(), timestamp))
        else:
            self.close()

    def close(self, end_time: float | None = None) -> None:
        """Finish the video, see `VideoWriter.close`; raises the error of the thread. May be called repeatedly."""
        self._end_time = end_time
        self._channel.close()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _encode(self) -> None:
        try:
            with VideoWriter(*self._writer_args) as writer:
                for image, timestamp in self._channel.receive():
                    writer.write(image, timestamp)
                    self.num_frames = writer.num_frames
                    del image  # it is not kept in memory while waiting
                writer.close(self._end_time)
            self.audio_warning = writer.audio_warning
        except BaseException as error:  # raised again by `close`
            self._error = error
        finally:
            self._channel.abandon()
