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
from emotion.media.video_container import (
    DECODE_ERRORS,
    discard_other_streams,
    open_video,
    start_time,
    video_display_name,
    video_end_time,
    video_stream,
)
from emotion.media.video_reader import DEFAULT_LIMITS

_SAMPLE_RATES: Final = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000)  # samples a second, as every player takes them
_MAX_GAP_SECONDS: Final = 0.04  # seconds: smaller holes and overlaps are those of rounded time stamps
_MIN_RESET_SECONDS: Final = 1.0  # seconds: time stamps that fall by more begin again, as in `VideoReader`
_MAX_CORRUPT_PACKETS: Final = 1000  # packets
_MAX_TAIL_SECONDS: Final = 60.0  # seconds that sound may last longer than the pictures


class _TimedPacket(NamedTuple):
    timestamp: float  # of the film
    packet: Packet


class AudioTrack:
    """The first sound track of a film, piece by piece, in the seconds of `VideoReader`. Damage makes it silent and leaves a
    `warning` for a person, but never raises."""

    def __init__(self, video_path: Path) -> None:
        self.warning: str | None = None
        self.video_end: float | None = None  # second, as the film's header tells
        self._label = video_display_name(video_path.name)
        self._track: AudioStream | None = None
        self._end_time = float("inf")
        self._packets: Iterator[_TimedPacket] = iter(())
        self._next_packet: _TimedPacket | None = None
        try:
            self._container = open_video(video_path, None, DEFAULT_LIMITS.max_side)
        except VideoError as error:
            self._container, self.warning = None, str(error)
            return
        self._open()

    def _open(self) -> None:
        assert self._container is not None
        try:
            pictures = video_stream(self._container, self._label)
        except VideoError as error:
            self.warning = str(error)
            return
        self._start_time = start_time(self._container, pictures) or 0.0
        self.video_end = video_end_time(self._container, pictures)
        tracks = self._container.streams.audio
        if tracks and tracks[0].codec_context is not None and tracks[0].time_base:
            self._track = tracks[0]
            discard_other_streams(self._track)
        elif tracks:
            self.warning = f"The sound of {self._label} is of an unknown kind, so the new film is silent."

    @property
    def is_available(self) -> bool:
        """Whether there is any (more)."""
        return self._track is not None

    def attach(self, container: OutputContainer) -> None:
        """Add a stream for it to the film to be written, before its first packet."""
        track = self._track
        assert track is not None
        if _is_browser_compatible(track):
            self._output_stream: AudioStream = container.add_stream_from_template(track)
            self._packets = self._copy_packets(track)
        else:
            rate = next((rate for rate in _SAMPLE_RATES if rate <= track.rate), _SAMPLE_RATES[-1])
            self._output_stream = container.add_stream(
                "aac", rate=rate, layout="mono" if track.channels == 1 else "stereo"
            )
            self._packets = self._encode_packets(track)

    def packets_until(self, timestamp: float) -> Iterator[Packet]:
        """What begins before that second and was not taken yet."""
        if self._next_packet is None:
            self._next_packet = self._pull_packet()
        while self._next_packet is not None and self._next_packet.timestamp < min(timestamp, self._end_time):
            packet, self._next_packet = self._next_packet.packet, None
            yield packet
            self._next_packet = self._pull_packet()

    def remaining(self, end_time: float) -> Iterator[Packet]:
        """What remains of it in a film whose last frame is over at second `end_time`: up to there, or to its own end if
        that was the last one of its film, too."""
        whole = self.video_end is not None and end_time > self.video_end - _MAX_GAP_SECONDS
        self._end_time = end_time + _MAX_TAIL_SECONDS if whole else end_time
        yield from self.packets_until(self._end_time)

    def abandon(self) -> None:
        """Do without what was not taken yet."""
        self._track, self._packets, self._next_packet = None, iter(()), None
        self.warning = f"The sound of {self._label} is damaged, so a part of the new film is silent."

    def close(self) -> None:
        """Close the film that it comes from."""
        self._packets, self._next_packet = iter(()), None
        if self._container is not None:
            self._container.close()
            self._container = None

    def _pull_packet(self) -> _TimedPacket | None:
        try:
            return next(self._packets, None)
        except DECODE_ERRORS:
            self.abandon()
            return None

    def _demux_packets(self, track: AudioStream) -> Iterator[Packet]:
        """The packets of the track that are not empty."""
        assert self._container is not None
        yield from (packet for packet in self._container.demux(track) if packet.size)

    def _copy_packets(self, track: AudioStream) -> Iterator[_TimedPacket]:
        base = track.time_base or Fraction(1, 1000)
        shift, step, next_stamp = round(self._start_time / base), 1, None
        for packet in self._demux_packets(track):
            stamp = packet.pts if packet.pts is not None else packet.dts
            stamp = (next_stamp or 0) if stamp is None else stamp - shift
            if next_stamp is not None and stamp < next_stamp - _MIN_RESET_SECONDS / base:
                shift, stamp = shift + stamp - next_stamp, next_stamp
            if next_stamp is not None and stamp <= next_stamp - step:
                continue  # it would lie before the last one
            step = max(1, packet.duration or 1)
            next_stamp = stamp + step
            packet.pts = packet.dts = stamp
            packet.stream = self._output_stream
            yield _TimedPacket(float(stamp * base), packet)

    def _encode_packets(self, track: AudioStream) -> Iterator[_TimedPacket]:
        encoder, rate = self._output_stream, self._output_stream.rate
        for at, samples in self._align_samples(track, rate):
            frame = AudioFrame.from_ndarray(samples, format="fltp", layout=encoder.layout.name)
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), at
            yield from (_TimedPacket((packet.pts or 0) / rate, packet) for packet in encoder.encode(frame))
        yield from (_TimedPacket((packet.pts or 0) / rate, packet) for packet in encoder.encode(None))

    def _align_samples(self, track: AudioStream, sample_rate: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Place (in samples since second 0) and samples (channels, n) without holes or overlaps, up to the end."""
        shift, at = self._start_time, None
        silence = np.zeros((len(self._output_stream.layout.channels), sample_rate), np.float32)
        for stamp, samples in self._decode_samples(track, sample_rate):
            if at is None:
                at = max(0, round((stamp - shift) * sample_rate)) if stamp is not None else 0
            place = at if stamp is None else round((stamp - shift) * sample_rate)
            if place < at - _MIN_RESET_SECONDS * sample_rate:
                shift, place = shift + (place - at) / sample_rate, at
            while place > at + _MAX_GAP_SECONDS * sample_rate and at < self._end_time * sample_rate:
                hole = silence[:, : place - at]
                yield at, hole
                at += hole.shape[1]
            if place < at - _MAX_GAP_SECONDS * sample_rate:
                samples = samples[:, at - place :]
            if self._end_time < float("inf"):
                samples = samples[:, : max(0, round(self._end_time * sample_rate) - at)]
            if samples.shape[1]:
                yield at, np.ascontiguousarray(samples)
                at += samples.shape[1]
            if at >= self._end_time * sample_rate:
                return

    def _decode_samples(
        self, track: AudioStream, sample_rate: int
    ) -> Iterator[tuple[float | None, NDArray[np.float32]]]:
        """Time stamp in seconds and samples (channels, n) at `sample_rate` of what can be decoded."""
        resampler, damaged = self._make_resampler(sample_rate), 0
        for packet in self._demux_packets(track):
            try:
                frames: list[Any] = track.decode(packet)
                damaged = 0
            except DECODE_ERRORS:
                damaged, frames = damaged + 1, []
                if damaged > _MAX_CORRUPT_PACKETS:
                    raise
            for frame in frames:
                try:
                    pieces = resampler.resample(frame)
                except ValueError:  # it changed its kind on the way
                    resampler = self._make_resampler(sample_rate)
                    pieces = resampler.resample(frame)
                stamp = None if frame.pts is None else float(frame.pts * (track.time_base or 0))
                for piece in pieces:
                    yield stamp, piece.to_ndarray()  # type: ignore[misc]
                    stamp = None

    def _make_resampler(self, sample_rate: int) -> AudioResampler:
        return AudioResampler(format="fltp", layout=self._output_stream.layout.name, rate=sample_rate)


def _is_browser_compatible(track: AudioStream) -> bool:
    """Whether browsers play the track from an MP4 file as it is."""
    kind = track.codec_context.codec.canonical_name
    return kind == "aac" or (kind == "mp3" and track.rate >= 16_000)  # no MP4 may hold slower MP3
