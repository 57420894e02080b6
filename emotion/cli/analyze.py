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
from emotion.cli.arguments import fraction, pixel_count
from emotion.errors import EmotionError, ResultFolderError

if TYPE_CHECKING:
    from emotion.jobs.interruption import Interruption
    from emotion.recognition.analyzer import Analyzer, AnalyzerSettings
    from emotion.results.image_index import InputImage
    from emotion.results.image_results import ImageResults
    from emotion.results.photos import Photo

Command = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_command(command: Command) -> None:
    """Add `analyze`."""
    one = command("analyze", _analyze, "Find the faces on photos and in films and name their expressions.")
    one.add_argument("photos", nargs="+", metavar="PHOTO_OR_FILM")
    one.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write annotated photos or films, crops, tables, reports; "
        "photos that are done there already are not analyzed again",
    )
    one.add_argument("--overwrite", action="store_true", help="replace an earlier result in DIR as a whole")
    one.add_argument("--json", action="store_true", help="one JSON object a photo or film, a line each")
    one.add_argument("--detector", help="glance, yunet or haar (default: the best one here)")
    one.add_argument("--model", type=Path, metavar="DIR", help="a model or finished run (default: the shipped one)")
    one.add_argument("--head", help="which answer of the model: ferplus (8 expressions) or fer2013 (7)")
    one.add_argument("--detection", type=fraction, default=0.6, help="least score of a face, 0 to 1 (%(default)s)")
    one.add_argument("--unsure", type=fraction, default=0.5, help="unsure below this confidence (%(default)s)")
    one.add_argument(
        "--side", type=pixel_count, help="search larger pictures reduced to this side (1280; of films 640)"
    )
    one.add_argument("--blur", action="store_true", help="make the faces unrecognisable in all pictures written")
    video.add_options(one)


def _analyze(options: argparse.Namespace) -> int:
    films = video.select_videos(options)
    video.require_output_folder(films, options)
    try:
        if len(options.photos) == len(films) == 1:
            return 0 if video.analyze_videos(films, [options.out], options, overwrite=options.overwrite) else 1
        return 0 if _analyze_batch([n for n in options.photos if n not in films], films, options) else 1
    except video.AnalysisInterrupted as kept:
        print(f"Stopped: {kept}", file=sys.stderr)
        return 1


def _analyze_batch(image_paths: Sequence[str], video_paths: Sequence[str], options: argparse.Namespace) -> bool:
    """Whether all could be read."""
    from emotion.jobs.interruption import Interruption
    from emotion.results.image_results import ImageResults

    analyzer, settings = _load_analyzer(options) if image_paths else (None, None)
    results = None
    if options.out:
        made_by = _collect_settings(analyzer, settings, options) if analyzer and settings else {}
        labels = analyzer.classifier.bundle.heads[made_by["head"]].labels if analyzer else ()
        inputs = [*map(Path, image_paths), *map(Path, video_paths)]
        results = ImageResults(options.out, made_by, inputs, labels=labels, overwrite=options.overwrite)
    done = True
    if video_paths and results:
        results.begin()
        folders = [results.output_folder / label for label in video.assign_subfolders(video_paths)]
        done = video.analyze_videos(video_paths, folders, options, overwrite=False)
    if analyzer and settings:
        interruption = Interruption()
        with interruption.catch_signals():
            done = _BatchAnalyzer(analyzer, settings, options, results, interruption).analyze(image_paths) and done
        if interruption.stop_requested:
            return False
    if results:
        results.finish()
    return done


def _load_analyzer(options: argparse.Namespace) -> tuple[Analyzer, AnalyzerSettings]:
    from emotion.recognition.analyzer import AnalyzerSettings, load_analyzer

    analyzer = load_analyzer(options.detector, options.model)
    heads = analyzer.classifier.head_names
    if options.head and options.head not in heads:
        raise EmotionError(f"The model has no answer {options.head!r}; it has {', '.join(heads)}.")
    return analyzer, AnalyzerSettings(options.detection, options.unsure, options.side or 1280, options.head)


def _collect_settings(analyzer: Analyzer, settings: AnalyzerSettings, options: argparse.Namespace) -> dict[str, Any]:
    """What the results depend on, as plain JSON values."""
    from emotion.recognition.detector_factory import available_detectors, trained_detectors
    from emotion.results.serialization import PROGRAM

    bundle = analyzer.classifier.bundle
    detector = options.detector or available_detectors()[0]
    own = trained_detectors().get(detector)
    return {
        "program": PROGRAM,
        "model": bundle.sha256,
        "detector": own.sha256 if own else detector,
        **asdict(settings),
        "head": settings.head or bundle.default_head,
        "anonymize": options.blur,
    }


class _BatchAnalyzer:
    """The images of one call, analyzed one after the other; none of them stays in memory."""

    def __init__(
        self,
        analyzer: Analyzer,
        settings: AnalyzerSettings,
        options: argparse.Namespace,
        results: ImageResults | None,
        interruption: Interruption,
    ) -> None:
        self._analyzer, self._settings, self._options = analyzer, settings, options
        self._results, self._interruption = results, interruption

    def analyze(self, image_paths: Sequence[str]) -> bool:
        """Whether all could be read."""
        from emotion.results.image_index import InputImage

        paths = [Path(name) for name in image_paths]
        whole = True
        for number, (path, source) in enumerate(zip(paths, InputImage.from_paths(paths), strict=True)):
            if self._interruption.stop_requested:
                self._report_stop(number, len(paths))
                return False
            try:
                self._analyze_image(path, source)
            except ResultFolderError:
                raise  # the next image cannot be written either
            except EmotionError as error:
                print(f"emotion: {error}", file=sys.stderr)
                whole = False
        return whole

    def _analyze_image(self, path: Path, source: InputImage) -> None:
        from emotion.results.photos import Photo, analyze_photo

        done = self._results.get_completed(source) if self._results else None
        if done is None:
            name = os.fsencode(path).decode(errors="replace")  # one in no known encoding can be printed, too
            reading = analyze_photo(path, self._analyzer, self._settings, name)
            photo = Photo(name, path, reading, reading.apply_min_confidence(self._settings.min_confidence))
            sentence, record = _describe_photo(photo), photo.to_dict()
            if self._results:
                self._results.add(source, photo, sentence, anonymize=self._options.blur)
        else:
            sentence, record = done.message, done.record
        print(json.dumps(record, ensure_ascii=False) if self._options.json else sentence, flush=True)

    def _report_stop(self, num_done: int, num_images: int) -> None:
        where = f" and are in {self._results.output_folder}; the same command goes on there" if self._results else ""
        print(f"emotion: Stopped: {num_done} of {num_images} images are done{where}.", file=sys.stderr)


def _describe_photo(photo: Photo) -> str:
    from emotion.results.serialization import format_counts

    turned = f" (turned clockwise by {photo.analysis.rotation} degrees)" if photo.analysis.rotation else ""
    reduced = f" (read at 1/{photo.analysis.reduction} of its width and height)" if photo.analysis.reduction > 1 else ""
    return f"{photo.name}: {format_counts(photo.faces)}{turned}{reduced}"


def _analyze_video(options: argparse.Namespace) -> int:
    from emotion.jobs.reporter import job_context
    from emotion.video.library import wait_for_slot
    from emotion.video.pipeline import analyze_video
    from emotion.video.settings import VideoRequest

    with job_context(options.folder) as report, wait_for_slot(options.folder, report) as mine:
        if mine:
            request = VideoRequest.read(options.folder)
            analyze_video(request, request.load_analyzer(), options.folder, report)
    return 0
