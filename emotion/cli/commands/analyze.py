"""The command `analyze`: images one after the other, videos as in `cli.commands.video_analysis`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from emotion.cli.click_extensions import FRACTION, POSITIVE, TIME, Interrupted, StudioCommand, json_option, with_options
from emotion.cli.commands import video_analysis
from emotion.cli.commands.video_analysis import AnalyzeOptions
from emotion.cli.output import print_progress
from emotion.errors import EmotionError, ResultFolderError
from emotion.media.file_kinds import VIDEO_SUFFIXES

if TYPE_CHECKING:
    from emotion.jobs.interruption import Interruption
    from emotion.recognition.analyzer import Analyzer
    from emotion.recognition.settings import AnalyzerSettings
    from emotion.results.image_index import InputImage
    from emotion.results.image_results import ImageResults
    from emotion.results.photos import Photo

_IMAGE_MAX_SIDE: Final = (
    1280  # pixels; smaller faces of larger images are rarely needed, and four times as slow to find
)


def _add_video_options(command: Callable[..., None]) -> Callable[..., None]:
    suffixes = ", ".join(f"*{suffix}" for suffix in VIDEO_SUFFIXES)
    for option in (
        click.option(
            "--as-video", is_flag=True, help=f"Read every file as a video, not only {suffixes}; for animated GIFs."
        ),
        click.option("--frame-stride", type=POSITIVE, help="Videos: analyze every N-th frame (default: 1, all)."),
        click.option("--start", type=TIME, default=0.0, help="Videos: where the analyzed part begins, as 75 or 1:15."),
        click.option("--end", type=TIME, help="Videos: where the analyzed part ends (default: the end of the video)."),
        click.option("--fast", is_flag=True, help="Videos: analyze about eight frames per second."),
        click.option("--no-annotated-video", is_flag=True, help="Videos: write no annotated video."),
    ):
        command = option(command)
    return command


@click.command("analyze", cls=StudioCommand)
@click.argument("paths", nargs=-1, required=True, metavar="IMAGE_OR_VIDEO...", type=click.Path())
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write annotated images or videos, crops, tables and reports; required for videos. Images whose results are "
    "complete in DIR are not analyzed again.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier result in DIR as a whole.")
@click.option("--detector", help="glance, yunet or haar (default: the best one available).")
@click.option("--model", type=click.Path(path_type=Path), help="A classifier or finished run (default: the built-in).")
@click.option(
    "--head", help="Head of the classifier: expression (the default) or ferplus (8 expressions), or fer2013 (7)."
)
@click.option("--detection-threshold", type=FRACTION, default=0.6, help="Minimum score of a face, 0 to 1.")
@click.option("--min-confidence", type=FRACTION, default=0.5, help="Below this confidence a label is unsure.")
@click.option(
    "--max-side",
    type=POSITIVE,
    metavar="PIXELS",
    help=f"Downscale larger images for the detection (default: {_IMAGE_MAX_SIDE}, videos 640).",
)
@click.option("--anonymize", is_flag=True, help="Make faces unrecognizable in all images and videos written.")
@click.option(
    "--features",
    is_flag=True,
    help="Estimate 68 points, head pose and movements of each face, and draw points; videos not with --anonymize.",
)
@_add_video_options
@json_option
@with_options(AnalyzeOptions)
def analyze(options: AnalyzeOptions) -> None:
    """Find the faces in images and videos and classify their expressions.

    With --json, one JSON object per file is printed, each on one line.
    """
    if options.fast and options.frame_stride is not None:
        raise click.UsageError("--fast and --frame-stride exclude each other; give one of them.")
    video_paths = video_analysis.select_videos(options)
    video_analysis.require_output_folder(video_paths, options)
    if len(options.paths) == len(video_paths) == 1 and options.out:
        complete = video_analysis.analyze_videos(video_paths, [options.out], options, overwrite=options.overwrite)
    else:
        image_paths = [path for path in options.paths if path not in video_paths]
        complete = _analyze_batch(image_paths, video_paths, options)
    if not complete:
        raise click.exceptions.Exit(1)


def _analyze_batch(image_paths: Sequence[str], video_paths: Sequence[str], options: AnalyzeOptions) -> bool:
    """Analyze images and videos; return whether all of them could be read."""
    from emotion.jobs.interruption import Interruption
    from emotion.results.image_results import ImageResults

    analyzer, settings = _load_analyzer(options) if image_paths else (None, None)
    results = None
    if options.out:
        provenance = _collect_settings(analyzer, settings, options) if analyzer and settings else {}
        labels = analyzer.classifier.bundle.heads[provenance["head"]].labels if analyzer else ()
        inputs = [*map(Path, image_paths), *map(Path, video_paths)]
        results = ImageResults(options.out, provenance, inputs, labels=labels, overwrite=options.overwrite)
    complete = True
    if video_paths and results:
        results.begin()
        folders = [results.output_folder / name for name in video_analysis.assign_subfolders(video_paths)]
        complete = video_analysis.analyze_videos(video_paths, folders, options, overwrite=False)
    if analyzer and settings:
        interruption = Interruption()
        with interruption.catch_signals():
            batch = _BatchAnalyzer(analyzer, settings, options, results, interruption)
            complete = batch.analyze(image_paths) and complete
        if interruption.stop_requested:
            raise Interrupted(batch.describe_stop(len(image_paths)))
    if results:
        results.finish()
    return complete


def _load_analyzer(options: AnalyzeOptions) -> tuple[Analyzer, AnalyzerSettings]:
    from emotion.recognition.analyzer import load_analyzer
    from emotion.recognition.settings import AnalyzerSettings

    analyzer = load_analyzer(options.detector, options.model)
    heads = analyzer.classifier.head_names
    if options.head and options.head not in heads:
        raise EmotionError(f"The model has no head {options.head!r}; choose one of {', '.join(heads)}.")
    max_side = options.max_side or _IMAGE_MAX_SIDE
    thresholds = options.detection_threshold, options.min_confidence
    return analyzer, AnalyzerSettings(*thresholds, max_side, options.head, options.features)


def _collect_settings(analyzer: Analyzer, settings: AnalyzerSettings, options: AnalyzeOptions) -> dict[str, Any]:
    """What the results depend on, as plain JSON values."""
    from emotion.recognition.detectors.detector_factory import available_detectors, trained_detectors
    from emotion.recognition.features.default_network import find_default_bundle, load_default_network
    from emotion.results.serialization import PROGRAM

    bundle = analyzer.classifier.bundle
    detector = options.detector or available_detectors()[0]
    trained = trained_detectors().get(detector)
    network = load_default_network().bundle if settings.features else find_default_bundle()
    return {
        "program": PROGRAM,
        "model": bundle.sha256,
        "detector": trained.sha256 if trained else detector,
        **asdict(settings),
        "head": settings.head or bundle.default_head,
        "features_model": network and network.sha256,
        "anonymize": options.anonymize,
    }


class _BatchAnalyzer:
    """Analyzes the images of one call one after the other; none of them stays in memory."""

    def __init__(
        self,
        analyzer: Analyzer,
        settings: AnalyzerSettings,
        options: AnalyzeOptions,
        results: ImageResults | None,
        interruption: Interruption,
    ) -> None:
        self._analyzer, self._settings, self._options = analyzer, settings, options
        self._results, self._interruption = results, interruption
        self._num_done = 0

    def analyze(self, image_paths: Sequence[str]) -> bool:
        """Analyze until the last image or a stop request; return whether all of them could be read."""
        from emotion.results.image_index import InputImage

        paths = [Path(name) for name in image_paths]
        complete = True
        for path, source in zip(paths, InputImage.from_paths(paths), strict=True):
            if self._interruption.stop_requested:
                break
            try:
                self._analyze_image(path, source)
            except ResultFolderError:
                raise  # the next image cannot be written either
            except EmotionError as error:
                print_progress(str(error))
                complete = False
            self._num_done += 1
        return complete

    def _analyze_image(self, path: Path, source: InputImage) -> None:
        from emotion.results.photos import Photo, analyze_photo, hide_points

        earlier = self._results.get_completed(source) if self._results else None
        if earlier is None:
            name = os.fsencode(path).decode(errors="replace")  # printable whatever its encoding is
            analysis = analyze_photo(path, self._analyzer, self._settings, name)
            faces = analysis.apply_min_confidence(self._settings.min_confidence)
            photo = Photo(name, path, analysis, hide_points(faces) if self._options.anonymize else faces)
            message, record = _describe_photo(photo), photo.to_dict()
            if self._results:
                self._results.add(source, photo, message, anonymize=self._options.anonymize)
        else:
            message, record = earlier.message, earlier.record
        print(json.dumps(record, ensure_ascii=False) if self._options.as_json else message, flush=True)

    def describe_stop(self, num_images: int) -> str:
        """The message after a stop."""
        folder = self._results.output_folder if self._results else None
        kept = f" and are in {folder}; run the same command again to go on" if folder else ""
        return f"Stopped: {self._num_done} of {num_images} images are done{kept}."


def _describe_photo(photo: Photo) -> str:
    from emotion.results.serialization import format_counts

    analysis = photo.analysis
    rotated = f" (rotated clockwise by {analysis.rotation} degrees)" if analysis.rotation else ""
    reduced = f" (read at 1/{analysis.reduction} of its width and height)" if analysis.reduction > 1 else ""
    return f"{photo.name}: {format_counts(photo.faces)}{rotated}{reduced}"
