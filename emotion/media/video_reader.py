"""The one film decoder of the project: files become upright RGB frames with their true times, or a VideoError.

FFmpeg decodes, through PyAV. What it may see is decided before: the kinds of files, none of which leads it to another
file or to a network (`media.video_container`), how many frames they claim (`media.mp4_index_check`), the number of
pixels, and here how much time and how much damage.
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

from emotion.media.frame_conversion import FrameConverter, Orientation
from emotion.media.video_container import (
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

_CONTAINER_NAMES: Final = {"mov,mp4,m4a,3gp,3g2,mj2": "mp4", "matroska,webm": "matroska"}
_NUM_THREADS: Final = 2  # each holds a frame of its own

# Damage that is worth trying to get over.
_MAX_CORRUPT_PACKETS: Final = 10_000
_MAX_CORRUPT_READS: Final = 100
_OVERSIZED_THRESHOLD: Final = 3  # packets in a row: a single one is taken for damage

_MIN_RESET_SECONDS: Final = 1.0  # seconds: time stamps that fall by less are untidy, by more they begin again
_MAX_FPS: Final = 1000.0  # frames a second; what files tell beyond is the fineness of their clock
_DEFAULT_FPS: Final = 25.0  # where the file tells none


@dataclass(frozen=True)
class VideoLimits:
    """What is read at most: seconds, and pixels on each side of a frame as shown."""

    max_seconds: float = 1800.0
    max_side: int = 4096


DEFAULT_LIMITS: Final = VideoLimits()


@dataclass(frozen=True)
class VideoInfo:
    """What is known before a film is read to its end: `width` and `height` of the first frame as shown, `rotation`
    clockwise (0, 90, 180 or 270 degrees) to stand upright, whether it has `has_audio`. What the file itself tells may be
    wrong or missing: `seconds` to the end of the pictures, `fps` on average, number of `num_frames`."""

    width: int
    height: int
    duration: float | None
    fps: float | None
    num_frames: int | None
    codec: str
    container: str
    rotation: int
    has_audio: bool


@dataclass(frozen=True)
class TimedFrame:
    """One frame: `index` from 0 in the order shown, `seconds` from the beginning of the film, never falling."""

    index: int
    timestamp: float
    _av_frame: VideoFrame = field(repr=False)
    _converter: FrameConverter = field(repr=False)

    def image(self) -> NDArray[np.uint8]:
        """RGB uint8 (H, W, 3), upright and with square pixels; made anew each time it is asked for, so that frames that
        are passed over cost nothing. Raises VideoError where the colours cannot be made out."""
        return self._converter.convert(self._av_frame)


class VideoReader:
    """Frames of a film, one in memory at a time; for a `with` block, and for one thread.

    Second 0 is where a player begins: at the first frame, or at the sound if that comes first. `name` is what people
    call the film; only its content decides what it is. Raises VideoError, always one sentence, where there is no frame
    that can be decoded or where it is larger than `limits`. `info` is known at once; `num_corrupt_packets` counts the packets so
    far that could not be read or decoded, and `end_time` is the second at which the last frame so far is over.
    """

    def __init__(self, path: Path, name: str | None = None, limits: VideoLimits = DEFAULT_LIMITS) -> None:
        self.num_corrupt_packets, self.end_time = 0, 0.0
        self._label = video_display_name(name or path.name)
        self._limits = limits
        self._container = open_video(path, name, limits.max_side)
        try:
            self._stream = video_stream(self._container, self._label)
            self._converter = FrameConverter(self._stream, self._label, limits.max_side)
            discard_other_streams(self._stream)
            self._stream.thread_type = "AUTO"
            self._stream.codec_context.thread_count = _NUM_THREADS
            self._stream.codec_context.options = decoder_options(limits.max_side)
            self._coded_width = self._stream.codec_context.width
            self._converter.check_size(self._coded_width, self._stream.codec_context.height)
            self._frame_iterator = self._read_frames()
            self._first_frame = next(self._frame_iterator, None)
            if self._first_frame is None:
                raise video_error(self._label, "holds no picture that can be decoded, so it is damaged or cut off")
            self._converter.orientation = Orientation.from_frame(self._first_frame._av_frame)
            self.info = self._read_info(self._first_frame._av_frame)
        except BaseException:
            self._container.close()
            raise

    def frames(self) -> Iterator[TimedFrame]:
        """All frames in the order shown, once: called again, it goes on where it was left. Damaged ones are left out.

        Raises VideoError, after all frames before were given, where the film gets longer or larger than its limits.
        """
        while (frame := self._first_frame or next(self._frame_iterator, None)) is not None:
            self._first_frame = None
            self.end_time = self._frame_end(frame)
            yield frame

    def seek(self, timestamp: float) -> None:
        """Let `num_frames` go on shortly before that second, where decoding can begin; `index` counts from there. Stays
        where it is in a film that cannot be searched."""
        start = start_time(self._container, self._stream)
        if start is None or not self._stream.time_base or self._container.format.name == "avi":
            return
        with suppress(*DECODE_ERRORS):
            self._container.seek(int((start + timestamp) / self._stream.time_base), stream=self._stream)
            self._frame_iterator.close()
            self._first_frame, self._frame_iterator = None, self._read_frames()

    def close(self) -> None:
        """Close the file; there are no more frames then. May be called again."""
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
        """Second at which the frame is over, as the file tells."""
        shown = to_seconds(frame._av_frame.duration or None, self._stream) or 1 / (self.info.fps or _DEFAULT_FPS)
        end, told = min(frame.timestamp + shown, self._limits.max_seconds), self.info.duration
        return told if told is not None and frame.timestamp < told < end else end  # an edit may cut the last one short

    def _read_info(self, first_frame: VideoFrame) -> VideoInfo:
        stream, sound = self._stream, self._container.streams.audio
        height, width = self._converter.convert(first_frame).shape[:2]
        end = video_end_time(self._container, stream)
        fps = _read_fps(stream)
        told = stream.frames if stream.frames > 0 else None
        return VideoInfo(
            width=width,
            height=height,
            duration=end,
            fps=fps,
            num_frames=told or (max(1, round(end * fps)) if end and fps else None),
            codec=stream.codec_context.codec.canonical_name,
            container=_CONTAINER_NAMES.get(self._container.format.name, self._container.format.name),
            rotation=self._converter.orientation.clockwise_degrees,
            has_audio=bool(sound),
        )

    def _read_frames(self) -> Generator[TimedFrame]:
        # AVI stores no times of showing: where frames were reordered, FFmpeg guesses them, and wrongly.
        avi = self._container.format.name == "avi"
        start = None if avi else start_time(self._container, self._stream)
        clock = _TimestampNormalizer(start, 1 / (_read_fps(self._stream) or _DEFAULT_FPS))
        for index, frame in enumerate(self._decode_frames()):
            stamp = frame.dts if avi or frame.pts is None else frame.pts
            seconds = clock.normalize(to_seconds(stamp, self._stream))
            if seconds >= self._limits.max_seconds:
                raise video_error(
                    self._label,
                    f"goes on beyond {self._limits.max_seconds / 60:.3g} minutes, the most that is read",
                    "cut it into shorter films",
                )
            self._converter.check_size(frame.width, frame.height)
            yield TimedFrame(index, seconds, frame, self._converter)

    def _decode_frames(self) -> Iterator[VideoFrame]:
        """The frames of all packets; too long a row of damaged ones ends it."""
        damaged, huge = 0, False
        for packet in self._demux_packets():
            try:
                frames = self._stream.decode(packet)
            except DECODE_ERRORS as error:
                self.num_corrupt_packets, damaged, frames = self.num_corrupt_packets + 1, damaged + 1, []
                huge |= self._is_oversized(error)
            if frames:
                damaged, huge = 0, False
            if huge and damaged >= _OVERSIZED_THRESHOLD:
                raise self._converter.too_large_error("more")
            if damaged > _MAX_CORRUPT_PACKETS:
                return
            yield from frames
        try:
            yield from self._stream.decode(None)  # what the decoder holds back
        except DECODE_ERRORS:
            self.num_corrupt_packets += 1

    def _is_oversized(self, error: Exception) -> bool:
        """Whether the decoder gave up on a frame that is larger than it may be; each has its own way to say so."""
        width, height = self._stream.codec_context.width, self._stream.codec_context.height
        return (
            isinstance(error, OverflowError)
            or (width == 0 < self._coded_width)
            or width * height > self._limits.max_side**2
        )

    def _demux_packets(self) -> Iterator[Packet]:
        """What is stored of the pictures."""
        for _ in range(_MAX_CORRUPT_READS):
            try:
                # An empty packet would end the decoding: some films have them where nothing changes.
                yield from (packet for packet in self._container.demux(self._stream) if packet.size)
                return
            except DECODE_ERRORS:
                self.num_corrupt_packets += 1  # what follows may be whole


class _TimestampNormalizer:
    """Seconds that never fall, of time stamps that may be missing, untidy, or begin again in the middle."""

    def __init__(self, start: float | None, frame_duration: float) -> None:
        self._start, self._frame_duration = start, frame_duration
        self._last_timestamp: float | None = None

    def normalize(self, timestamp: float | None) -> float:
        """The time of the next frame; a stamp that is missing, or that begins again, follows by a usual step."""
        after = 0.0 if self._last_timestamp is None else self._last_timestamp + self._frame_duration
        if timestamp is not None and (
            self._start is None or (self._last_timestamp is None and timestamp < self._start)
        ):
            self._start = timestamp - after
        seconds = after if timestamp is None or self._start is None else timestamp - self._start
        if (
            self._last_timestamp is not None
            and timestamp is not None
            and seconds < self._last_timestamp - _MIN_RESET_SECONDS
        ):
            self._start, seconds = timestamp - after, after
        self._last_timestamp = max(seconds, self._last_timestamp or 0.0)
        return self._last_timestamp


def _read_fps(stream: VideoStream) -> float | None:
    """Frames a second, None where the file does not tell or tells nonsense."""
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return rate if 0 < rate <= _MAX_FPS else None
