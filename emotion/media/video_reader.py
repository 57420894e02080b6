"""The video decoder: files become upright RGB frames with their timestamps, or a VideoError.

FFmpeg decodes, through PyAV. What it may see is checked first: the format, so that no file leads it to another file
or a network (`media.video_container`), the number of frames claimed (`media.mp4_index_check`) and the number of
pixels; this module limits the duration and the number of corrupt packets.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np
from av import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from emotion.media.containers.frame_conversion import FrameConverter, FrameLimits, Orientation
from emotion.media.containers.timestamps import TimestampNormalizer
from emotion.media.containers.video_container import (
    DECODE_ERRORS,
    decoder_options,
    discard_other_streams,
    open_video,
    start_time,
    to_seconds,
    video_display_name,
    video_end_time,
    video_error,
    video_stream,
)
from emotion.translation.messages import gettext as _
from emotion.translation.messages import pgettext

_CONTAINER_NAMES: Final = {"mov,mp4,m4a,3gp,3g2,mj2": "mp4", "matroska,webm": "matroska"}
_NUM_THREADS: Final = 2
_MAX_FRAME_BYTES: Final = 36_000_000  # 4K in 4:2:2 with 10 bits takes 33, 4096 x 4096 in 4:2:0 with 8 bits 25

# Reading ends after this much damage.
MAX_CORRUPT_PACKETS: Final = 10_000  # in a row
_MAX_CORRUPT_READS: Final = 100
_OVERSIZED_THRESHOLD: Final = 3  # packets in a row; a single one counts as damage

_MAX_FPS: Final = 1000.0  # larger values in files are the resolution of their clock
_DEFAULT_FPS: Final = 25.0  # where the file states none


@dataclass(frozen=True)
class VideoLimits:
    """Upper bounds on the duration, and on the frames as displayed.

    Attributes:
        max_seconds: The duration.
        max_side: Pixels on each side of a frame.
        max_pixels: Pixels of a frame that is not reduced; a larger one is reduced to those of Full HD, since the
            analysis of a video in full size would take more than a gigabyte.
    """

    max_seconds: float = 1800.0
    max_side: int = 4096
    max_pixels: int = 1920 * 1200


DEFAULT_LIMITS: Final = VideoLimits()


@dataclass(frozen=True)
class VideoInfo:
    """Facts of a video that are available before it is decoded to its end.

    Attributes:
        width: Of the first frame as displayed, in pixels, after the reduction.
        height: Of the first frame as displayed, in pixels, after the reduction.
        duration: Seconds to the end of the last frame, as the file states it: it may be wrong or None.
        fps: Average frames per second, as the file states it: it may be wrong or None.
        num_frames: As the file states it or by duration and rate: it may be wrong or None.
        codec: FFmpeg's name of the video codec.
        container: "mp4", "matroska", or FFmpeg's name of the container.
        rotation: Clockwise degrees (0, 90, 180 or 270) that make a frame upright.
        has_audio: Whether there is an audio stream.
        reduction: Factor by which width and height of a large video are divided, see `VideoLimits`.
    """

    width: int
    height: int
    duration: float | None
    fps: float | None
    num_frames: int | None
    codec: str
    container: str
    rotation: int
    has_audio: bool
    reduction: float = 1.0


@dataclass(frozen=True)
class TimedFrame:
    """A frame with its index from 0 in display order, and its timestamp in seconds, which never decreases."""

    index: int
    timestamp: float
    _av_frame: VideoFrame = field(repr=False)
    _converter: FrameConverter = field(repr=False)

    def image(self) -> NDArray[np.uint8]:
        """Convert the frame to RGB uint8 (H, W, 3), upright and with square pixels.

        Each call converts, so frames that are skipped cost nothing.

        Raises:
            VideoError: The pixel format is not supported.
        """
        return self._converter.convert(self._av_frame)


class VideoReader:
    """A context manager that decodes the frames of a video, one in memory at a time; not thread-safe.

    Timestamps count from where a player begins: the first frame, or the audio if that comes first.

    Attributes:
        info: Facts of the video.
        num_corrupt_packets: Packets so far that could not be read or decoded.
        end_time: When the last frame so far ends, in seconds.

    Raises:
        VideoError: The file is no video of a supported format, no frame can be decoded, or a frame is larger than
            `limits`.
    """

    def __init__(self, path: Path, name: str | None = None, limits: VideoLimits = DEFAULT_LIMITS) -> None:
        self.num_corrupt_packets, self.end_time = 0, 0.0
        self._label = video_display_name(name or path.name)
        self._limits = limits
        self._container = open_video(path, name, limits.max_side)
        try:
            self._stream = video_stream(self._container, self._label)
            frame_limits = FrameLimits(limits.max_side, _MAX_FRAME_BYTES, limits.max_pixels)
            self._converter = FrameConverter(self._stream, self._label, frame_limits)
            discard_other_streams(self._stream)
            codec = self._stream.codec_context
            self._coded_width = codec.width
            self._converter.check_size(codec.width, codec.height, codec.format)
            # Threads that decode several frames at a time hold a frame each.
            is_reduced = self._converter.reduction(codec.width, codec.height) > 1
            self._stream.thread_type = "SLICE" if is_reduced else "AUTO"
            codec.thread_count = _NUM_THREADS
            codec.options = decoder_options(limits.max_side)
            self._frame_iterator = self._read_frames()
            self._first_frame = next(self._frame_iterator, None)
            if self._first_frame is None:
                raise video_error(self._label, _("holds no frame that can be decoded, so it is damaged or cut off"))
            self._converter.orientation = Orientation.from_frame(self._first_frame._av_frame)
            self.info = self._read_info(self._first_frame._av_frame)
        except BaseException:
            self._container.close()
            raise

    def frames(self) -> Iterator[TimedFrame]:
        """Yield the frames in display order, without damaged ones; a second call continues where the first ended.

        Raises:
            VideoError: The video becomes longer or its frames larger than the limits.
        """
        while (frame := self._first_frame or next(self._frame_iterator, None)) is not None:
            self._first_frame = None
            self.end_time = self._frame_end(frame)
            yield frame
            del frame  # it is not kept in memory while the next one is decoded

    def seek(self, timestamp: float) -> None:
        """Continue at the last keyframe before `timestamp` seconds, where `index` restarts at 0.

        Does nothing in a video without seek support.
        """
        start = start_time(self._container, self._stream)
        if start is None or not self._stream.time_base or self._container.format.name == "avi":
            return
        with suppress(*DECODE_ERRORS):
            self._container.seek(int((start + timestamp) / self._stream.time_base), stream=self._stream)
            self._frame_iterator.close()
            self._first_frame, self._frame_iterator = None, self._read_frames()

    def close(self) -> None:
        """Close the file and end the frames. May be called repeatedly."""
        self._first_frame = None
        self._frame_iterator.close()
        self._container.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _frame_end(self, frame: TimedFrame) -> float:
        """Return the second at which the frame ends, as the file states it."""
        duration = to_seconds(frame._av_frame.duration or None, self._stream) or 1 / (self.info.fps or _DEFAULT_FPS)
        end = min(frame.timestamp + duration, self._limits.max_seconds)
        video_end = self.info.duration  # an edit list may end within the last frame
        return video_end if video_end is not None and frame.timestamp < video_end < end else end

    def _read_info(self, first_frame: VideoFrame) -> VideoInfo:
        stream = self._stream
        height, width = self._converter.convert(first_frame).shape[:2]
        end = video_end_time(self._container, stream)
        fps = _read_fps(stream)
        num_frames = stream.frames if stream.frames > 0 else None
        return VideoInfo(
            width=width,
            height=height,
            duration=end,
            fps=fps,
            num_frames=num_frames or (max(1, round(end * fps)) if end and fps else None),
            codec=stream.codec_context.codec.canonical_name,
            container=_CONTAINER_NAMES.get(self._container.format.name, self._container.format.name),
            rotation=self._converter.orientation.clockwise_degrees,
            has_audio=bool(self._container.streams.audio),
            reduction=round(self._converter.reduction(first_frame.width, first_frame.height), 3),
        )

    def _read_frames(self) -> Generator[TimedFrame]:
        # AVI stores no presentation timestamps: FFmpeg guesses them, wrongly where frames are reordered.
        is_avi = self._container.format.name == "avi"
        start = None if is_avi else start_time(self._container, self._stream)
        clock = TimestampNormalizer(start, 1 / (_read_fps(self._stream) or _DEFAULT_FPS))
        for index, frame in enumerate(self._decode_frames()):
            raw_timestamp = frame.dts if is_avi or frame.pts is None else frame.pts
            timestamp = clock.normalize(to_seconds(raw_timestamp, self._stream))
            if timestamp >= self._limits.max_seconds:
                problem = _("is longer than {minutes:.3g} minutes, the most that is read")
                problem = problem.format(minutes=self._limits.max_seconds / 60)
                raise video_error(self._label, problem, _("cut it into shorter videos"))
            self._converter.check_size(frame.width, frame.height, frame.format)
            yield TimedFrame(index, timestamp, frame, self._converter)
            del frame

    def _decode_frames(self) -> Iterator[VideoFrame]:
        """Yield the frames of all packets, up to a long row of corrupt ones."""
        num_corrupt, is_oversized = 0, False
        for packet in self._demux_packets():
            try:
                frames = self._stream.decode(packet)
            except DECODE_ERRORS as error:
                frames = []
                num_corrupt += 1
                self.num_corrupt_packets += 1
                is_oversized |= self._is_oversized(error)
            if frames:
                num_corrupt, is_oversized = 0, False
            if is_oversized and num_corrupt >= _OVERSIZED_THRESHOLD:
                raise self._converter.too_large_error(pgettext("pixels of a frame", "more"))
            if num_corrupt > MAX_CORRUPT_PACKETS:
                return
            while frames:
                yield frames.pop(0)
        try:
            yield from self._stream.decode(None)  # frames that the decoder still buffers
        except DECODE_ERRORS:
            self.num_corrupt_packets += 1

    def _is_oversized(self, error: Exception) -> bool:
        """Return whether the decoder failed on a frame over the size limit, which each codec reports differently."""
        width, height = self._stream.codec_context.width, self._stream.codec_context.height
        return (
            isinstance(error, OverflowError)
            or (width == 0 < self._coded_width)
            or width * height > self._limits.max_side**2
        )

    def _demux_packets(self) -> Iterator[Packet]:
        """Yield the non-empty packets of the video stream."""
        for _attempt in range(_MAX_CORRUPT_READS):
            try:
                # An empty packet would end the decoding; some videos have them where nothing changes.
                yield from (packet for packet in self._container.demux(self._stream) if packet.size)
                return
            except DECODE_ERRORS:
                self.num_corrupt_packets += 1  # later packets may be intact


def _read_fps(stream: VideoStream) -> float | None:
    """Return the frames per second, None where the file states no plausible rate."""
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return rate if 0 < rate <= _MAX_FPS else None
