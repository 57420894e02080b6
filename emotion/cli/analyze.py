"""The command `analyze`: images one after the other, videos as `cli.video` reads them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion.cli import video
from emotion.cli.arguments import share, side
from emotion.errors import EmotionError, ResultFolderError

if TYPE_CHECKING:
    from emotion.jobs.interruption import Interruption
    from emotion.recognition.analyzer import Analyzer, Settings
    from emotion.results.image_results import ImageResults, Source
    from emotion.results.photos import Photo

Command = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_command(command: Command) -> None:
    """Add `analyze`."""
    one = command("analyze", _analyze, "Find the faces on photos and in films and name their expressions.")
    one.add_argument("photos", nargs="+", metavar="PHOTO_OR_FILM")
    one.add_argument("--out", type=Path, metavar="DIR", help="write annotated photos or films, crops, tables, reports; "
                     "photos that are done there already are not analyzed again")  # fmt: skip
    one.add_argument("--overwrite", action="store_true", help="replace an earlier result in DIR as a whole")
    one.add_argument("--json", action="store_true", help="one JSON object a photo or film, a line each")
    one.add_argument("--detector", help="glance, yunet or haar (default: the best one here)")
    one.add_argument("--model", type=Path, metavar="DIR", help="a model or finished run (default: the shipped one)")
    one.add_argument("--head", help="which answer of the model: ferplus (8 expressions) or fer2013 (7)")
    one.add_argument("--detection", type=share, default=0.6, help="least score of a face, 0 to 1 (%(default)s)")
    one.add_argument("--unsure", type=share, default=0.5, help="unsure below this confidence (%(default)s)")
    one.add_argument("--side", type=side, help="search larger pictures reduced to this side (1280; of films 640)")
    one.add_argument("--blur", action="store_true", help="make the faces unrecognisable in all pictures written")
    video.add_options(one)


def _analyze(options: argparse.Namespace) -> int:
    films = video.films_in(options)
    video.check_out(films, options)
    try:
        if len(options.photos) == len(films) == 1:
            return 0 if video.read_films(films, [options.out], options, overwrite=options.overwrite) else 1
        return 0 if _analyze_several([n for n in options.photos if n not in films], films, options) else 1
    except video.Interrupted as kept:
        print(f"Stopped: {kept}", file=sys.stderr)
        return 1


def _analyze_several(names: Sequence[str], films: Sequence[str], options: argparse.Namespace) -> bool:
    """Whether all could be read."""
    from emotion.jobs.interruption import Interruption
    from emotion.results.image_results import ImageResults

    analyzer, settings = _analyzer(options) if names else (None, None)
    results = None
    if options.out:
        made_by = _settings(analyzer, settings, options) if analyzer and settings else {}
        labels = analyzer.recogniser.bundle.heads[made_by["head"]].labels if analyzer else ()
        inputs = [*map(Path, names), *map(Path, films)]
        results = ImageResults(options.out, made_by, inputs, labels=labels, overwrite=options.overwrite)
    done = True
    if films and results:
        results.begin()
        folders = [results.place / label for label in video.inner_folders(films)]
        done = video.read_films(films, folders, options, overwrite=False)
    if analyzer and settings:
        interruption = Interruption()
        with interruption.listening():
            done = _Images(analyzer, settings, options, results, interruption).analyze(names) and done
        if interruption.asked:
            return False
    if results:
        results.finish()
    return done


def _analyzer(options: argparse.Namespace) -> tuple[Analyzer, Settings]:
    from emotion.recognition.analyzer import Settings, load_analyzer

    analyzer = load_analyzer(options.detector, options.model)
    heads = analyzer.recogniser.head_names
    if options.head and options.head not in heads:
        raise EmotionError(f"The model has no answer {options.head!r}; it has {', '.join(heads)}.")
    return analyzer, Settings(options.detection, options.unsure, options.side or 1280, options.head)


def _settings(analyzer: Analyzer, settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    """What the results depend on, as plain JSON values."""
    from emotion.recognition.detector_factory import available_detectors, own_detectors
    from emotion.results.serialization import PROGRAM

    bundle = analyzer.recogniser.bundle
    detector = options.detector or available_detectors()[0]
    own = own_detectors().get(detector)
    return {
        "program": PROGRAM, "model": bundle.sha256, "detector": own.sha256 if own else detector,
        **asdict(settings), "head": settings.head or bundle.shown_head, "blur": options.blur,
    }  # fmt: skip


class _Images:
    """The images of one call, analyzed one after the other; none of them stays in memory."""

    def __init__(
        self, analyzer: Analyzer, settings: Settings, options: argparse.Namespace, results: ImageResults | None,
        interruption: Interruption,
    ) -> None:  # fmt: skip
        self._analyzer, self._settings, self._options = analyzer, settings, options
        self._results, self._interruption = results, interruption

    def analyze(self, names: Sequence[str]) -> bool:
        """Whether all could be read."""
        from emotion.results.image_results import Source

        paths = [Path(name) for name in names]
        whole = True
        for number, (path, source) in enumerate(zip(paths, Source.of(paths), strict=True)):
            if self._interruption.asked:
                self._tell_stop(number, len(paths))
                return False
            try:
                self._one(path, source)
            except ResultFolderError:
                raise  # the next image cannot be written either
            except EmotionError as error:
                print(f"emotion: {error}", file=sys.stderr)
                whole = False
        return whole

    def _one(self, path: Path, source: Source) -> None:
        from emotion.results.photos import Photo, read

        done = self._results.done(source) if self._results else None
        if done is None:
            name = os.fsencode(path).decode(errors="replace")  # one in no known encoding can be printed, too
            reading = read(path, self._analyzer, self._settings, name)
            photo = Photo(name, path, reading, reading.faces_shown(self._settings.unsure))
            sentence, record = _sentence(photo), photo.as_json()
            if self._results:
                self._results.add(source, photo, sentence, blur=self._options.blur)
        else:
            sentence, record = done.sentence, done.record
        print(json.dumps(record, ensure_ascii=False) if self._options.json else sentence, flush=True)

    def _tell_stop(self, number: int, count: int) -> None:
        where = f" and are in {self._results.place}; the same command goes on there" if self._results else ""
        print(f"emotion: Stopped: {number} of {count} images are done{where}.", file=sys.stderr)


def _sentence(photo: Photo) -> str:
    from emotion.results.serialization import counts_sentence

    turned = f" (turned clockwise by {photo.reading.turned} degrees)" if photo.reading.turned else ""
    reduced = f" (read at 1/{photo.reading.reduction} of its width and height)" if photo.reading.reduction > 1 else ""
    return f"{photo.name}: {counts_sentence(photo.faces)}{turned}{reduced}"


def _read_film(options: argparse.Namespace) -> int:
    from emotion.jobs.reporter import reporting
    from emotion.video.library import turn
    from emotion.video.pipeline import analyze_film
    from emotion.video.settings import Request

    with reporting(options.folder) as report, turn(options.folder, report) as mine:
        if mine:
            request = Request.read(options.folder)
            analyze_film(request, request.analyzer(), options.folder, report)
    return 0
