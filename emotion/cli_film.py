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
from typing import TYPE_CHECKING, Final

from emotion.errors import EmotionError

if TYPE_CHECKING:
    from emotion.films.analysis import Analysis

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
    from emotion.films.analysis import Analysis
    from emotion.films.files import TABLE, write_results
    from emotion.films.redraw import REDRAW, redraw
    from emotion.reporting import reporting

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


def read_films(names: Sequence[str], options: argparse.Namespace) -> bool:
    """Read one film after the other below `--out`, and say what is in it; whether all was done."""
    if options.out is None:
        raise EmotionError(f"{_printable(names[0])} is a film: name a folder for what is read of it with --out DIR.")
    done = True
    for name, folder in zip(names, _folders(names, options), strict=True):
        try:
            whole = _read(Path(name), folder, options)
        except EmotionError as error:
            print(f"emotion: {error}", file=sys.stderr)
            done = False
            continue
        if not whole:
            print(f"Stopped: what was read of {_printable(name)} until then is in {folder}.", file=sys.stderr)
            return False
    return done


def _folders(names: Sequence[str], options: argparse.Namespace) -> list[Path]:
    """`--out` itself for a single film, a folder in it for each of several things."""
    from emotion.outputs import file_label
    from emotion.photos import distinct

    if len(options.photos) == 1:
        return [options.out]
    return [options.out / label for label in distinct([file_label(Path(name).stem) for name in names])]


def _read(path: Path, folder: Path, options: argparse.Namespace) -> bool:
    """Read one film into `folder`; False where somebody stopped it. Raises after what was read is written."""
    from emotion.films.analysis import Analysis
    from emotion.films.files import write_results
    from emotion.films.job import analyze_film
    from emotion.films.request import FAST, FilmSettings, Request
    from emotion.recognition.analyzer import Settings
    from emotion.reporting import reporting

    side = options.side or FilmSettings().recognition.side
    recognition = Settings(options.detection, options.unsure, side, options.head)
    settings = FilmSettings(recognition, FAST if options.fast else options.every, options.blur, not options.no_video)
    request = Request.of(path, _printable(path.name), settings, options.detector, options.model)
    analyzer = request.analyzer()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmotionError(f"{folder} cannot be made ({error.strerror}); choose another folder.") from error
    analysis = Analysis(folder)
    try:
        with reporting(folder) as report, _bar(folder, request.name):
            analyze_film(request, analyzer, folder, report)
    finally:
        if analysis.frames:
            write_results(analysis, folder)
    print(_as_json(analysis) if options.json else _words(analysis), flush=True)
    return not report.stopping


def _as_json(analysis: Analysis) -> str:
    people = [{"name": one.name, "seen": round(one.seen, 3), "shares": one.shares} for one in analysis.people()]
    value = {"file": analysis.name, **analysis.summary, "people": people}
    return json.dumps(value, ensure_ascii=False)


def _words(analysis: Analysis) -> str:
    from emotion.faces import percent
    from emotion.films.tables import clock

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
    from emotion.jobs import Job

    while not over.wait(_LOOK_EVERY):
        state = Job(folder).state()
        full = round(_BAR * state.fraction)
        left = f", {state.seconds_left:.0f} s left" if state.seconds_left is not None else ""
        line = f"[{'#' * full}{'-' * (_BAR - full)}] {state.fraction:4.0%} {state.text}{left}  {name}"
        print(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)


def _printable(name: str) -> str:
    """A name in no known encoding can be printed, too."""
    return os.fsencode(name).decode(errors="replace")
