"""The analysis of videos by `emotion analyze`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from emotion.cli.click_extensions import Interrupted
from emotion.cli.output import print_progress
from emotion.cli.progress import show_progress
from emotion.errors import EmotionError
from emotion.media.file_kinds import VIDEO_SUFFIXES

if TYPE_CHECKING:
    from emotion.video.analysis import VideoAnalysis
    from emotion.video.settings import VideoRequest

_MAX_PEOPLE: Final = 8  # listed for a video; the files hold all of them
_MIN_SHARE: Final = 0.005  # of an expression that is listed: less is shown as 0%


@dataclass(frozen=True)
class AnalyzeOptions:
    """The options of `emotion analyze`."""

    paths: tuple[str, ...]
    out: Path | None
    overwrite: bool
    detector: str | None
    model: Path | None
    head: str | None
    detection_threshold: float
    min_confidence: float
    max_side: int | None
    anonymize: bool
    features: bool
    as_video: bool
    start: float
    end: float | None
    frame_stride: int | None
    fast: bool
    no_annotated_video: bool
    as_json: bool


def select_videos(options: AnalyzeOptions) -> list[str]:
    """Return those of the paths that are videos."""
    return [path for path in options.paths if options.as_video or path.lower().endswith(VIDEO_SUFFIXES)]


def require_output_folder(paths: Sequence[str], options: AnalyzeOptions) -> None:
    """Raise `EmotionError` where there are videos and no `--out`, or options that videos do not have together."""
    if paths and options.out is None:
        raise EmotionError(f"{_to_printable(paths[0])} is a video: give the folder of its results by --out DIR.")
    if paths and options.features and options.anonymize:
        raise EmotionError(
            f"{_to_printable(paths[0])} is a video: --features and --anonymize exclude each other; give one of them."
        )


def analyze_videos(paths: Sequence[str], folders: Sequence[Path], options: AnalyzeOptions, *, overwrite: bool) -> bool:
    """Analyze the videos one after the other, each into its folder, and print their results.

    Returns:
        Whether all videos could be read.

    Raises:
        Interrupted: The analysis was stopped.
    """
    from emotion.jobs.result_manifest import read_manifest

    success = True
    for path, folder in zip(paths, folders, strict=True):
        try:
            complete = _analyze_video(Path(path), folder, options, overwrite)
        except EmotionError as error:
            print_progress(str(error))
            success = False
            continue
        if not complete:
            manifest = read_manifest(folder)
            kept = "the earlier result" if manifest is not None and manifest.is_complete else "the result so far"
            raise Interrupted(f"Stopped: {kept} of {_to_printable(path)} is in {folder}.")
    return success


def assign_subfolders(paths: Sequence[str]) -> list[str]:
    """Return a folder name for each of several videos; `faces` is the folder of the crops of the images."""
    from emotion.results.photos import make_unique_names
    from emotion.results.serialization import sanitize_filename

    return make_unique_names(["faces", *(sanitize_filename(Path(path).stem) for path in paths)])[1:]


def _analyze_video(path: Path, folder: Path, options: AnalyzeOptions, overwrite: bool) -> bool:
    """Analyze a video into `folder`; False where it was stopped.

    What was done until a stop is kept, except where it would replace a complete result. A complete result of the same
    video and settings is printed and not made again.
    """
    from emotion.jobs.result_folder import check_result_folder, check_staging_folder
    from emotion.jobs.result_manifest import VIDEO
    from emotion.jobs.result_replacement import (
        check_movable,
        check_replaceable,
        remove_result,
        replace_result,
        staging_folder,
    )

    request = _build_request(path, options)
    folder = Path(os.path.realpath(folder))
    fingerprint = _compute_fingerprint(path, request)
    earlier = check_result_folder(folder, VIDEO, inputs=[path])
    is_replaced = earlier is not None and earlier.is_complete
    if earlier is not None:
        if is_replaced and not overwrite and earlier.settings == fingerprint:
            _print_result(folder, options)
            return True
        check_replaceable(folder, earlier, overwrite=overwrite or not is_replaced)
    if is_replaced:
        check_movable(folder)
        check_staging_folder(folder, VIDEO)
    target = staging_folder(folder) if is_replaced else folder
    complete = _analyze_into(target, request, fingerprint)
    if complete and is_replaced:
        replace_result(folder)
    elif is_replaced:
        remove_result(target)
    if complete or not is_replaced:
        _print_result(folder, options)
    return complete


def _build_request(path: Path, options: AnalyzeOptions) -> VideoRequest:
    from emotion.recognition.settings import AnalyzerSettings
    from emotion.video.settings import FAST_STRIDE, VideoRequest, VideoSettings
    from emotion.video.time_range import TimeRange

    max_side = options.max_side or VideoSettings().recognition.max_side
    thresholds = options.detection_threshold, options.min_confidence
    recognition = AnalyzerSettings(*thresholds, max_side, options.head, options.features)
    stride = FAST_STRIDE if options.fast else options.frame_stride or 1
    time_range = TimeRange(options.start, options.end)
    settings = VideoSettings(recognition, stride, options.anonymize, not options.no_annotated_video, time_range)
    return VideoRequest.from_video(path, _to_printable(path.name), settings, options.detector, options.model)


def _compute_fingerprint(path: Path, request: VideoRequest) -> dict[str, Any]:
    """What decides whether an earlier result is still valid, as plain JSON values."""
    from emotion.media.video_reader import VideoReader

    with VideoReader(path, request.name) as video:  # refused before anything is written
        request.settings.time_range.select_info(video.info, request.name)
    stat = path.stat()
    return {
        "video": os.path.realpath(path),
        "bytes": stat.st_size,
        "modified": stat.st_mtime_ns,
        **request.provenance,
    }


def _analyze_into(folder: Path, request: VideoRequest, fingerprint: dict[str, Any]) -> bool:
    """Analyze a video and write all its files, also after an error; False where it was stopped."""
    from emotion.jobs.reporter import job_context
    from emotion.jobs.result_folder import clear_result, complete_result, start_result
    from emotion.jobs.result_manifest import VIDEO, ResultManifest
    from emotion.video.pipeline import analyze_video

    analyzer = request.load_analyzer()
    manifest = ResultManifest(VIDEO, settings=fingerprint)
    clear_result(folder, manifest)
    start_result(folder, manifest)
    try:
        with job_context(folder) as report, show_progress(folder, request.name):
            analyze_video(request, analyzer, folder, report)
    finally:
        _write_results(folder)
    if not report.stop_requested:
        complete_result(folder, manifest)
    return not report.stop_requested


def _write_results(folder: Path) -> None:
    from emotion.jobs.process_resources import return_free_memory

    return_free_memory()  # the modules below take 60 MB, for which the images make room
    from emotion.video.analysis import VideoAnalysis
    from emotion.video.outputs.exports import write_results

    analysis = VideoAnalysis(folder)
    if analysis.num_frames:
        write_results(analysis, folder)


def _print_result(folder: Path, options: AnalyzeOptions) -> None:
    from emotion.video.analysis import VideoAnalysis

    analysis = VideoAnalysis(folder)
    print(_to_json(analysis) if options.as_json else _format_result(analysis), flush=True)


def _to_json(analysis: VideoAnalysis) -> str:
    people = [
        {"name": person.name, "duration": round(person.duration, 3), "expression_shares": person.expression_shares}
        for person in analysis.people()
    ]
    return json.dumps({"file": analysis.name, **analysis.summary, "people": people}, ensure_ascii=False)


def _format_result(analysis: VideoAnalysis) -> str:
    from emotion.formatting import format_clock, format_percent

    people = analysis.people()
    count = f"{len(people)} {'face' if len(people) == 1 else 'faces'}" if people else "no face"
    lines = [f"{analysis.name}: {count} in {format_clock(analysis.duration)}"]
    for person in sorted(people, key=lambda person: -person.duration)[:_MAX_PEOPLE]:
        shares = ", ".join(
            f"{label} {format_percent(share)}"
            for label, share in person.expression_shares.items()
            if share >= _MIN_SHARE
        )
        first, last = format_clock(person.first_seen), format_clock(person.last_seen)
        lines.append(f"  {person.name}, {first} to {last}: {shares}")
    if len(people) > _MAX_PEOPLE:
        lines.append(f"  and {len(people) - _MAX_PEOPLE} more")
    return "\n".join(lines)


def _to_printable(path: str) -> str:
    """Replace bytes of a file name that are in no known encoding."""
    return os.fsencode(path).decode(errors="replace")
