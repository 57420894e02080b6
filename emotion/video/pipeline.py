"""Analyze a video from its first frame to its last, into a folder.

    video_info.json  size, duration and codec of the video   annotated.mp4  the video with its labels
    frames.jsonl     a line for each processed frame         preview.jpg    the newest frame, while it is analyzed
    thumbnails/      the best image of each face             summary.json   how the analysis ended
    highlights.json, highlights/   the most telling moments  cover.jpg      a frame with faces
    regions.jsonl    with `anonymize`: what is pixelated in each frame of annotated.mp4

Everything is written during the analysis, and stays when it is stopped or fails.
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
from typing import Final, NamedTuple, TextIO

from emotion.errors import EmotionError, JobError
from emotion.faces import Face
from emotion.formatting import format_clock
from emotion.jobs.process_resources import return_free_memory
from emotion.jobs.reporter import JobReporter
from emotion.jobs.result_folder import check_result_folder, clear_result, complete_result, start_result
from emotion.jobs.result_manifest import VIDEO, ResultManifest
from emotion.media.image_array import downscale
from emotion.media.image_reader import encode_jpeg
from emotion.media.video_reader import VideoInfo, VideoReader
from emotion.recognition.analyzer import Analyzer
from emotion.results import serialization
from emotion.storage import require_free_space, write_atomic, write_json
from emotion.tracking.settings import StreamSettings
from emotion.tracking.stream import Stream
from emotion.video.processing.track_filter import FilteredFrame, TrackFilter
from emotion.video.processing.workers import DecodedFrame, VideoEncoderThread, decode_in_thread
from emotion.video.rendering.cover import CoverSelector
from emotion.video.rendering.highlights import HighlightDetector
from emotion.video.rendering.renderer import FrameRenderer, RenderedFrame
from emotion.video.rendering.thumbnails import ThumbnailStore
from emotion.video.settings import VideoRequest
from emotion.video.summary import TrackSummary, VideoStatus, VideoSummary, write_summary

FRAMES_FILE: Final = "frames.jsonl"
VIDEO_INFO_FILE: Final = "video_info.json"
ANNOTATED_VIDEO_FILE: Final = "annotated.mp4"
PREVIEW_FILE: Final = "preview.jpg"
REGIONS_FILE: Final = "regions.jsonl"
REDRAW_FOLDER: Final = "redraw"
PREVIEW_INTERVAL_SECONDS: Final = 0.5  # between two updates of the images that pages show during the analysis
_PREVIEW_MAX_SIDE: Final = 640
_PREVIEW_JPEG_QUALITY: Final = 80
_MIN_FREE_BYTES: Final = 50_000_000  # besides the annotated video, which gets about as large as its source

log = logging.getLogger(__name__)


def analyze_video(request: VideoRequest, analyzer: Analyzer, folder: Path, reporter: JobReporter) -> None:
    """Analyze a video into `folder` from its beginning, and remove earlier results first.

    Ends after the current frame when `reporter` requests a stop. What was done until then is kept in any case.

    Raises:
        EmotionError: The video cannot be read, exceeds the limits, or the folder cannot be written to.
    """
    manifest = replace(check_result_folder(folder, VIDEO) or ResultManifest(VIDEO), kind=VIDEO, is_complete=False)
    source = os.path.relpath(request.video_path.resolve(), folder.resolve())
    if manifest.includes(source):
        raise JobError(f"{request.video_path.name} would be overwritten in {folder}; choose another folder.")
    with _convert_disk_errors(folder):
        clear_result(folder, manifest)
        start_result(folder, manifest)
        request.write(folder)
        with VideoReader(request.video_path, request.name) as video:
            size = request.video_path.stat().st_size if request.settings.write_video else 0
            require_free_space(folder, _MIN_FREE_BYTES + size)
            info = request.settings.time_range.select_info(video.info, request.name)
            write_json(folder / VIDEO_INFO_FILE, asdict(info))
            _VideoPipeline(request, analyzer, folder, reporter, _Source(video, info)).run()
        if not reporter.stop_requested:
            complete_result(folder, manifest)


@contextmanager
def _convert_disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JobError(
            f"{folder} cannot be written to ({error.strerror or error}): the results so far are kept; "
            "make room or choose another folder."
        ) from error


@dataclass(eq=False)
class _TrackStats:
    """One face over the whole video: seconds of its first and last frame, frames by displayed label."""

    first_seen: float
    last_seen: float
    label_counts: Counter[str] = field(default_factory=Counter)

    def summarize(self) -> TrackSummary:
        count = self.label_counts.total()
        return {
            "first_seen": round(self.first_seen, 3),
            "last_seen": round(self.last_seen, 3),
            "expression_shares": {name: round(n / count, 4) for name, n in self.label_counts.most_common()},
        }


class _Source(NamedTuple):
    """A video and the facts of its analyzed part."""

    video: VideoReader
    info: VideoInfo


class _VideoPipeline:
    """The analysis of one video; belongs to the thread that detects faces."""

    def __init__(
        self, request: VideoRequest, analyzer: Analyzer, folder: Path, reporter: JobReporter, source: _Source
    ) -> None:
        settings = request.settings
        self._settings, self._folder, self._reporter = settings, folder, reporter
        self._video, self._info = source
        self._stream = Stream(analyzer, StreamSettings(settings.recognition))
        self._track_filter = TrackFilter(settings, self._info)
        self._renderer = FrameRenderer(analyzer, settings, self._info)
        self._thumbnails = ThumbnailStore(folder, settings.anonymize)
        self._highlights = HighlightDetector(folder, settings.anonymize)
        self._cover = CoverSelector(folder)
        size = self._info.width, self._info.height
        self._encoder = (
            VideoEncoderThread(folder / ANNOTATED_VIDEO_FILE, *size, request) if settings.write_video else None
        )
        self._start_time = time.monotonic()
        self._last_preview_time = -math.inf  # of time.monotonic
        self._num_frames = self._num_decoded = 0
        self._timestamp = 0.0
        self._tracks: dict[int, _TrackStats] = {}
        self._region_lines: list[str] = []
        self._latest_frame: RenderedFrame | None = None
        self._face_count_text = ""

    def run(self) -> None:
        """Analyze to the end or until a stop is requested, then finish all outputs, also after an error."""
        error: Exception | None = None
        end_time: float | None = None  # of a video that was analyzed to its end
        try:
            with (
                open(self._folder / FRAMES_FILE, "w", encoding="utf-8") as log_file,
                decode_in_thread(self._video, self._settings) as decoded_frames,
            ):
                try:
                    for decoded_frame in decoded_frames.receive(lambda: self._reporter.stop_requested):
                        self._process_frame(decoded_frame, log_file)
                    end_time = None if self._reporter.stop_requested else self._end_time
                finally:
                    for filtered_frame in self._track_filter.flush(end_time):
                        self._record_frame(filtered_frame, log_file)
        except Exception as raised:  # raised again below, after the outputs are finished
            error = raised
        status: VideoStatus = "failed" if error else "stopped" if self._reporter.stop_requested else "done"
        for finish in (self._finish_video, self._finish_images):
            error = _run_cleanup(error, finish)
        error = _run_cleanup(error, lambda: self._write_summary(status, error))
        if error is not None:
            raise error

    @property
    def _end_time(self) -> float:
        """Second of the part at which its last frame so far ends."""
        return self._settings.time_range.clip_end(self._video.end_time)

    def _process_frame(self, decoded_frame: DecodedFrame, log_file: TextIO) -> None:
        faces = None
        if decoded_frame.should_process:
            faces = self._stream.process(decoded_frame.image, decoded_frame.timestamp).faces
        self._num_decoded, self._timestamp = decoded_frame.index + 1, decoded_frame.timestamp
        for filtered_frame in self._track_filter.push(decoded_frame, faces, self._stream.track_info):
            self._record_frame(filtered_frame, log_file)
        self._report_progress()
        if time.monotonic() - self._last_preview_time >= PREVIEW_INTERVAL_SECONDS:
            self._write_previews()

    def _record_frame(self, filtered_frame: FilteredFrame, log_file: TextIO) -> None:
        """Log the faces of a frame and draw it."""
        frame, faces, boxes = filtered_frame
        if faces is not None:
            self._log_faces(frame, faces, log_file)
        for rendered_frame in self._renderer.push(frame.image, frame.timestamp, faces, boxes):
            self._write_frame(rendered_frame)

    def _log_faces(self, decoded_frame: DecodedFrame, faces: tuple[Face, ...], log_file: TextIO) -> None:
        record = {"index": decoded_frame.index, **serialization.frame_to_dict(decoded_frame.timestamp, faces)}
        log_file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
        log_file.flush()
        self._thumbnails.update(decoded_frame.image, faces)
        self._highlights.update(decoded_frame.image, faces, decoded_frame.timestamp)
        for face in faces:
            track = self._tracks.setdefault(
                face.track_id or 0, _TrackStats(decoded_frame.timestamp, decoded_frame.timestamp)
            )
            track.last_seen = decoded_frame.timestamp
            track.label_counts[face.display_label] += 1
        self._num_frames += 1
        self._face_count_text = f", {len(faces)} {'face' if len(faces) == 1 else 'faces'}" if faces else ""

    def _write_frame(self, rendered_frame: RenderedFrame) -> None:
        if self._encoder is not None:
            self._encoder.put(rendered_frame.render, rendered_frame.timestamp)
            if self._settings.anonymize:
                self._region_lines.append(f"{json.dumps(rendered_frame.to_regions())}\n")
        self._cover.update(rendered_frame)
        self._latest_frame = rendered_frame

    def _report_progress(self) -> None:
        info = self._info
        position = format_clock(self._timestamp) + (f" of {format_clock(info.duration)}" if info.duration else "")
        total = info.num_frames or 0
        self._reporter.progress(min(self._num_decoded, total), total, f"{position}{self._face_count_text}")

    def _write_previews(self) -> None:
        if self._latest_frame is not None:
            image = downscale(self._latest_frame.render(), _PREVIEW_MAX_SIDE)
            write_atomic(self._folder / PREVIEW_FILE, encode_jpeg(image, _PREVIEW_JPEG_QUALITY))
        self._thumbnails.write()
        self._highlights.write()
        self._cover.write()
        if self._info.reduction > 1:
            return_free_memory()
        self._last_preview_time = time.monotonic()

    def _finish_video(self) -> None:
        for rendered_frame in self._renderer.flush():
            self._write_frame(rendered_frame)
        if self._encoder is not None:
            is_complete = self._num_decoded and not self._reporter.stop_requested
            self._encoder.close(self._end_time if is_complete else None)

    def _finish_images(self) -> None:
        self._highlights.finish()
        self._write_previews()
        if self._region_lines:
            write_atomic(self._folder / REGIONS_FILE, "".join(self._region_lines))

    def _write_summary(self, status: VideoStatus, error: Exception | None) -> None:
        stats, encoder = self._stream.stats, self._encoder
        summary: VideoSummary = {
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
            "faces": {str(track_id): track.summarize() for track_id, track in sorted(self._tracks.items())},
        }
        write_summary(self._folder, summary)


def _run_cleanup(error: Exception | None, cleanup: Callable[[], None]) -> Exception | None:
    """Run `cleanup` and return the first error so far."""
    try:
        cleanup()
    except Exception as raised:  # every output is finished, whatever happens to the others
        if error is None:
            return raised
        log.info("after %s: %s", error, raised)
    return error
