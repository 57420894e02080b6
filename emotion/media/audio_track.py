"""Transfer the audio of a video to another one: copied where every browser plays it, else encoded as AAC."""

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
from emotion.media.containers.video_container import (
    DECODE_ERRORS,
    discard_other_streams,
    open_video,
    start_time,
    video_display_name,
    video_end_time,
    video_stream,
)
from emotion.media.video_reader import DEFAULT_LIMITS

_SAMPLE_RATES: Final = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000)  # the rates that every player supports
_MIN_MP3_RATE: Final = 16_000  # MP4 does not allow MP3 at lower rates
_MAX_GAP_SECONDS: Final = 0.04  # smaller gaps and overlaps come from rounded timestamps
_MIN_RESET_SECONDS: Final = 1.0  # timestamps that fall by more restart, as in `VideoReader`
_MAX_CORRUPT_PACKETS: Final = 1000  # in a row
_MAX_TAIL_SECONDS: Final = 60.0  # that audio may last beyond the last frame


class _TimedPacket(NamedTuple):
    timestamp: float  # in seconds of the video
    packet: Packet


class AudioTrack:
    """The first audio stream of a video, packet by packet, on the time base of `VideoReader`.

    Damaged audio never raises: it becomes silence.

    Args:
        video_path: The video.
        start: Second of the video from which all times of the track count, and before which it is left out.

    Attributes:
        warning: One sentence where audio is missing or damaged, else None.
        video_end: When the last frame ends, in seconds, as the file states it, else None.
    """

    def __init__(self, video_path: Path, start: float = 0.0) -> None:
        self.warning: str | None = None
        self.video_end: float | None = None
        self._label = video_display_name(video_path.name)
        self._offset = start
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
            video = video_stream(self._container, self._label)
        except VideoError as error:
            self.warning = str(error)
            return
        self._start_time = (start_time(self._container, video) or 0.0) + self._offset
        end = video_end_time(self._container, video)
        self.video_end = None if end is None else end - self._offset
        tracks = self._container.streams.audio
        if tracks and tracks[0].codec_context is not None and tracks[0].time_base:
            self._track = tracks[0]
            discard_other_streams(self._track)
        elif tracks:
            self.warning = f"The audio of {self._label} has an unknown codec, so the new video is silent."

    @property
    def is_available(self) -> bool:
        """True while there is audio that was not abandoned."""
        return self._track is not None

    def attach(self, container: OutputContainer) -> None:
        """Add an audio stream to the container that is written, before its first packet."""
        track = self._track
        assert track is not None
        if is_browser_compatible(track):
            self._output_stream: AudioStream = container.add_stream_from_template(track)
            self._packets = self._copy_packets(track)
        else:
            rate = next((rate for rate in _SAMPLE_RATES if rate <= track.rate), _SAMPLE_RATES[-1])
            self._output_stream = container.add_stream(
                "aac", rate=rate, layout="mono" if track.channels == 1 else "stereo"
            )
            self._packets = self._encode_packets(track)

    def packets_until(self, timestamp: float) -> Iterator[Packet]:
        """Yield the remaining packets that begin before `timestamp` seconds."""
        if self._next_packet is None:
            self._next_packet = self._pull_packet()
        while self._next_packet is not None and self._next_packet.timestamp < min(timestamp, self._end_time):
            packet, self._next_packet = self._next_packet.packet, None
            yield packet
            self._next_packet = self._pull_packet()

    def remaining(self, end_time: float) -> Iterator[Packet]:
        """Yield the remaining packets of a new video whose last frame ends at `end_time` seconds.

        They end there, or with the audio itself where the source video ends there too.
        """
        is_complete = self.video_end is not None and end_time > self.video_end - _MAX_GAP_SECONDS
        self._end_time = end_time + _MAX_TAIL_SECONDS if is_complete else end_time
        yield from self.packets_until(self._end_time)

    def abandon(self) -> None:
        """Drop the remaining packets, with a warning."""
        self._track, self._packets, self._next_packet = None, iter(()), None
        self.warning = f"The audio of {self._label} is damaged, so a part of the new video is silent."

    def close(self) -> None:
        """Close the source video."""
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
        assert self._container is not None
        yield from (packet for packet in self._container.demux(track) if packet.size)

    def _copy_packets(self, track: AudioStream) -> Iterator[_TimedPacket]:
        base = track.time_base or Fraction(1, 1000)
        shift, duration, next_pts = round(self._start_time / base), 1, None
        for packet in self._demux_packets(track):
            pts = packet.pts if packet.pts is not None else packet.dts
            pts = (next_pts or 0) if pts is None else pts - shift
            if self._offset and next_pts is None and pts < 0:
                continue
            if next_pts is not None and pts < next_pts - _MIN_RESET_SECONDS / base:
                shift, pts = shift + pts - next_pts, next_pts
            if next_pts is not None and pts <= next_pts - duration:
                continue  # it begins before the last packet
            duration = max(1, packet.duration or 1)
            next_pts = pts + duration
            packet.pts = packet.dts = pts
            packet.stream = self._output_stream
            yield _TimedPacket(float(pts * base), packet)

    def _encode_packets(self, track: AudioStream) -> Iterator[_TimedPacket]:
        encoder, rate = self._output_stream, self._output_stream.rate
        for position, samples in self._align_samples(track, rate):
            frame = AudioFrame.from_ndarray(samples, format="fltp", layout=encoder.layout.name)
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), position
            yield from (_TimedPacket((packet.pts or 0) / rate, packet) for packet in encoder.encode(frame))
        yield from (_TimedPacket((packet.pts or 0) / rate, packet) for packet in encoder.encode(None))

    def _align_samples(self, track: AudioStream, sample_rate: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield position (in samples since second 0) and samples (channels, n) without gaps or overlaps."""
        shift, position = self._start_time, None
        silence = np.zeros((len(self._output_stream.layout.channels), sample_rate), np.float32)
        for timestamp, samples in self._decode_samples(track, sample_rate):
            if self._offset and position is None and _ends_before(shift, timestamp, samples.shape[1] / sample_rate):
                continue
            if position is None:
                position = max(0, round((timestamp - shift) * sample_rate)) if timestamp is not None else 0
            start = position if timestamp is None else round((timestamp - shift) * sample_rate)
            if start < position - _MIN_RESET_SECONDS * sample_rate:
                shift, start = shift + (start - position) / sample_rate, position
            while start > position + _MAX_GAP_SECONDS * sample_rate and position < self._end_time * sample_rate:
                gap = silence[:, : start - position]
                yield position, gap
                position += gap.shape[1]
            if start < position - _MAX_GAP_SECONDS * sample_rate:
                samples = samples[:, position - start :]
            if self._end_time < float("inf"):
                samples = samples[:, : max(0, round(self._end_time * sample_rate) - position)]
            if samples.shape[1]:
                yield position, np.ascontiguousarray(samples)
                position += samples.shape[1]
            if position >= self._end_time * sample_rate:
                return

    def _decode_samples(
        self, track: AudioStream, sample_rate: int
    ) -> Iterator[tuple[float | None, NDArray[np.float32]]]:
        """Yield timestamp in seconds and samples (channels, n) at `sample_rate` of all that can be decoded."""
        resampler, num_corrupt = self._make_resampler(sample_rate), 0
        for packet in self._demux_packets(track):
            try:
                frames: list[Any] = track.decode(packet)
                num_corrupt = 0
            except DECODE_ERRORS:
                num_corrupt, frames = num_corrupt + 1, []
                if num_corrupt > _MAX_CORRUPT_PACKETS:
                    raise
            for frame in frames:
                try:
                    resampled = resampler.resample(frame)
                except ValueError:  # rate or layout changed within the stream
                    resampler = self._make_resampler(sample_rate)
                    resampled = resampler.resample(frame)
                timestamp = None if frame.pts is None else float(frame.pts * (track.time_base or 0))
                for piece in resampled:
                    yield timestamp, piece.to_ndarray()  # type: ignore[misc]
                    timestamp = None

    def _make_resampler(self, sample_rate: int) -> AudioResampler:
        return AudioResampler(format="fltp", layout=self._output_stream.layout.name, rate=sample_rate)


def _ends_before(second: float, timestamp: float | None, duration: float) -> bool:
    """Return whether samples end before a second; those without a timestamp belong to the ones before them."""
    return timestamp is None or timestamp + duration <= second


def is_browser_compatible(track: AudioStream) -> bool:
    """Return whether browsers play the track from an MP4 file without conversion."""
    codec = track.codec_context.codec.canonical_name
    return codec == "aac" or (codec == "mp3" and track.rate >= _MIN_MP3_RATE)
