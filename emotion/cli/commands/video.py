"""The commands `emotion video`: redraw an analyzed video, and the hidden command that the app starts as a job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from emotion.cli.click_extensions import POSITIVE, Interrupted, StudioGroup, with_options
from emotion.cli.progress import show_progress


@click.group(cls=StudioGroup)
def video() -> None:
    """Change the results of analyzed videos."""


@video.command("run-job", hidden=True)
@click.argument("folder", type=click.Path(path_type=Path))
def run_job(folder: Path) -> None:
    """Analyze the video of a folder that the app prepared, after the videos before it."""
    from emotion.jobs.reporter import job_context
    from emotion.video.slot import wait_for_slot

    with job_context(folder) as report, wait_for_slot(folder, report) as has_slot:
        if has_slot:  # what the analysis needs takes 200 MB, which a waiting job does without
            from emotion.video.pipeline import analyze_video
            from emotion.video.settings import VideoRequest

            request = VideoRequest.read(folder)
            analyze_video(request, request.load_analyzer(), folder, report)


@dataclass(frozen=True)
class RedrawOptions:
    """The options of `emotion video redraw`."""

    folder: Path
    names: tuple[tuple[int, str], ...]
    merges: tuple[tuple[int, int], ...]
    hidden_faces: tuple[int, ...]
    shown_faces: tuple[int, ...]


class _FaceAssignment(click.ParamType):
    """FACE=VALUE, where FACE is the number of a face and VALUE is of another type."""

    def __init__(self, name: str, value_type: Any) -> None:
        self.name = name
        self._value_type = value_type

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, Any]:
        if isinstance(value, tuple):  # click converts its own results again
            return value
        face, equals, text = str(value).partition("=")
        if not equals:
            self.fail(f"{value} is not of the form {self.name}.", param, ctx)
        return POSITIVE(face, param, ctx), self._value_type(text, param, ctx)


@video.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", "names", type=_FaceAssignment("FACE=NAME", click.STRING), multiple=True, help="As in 1=Anna.")
@click.option("--merge", "merges", type=_FaceAssignment("FACE=INTO", POSITIVE), multiple=True, help="Make one person.")
@click.option("--hide", "hidden_faces", type=POSITIVE, multiple=True, metavar="FACE", help="Leave a face out.")
@click.option("--show", "shown_faces", type=POSITIVE, multiple=True, metavar="FACE", help="Undo --hide.")
@with_options(RedrawOptions)
def redraw(options: RedrawOptions) -> None:
    """Rename, merge or hide faces of an analyzed video; write its video and files again.

    FOLDER is what `emotion analyze VIDEO --out FOLDER` wrote.
    """
    from emotion.jobs.reporter import job_context
    from emotion.video.analysis import VideoAnalysis
    from emotion.video.outputs.exports import FACES_FILE, write_results
    from emotion.video.pipeline import REDRAW_FOLDER
    from emotion.video.redraw import redraw_video

    folder = options.folder
    analysis = VideoAnalysis.open(folder)
    for track, into in options.merges:
        analysis.merge(track, into)
    for track, name in options.names:
        analysis.rename(track, name)
    for track in options.hidden_faces:
        analysis.hide(track)
    for track in options.shown_faces:
        analysis.hide(track, False)
    if (folder / FACES_FILE).is_file():
        write_results(analysis, folder)
    if not analysis.settings.write_video:
        return
    with job_context(folder / REDRAW_FOLDER) as report, show_progress(folder / REDRAW_FOLDER, analysis.name):
        complete = redraw_video(folder, report)
    if not complete:
        raise Interrupted(f"Stopped: the video in {folder} is unchanged.")
