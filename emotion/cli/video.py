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
    from emotion.video.analysis import Analysis
    from emotion.video.settings import Request

# By their names, since a GIF may be a picture, too: `--film` takes everything for a film.
_SUFFIXES: Final = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi")
_MOST_PEOPLE: Final = 8  # that are told of in a few lines
_BAR: Final = 24  # characters
_LOOK_EVERY: Final = 0.3  # seconds


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `analyze` takes for films only."""
    group = parser.add_argument_group("films", "files named " + ", ".join(f"*{s}" for s in _SUFFIXES) + "; need --out")
    group.add_argument("--film", action="store_true", help="everything named is a film, also an animated GIF")
    how = group.add_mutually_exclusive_group()
    how.add_argument("--every", type=_number, default=1, metavar="N", help="look at each N-th frame (%(default)s: all)")
    how.add_argument("--fast", action="store_true", help="look at about eight frames of each second")
    group.add_argument("--no-video", action="store_true", help="write no film with labels")


def add_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """The command that changes the faces of a video after its analysis."""
    one = command(
        "redraw-video", _redraw, "Rename, merge or hide faces of an analyzed video; draw it and write its files again."
    )
    one.add_argument("folder", type=Path, metavar="DIR", help="what `analyze --out` wrote of one video")
    one.add_argument("--name", type=_named, action="append", default=[], metavar="FACE=NAME", help="as in 1=Anna")
    one.add_argument("--merge", type=_merged, action="append", default=[], metavar="FACE=INTO", help="one person")
    one.add_argument("--hide", type=_number, action="append", default=[], metavar="FACE", help="leave a face out")
    one.add_argument("--show", type=_number, action="append", default=[], metavar="FACE", help="undo --hide")


def _named(text: str) -> tuple[int, str]:
    face, equals, name = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text} is no FACE=NAME, as in 1=Anna")
    return _number(face), name


def _merged(text: str) -> tuple[int, int]:
    face, into = _named(text)
    return face, _number(into)


def _redraw(options: argparse.Namespace) -> int:
    from emotion.jobs.reporter import reporting
    from emotion.video.analysis import Analysis
    from emotion.video.exports import TABLE, write_results
    from emotion.video.pipeline import REDRAW
    from emotion.video.redraw import redraw

    folder: Path = options.folder
    analysis = Analysis.open(folder)
    for track, into in options.merge:
        analysis.merge(track, into)
    for track, name in options.name:
        analysis.rename(track, name)
    for track in options.hide:
        analysis.hide(track)
    for track in options.show:
        analysis.hide(track, False)
    if (folder / TABLE).is_file():
        write_results(analysis, folder)
    if not analysis.settings.film:
        return 0
    with reporting(folder / REDRAW) as report, _bar(folder / REDRAW, analysis.name):
        whole = redraw(folder, report)
    if not whole:
        print(f"Stopped: {folder} holds the video as it was.", file=sys.stderr)
    return 0 if whole else 1


def _number(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return value


def films_in(options: argparse.Namespace) -> list[str]:
    """The arguments of `analyze` that are films."""
    return [name for name in options.photos if options.film or name.lower().endswith(_SUFFIXES)]


def check_out(names: Sequence[str], options: argparse.Namespace) -> None:
    """`EmotionError` where there are films and no `--out`."""
    if names and options.out is None:
        raise EmotionError(f"{_printable(names[0])} is a film: name a folder for what is read of it with --out DIR.")


def read_films(names: Sequence[str], folders: Sequence[Path], options: argparse.Namespace, *, overwrite: bool) -> bool:
    """Read one film after the other, each into its folder, and say what is in it; whether all could be read.

    Raises `Interrupted` where somebody stopped it.
    """
    from emotion.jobs.result_folder import read_mark

    done = True
    for name, folder in zip(names, folders, strict=True):
        try:
            whole = _read(Path(name), folder, options, overwrite)
        except EmotionError as error:
            print(f"emotion: {error}", file=sys.stderr)
            done = False
            continue
        if not whole:
            mark = read_mark(folder)
            kept = "the earlier result" if mark is not None and mark.complete else "what was read until then"
            raise Interrupted(f"{kept} of {_printable(name)} is in {folder}.")
    return done


class Interrupted(Exception):
    """Somebody stopped the video analysis; its text says what is kept."""


def inner_folders(names: Sequence[str]) -> list[str]:
    """A folder for each of several films, other than that of the faces of photos."""
    from emotion.results.photos import distinct
    from emotion.results.serialization import file_label

    return distinct(["faces", *(file_label(Path(name).stem) for name in names)])[1:]


def _read(path: Path, folder: Path, options: argparse.Namespace, overwrite: bool) -> bool:
    """Read one film into `folder`; False where somebody stopped it, which keeps what was read, or, if it was to replace
    a complete result, that one. A film whose result is complete already is only told of."""
    from emotion.jobs.result_folder import (
        VIDEO,
        check,
        check_movable,
        check_replaceable,
        check_stage,
        put_in_place,
        remove,
        staging,
    )
    from emotion.video.analysis import Analysis

    request = _request(path, options)
    folder = Path(os.path.realpath(folder))
    settings = _identity(path, request)
    found = check(folder, VIDEO, inputs=[path])
    staged = found is not None and found.complete
    if found is not None:
        if staged and not overwrite and found.settings == settings:
            _tell_of(Analysis(folder), options)
            return True
        check_replaceable(folder, found, overwrite=overwrite or not staged)
    if staged:
        check_movable(folder)
        check_stage(folder, VIDEO)
    place = staging(folder) if staged else folder
    whole = _read_into(place, request, settings, options)
    if whole and staged:
        put_in_place(folder)
    elif staged:
        remove(place)
    if whole or not staged:
        _tell_of(Analysis(folder), options)
    return whole


def _request(path: Path, options: argparse.Namespace) -> Request:
    from emotion.recognition.analyzer import Settings
    from emotion.video.settings import FAST, FilmSettings, Request

    side = options.side or FilmSettings().recognition.side
    recognition = Settings(options.detection, options.unsure, side, options.head)
    settings = FilmSettings(recognition, FAST if options.fast else options.every, options.blur, not options.no_video)
    return Request.of(path, _printable(path.name), settings, options.detector, options.model)


def _identity(path: Path, request: Request) -> dict[str, Any]:
    """What tells whether the result of a film is still the one that is asked for, as plain JSON values."""
    from emotion.media.video_reader import Film

    with Film(path, request.name):
        pass  # what is no film is refused before anything is written
    facts = path.stat()
    return {"video": os.path.realpath(path), "bytes": facts.st_size, "modified": facts.st_mtime_ns, **request.receipt}


def _read_into(place: Path, request: Request, settings: dict[str, Any], options: argparse.Namespace) -> bool:
    """Read a film into `place`, and write all files of the result, also after an error; False where it was stopped."""
    from emotion.jobs.reporter import reporting
    from emotion.jobs.result_folder import VIDEO, Mark, begin, clear, complete
    from emotion.video.analysis import Analysis
    from emotion.video.exports import write_results
    from emotion.video.pipeline import analyze_film

    analyzer = request.analyzer()
    mark = Mark(VIDEO, settings=settings)
    clear(place, mark)
    begin(place, mark)
    analysis = Analysis(place)
    try:
        with reporting(place) as report, _bar(place, request.name):
            analyze_film(request, analyzer, place, report)
    finally:
        if analysis.frames:
            write_results(analysis, place)
    if not report.stopping:
        complete(place, mark)
    return not report.stopping


def _tell_of(analysis: Analysis, options: argparse.Namespace) -> None:
    print(_as_json(analysis) if options.json else _words(analysis), flush=True)


def _as_json(analysis: Analysis) -> str:
    people = [{"name": one.name, "seen": round(one.seen, 3), "shares": one.shares} for one in analysis.people()]
    value = {"file": analysis.name, **analysis.summary, "people": people}
    return json.dumps(value, ensure_ascii=False)


def _words(analysis: Analysis) -> str:
    from emotion.formatting import clock, percent

    people = analysis.people()
    count = f"{len(people)} {'face' if len(people) == 1 else 'faces'}" if people else "no face"
    lines = [f"{analysis.name}: {count} in {clock(analysis.duration)}"]
    for one in sorted(people, key=lambda one: -one.seen)[:_MOST_PEOPLE]:
        shares = ", ".join(f"{word} {percent(share)}" for word, share in one.shares.items() if share >= 0.005)
        lines.append(f"  {one.name}, {clock(one.first)} to {clock(one.last)}: {shares}")
    if len(people) > _MOST_PEOPLE:
        lines.append(f"  and {len(people) - _MOST_PEOPLE} more")
    return "\n".join(lines)


@contextmanager
def _bar(folder: Path, name: str) -> Iterator[None]:
    """One line of a terminal that tells how far the job of a folder is."""
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_tell, args=(folder, name, over), name="bar", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _tell(folder: Path, name: str, over: threading.Event) -> None:
    from emotion.jobs.job import Job

    while not over.wait(_LOOK_EVERY):
        state = Job(folder).state()
        full = round(_BAR * state.fraction)
        left = f", {state.seconds_left:.0f} s left" if state.seconds_left is not None else ""
        line = f"[{'#' * full}{'-' * (_BAR - full)}] {state.fraction:4.0%} {state.text}{left}  {name}"
        print(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)


def _printable(name: str) -> str:
    """A name in no known encoding can be printed, too."""
    return os.fsencode(name).decode(errors="replace")
