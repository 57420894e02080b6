"""Films for the tests of reading, writing and analysing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

QUICK = {"libx264": {"preset": "ultrafast"}, "libsvtav1": {"preset": "12"}, "libvpx-vp9": {"cpu-used": "8"}}
TICKS = 90_000


def picture(index: int, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """RGB (height, width, 3): a grey that tells the index (0 to 19), its upper left quarter red, its upper right one
    green."""
    image = np.full((height, width, 3), 10 + 12 * index, np.uint8)
    image[: height // 2, : width // 2] = (250, 0, 0)
    image[: height // 2, width // 2 :] = (0, 250, 0)
    return image


def index_of(image: NDArray[np.uint8]) -> int:
    """The index that the lower half of an upright `picture` tells."""
    height = image.shape[0]
    return round((float(image[height * 3 // 4 :].mean()) - 10) / 12)


def make_film(
    path: Path,
    frames: int | Sequence[float] = 10,
    *,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    kind: str | None = None,
    rate: int = 25,
    options: dict[str, str] | None = None,
    prepare: Callable[[Any], object] | None = None,
    sound: str | None = None,
    sound_seconds: tuple[float, float] | Sequence[tuple[float, float]] | None = None,
    sound_rate: int = 48_000,
    sound_layout: str = "stereo",
    file_options: dict[str, str] | None = None,
) -> Path:
    """A film of `picture(0)`, `picture(1)` ... at 25 frames a second, or at the given seconds; `prepare` may change
    the video stream. `sound`: a codec for a tone of 440 Hz, from and to those seconds or as long as the pictures."""
    times = [i / rate for i in range(frames)] if isinstance(frames, int) else list(frames)
    with av.open(str(path), "w", format=kind, options=file_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=QUICK.get(codec, {}) | (options or {}))
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        if not isinstance(frames, int):
            stream.codec_context.time_base = Fraction(1, TICKS)
        if prepare is not None:
            prepare(stream)
        track = container.add_stream(sound, rate=sound_rate, layout=sound_layout) if sound else None
        container.start_encoding()
        for i, seconds in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(i % 20, *size), format="rgb24")
            base = stream.codec_context.time_base
            frame.pts, frame.time_base = round(Fraction(seconds).limit_denominator(TICKS) / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if track is not None:
            parts: Any = sound_seconds or (0.0, len(times) / rate)
            for start, end in [parts] if isinstance(parts, tuple) else parts:
                write_tone(container, track, start, end)
            container.mux(track.encode(None))
    return path


def write_tone(container: Any, track: Any, start: float, end: float) -> None:
    """A tone of 440 Hz."""
    rate, at = track.rate, round(start * track.rate)
    while at < round(end * rate):
        n = min(1024, round(end * rate) - at)
        wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(at, at + n) / rate)
        samples = np.repeat(wave[None], track.channels, 0).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=track.layout.name)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), at
        container.mux(track.encode(frame))
        at += n
