"""Take the sound of a film over into another film: as it is where every browser plays it, else encoded anew."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from av import AudioFrame, AudioResampler, Packet
from av.audio.stream import AudioStream
from av.container import OutputContainer
from numpy.typing import NDArray

from emotion.errors import VideoError
from emotion.media.video_container import FAULTS, end_of_pictures, label_of, open_film, pictures_of, read_only, start_of
from emotion.media.video_reader import DEFAULT_LIMITS

_RATES: Final = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000)  # samples a second, as every player takes them
_UNTIDY: Final = 0.04  # seconds: smaller holes and overlaps are those of rounded time stamps
_RESTART: Final = 1.0  # seconds: time stamps that fall by more begin again, as in `Film`
_MOST_DAMAGED: Final = 1000  # packets
_TAIL: Final = 60.0  # seconds that sound may last longer than the pictures


class _Piece(NamedTuple):
    seconds: float  # of the film
    packet: Packet


class Sound:
    """The first sound track of a film, piece by piece, in the seconds of `Film`. Damage makes it silent and leaves a
    `note` for a person, but never raises."""

    def __init__(self, film: Path) -> None:
        self.note: str | None = None
        self.pictures_end: float | None = None  # second, as the film's header tells
        self._label = label_of(film.name)
        self._track: AudioStream | None = None
        self._end = float("inf")
        self._pieces: Iterator[_Piece] = iter(())
        self._next: _Piece | None = None
        try:
            self._input = open_film(film, None, DEFAULT_LIMITS.side)
        except VideoError as error:
            self._input, self.note = None, str(error)
            return
        self._open()

    def _open(self) -> None:
        assert self._input is not None
        try:
            pictures = pictures_of(self._input, self._label)
        except VideoError as error:
            self.note = str(error)
            return
        self._start = start_of(self._input, pictures) or 0.0
        self.pictures_end = end_of_pictures(self._input, pictures)
        tracks = self._input.streams.audio
        if tracks and tracks[0].codec_context is not None and tracks[0].time_base:
            self._track = tracks[0]
            read_only(self._track)
        elif tracks:
            self.note = f"The sound of {self._label} is of an unknown kind, so the new film is silent."

    @property
    def there(self) -> bool:
        """Whether there is any (more)."""
        return self._track is not None

    def join(self, film: OutputContainer) -> None:
        """Add a stream for it to the film to be written, before its first packet."""
        track = self._track
        assert track is not None
        if _plays_everywhere(track):
            self._stream: AudioStream = film.add_stream_from_template(track)
            self._pieces = self._copied(track)
        else:
            rate = next((rate for rate in _RATES if rate <= track.rate), _RATES[-1])
            self._stream = film.add_stream("aac", rate=rate, layout="mono" if track.channels == 1 else "stereo")
            self._pieces = self._encoded(track)

    def until(self, seconds: float) -> Iterator[Packet]:
        """What begins before that second and was not taken yet."""
        if self._next is None:
            self._next = self._pull()
        while self._next is not None and self._next.seconds < min(seconds, self._end):
            packet, self._next = self._next.packet, None
            yield packet
            self._next = self._pull()

    def rest(self, end: float) -> Iterator[Packet]:
        """What remains of it in a film whose last frame is over at second `end`: up to there, or to its own end if
        that was the last one of its film, too."""
        whole = self.pictures_end is not None and end > self.pictures_end - _UNTIDY
        self._end = end + _TAIL if whole else end
        yield from self.until(self._end)

    def drop(self) -> None:
        """Do without what was not taken yet."""
        self._track, self._pieces, self._next = None, iter(()), None
        self.note = f"The sound of {self._label} is damaged, so a part of the new film is silent."

    def close(self) -> None:
        """Close the film that it comes from."""
        self._pieces, self._next = iter(()), None
        if self._input is not None:
            self._input.close()
            self._input = None

    def _pull(self) -> _Piece | None:
        try:
            return next(self._pieces, None)
        except FAULTS:
            self.drop()
            return None

    def _stored(self, track: AudioStream) -> Iterator[Packet]:
        """The packets of the track that are not empty."""
        assert self._input is not None
        yield from (packet for packet in self._input.demux(track) if packet.size)

    def _copied(self, track: AudioStream) -> Iterator[_Piece]:
        base = track.time_base or Fraction(1, 1000)
        shift, step, next_stamp = round(self._start / base), 1, None
        for packet in self._stored(track):
            stamp = packet.pts if packet.pts is not None else packet.dts
            stamp = (next_stamp or 0) if stamp is None else stamp - shift
            if next_stamp is not None and stamp < next_stamp - _RESTART / base:
                shift, stamp = shift + stamp - next_stamp, next_stamp
            if next_stamp is not None and stamp <= next_stamp - step:
                continue  # it would lie before the last one
            step = max(1, packet.duration or 1)
            next_stamp = stamp + step
            packet.pts = packet.dts = stamp
            packet.stream = self._stream
            yield _Piece(float(stamp * base), packet)

    def _encoded(self, track: AudioStream) -> Iterator[_Piece]:
        encoder, rate = self._stream, self._stream.rate
        for at, samples in self._placed(track, rate):
            frame = AudioFrame.from_ndarray(samples, format="fltp", layout=encoder.layout.name)
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), at
            yield from (_Piece((packet.pts or 0) / rate, packet) for packet in encoder.encode(frame))
        yield from (_Piece((packet.pts or 0) / rate, packet) for packet in encoder.encode(None))

    def _placed(self, track: AudioStream, rate: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Place (in samples since second 0) and samples (channels, n) without holes or overlaps, up to the end."""
        shift, at = self._start, None
        silence = np.zeros((len(self._stream.layout.channels), rate), np.float32)
        for stamp, samples in self._samples(track, rate):
            if at is None:
                at = max(0, round((stamp - shift) * rate)) if stamp is not None else 0
            place = at if stamp is None else round((stamp - shift) * rate)
            if place < at - _RESTART * rate:
                shift, place = shift + (place - at) / rate, at
            while place > at + _UNTIDY * rate and at < self._end * rate:
                hole = silence[:, : place - at]
                yield at, hole
                at += hole.shape[1]
            if place < at - _UNTIDY * rate:
                samples = samples[:, at - place :]
            if self._end < float("inf"):
                samples = samples[:, : max(0, round(self._end * rate) - at)]
            if samples.shape[1]:
                yield at, np.ascontiguousarray(samples)
                at += samples.shape[1]
            if at >= self._end * rate:
                return

    def _samples(self, track: AudioStream, rate: int) -> Iterator[tuple[float | None, NDArray[np.float32]]]:
        """Time stamp in seconds and samples (channels, n) at `rate` of what can be decoded."""
        resampler, damaged = self._resampler(rate), 0
        for packet in self._stored(track):
            try:
                frames: list[Any] = track.decode(packet)
                damaged = 0
            except FAULTS:
                damaged, frames = damaged + 1, []
                if damaged > _MOST_DAMAGED:
                    raise
            for frame in frames:
                try:
                    pieces = resampler.resample(frame)
                except ValueError:  # it changed its kind on the way
                    resampler = self._resampler(rate)
                    pieces = resampler.resample(frame)
                stamp = None if frame.pts is None else float(frame.pts * (track.time_base or 0))
                for piece in pieces:
                    yield stamp, piece.to_ndarray()  # type: ignore[misc]
                    stamp = None

    def _resampler(self, rate: int) -> AudioResampler:
        return AudioResampler(format="fltp", layout=self._stream.layout.name, rate=rate)


def _plays_everywhere(track: AudioStream) -> bool:
    """Whether browsers play the track from an MP4 file as it is."""
    kind = track.codec_context.codec.canonical_name
    return kind == "aac" or (kind == "mp3" and track.rate >= 16_000)  # no MP4 may hold slower MP3
