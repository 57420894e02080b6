"""The public functions: analyze one image, many images or a video in one call."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from emotion.checks import check_count
from emotion.errors import ModelError, ResultFolderError, SettingsError, VideoError
from emotion.media.image_reader import ImageSource, as_rgb
from emotion.model_store.store import ModelBundle, get_model_folders, open_model
from emotion.recognition.analyzer import Analyzer, ColorOrder, load_analyzer
from emotion.recognition.settings import AnalyzerSettings
from emotion.results.image_result import UNNAMED_IMAGE, ImageResult
from emotion.video.result import VideoResult

if TYPE_CHECKING:
    from emotion.video.settings import VideoRequest
    from emotion.video.time_range import TimeRange


class Progress(NamedTuple):
    """How far an analysis is: `done` of `total` frames, and a line of text; `total` is 0 where it is unknown."""

    done: int
    total: int
    message: str


def analyze_image(
    image: ImageSource,
    *,
    order: ColorOrder = "rgb",
    settings: AnalyzerSettings | None = None,
    analyzer: Analyzer | None = None,
) -> ImageResult:
    """Find the faces of an image and classify their expressions.

    Args:
        image: A path, the bytes of a file, an open file, a Pillow image or an array (H, W), (H, W, 3) or (H, W, 4).
        order: The order of the colors of an array: "rgb", or "bgr" as OpenCV gives it.
        settings: Thresholds, size and head; the default settings for None.
        analyzer: The detector and the classifier; the default ones, which are loaded once, for None.

    Returns:
        The faces and the image; the tuple of faces is empty where none is found.

    Raises:
        ImageError: The image cannot be read.
        ModelError: A model is missing or damaged.
        SettingsError: The classifier does not have the head of the settings.
    """
    _check_settings(settings)
    result = (analyzer or _load_default_analyzer()).analyze_any_orientation(as_rgb(image, order=order), settings)
    name = str(image) if isinstance(image, str | Path) else UNNAMED_IMAGE
    return ImageResult(result.image, result.faces, name, result.rotation)


def analyze_images(
    images: Iterable[ImageSource],
    *,
    batch_size: int = 16,
    order: ColorOrder = "rgb",
    settings: AnalyzerSettings | None = None,
    analyzer: Analyzer | None = None,
) -> Iterator[ImageResult]:
    """Analyze images one after the other, see `analyze_image`.

    Args:
        images: Paths or other images, as `analyze_image` takes them.
        batch_size: How many images are decoded and analyzed in parallel, and so are in memory together.
        order: As in `analyze_image`.
        settings: As in `analyze_image`.
        analyzer: As in `analyze_image`.

    Yields:
        The results in the order of the images. The errors of `analyze_image` are raised in the place of a result.
    """
    check_count("batch_size", batch_size, 1)
    _check_settings(settings)
    is_image = isinstance(images, str | bytes | bytearray | Path) or hasattr(images, "read")
    if is_image or getattr(images, "ndim", 1) in (2, 3) or not isinstance(images, Iterable):
        raise SettingsError(
            f"The images are {str(images)[:60]!r}; expected an iterable of images, as a list; analyze_image takes one."
        )
    analyze = partial(analyze_image, order=order, settings=settings, analyzer=analyzer or _load_default_analyzer())
    return _map_batches(analyze, iter(images), batch_size)


def _map_batches(
    analyze: Callable[[ImageSource], ImageResult], images: Iterator[ImageSource], batch_size: int
) -> Iterator[ImageResult]:
    with ThreadPoolExecutor(min(batch_size, os.cpu_count() or 1)) as pool:
        while batch := list(islice(images, batch_size)):
            yield from pool.map(analyze, batch)


def analyze_video(
    path: str | Path,
    *,
    output: str | Path | None = None,
    frame_stride: int = 1,
    write_video: bool = True,
    features: bool = False,
    time_range: TimeRange | None = None,
    settings: AnalyzerSettings | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> VideoResult:
    """Find and track the faces of a video, and classify their expressions.

    Args:
        path: The video file.
        output: A new or empty folder for the result; a temporary one, removed with the result, for None.
        frame_stride: Process every n-th frame.
        write_video: Write the video with boxes and labels, too.
        features: Estimate points, head pose and movements of the faces, as with `settings.features`.
        time_range: The part to analyze, as `TimeRange(start=60, end=90)` in seconds; the whole video for None. Times
            in the result count from its start.
        settings: Thresholds, size and head; for None the defaults with frames searched at 640 pixels.
        on_progress: A function that is called about four times a second.

    Returns:
        The result, read from the folder.

    Raises:
        VideoError: The video cannot be read.
        ResultFolderError: The folder holds other files.
        ModelError: A model is missing or damaged.
        SettingsError: A setting is out of its range.
        KeyboardInterrupt: The analysis was interrupted; `output` keeps the frames until then.
    """
    from emotion.video.settings import VideoRequest, VideoSettings
    from emotion.video.time_range import TimeRange

    check_count("frame_stride", frame_stride, 1)
    _check_settings(settings)
    if on_progress is not None and not callable(on_progress):
        raise SettingsError(
            f"The setting on_progress is {on_progress!r}; expected a function of one argument, or None."
        )
    if not isinstance(path, str | Path) or not str(path):
        raise VideoError(f"The video is {path!r}; expected the path of a file.")
    if output is not None and not isinstance(output, str | Path):
        raise SettingsError(f"The setting output is {output!r}; expected the path of a folder, or None.")
    if time_range is not None and not isinstance(time_range, TimeRange):
        raise SettingsError(f"The setting time_range is {time_range!r}; expected TimeRange, or None.")
    recognition = settings or VideoSettings().recognition
    recognition = replace(recognition, features=features or recognition.features)
    video_settings = VideoSettings(
        recognition, frame_stride, write_video=write_video, time_range=time_range or TimeRange()
    )
    request = VideoRequest.from_video(Path(path), Path(path).name, video_settings)
    temporary_folder = tempfile.TemporaryDirectory(prefix="emotion-") if output is None else None
    folder = Path(temporary_folder.name if temporary_folder is not None else output or "")
    _run_pipeline(request, folder, on_progress)
    return VideoResult(folder, temporary_folder)


def load_model(model: str | Path) -> ModelBundle:
    """Open and verify a model.

    Args:
        model: The name of a built-in or installed model, as "classifier", or the path of a model folder.

    Raises:
        ModelError: There is no such model, or its files are not those of its card.
    """
    if not isinstance(model, str | Path) or not str(model):
        raise ModelError(f"The model is {model!r}; expected the name of a model or the path of a folder.")
    named = [folder / model for folder in get_model_folders()] if Path(model).name == str(model) else []
    return open_model(next((folder for folder in named if folder.is_dir()), Path(model)))


@lru_cache(maxsize=1)
def _load_default_analyzer() -> Analyzer:
    return load_analyzer()


def _check_settings(settings: object) -> None:
    if settings is not None and not isinstance(settings, AnalyzerSettings):
        raise SettingsError(f"The settings are {settings!r}; expected AnalyzerSettings, or None for the default ones.")


def _run_pipeline(request: VideoRequest, folder: Path, on_progress: Callable[[Progress], object] | None) -> None:
    from emotion.jobs.reporter import job_context
    from emotion.jobs.result_folder import check_result_folder, start_result
    from emotion.jobs.result_manifest import VIDEO, ResultManifest
    from emotion.media.video_reader import VideoReader
    from emotion.video.pipeline import analyze_video as analyze_video_into

    manifest = check_result_folder(folder, VIDEO, inputs=[request.video_path])
    if manifest is not None and manifest.is_complete:
        raise ResultFolderError(f"{folder} holds the result of a video; choose a new folder or remove this one.")

    def report(done: float, total: float, message: str) -> None:
        if on_progress is not None:
            on_progress(Progress(int(done), int(total), message))

    analyzer = request.load_analyzer()
    with VideoReader(request.video_path, request.name) as video:  # refused before anything is written
        request.settings.time_range.select_info(video.info, request.name)
    start_result(folder, ResultManifest(VIDEO))
    with job_context(folder, report) as reporter:
        analyze_video_into(request, analyzer, folder, reporter)
    if reporter.stop_requested:
        raise KeyboardInterrupt
