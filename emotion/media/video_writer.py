"""Write films that every browser plays: H.264 in an MP4 file, with the true times of the frames."""

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
from emotion.media.image_reader import ImageSource, as_rgb
from emotion.storage import atomic_path

_TICKS_PER_SECOND: Final = (
    90_000  # in a second, as in most films: 24, 25, 30 and 60 frames a second are whole numbers of them
)
# 640x360 costs 2.5 ms of one core; "veryfast" takes 3.8 ms for files that look the same and are 40 % smaller. Frames
# that are stored in another order than shown are no help: where times are uneven, the file gets a wrong length by them.
_ENCODER_OPTIONS: Final = {"preset": "superfast", "crf": "25", "bf": "0"}
_BT709: Final = 1  # the colours of FFmpeg by this number: what players expect of all but small films
_LIMITED_RANGE: Final = 1  # values from 16 to 235, as in nearly all films


class VideoWriter:
    """An MP4 file of `width` x `height` pixels, each made even by a repeated last row or column.

    `path` holds the whole film after `close` or at the end of a `with` block; after an error, `discard`, or where no
    frame was written, it is as it was before. `sound` is the film whose first sound track is kept, in time with frames
    written at their seconds in `VideoReader`; where that cannot be done, `audio_warning` says so in a sentence. `comment` is
    kept in the file. Raises `VideoError` where the film cannot be written, `SettingsError` for a size or a
    time that is none. Not for two threads at once.
    """

    def __init__(
        self, path: Path, width: int, height: int, audio_source: Path | None = None, comment: str = ""
    ) -> None:
        check_count("width", width, 1)
        check_count("height", height, 1)
        self.path = path
        self.num_frames = 0
        self._size, self._comment = (width + width % 2, height + height % 2), comment
        self._last_tick, self._tick_step = (
            -1,
            round(_TICKS_PER_SECOND / 25),
        )  # tick of the last frame, and since the one before
        self._reformatter = VideoReformatter()
        self._audio = AudioTrack(audio_source) if audio_source else None
        self._temporary_file: AbstractContextManager[Path] | None = atomic_path(path)
        temporary = self._temporary_file.__enter__()
        with self._translate_errors():
            try:
                self._open(temporary)
            except (FFmpegError, ValueError) as error:
                if self._audio is None or not self._audio.is_available or isinstance(error, OSError):
                    raise
                self._audio.abandon()  # of an odd kind: a missing folder or a full disk would be an OSError
                self._open(temporary)

    def write(self, image: ImageSource, timestamp: float) -> None:
        """Add an image (all that `as_rgb` takes), shown from `timestamp` (0 or more) on; later than the frame before it
        in any case. One of another size is fitted between black borders."""
        check_timestamp(timestamp)
        frame = av.VideoFrame.from_ndarray(letterbox(image, *self._size), format="rgb24")
        frame = self._reformatter.reformat(
            frame, format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE, threads=1
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
        """Finish the film and give it its name; does nothing when it is finished or discarded.

        The last frame is shown until second `end_time`; if that is not given, as long as the one before it. Sound ends with
        it, unless that is the last frame of the sound's own film.
        """
        if self.num_frames == 0:
            self.discard()
        if self._temporary_file is not None:
            with self._translate_errors():
                ends = self._last_frame_end(end_time)
                packets = self._stream.encode()
                for packet in packets[-1:]:
                    packet.duration = max(1, round(ends * _TICKS_PER_SECOND) - self._last_tick)
                self._container.mux(packets)
                if self._audio is not None:
                    self._mux_audio(self._audio, self._audio.remaining(ends))
                    self._audio.close()
                self._container.close()
                self._temporary_file.__exit__(None, None, None)
            self._temporary_file = None

    def discard(self) -> None:
        """Remove what was written; does nothing when the film is finished."""
        file, self._temporary_file = self._temporary_file, None
        if self._audio is not None:
            self._audio.close()
        if file is not None:
            with suppress(AttributeError, FFmpegError):  # there may be no container, or one that cannot be ended
                self._container.close()
            with suppress(_DiscardedError):
                file.__exit__(_DiscardedError, _DiscardedError(), None)

    @property
    def audio_warning(self) -> str | None:
        """What a person should know of the sound so far: that it is damaged, or of a kind that cannot be kept."""
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
        context.time_base = Fraction(1, _TICKS_PER_SECOND)  # frames come when they come
        context.thread_count = 1  # the other cores look for faces
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        if self._audio is not None and self._audio.is_available:
            self._audio.attach(self._container)
        self._container.start_encoding()  # a folder that is missing or full shows now

    def _mux_audio(self, audio: AudioTrack, packets: Iterator[Packet]) -> None:
        try:
            for packet in packets:
                self._container.mux(packet)
        except (FFmpegError, ValueError) as error:
            if isinstance(error, OSError):
                raise
            audio.abandon()

    def _last_frame_end(self, end_time: float | None) -> float:
        """Second at which the last frame is over."""
        last = self._last_tick / _TICKS_PER_SECOND
        if end_time is None and self._audio is not None:
            told = self._audio.video_end
            end_time = told if told is not None and told <= last + 1.5 * self._tick_step / _TICKS_PER_SECOND else None
        return end_time if end_time is not None and end_time > last else last + self._tick_step / _TICKS_PER_SECOND

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """What goes wrong while writing ends the film with one sentence for a person."""
        try:
            yield
        except (FFmpegError, OSError) as error:
            self.discard()
            why = error.strerror or type(error).__name__
            raise VideoError(
                f"The film {self.path.name} cannot be written to {self.path.parent} ({why}); make room there or choose "
                "another folder."
            ) from error


class _DiscardedError(Exception):
    """Tells `atomic_path` that the file is not wanted."""


def letterbox(image: ImageSource, width: int, height: int) -> NDArray[np.uint8]:
    """An image as RGB uint8 (height, width, 3): whole, undistorted, in the middle of black borders; one missing row
    or column is repeated instead."""
    image = as_rgb(image)
    factor = min(width / image.shape[1], height / image.shape[0])
    w, h = min(width, round(image.shape[1] * factor)), min(height, round(image.shape[0] * factor))
    if abs(width - image.shape[1]) <= 1 and abs(height - image.shape[0]) <= 1:  # already there but for being odd
        w, h = min(width, image.shape[1]), min(height, image.shape[0])
    if (w, h) != (image.shape[1], image.shape[0]):
        image = cv2.resize(image, (max(1, w), max(1, h)), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    left, top = (width - image.shape[1]) // 2, (height - image.shape[0]) // 2
    right, bottom = width - image.shape[1] - left, height - image.shape[0] - top
    way = cv2.BORDER_REPLICATE if max(right, bottom) <= 1 else cv2.BORDER_CONSTANT
    return cv2.copyMakeBorder(image, top, bottom, left, right, way)  # type: ignore[return-value]
