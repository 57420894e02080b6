"""Benchmark of archive analyses: two workers against one, and the engine ray against processes of this machine."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NotRequired, TypedDict

import cv2

from emotion.benchmarks.steps import run_with_peak_memory
from emotion.benchmarks.video import iter_frames, write_video

NUM_PHOTOS: Final = 2000
NUM_VIDEOS: Final = 12
VIDEO_SECONDS: Final = 20.0
_PHOTO_SIZE_WH: Final = (1024, 680)
_VIDEO_SIZE_WH: Final = (640, 360)
_NUM_FACES: Final = 4  # in a photo; a video has one
_NUM_WORKERS: Final = (1, 2)


class ArchiveBenchmark(TypedDict):
    """Result of one engine and number of workers; the start of the workers does not count."""

    sources: str
    engine: str
    workers: int
    seconds: float
    files_per_second: float
    speedup: NotRequired[float]  # over one worker of the same engine
    overhead: NotRequired[float]  # share of time that ray takes in addition to local, with as many workers


def benchmark_archives(
    num_photos: int = NUM_PHOTOS, num_videos: int = NUM_VIDEOS, model: Path | None = None
) -> list[ArchiveBenchmark]:
    """Analyze made photos and made videos with each engine that is installed, with one worker and with two.

    Args:
        num_photos: With four faces each.
        num_videos: With one face each, 20 seconds long.
        model: The classifier's folder; default: the built-in one.
    """
    rows: list[ArchiveBenchmark] = []
    with tempfile.TemporaryDirectory() as folder:
        for sources in _write_sources(Path(folder), num_photos, num_videos):
            for engine in ("local", "ray") if importlib.util.find_spec("ray") else ("local",):
                for workers in _NUM_WORKERS:
                    rows.append(_measure(sources, engine, workers, Path(folder) / f"out-{len(rows)}", model))
    return [_compare(row, rows) for row in rows]


def _write_sources(folder: Path, num_photos: int, num_videos: int) -> Iterator[Path]:
    for name in ("photos", "videos"):
        (folder / name).mkdir()
    for number, frame in enumerate(iter_frames(_PHOTO_SIZE_WH, _NUM_FACES, num_photos)):
        cv2.imwrite(str(folder / "photos" / f"{number:04}.jpg"), frame[..., ::-1])
    yield folder / "photos"
    first = folder / "videos" / "00.mp4"
    write_video(first, _VIDEO_SIZE_WH, 1, VIDEO_SECONDS)
    for number in range(1, num_videos):
        (folder / "videos" / f"{number:02}.mp4").hardlink_to(first)
    yield folder / "videos"


def _measure(sources: Path, engine: str, workers: int, out: Path, model: Path | None) -> ArchiveBenchmark:
    arguments = ["analyze-archive", str(sources), "--out", str(out), "--engine", engine, "--workers", str(workers)]
    output, _ = run_with_peak_memory([*arguments, "--json", *(("--model", str(model)) if model else ())])
    summary = json.loads(output)
    return {
        "sources": sources.name,
        "engine": engine,
        "workers": workers,
        "seconds": summary["seconds"],
        "files_per_second": summary["files_per_second"],
    }


def _compare(row: ArchiveBenchmark, rows: list[ArchiveBenchmark]) -> ArchiveBenchmark:
    """Return a row with its ratios to the others of the same sources."""
    same = {
        (other["engine"], other["workers"]): other["seconds"] for other in rows if other["sources"] == row["sources"]
    }
    compared = row.copy()
    if row["workers"] > 1:
        compared["speedup"] = round(same[row["engine"], 1] / row["seconds"], 3)
    if row["engine"] == "ray":
        compared["overhead"] = round(row["seconds"] / same["local", row["workers"]] - 1, 3)
    return compared
