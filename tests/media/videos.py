"""Videos for tests: each frame shows its index, and the audio is a tone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

FAST_OPTIONS = {"libx264": {"preset": "ultrafast"}, "libsvtav1": {"preset": "12"}, "libvpx-vp9": {"cpu-used": "8"}}
TIME_BASE_HZ = 90_000


def draw_frame(index: int, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """Return a frame, RGB (height, width, 3).

    Its lower half has a gray level for the index (0 to 19), the upper left quarter is red, the upper right one green.
    """
    image = np.full((height, width, 3), 10 + 12 * index, np.uint8)
    image[: height // 2, : width // 2] = (250, 0, 0)
    image[: height // 2, width // 2 :] = (0, 250, 0)
    return image


def read_index(image: NDArray[np.uint8]) -> int:
    """Return the index that the gray level of an upright frame stands for."""
    height = image.shape[0]
    return round((float(image[height * 3 // 4 :].mean()) - 10) / 12)


def make_video(
    path: Path,
    frames: int | Sequence[float] = 10,
    *,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    container_format: str | None = None,
    rate: int = 25,
    options: dict[str, str] | None = None,
    prepare: Callable[[Any], object] | None = None,
    audio_codec: str | None = None,
    audio_seconds: tuple[float, float] | Sequence[tuple[float, float]] | None = None,
    audio_rate: int = 48_000,
    audio_layout: str = "stereo",
    file_options: dict[str, str] | None = None,
) -> Path:
    """Write a video of `draw_frame(0)`, `draw_frame(1)` ... and return its path.

    Args:
        frames: A number of frames at `rate`, or the timestamps of the frames in seconds.
        prepare: Changes the video stream before encoding.
        audio_codec: The codec of a tone of 440 Hz.
        audio_seconds: The start and end of the tone, or several of them; by default it is as long as the video.
    """
    times = [i / rate for i in range(frames)] if isinstance(frames, int) else list(frames)
    with av.open(str(path), "w", format=container_format, options=file_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=FAST_OPTIONS.get(codec, {}) | (options or {}))
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        if not isinstance(frames, int):
            stream.codec_context.time_base = Fraction(1, TIME_BASE_HZ)
        if prepare is not None:
            prepare(stream)
        track = container.add_stream(audio_codec, rate=audio_rate, layout=audio_layout) if audio_codec else None
        container.start_encoding()
        for i, seconds in enumerate(times):
            frame = av.VideoFrame.from_ndarray(draw_frame(i % 20, *size), format="rgb24")
            time_base = stream.codec_context.time_base
            frame.pts, frame.time_base = round(Fraction(seconds).limit_denominator(TIME_BASE_HZ) / time_base), time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if track is not None:
            intervals: Any = audio_seconds or (0.0, len(times) / rate)
            for start, end in [intervals] if isinstance(intervals, tuple) else intervals:
                write_tone(container, track, start, end)
            container.mux(track.encode(None))
    return path


def write_tone(container: Any, track: Any, start: float, end: float) -> None:
    """Encode a tone of 440 Hz between two times in seconds."""
    rate, position = track.rate, round(start * track.rate)
    while position < round(end * rate):
        num_samples = min(1024, round(end * rate) - position)
        wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(position, position + num_samples) / rate)
        samples = np.repeat(wave[None], track.channels, 0).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=track.layout.name)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), position
        container.mux(track.encode(frame))
        position += num_samples
