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

from emotion.media.frame_conversion import Look, Turn
from emotion.media.video_container import (
    FAULTS,
    decoding,
    end_of_pictures,
    label_of,
    open_film,
    pictures_of,
    read_only,
    refusal,
    seconds_of,
    start_of,
)

_NAMES: Final = {"mov,mp4,m4a,3gp,3g2,mj2": "mp4", "matroska,webm": "matroska"}
_THREADS: Final = 2  # each holds a frame of its own

# Damage that is worth trying to get over.
_MOST_DAMAGED_PACKETS: Final = 10_000
_MOST_DAMAGED_READS: Final = 100
_MOST_HUGE: Final = 3  # packets in a row: a single one is taken for damage

_RESTART: Final = 1.0  # seconds: time stamps that fall by less are untidy, by more they begin again
_FASTEST: Final = 1000.0  # frames a second; what files tell beyond is the fineness of their clock
_USUAL_RATE: Final = 25.0  # where the file tells none


@dataclass(frozen=True)
class FilmLimits:
    """What is read at most: seconds, and pixels on each side of a frame as shown."""

    seconds: float = 1800.0
    side: int = 4096


DEFAULT_LIMITS: Final = FilmLimits()


@dataclass(frozen=True)
class FilmFacts:
    """What is known before a film is read to its end: `width` and `height` of the first frame as shown, `turned`
    clockwise (0, 90, 180 or 270 degrees) to stand upright, whether it has `sound`. What the file itself tells may be
    wrong or missing: `seconds` to the end of the pictures, `fps` on average, number of `frames`."""

    width: int
    height: int
    seconds: float | None
    fps: float | None
    frames: int | None
    codec: str
    container: str
    turned: int
    sound: bool


@dataclass(frozen=True)
class FilmFrame:
    """One frame: `index` from 0 in the order shown, `seconds` from the beginning of the film, never falling."""

    index: int
    seconds: float
    _decoded: VideoFrame = field(repr=False)
    _look: Look = field(repr=False)

    def image(self) -> NDArray[np.uint8]:
        """RGB uint8 (H, W, 3), upright and with square pixels; made anew each time it is asked for, so that frames that
        are passed over cost nothing. Raises VideoError where the colours cannot be made out."""
        return self._look.image(self._decoded)


class Film:
    """Frames of a film, one in memory at a time; for a `with` block, and for one thread.

    Second 0 is where a player begins: at the first frame, or at the sound if that comes first. `name` is what people
    call the film; only its content decides what it is. Raises VideoError, always one sentence, where there is no frame
    that can be decoded or where it is larger than `limits`. `facts` is known at once; `broken` counts the packets so
    far that could not be read or decoded, and `end` is the second at which the last frame so far is over.
    """

    def __init__(self, path: Path, name: str | None = None, limits: FilmLimits = DEFAULT_LIMITS) -> None:
        self.broken, self.end = 0, 0.0
        self._label = label_of(name or path.name)
        self._limits = limits
        self._input = open_film(path, name, limits.side)
        try:
            self._stream = pictures_of(self._input, self._label)
            self._look = Look(self._stream, self._label, limits.side)
            read_only(self._stream)
            self._stream.thread_type = "AUTO"
            self._stream.codec_context.thread_count = _THREADS
            self._stream.codec_context.options = decoding(limits.side)
            self._width = self._stream.codec_context.width
            self._look.check(self._width, self._stream.codec_context.height)
            self._frames = self._read()
            self._first = next(self._frames, None)
            if self._first is None:
                raise refusal(self._label, "holds no picture that can be decoded, so it is damaged or cut off")
            self._look.turn = Turn.of(self._first._decoded)
            self.facts = self._facts(self._first._decoded)
        except BaseException:
            self._input.close()
            raise

    def frames(self) -> Iterator[FilmFrame]:
        """All frames in the order shown, once: called again, it goes on where it was left. Damaged ones are left out.

        Raises VideoError, after all frames before were given, where the film gets longer or larger than its limits.
        """
        while (frame := self._first or next(self._frames, None)) is not None:
            self._first = None
            self.end = self._end_of(frame)
            yield frame

    def skip_to(self, seconds: float) -> None:
        """Let `frames` go on shortly before that second, where decoding can begin; `index` counts from there. Stays
        where it is in a film that cannot be searched."""
        start = start_of(self._input, self._stream)
        if start is None or not self._stream.time_base or self._input.format.name == "avi":
            return
        with suppress(*FAULTS):
            self._input.seek(int((start + seconds) / self._stream.time_base), stream=self._stream)
            self._frames.close()
            self._first, self._frames = None, self._read()

    def close(self) -> None:
        """Close the file; there are no more frames then. May be called again."""
        self._first = None
        self._frames.close()
        self._input.close()

    def __enter__(self) -> Film:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _end_of(self, frame: FilmFrame) -> float:
        """Second at which the frame is over, as the file tells."""
        shown = seconds_of(frame._decoded.duration or None, self._stream) or 1 / (self.facts.fps or _USUAL_RATE)
        end, told = min(frame.seconds + shown, self._limits.seconds), self.facts.seconds
        return told if told is not None and frame.seconds < told < end else end  # an edit may cut the last one short

    def _facts(self, first: VideoFrame) -> FilmFacts:
        stream, sound = self._stream, self._input.streams.audio
        height, width = self._look.image(first).shape[:2]
        end = end_of_pictures(self._input, stream)
        fps = _rate(stream)
        told = stream.frames if stream.frames > 0 else None
        return FilmFacts(
            width=width,
            height=height,
            seconds=end,
            fps=fps,
            frames=told or (max(1, round(end * fps)) if end and fps else None),
            codec=stream.codec_context.codec.canonical_name,
            container=_NAMES.get(self._input.format.name, self._input.format.name),
            turned=self._look.turn.clockwise,
            sound=bool(sound),
        )

    def _read(self) -> Generator[FilmFrame]:
        # AVI stores no times of showing: where frames were reordered, FFmpeg guesses them, and wrongly.
        avi = self._input.format.name == "avi"
        start = None if avi else start_of(self._input, self._stream)
        clock = _Clock(start, 1 / (_rate(self._stream) or _USUAL_RATE))
        for index, frame in enumerate(self._decoded()):
            stamp = frame.dts if avi or frame.pts is None else frame.pts
            seconds = clock.seconds(seconds_of(stamp, self._stream))
            if seconds >= self._limits.seconds:
                raise refusal(
                    self._label,
                    f"goes on beyond {self._limits.seconds / 60:.3g} minutes, the most that is read",
                    "cut it into shorter films",
                )
            self._look.check(frame.width, frame.height)
            yield FilmFrame(index, seconds, frame, self._look)

    def _decoded(self) -> Iterator[VideoFrame]:
        """The frames of all packets; too long a row of damaged ones ends it."""
        damaged, huge = 0, False
        for packet in self._packets():
            try:
                frames = self._stream.decode(packet)
            except FAULTS as error:
                self.broken, damaged, frames = self.broken + 1, damaged + 1, []
                huge |= self._asks_for_more(error)
            if frames:
                damaged, huge = 0, False
            if huge and damaged >= _MOST_HUGE:
                raise self._look.too_large("more")
            if damaged > _MOST_DAMAGED_PACKETS:
                return
            yield from frames
        try:
            yield from self._stream.decode(None)  # what the decoder holds back
        except FAULTS:
            self.broken += 1

    def _asks_for_more(self, error: Exception) -> bool:
        """Whether the decoder gave up on a frame that is larger than it may be; each has its own way to say so."""
        width, height = self._stream.codec_context.width, self._stream.codec_context.height
        return isinstance(error, OverflowError) or (width == 0 < self._width) or width * height > self._limits.side**2

    def _packets(self) -> Iterator[Packet]:
        """What is stored of the pictures."""
        for _ in range(_MOST_DAMAGED_READS):
            try:
                # An empty packet would end the decoding: some films have them where nothing changes.
                yield from (packet for packet in self._input.demux(self._stream) if packet.size)
                return
            except FAULTS:
                self.broken += 1  # what follows may be whole


class _Clock:
    """Seconds that never fall, of time stamps that may be missing, untidy, or begin again in the middle."""

    def __init__(self, start: float | None, step: float) -> None:
        self._start, self._step = start, step
        self._last: float | None = None

    def seconds(self, stamp: float | None) -> float:
        """The time of the next frame; a stamp that is missing, or that begins again, follows by a usual step."""
        after = 0.0 if self._last is None else self._last + self._step
        if stamp is not None and (self._start is None or (self._last is None and stamp < self._start)):
            self._start = stamp - after
        seconds = after if stamp is None or self._start is None else stamp - self._start
        if self._last is not None and stamp is not None and seconds < self._last - _RESTART:
            self._start, seconds = stamp - after, after
        self._last = max(seconds, self._last or 0.0)
        return self._last


def _rate(stream: VideoStream) -> float | None:
    """Frames a second, None where the file does not tell or tells nonsense."""
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return rate if 0 < rate <= _FASTEST else None
