"""The part of a video that is analyzed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from emotion.checks import check_number
from emotion.errors import SettingsError, VideoError
from emotion.formatting import format_clock_tenths
from emotion.media.video_reader import TimedFrame, VideoInfo, VideoReader
from emotion.translation.messages import gettext as _

_TIME_TOLERANCE: Final = 1e-3  # seconds: timestamps are rounded
_SEEKABLE_CONTAINERS: Final = ("mp4", "matroska")  # in others a search may end behind the frame that is looked for


@dataclass(frozen=True)
class TimeRange:
    """The part of a video that is analyzed; times in the results count from its start.

    Attributes:
        start: Second of the video at which it begins.
        end: Second of the video at which it ends, None: the end of the video.

    Raises:
        SettingsError: The times are not finite, or the end is not after the start.
    """

    start: float = 0.0
    end: float | None = None

    def __post_init__(self) -> None:
        check_number("start", self.start, 0)
        if self.end is not None:
            check_number("end", self.end, 0)
            if self.end <= self.start:
                raise SettingsError(
                    _("The part from second {start:g} to second {end:g} is empty; give an end after the start.").format(
                        start=self.start, end=self.end
                    )
                )

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole video."""
        return self.start == 0 and self.end is None

    def select_info(self, info: VideoInfo, name: str) -> VideoInfo:
        """Return the facts of the part, of the facts of the whole video.

        Args:
            info: Facts of the whole video.
            name: Of the video, for the message.

        Raises:
            VideoError: The part begins after the end of the video.
        """
        if self.is_whole:
            return info
        if info.duration is not None and self.start >= info.duration:
            raise VideoError(
                _("{name} ends at {end}, but the part begins at {start}; choose an earlier start.").format(
                    name=name, end=format_clock_tenths(info.duration), start=format_clock_tenths(self.start)
                )
            )
        ends = [end for end in (self.end, info.duration) if end is not None]
        duration = round(min(ends) - self.start, 6) if ends else None
        num_frames = max(1, round(duration * info.fps)) if duration is not None and info.fps else None
        return replace(info, duration=duration, num_frames=num_frames)

    def clip_end(self, end_time: float) -> float:
        """Return the second of the part at which a frame ends that ends at second `end_time` of the video."""
        return max(0.0, (end_time if self.end is None else min(end_time, self.end)) - self.start)

    def iter_frames(self, video: VideoReader) -> Iterator[tuple[int, float, TimedFrame]]:
        """Yield index and second, both counted from the start of the part, and frame, of each frame of the part.

        The first one is the frame on display at the start where it stays for longer than a frame of the average rate,
        as in videos of slides, or where no other is in the part.
        """
        if self.start > 0 and video.info.container in _SEEKABLE_CONTAINERS:
            video.seek(self.start)
        frame_seconds = 1 / video.info.fps if video.info.fps else 0.0
        index, displayed = 0, None
        for frame in video.frames():
            if frame.timestamp < self.start - _TIME_TOLERANCE:
                displayed = frame
                continue
            is_over = self.end is not None and frame.timestamp >= self.end - _TIME_TOLERANCE
            if displayed is not None and (is_over or frame.timestamp - self.start > frame_seconds):
                yield index, 0.0, displayed
                index += 1
            displayed = None
            if is_over:
                return
            yield index, max(0.0, round(frame.timestamp - self.start, 6)), frame
            index += 1
            del frame  # it is not kept in memory while the next one is decoded
        if displayed is not None and displayed.timestamp + frame_seconds > self.start:
            yield index, 0.0, displayed
