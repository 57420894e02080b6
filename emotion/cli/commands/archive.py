"""The command `analyze-archive`: many images and videos into Parquet files, on many cores or machines."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from emotion.cli.click_extensions import FRACTION, POSITIVE, Interrupted, StudioCommand, json_option, with_options
from emotion.cli.output import print_progress, print_result
from emotion.cli.progress import show_progress

if TYPE_CHECKING:
    from emotion.archive.engines.engine import Engine
    from emotion.archive.run import ArchiveSummary
    from emotion.archive.settings import ArchiveRequest, ArchiveSettings

_VIDEO_MAX_SIDE: Final = 640
_PROGRESS_SECONDS: Final = 30.0  # between two lines where standard error is no terminal


@dataclass(frozen=True)
class ArchiveOptions:
    """The options of `emotion analyze-archive`."""

    sources: tuple[str, ...]
    out: Path
    engine: Literal["local", "ray"]
    address: str | None
    workers: int | None
    detector: str | None
    model: Path | None
    head: str | None
    detection_threshold: float
    min_confidence: float
    max_side: int
    frame_stride: int | None
    thumbnails: bool
    features: bool
    as_json: bool


@click.command("analyze-archive", cls=StudioCommand)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder of the Parquet files."
)
@click.option(
    "--engine", type=click.Choice(["local", "ray"]), default="local", help="Processes of this machine, or Ray."
)
@click.option(
    "--address", metavar="ADDRESS", help="Ray: auto, HOST:PORT or ray://HOST:PORT (default: a cluster of this machine)."
)
@click.option("--workers", type=POSITIVE, help="Number of workers, one core each (default: all cores).")
@click.option("--detector", help="glance, yunet or haar (default: the best one available).")
@click.option("--model", type=click.Path(path_type=Path), help="A classifier or finished run (default: the built-in).")
@click.option("--head", help="Head of the classifier (default: that of its card).")
@click.option("--detection-threshold", type=FRACTION, default=0.6, help="Minimum score of a face, 0 to 1.")
@click.option("--min-confidence", type=FRACTION, default=0.5, help="Below this confidence a label is unsure.")
@click.option(
    "--max-side",
    type=POSITIVE,
    default=1280,
    metavar="PIXELS",
    help=f"Images: downscale larger ones for the detection; videos: {_VIDEO_MAX_SIDE} at most.",
)
@click.option(
    "--frame-stride", type=POSITIVE, help="Videos: analyze every N-th frame (default: about eight frames per second)."
)
@click.option("--thumbnails/--no-thumbnails", default=True, help="Store a small image of each face.")
@click.option("--features", is_flag=True, help="Store the head pose and the movements of each face.")
@json_option
@with_options(ArchiveOptions)
def analyze_archive(options: ArchiveOptions) -> None:
    """Analyze an archive of images and videos into Parquet files, on all cores or on a cluster.

    SOURCE is a folder, a pattern in quotes, a ZIP or tar, a text file with a path a line, or a URL such as s3://bucket/photos.
    The same call goes on where an earlier one stopped.
    """
    if options.address is not None and options.engine != "ray":
        raise click.UsageError("--address is for --engine ray; give both or none.")
    from emotion.archive.run import ArchiveRun
    from emotion.archive.settings import ArchiveRequest
    from emotion.jobs.reporter import job_context

    request = ArchiveRequest.from_settings(_make_settings(options), options.detector, options.model)
    run = ArchiveRun(list(options.sources), options.out, request)
    with job_context(run.folder, _make_line_printer()) as reporter, show_progress(run.folder, options.out.name):
        summary = run.run(lambda: _make_engine(options, request), reporter)
    if not summary.is_complete:
        done = f"{summary.totals.files:,} of {summary.num_sources:,} files are done"
        raise Interrupted(f"Stopped: {done} and are in {options.out}; run the same command again to go on.")
    _print_summary(summary, options)


def _make_settings(options: ArchiveOptions) -> ArchiveSettings:
    from emotion.archive.settings import ArchiveSettings
    from emotion.recognition.settings import AnalyzerSettings
    from emotion.video.settings import FAST_STRIDE, VideoSettings

    thresholds = options.detection_threshold, options.min_confidence
    images = AnalyzerSettings(*thresholds, options.max_side, options.head, options.features)
    frames = replace(images, max_side=min(options.max_side, _VIDEO_MAX_SIDE))
    videos = VideoSettings(frames, options.frame_stride or FAST_STRIDE, write_video=False)
    return ArchiveSettings(images, videos, options.thumbnails)


def _make_engine(options: ArchiveOptions, request: ArchiveRequest) -> Engine:
    if options.engine == "ray":
        from emotion.archive.engines.ray_engine import RayEngine

        return RayEngine(request, options.address, options.workers)
    from emotion.archive.engines.local_engine import LocalEngine

    return LocalEngine(request, options.workers or os.cpu_count() or 1)


def _make_line_printer() -> Callable[[float, float, str], None]:
    """Return a function that prints the progress from time to time where there is no terminal for a bar."""
    last = time.monotonic()

    def print_line(done: float, total: float, message: str) -> None:
        nonlocal last
        if not sys.stderr.isatty() and time.monotonic() - last >= _PROGRESS_SECONDS:
            last = time.monotonic()
            print_progress(message)

    return print_line


def _print_summary(summary: ArchiveSummary, options: ArchiveOptions) -> None:
    totals = summary.totals
    values = {
        "folder": str(options.out),
        "files": totals.files,
        "faces": totals.faces,
        "errors": totals.errors,
        "files_of_this_run": totals.files - summary.files_before,
        "seconds": round(summary.seconds, 1),
        "files_per_second": round(summary.files_per_second, 2),
    }
    text = f"{options.out}: {totals.files:,} files, {totals.faces:,} faces, {totals.errors:,} files with an error"
    if summary.seconds:
        text += f"; {summary.files_per_second:.1f} files a second in this run"
    print_result(values, text, as_json=options.as_json)
