"""The command `emotion benchmark`: the speed of the pipeline on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import click

from emotion.cli.click_extensions import StudioCommand, json_option
from emotion.cli.output import print_result
from emotion.formatting import format_percent

Row = Mapping[str, Any]


@click.command(cls=StudioCommand)
@click.argument("target", type=click.Choice(("steps", "live", "video", "archive")), default="steps")
@click.option(
    "--camera",
    type=click.Path(path_type=Path),
    metavar="VIDEO",
    help="With live: a video in the place of the camera (default: moving images).",
)
@json_option
def benchmark(target: Literal["steps", "live", "video", "archive"], camera: Path | None, as_json: bool) -> None:
    """Measure the speed on this machine.

    steps: milliseconds of each step on one core. live: frames per second of the Live page. video: speed of the video
    analysis, which takes minutes. archive: two workers against one on 2,000 photos and 12 videos, and Ray where it is
    installed, which takes six minutes on two idle cores.
    """
    if camera is not None and target != "live":
        raise click.UsageError("--camera is for the target live only.")
    rows = _MEASURES[target](camera)
    print_result(rows, "\n".join(map(_FORMATS[target], rows)), as_json=as_json)


def _measure_steps(_: Path | None) -> Sequence[Row]:
    from emotion.benchmarks.steps import benchmark_steps

    return benchmark_steps()


def _measure_live(camera: Path | None) -> Sequence[Row]:
    from emotion.benchmarks.live import benchmark_stream, load_frames

    return benchmark_stream(frames=load_frames(camera) if camera else None)


def _measure_videos(_: Path | None) -> Sequence[Row]:
    from emotion.benchmarks.video import benchmark_videos

    return benchmark_videos()


def _measure_archives(_: Path | None) -> Sequence[Row]:
    from emotion.benchmarks.archive import benchmark_archives

    return benchmark_archives()


def _format_memory(row: Row) -> str:
    return f", {row['memory_mb']:.0f} MB" if "memory_mb" in row else ""


def _format_step(row: Row) -> str:
    return f"{row['detector']:<6} {row['num_faces']} faces  {row['step']:<9} {row['ms']:8.2f} ms{_format_memory(row)}"


def _format_live(row: Row) -> str:
    return (
        f"{row['detector']:<6} {row['num_faces']} faces  {row['fps']:4.1f} frames per second, "
        f"{row['age_p95_ms']:5.1f} ms old, {row['cores']:.2f} cores, {row['memory_mb']:+.1f} MB"
    )


def _format_video(row: Row) -> str:
    return (
        f"{row['detector']:<6} {row['size']:<9} {row['num_faces']} faces  {row['mode']:<7} "
        f"{row['realtime_factor']:6.2f} x real time{_format_memory(row)}"
    )


def _format_archive(row: Row) -> str:
    text = f"{row['sources']:<6} {row['engine']:<5} workers: {row['workers']} {row['seconds']:8.1f} s"
    text += f" {row['files_per_second']:7.2f} files a second"
    text += f", {row['speedup']:.2f} x one worker" if "speedup" in row else ""
    return text + (f", {format_percent(row['overhead'])} more time than local" if "overhead" in row else "")


_MEASURES: Final[Mapping[str, Callable[[Path | None], Sequence[Row]]]] = {
    "steps": _measure_steps,
    "live": _measure_live,
    "video": _measure_videos,
    "archive": _measure_archives,
}
_FORMATS: Final = {"steps": _format_step, "live": _format_live, "video": _format_video, "archive": _format_archive}
