"""Write videos that every browser plays: H.264 in an MP4 file with variable frame timing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final

import av
import cv2
import numpy as np
from av import Packet
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from emotion.checks import check_count, check_timestamp
from emotion.errors import VideoError
from emotion.media.audio_track import AudioTrack
from emotion.media.containers.frame_conversion import BT709
from emotion.media.image_reader import ImageSource, as_rgb
from emotion.storage import atomic_path
from emotion.translation.messages import gettext as _

_TICKS_PER_SECOND: Final = 90_000  # a multiple of 24, 25, 30 and 60 frames per second, as in most videos
_DEFAULT_FPS: Final = 25  # for the duration of a single frame
# 640x360 costs 2.5 ms of one core; "veryfast" takes 3.8 ms for files that look the same and are 40% smaller. No
# B-frames: with uneven frame times they give the file a wrong duration.
_ENCODER_OPTIONS: Final = {"preset": "superfast", "crf": "25", "bf": "0"}
_MAX_LAST_STEPS: Final = 1.5  # frame durations up to which the end of the source video ends the last frame
_LIMITED_RANGE: Final = 1  # FFmpeg's number for values from 16 to 235, as in nearly all videos


class VideoWriter:
    """A context manager that writes an MP4 file; not thread-safe.

    The file appears at `path` with `close` or at the end of the `with` block; after an error, `discard`, or without
    any frame, `path` is unchanged.

    Args:
        path: The file to write.
        width: Pixels; an odd width is made even by repeating the last column.
        height: Pixels; an odd height is made even by repeating the last row.
        audio_source: The video whose first audio stream is kept, in sync with frames that are written at their
            timestamps in `VideoReader`; see `audio_warning`.
        comment: Text for the metadata of the file.
        audio_start: Second of `audio_source` at which the new video begins.

    Raises:
        VideoError: The video cannot be written.
        SettingsError: A size or timestamp is invalid.
    """

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        audio_source: Path | None = None,
        comment: str = "",
        audio_start: float = 0.0,
    ) -> None:
        check_count("width", width, 1)
        check_count("height", height, 1)
        self.path = path
        self.num_frames = 0
        self._size, self._comment = (width + width % 2, height + height % 2), comment
        self._last_tick = -1
        self._tick_step = round(_TICKS_PER_SECOND / _DEFAULT_FPS)  # from the frame before to the last one
        self._reformatter = VideoReformatter()
        self._audio = AudioTrack(audio_source, audio_start) if audio_source else None
        self._temporary_file: AbstractContextManager[Path] | None = atomic_path(path)
        temporary = self._temporary_file.__enter__()
        with self._translate_errors():
            try:
                self._open(temporary)
            except (FFmpegError, ValueError) as error:
                if self._audio is None or not self._audio.is_available or isinstance(error, OSError):
                    raise
                self._audio.abandon()  # unsupported audio; a missing folder or a full disk is an OSError
                self._open(temporary)

    def write(self, image: ImageSource, timestamp: float) -> None:
        """Add a frame.

        Args:
            image: All that `as_rgb` takes; another size than the video's is fitted between black borders.
            timestamp: Seconds, 0 or more, from which it is displayed; moved behind the frame before it if necessary.
        """
        check_timestamp(timestamp)
        frame = av.VideoFrame.from_ndarray(letterbox(image, *self._size), format="rgb24")
        frame = self._reformatter.reformat(
            frame, format="yuv420p", dst_colorspace=BT709, dst_color_range=_LIMITED_RANGE, threads=1
        )
        tick = max(self._last_tick + 1, round(timestamp * _TICKS_PER_SECOND))
        self._tick_step = tick - self._last_tick if self.num_frames else self._tick_step
        self._last_tick = frame.pts = tick
        frame.time_base = Fraction(1, _TICKS_PER_SECOND)
        with self._translate_errors():
            self._container.mux(self._stream.encode(frame))
            if self._audio is not None:
                self._mux_audio(self._audio, self._audio.packets_until(timestamp))
        self.num_frames += 1

    def close(self, end_time: float | None = None) -> None:
        """Finish the video and move it to `path`; does nothing when it is finished or discarded.

        Args:
            end_time: Second at which the last frame ends; None: it lasts as long as the one before it. Audio ends
                with it, unless the source video ends there too.
        """
        if self.num_frames == 0:
            self.discard()
        if self._temporary_file is not None:
            with self._translate_errors():
                last_end = self._last_frame_end(end_time)
                packets = self._stream.encode()
                for packet in packets[-1:]:
                    packet.duration = max(1, round(last_end * _TICKS_PER_SECOND) - self._last_tick)
                self._container.mux(packets)
                if self._audio is not None:
                    self._mux_audio(self._audio, self._audio.remaining(last_end))
                    self._audio.close()
                self._container.close()
                self._temporary_file.__exit__(None, None, None)
            self._temporary_file = None

    def discard(self) -> None:
        """Remove what was written; does nothing when the video is finished."""
        temporary_file, self._temporary_file = self._temporary_file, None
        if self._audio is not None:
            self._audio.close()
        if temporary_file is not None:
            with suppress(AttributeError, FFmpegError):  # no container yet, or one that cannot be finished
                self._container.close()
            with suppress(_DiscardedError):
                temporary_file.__exit__(_DiscardedError, _DiscardedError(), None)

    @property
    def audio_warning(self) -> str | None:
        """One sentence where audio is damaged or cannot be kept, else None."""
        return self._audio.warning if self._audio else None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is None:
            self.close()
        else:
            self.discard()

    def _open(self, temporary_path: Path) -> None:
        self._container = av.open(str(temporary_path), "w", format="mp4", options={"movflags": "+faststart"})
        if self._comment:
            self._container.metadata["comment"] = self._comment
        self._stream = self._container.add_stream("libx264", rate=30, options=_ENCODER_OPTIONS)
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base = Fraction(1, _TICKS_PER_SECOND)  # variable frame rate
        context.thread_count = 1  # the other cores detect faces
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = _LIMITED_RANGE
        if self._audio is not None and self._audio.is_available:
            self._audio.attach(self._container)
        self._container.start_encoding()  # raises for a missing folder or a full disk

    def _mux_audio(self, audio: AudioTrack, packets: Iterator[Packet]) -> None:
        try:
            for packet in packets:
                self._container.mux(packet)
        except (FFmpegError, ValueError) as error:
            if isinstance(error, OSError):
                raise
            audio.abandon()

    def _last_frame_end(self, end_time: float | None) -> float:
        """Return the second at which the last frame ends."""
        last, step = self._last_tick / _TICKS_PER_SECOND, self._tick_step / _TICKS_PER_SECOND
        if end_time is None and self._audio is not None:
            source_end = self._audio.video_end
            end_time = source_end if source_end is not None and source_end <= last + _MAX_LAST_STEPS * step else None
        return end_time if end_time is not None and end_time > last else last + step

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Discard the video and raise VideoError where writing fails."""
        try:
            yield
        except (FFmpegError, OSError) as error:
            self.discard()
            reason = error.strerror or type(error).__name__
            raise VideoError(
                _(
                    "The video {name} cannot be written to {parent} ({reason}); make room there or choose "
                    "another folder."
                ).format(name=self.path.name, parent=self.path.parent, reason=reason)
            ) from error


class _DiscardedError(Exception):
    """Makes `atomic_path` remove the temporary file."""


def letterbox(image: ImageSource, width: int, height: int) -> NDArray[np.uint8]:
    """Fit an image into RGB uint8 (height, width, 3), undistorted and centered between black borders.

    Where only one row or column is missing, the last one is repeated instead. An image of that size is returned itself.
    """
    image = as_rgb(image)
    if image.shape[:2] == (height, width):
        return image
    factor = min(width / image.shape[1], height / image.shape[0])
    w, h = min(width, round(image.shape[1] * factor)), min(height, round(image.shape[0] * factor))
    if abs(width - image.shape[1]) <= 1 and abs(height - image.shape[0]) <= 1:  # right but for an odd size
        w, h = min(width, image.shape[1]), min(height, image.shape[0])
    if (w, h) != (image.shape[1], image.shape[0]):
        image = cv2.resize(image, (max(1, w), max(1, h)), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    left, top = (width - image.shape[1]) // 2, (height - image.shape[0]) // 2
    right, bottom = width - image.shape[1] - left, height - image.shape[0] - top
    border = cv2.BORDER_REPLICATE if max(right, bottom) <= 1 else cv2.BORDER_CONSTANT
    return cv2.copyMakeBorder(image, top, bottom, left, right, border)  # type: ignore[return-value]
