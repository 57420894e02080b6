"""`analyze` for films: the same work as the app's, with a progress bar, and all files written at its end."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from emotion.errors import EmotionError

if TYPE_CHECKING:
    from emotion.video.analysis import VideoAnalysis
    from emotion.video.settings import VideoRequest

# By their names, since a GIF may be a picture, too: `--film` takes everything for a film.
_VIDEO_SUFFIXES: Final = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi")
_MAX_PEOPLE: Final = 8  # that are told of in a few lines
_BAR_WIDTH: Final = 24  # characters
_POLL_SECONDS: Final = 0.3  # seconds


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `analyze` takes for films only."""
    group = parser.add_argument_group(
        "films", "files named " + ", ".join(f"*{s}" for s in _VIDEO_SUFFIXES) + "; need --out"
    )
    group.add_argument("--film", action="store_true", help="everything named is a film, also an animated GIF")
    how = group.add_mutually_exclusive_group()
    how.add_argument(
        "--every", type=_parse_positive_int, default=1, metavar="N", help="look at each N-th frame (%(default)s: all)"
    )
    how.add_argument("--fast", action="store_true", help="look at about eight frames of each second")
    group.add_argument("--no-video", action="store_true", help="write no film with labels")


def add_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """The command that changes the faces of a video after its analysis."""
    one = command(
        "redraw-video",
        _run_redraw,
        "Rename, merge or hide faces of an analyzed video; draw it and write its files again.",
    )
    one.add_argument("folder", type=Path, metavar="DIR", help="what `analyze --out` wrote of one video")
    one.add_argument("--name", type=_parse_name, action="append", default=[], metavar="FACE=NAME", help="as in 1=Anna")
    one.add_argument("--merge", type=_parse_merge, action="append", default=[], metavar="FACE=INTO", help="one person")
    one.add_argument(
        "--hide", type=_parse_positive_int, action="append", default=[], metavar="FACE", help="leave a face out"
    )
    one.add_argument(
        "--show", type=_parse_positive_int, action="append", default=[], metavar="FACE", help="undo --hide"
    )


def _parse_name(text: str) -> tuple[int, str]:
    face, equals, name = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text} is no FACE=NAME, as in 1=Anna")
    return _parse_positive_int(face), name


def _parse_merge(text: str) -> tuple[int, int]:
    face, into = _parse_name(text)
    return face, _parse_positive_int(into)


def _run_redraw(options: argparse.Namespace) -> int:
    from emotion.jobs.reporter import job_context
    from emotion.video.analysis import VideoAnalysis
    from emotion.video.exports import FACES_FILE, write_results
    from emotion.video.pipeline import REDRAW_FOLDER
    from emotion.video.redraw import redraw_video

    folder: Path = options.folder
    analysis = VideoAnalysis.open(folder)
    for track, into in options.merge:
        analysis.merge(track, into)
    for track, name in options.name:
        analysis.rename(track, name)
    for track in options.hide:
        analysis.hide(track)
    for track in options.show:
        analysis.hide(track, False)
    if (folder / FACES_FILE).is_file():
        write_results(analysis, folder)
    if not analysis.settings.write_video:
        return 0
    with job_context(folder / REDRAW_FOLDER) as report, _show_progress(folder / REDRAW_FOLDER, analysis.name):
        whole = redraw_video(folder, report)
    if not whole:
        print(f"Stopped: {folder} holds the video as it was.", file=sys.stderr)
    return 0 if whole else 1


def _parse_positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return value


def select_videos(options: argparse.Namespace) -> list[str]:
    """The arguments of `analyze` that are films."""
    return [name for name in options.photos if options.film or name.lower().endswith(_VIDEO_SUFFIXES)]


def require_output_folder(paths: Sequence[str], options: argparse.Namespace) -> None:
    """`EmotionError` where there are films and no `--out`."""
    if paths and options.out is None:
        raise EmotionError(f"{_to_printable(paths[0])} is a film: name a folder for what is read of it with --out DIR.")


def analyze_videos(
    paths: Sequence[str], folders: Sequence[Path], options: argparse.Namespace, *, overwrite: bool
) -> bool:
    """Read one film after the other, each into its folder, and say what is in it; whether all could be read.

    Raises `AnalysisInterrupted` where somebody stopped it.
    """
    from emotion.jobs.result_manifest import read_manifest

    done = True
    for name, folder in zip(paths, folders, strict=True):
        try:
            whole = _analyze_video(Path(name), folder, options, overwrite)
        except EmotionError as error:
            print(f"emotion: {error}", file=sys.stderr)
            done = False
            continue
        if not whole:
            mark = read_manifest(folder)
            kept = "the earlier result" if mark is not None and mark.is_complete else "what was read until then"
            raise AnalysisInterrupted(f"{kept} of {_to_printable(name)} is in {folder}.")
    return done


class AnalysisInterrupted(Exception):
    """Somebody stopped the video analysis; its text says what is kept."""


def assign_subfolders(paths: Sequence[str]) -> list[str]:
    """A folder for each of several films, other than that of the faces of photos."""
    from emotion.results.photos import make_unique_names
    from emotion.results.serialization import sanitize_filename

    return make_unique_names(["faces", *(sanitize_filename(Path(name).stem) for name in paths)])[1:]


def _analyze_video(path: Path, folder: Path, options: argparse.Namespace, overwrite: bool) -> bool:
    """Read one film into `folder`; False where somebody stopped it, which keeps what was read, or, if it was to replace
    a complete result, that one. A film whose result is complete already is only told of."""
    from emotion.jobs.result_folder import check_result_folder, check_staging_folder
    from emotion.jobs.result_manifest import VIDEO
    from emotion.jobs.result_replacement import (
        check_movable,
        check_replaceable,
        remove_result,
        replace_result,
        staging_folder,
    )
    from emotion.video.analysis import VideoAnalysis

    request = _build_request(path, options)
    folder = Path(os.path.realpath(folder))
    settings = _compute_fingerprint(path, request)
    found = check_result_folder(folder, VIDEO, inputs=[path])
    staged = found is not None and found.is_complete
    if found is not None:
        if staged and not overwrite and found.settings == settings:
            _print_result(VideoAnalysis(folder), options)
            return True
        check_replaceable(folder, found, overwrite=overwrite or not staged)
    if staged:
        check_movable(folder)
        check_staging_folder(folder, VIDEO)
    place = staging_folder(folder) if staged else folder
    whole = _analyze_into(place, request, settings, options)
    if whole and staged:
        replace_result(folder)
    elif staged:
        remove_result(place)
    if whole or not staged:
        _print_result(VideoAnalysis(folder), options)
    return whole


def _build_request(path: Path, options: argparse.Namespace) -> VideoRequest:
    from emotion.recognition.analyzer import AnalyzerSettings
    from emotion.video.settings import FAST_STRIDE, VideoRequest, VideoSettings

    side = options.side or VideoSettings().recognition.max_side
    recognition = AnalyzerSettings(options.detection, options.unsure, side, options.head)
    settings = VideoSettings(
        recognition, FAST_STRIDE if options.fast else options.every, options.blur, not options.no_video
    )
    return VideoRequest.from_video(path, _to_printable(path.name), settings, options.detector, options.model)


def _compute_fingerprint(path: Path, request: VideoRequest) -> dict[str, Any]:
    """What tells whether the result of a film is still the one that is asked for, as plain JSON values."""
    from emotion.media.video_reader import VideoReader

    with VideoReader(path, request.name):
        pass  # what is no film is refused before anything is written
    facts = path.stat()
    return {
        "video": os.path.realpath(path),
        "bytes": facts.st_size,
        "modified": facts.st_mtime_ns,
        **request.provenance,
    }


def _analyze_into(
    folder: Path, request: VideoRequest, fingerprint: dict[str, Any], options: argparse.Namespace
) -> bool:
    """Read a film into `folder`, and write all files of the result, also after an error; False where it was stopped."""
    from emotion.jobs.reporter import job_context
    from emotion.jobs.result_folder import clear_result, complete_result, start_result
    from emotion.jobs.result_manifest import VIDEO, ResultManifest
    from emotion.video.analysis import VideoAnalysis
    from emotion.video.exports import write_results
    from emotion.video.pipeline import analyze_video

    analyzer = request.load_analyzer()
    mark = ResultManifest(VIDEO, settings=fingerprint)
    clear_result(folder, mark)
    start_result(folder, mark)
    analysis = VideoAnalysis(folder)
    try:
        with job_context(folder) as report, _show_progress(folder, request.name):
            analyze_video(request, analyzer, folder, report)
    finally:
        if analysis.num_frames:
            write_results(analysis, folder)
    if not report.stop_requested:
        complete_result(folder, mark)
    return not report.stop_requested


def _print_result(analysis: VideoAnalysis, options: argparse.Namespace) -> None:
    print(_to_json(analysis) if options.json else _format_result(analysis), flush=True)


def _to_json(analysis: VideoAnalysis) -> str:
    people = [
        {"name": one.name, "duration": round(one.duration, 3), "expression_shares": one.expression_shares}
        for one in analysis.people()
    ]
    value = {"file": analysis.name, **analysis.summary, "people": people}
    return json.dumps(value, ensure_ascii=False)


def _format_result(analysis: VideoAnalysis) -> str:
    from emotion.formatting import format_clock, format_percent

    people = analysis.people()
    count = f"{len(people)} {'face' if len(people) == 1 else 'faces'}" if people else "no face"
    lines = [f"{analysis.name}: {count} in {format_clock(analysis.duration)}"]
    for one in sorted(people, key=lambda one: -one.duration)[:_MAX_PEOPLE]:
        shares = ", ".join(
            f"{word} {format_percent(share)}" for word, share in one.expression_shares.items() if share >= 0.005
        )
        lines.append(f"  {one.name}, {format_clock(one.first_seen)} to {format_clock(one.last_seen)}: {shares}")
    if len(people) > _MAX_PEOPLE:
        lines.append(f"  and {len(people) - _MAX_PEOPLE} more")
    return "\n".join(lines)


@contextmanager
def _show_progress(folder: Path, name: str) -> Iterator[None]:
    """One line of a terminal that tells how far the job of a folder is."""
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_draw_progress, args=(folder, name, over), name="bar", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _draw_progress(folder: Path, name: str, stop_event: threading.Event) -> None:
    from emotion.jobs.job import Job

    while not stop_event.wait(_POLL_SECONDS):
        state = Job(folder).read_state()
        full = round(_BAR_WIDTH * state.fraction)
        left = f", {state.seconds_left:.0f} s left" if state.seconds_left is not None else ""
        line = f"[{'#' * full}{'-' * (_BAR_WIDTH - full)}] {state.fraction:4.0%} {state.message}{left}  {name}"
        print(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)


def _to_printable(name: str) -> str:
    """A name in no known encoding can be printed, too."""
    return os.fsencode(name).decode(errors="replace")
