"""Read one film from its first frame to its last, into a folder.

    video_info.json  size, duration and codec of the video   annotated.mp4  the video with its labels
    frames.jsonl     a line for each processed frame         preview.jpg    the newest frame, while it is analyzed
    thumbnails/      the best image of each face             summary.json   how the analysis ended
    highlights.json, highlights/   the most telling moments  cover.jpg      a frame with faces
    regions.jsonl    with `anonymize`: what is pixelated in each frame of annotated.mp4

All of it is written as it comes, and stays when the work is stopped or fails.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TextIO

from emotion.errors import EmotionError, JobError
from emotion.faces import Face
from emotion.formatting import format_clock
from emotion.jobs.reporter import JobReporter
from emotion.jobs.result_folder import (
    VIDEO,
    ResultManifest,
    check_result_folder,
    clear_result,
    complete_result,
    is_result_file,
    start_result,
)
from emotion.media.image_reader import encode_jpeg
from emotion.media.video_reader import VideoReader
from emotion.recognition.analyzer import Analyzer
from emotion.results import serialization
from emotion.results.photos import downscale
from emotion.storage import require_free_space, write_atomic, write_json
from emotion.tracking.settings import StreamSettings
from emotion.tracking.stream import Stream
from emotion.video.frame_log import FRAMES_FILE
from emotion.video.rendering.cover import CoverSelector
from emotion.video.rendering.highlights import HighlightDetector
from emotion.video.rendering.renderer import FrameRenderer, RenderedFrame
from emotion.video.rendering.thumbnails import ThumbnailStore
from emotion.video.settings import VideoRequest
from emotion.video.track_filter import FilteredFrame, TrackFilter
from emotion.video.workers import DecodedFrame, VideoEncoderThread, decode_in_thread

VIDEO_INFO_FILE: Final = "video_info.json"
ANNOTATED_VIDEO_FILE: Final = "annotated.mp4"
PREVIEW_FILE: Final = "preview.jpg"
SUMMARY_FILE: Final = "summary.json"
REGIONS_FILE: Final = "regions.jsonl"
REDRAW_FOLDER: Final = "redraw"
_PREVIEW_INTERVAL_SECONDS: Final = (
    0.5  # seconds, by the clock, between two writings of what is shown while the film is read
)
_PREVIEW_MAX_SIDE: Final = 640  # pixels
_MIN_FREE_BYTES: Final = 50_000_000  # besides the film, which gets about as large as the one that is read

log = logging.getLogger(__name__)


def analyze_video(request: VideoRequest, analyzer: Analyzer, folder: Path, reporter: JobReporter) -> None:
    """Read a film into `folder`, from its beginning; what another reading left there is removed first.

    Ends after the frame in work where `reporter` says so. Raises `EmotionError` where the film cannot be read, goes on
    beyond the limits, or cannot be written; what was done until then is kept in any case.
    """
    mark = replace(check_result_folder(folder, VIDEO) or ResultManifest(VIDEO), kind=VIDEO, is_complete=False)
    source = os.path.relpath(request.video_path.resolve(), folder.resolve())
    if is_result_file(mark, source):
        raise JobError(f"{request.video_path.name} would be overwritten in {folder}; choose another folder.")
    with _convert_disk_errors(folder):
        clear_result(folder, mark)
        start_result(folder, mark)
        request.write(folder)
        with VideoReader(request.video_path, request.name) as film:
            size = request.video_path.stat().st_size if request.settings.write_video else 0
            require_free_space(folder, _MIN_FREE_BYTES + size)
            write_json(folder / VIDEO_INFO_FILE, asdict(film.info))
            _VideoPipeline(request, analyzer, folder, reporter, film).run()
        if not reporter.stop_requested:
            complete_result(folder, mark)


@contextmanager
def _convert_disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JobError(
            f"{folder} cannot be written to any more ({error.strerror or error}): what was read until then is kept; "
            "make room or choose another folder."
        ) from error


@dataclass(eq=False)
class _TrackSummary:
    """One face over the whole film: seconds of its first and last frame, frames by shown expression."""

    first_seen: float
    last_seen: float
    label_counts: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        count = self.label_counts.total()
        return {
            "first_seen": round(self.first_seen, 3),
            "last_seen": round(self.last_seen, 3),
            "expression_shares": {name: round(n / count, 4) for name, n in self.label_counts.most_common()},
        }


class _VideoPipeline:
    """One film on its way; belongs to the thread that looks for faces."""

    def __init__(
        self, request: VideoRequest, analyzer: Analyzer, folder: Path, reporter: JobReporter, video: VideoReader
    ) -> None:
        settings = request.settings
        self._settings, self._folder, self._reporter, self._video = settings, folder, reporter, video
        self._stream = Stream(analyzer, StreamSettings(settings.recognition))
        self._track_filter = TrackFilter(settings, video.info)
        self._renderer = FrameRenderer(analyzer, settings)
        self._thumbnails = ThumbnailStore(folder, settings.anonymize)
        self._highlights = HighlightDetector(folder, settings.anonymize)
        self._cover = CoverSelector(folder)
        size = video.info.width, video.info.height
        self._encoder = (
            VideoEncoderThread(folder / ANNOTATED_VIDEO_FILE, *size, request.video_path, request.provenance_line)
            if settings.write_video
            else None
        )
        self._start_time = time.monotonic()
        self._last_preview_time = -math.inf  # when there were any, by the clock
        self._num_frames = self._num_decoded = 0
        self._timestamp = 0.0
        self._tracks: dict[int, _TrackSummary] = {}
        self._region_lines: list[str] = []  # lines of `REGIONS_FILE`
        self._latest_frame: RenderedFrame | None = None
        self._face_count_text = ""  # how many faces there are, in words

    def run(self) -> None:
        """Read to the end, or until it has to stop; then finish all that was begun, also after an error."""
        error: Exception | None = None
        over: float | None = None  # second at which the film was read to its end
        try:
            with (
                open(self._folder / FRAMES_FILE, "w", encoding="utf-8") as lines,
                decode_in_thread(self._video, self._settings) as shots,
            ):
                try:
                    for shot in shots.receive(lambda: self._reporter.stop_requested):
                        self._process_frame(shot, lines)
                    over = None if self._reporter.stop_requested else self._video.end_time
                finally:
                    for counted in self._track_filter.flush(over):
                        self._record_frame(counted, lines)
        except Exception as problem:
            error = problem
        ended = "failed" if error else "stopped" if self._reporter.stop_requested else "done"
        for finish in (self._finish_video, self._finish_images):
            error = _run_cleanup(error, finish)
        error = _run_cleanup(error, lambda: self._write_summary(ended, error))
        if error is not None:
            raise error

    def _process_frame(self, decoded_frame: DecodedFrame, log_file: TextIO) -> None:
        faces = (
            self._stream.process(decoded_frame.image, decoded_frame.timestamp).faces
            if decoded_frame.should_process
            else None
        )
        self._num_decoded, self._timestamp = decoded_frame.index + 1, decoded_frame.timestamp
        for counted in self._track_filter.push(decoded_frame, faces, self._stream.track_info):
            self._record_frame(counted, log_file)
        self._report_progress()
        if time.monotonic() - self._last_preview_time >= _PREVIEW_INTERVAL_SECONDS:
            self._write_previews()

    def _record_frame(self, filtered_frame: FilteredFrame, log_file: TextIO) -> None:
        """Write down what is known of a frame, and draw it."""
        shot, faces, found = filtered_frame
        if faces is not None:
            self._log_faces(shot, faces, log_file)
        for drawn in self._renderer.push(shot.image, shot.timestamp, faces, found):
            self._write_frame(drawn)

    def _log_faces(self, decoded_frame: DecodedFrame, faces: tuple[Face, ...], log_file: TextIO) -> None:
        frame = {"index": decoded_frame.index, **serialization.frame_to_dict(decoded_frame.timestamp, faces)}
        log_file.write(json.dumps(frame, ensure_ascii=False, allow_nan=False) + "\n")
        log_file.flush()
        self._thumbnails.update(decoded_frame.image, faces)
        self._highlights.update(decoded_frame.image, faces, decoded_frame.timestamp)
        for face in faces:
            seen = self._tracks.setdefault(
                face.track_id or 0, _TrackSummary(decoded_frame.timestamp, decoded_frame.timestamp)
            )
            seen.last_seen = decoded_frame.timestamp
            seen.label_counts[face.display_label] += 1
        self._num_frames += 1
        self._face_count_text = f", {len(faces)} {'face' if len(faces) == 1 else 'faces'}" if faces else ""

    def _write_frame(self, rendered_frame: RenderedFrame) -> None:
        if self._encoder is not None:
            self._encoder.put(rendered_frame.render(), rendered_frame.timestamp)
            if self._settings.anonymize:
                self._region_lines.append(f"{json.dumps(rendered_frame.to_regions())}\n")
        self._cover.update(rendered_frame)
        self._latest_frame = rendered_frame

    def _report_progress(self) -> None:
        """Say how far it is."""
        facts = self._video.info
        whole = f" of {format_clock(facts.duration)}" if facts.duration else ""
        total = facts.num_frames or 0
        self._reporter.progress(
            min(self._num_decoded, total), total, f"{format_clock(self._timestamp)}{whole}{self._face_count_text}"
        )

    def _write_previews(self) -> None:
        if self._latest_frame is not None:
            picture = downscale(self._latest_frame.render(), _PREVIEW_MAX_SIDE)
            write_atomic(self._folder / PREVIEW_FILE, encode_jpeg(picture, 80))
        self._thumbnails.write()
        self._highlights.write()
        self._cover.write()
        self._last_preview_time = time.monotonic()

    def _finish_video(self) -> None:
        for drawn in self._renderer.flush():
            self._write_frame(drawn)
        if self._encoder is not None:
            whole = self._num_decoded and not self._reporter.stop_requested
            self._encoder.close(self._video.end_time if whole else None)

    def _finish_images(self) -> None:
        self._highlights.finish()
        self._write_previews()
        if self._region_lines:
            write_atomic(self._folder / REGIONS_FILE, "".join(self._region_lines))

    def _write_summary(self, status: str, error: Exception | None) -> None:
        stats, encoder = self._stream.stats, self._encoder
        summary = {
            "status": "failed" if error else status,
            "error": str(error) if isinstance(error, EmotionError) else None,
            "num_frames": self._num_frames,
            "frames_decoded": self._num_decoded,
            "frames_written": encoder.num_frames if encoder else 0,
            "last_timestamp": round(self._timestamp, 3),
            "corrupt_packets": self._video.num_corrupt_packets,
            "errors": stats.errors + self._renderer.num_errors,
            "last_error": stats.last_error,
            "audio_warning": encoder.audio_warning if encoder else None,
            "elapsed_seconds": round(time.monotonic() - self._start_time, 3),
            "faces": {str(track): seen.to_dict() for track, seen in sorted(self._tracks.items())},
        }
        write_json(self._folder / SUMMARY_FILE, summary)


def _run_cleanup(error: Exception | None, cleanup: Callable[[], None]) -> Exception | None:
    """Do the next thing also after an error, and keep the first one."""
    try:
        cleanup()
    except Exception as problem:
        if error is None:
            return problem
        log.info("after %s: %s", error, problem)
    return error
