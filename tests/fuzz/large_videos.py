"""The memory of a whole analysis of large videos: `python -m tests.fuzz large`."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from emotion.benchmarks.steps import run_with_peak_memory
from tests.media.videos import make_video

MAX_MEGABYTES: Final = 600.0
NUM_FRAMES: Final = 36  # the memory of an analysis reaches its peak within the first thirty
_QUIET_X265: Final = "log-level=none"


class Film(NamedTuple):
    """A video with several reference frames and reordered ones, which a decoder must hold."""

    name: str
    size: tuple[int, int]
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    options: tuple[tuple[str, str], ...] = (("preset", "ultrafast"), ("refs", "4"), ("bf", "2"))
    is_refused: bool = False

    def write(self, folder: Path) -> Path:
        """Write the video into a folder."""

        def prepare(stream: Any) -> None:
            if self.codec == "libx265":  # HDR10
                stream.codec_context.colorspace = stream.codec_context.color_primaries = 9
                stream.codec_context.color_trc = 16

        return make_video(
            folder / f"{self.size[0]}-{self.pix_fmt}.mp4",
            1 if self.is_refused else NUM_FRAMES,
            size=self.size,
            codec=self.codec,
            pix_fmt=self.pix_fmt,
            options=dict(self.options),
            prepare=prepare,
        )


_HDR: Final = ("libx265", "yuv420p10le", (("preset", "ultrafast"), ("x265-params", _QUIET_X265)))
FILMS: Final = (
    Film("1080p", (1920, 1080)),
    Film("4K", (3840, 2160)),
    Film("4K, HDR10", (3840, 2160), *_HDR),
    Film("4096 x 4096", (4096, 4096)),
    Film("4096 x 4096, HDR10", (4096, 4096), *_HDR, is_refused=True),
    Film("8K", (7680, 4320), is_refused=True),
)


def run_large_videos() -> int:
    """Analyze the films with an annotated video each, print a line for each, and return the number of failures."""
    num_failed = 0
    for film in FILMS:
        with TemporaryDirectory() as folder:
            path = film.write(Path(folder))
            started = time.monotonic()
            megabytes = measure_analysis(path)
            outcome = "refused" if megabytes is None else f"{megabytes:.0f} MB"
            is_bounded = megabytes is not None and megabytes <= MAX_MEGABYTES
            num_failed += megabytes is not None if film.is_refused else not is_bounded
            print(f"  {film.name:20} {outcome}, {time.monotonic() - started:.0f} s", flush=True)
    print(f"large videos: {len(FILMS)} tried, {num_failed} failed; {NUM_FRAMES} frames, at most {MAX_MEGABYTES:.0f} MB")
    return num_failed


def measure_analysis(path: Path) -> float | None:
    """Analyze a video in a process of its own; return its peak memory in MB, None where the video is refused."""
    output, memory = run_with_peak_memory(["analyze", str(path), "--out", str(path.parent / "out"), "--json"])
    return memory.get("memory_mb") if output else None
