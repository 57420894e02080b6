"""Draw the annotated video of an analysis again after people were renamed, merged or hidden, without inference.

    redraw/              the job: its state, its progress, its log
    redraw/people.json   the identity edits with which annotated.mp4 was drawn last

`regions.jsonl` of an anonymized video holds the pixelated boxes of each frame, see `RenderedFrame.to_regions`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

from emotion.errors import JobError
from emotion.faces import Box, Face
from emotion.formatting import format_clock
from emotion.jobs.job import Job, JobState
from emotion.jobs.process_record import STATE_FILE
from emotion.jobs.reporter import JobReporter
from emotion.media.video_reader import VideoInfo, VideoReader
from emotion.storage import read_json, require_free_space, retry_on_windows_lock
from emotion.translation.messages import gettext as _
from emotion.video.analysis import VideoAnalysis
from emotion.video.edits.identities import IdentityEdits
from emotion.video.frame_log import FrameLog
from emotion.video.pipeline import ANNOTATED_VIDEO_FILE, REDRAW_FOLDER, REGIONS_FILE, VIDEO_INFO_FILE
from emotion.video.processing.workers import DecodedFrame, VideoEncoderThread, decode_in_thread
from emotion.video.rendering.cover import COVER_FILE, CoverSelector
from emotion.video.rendering.renderer import FrameRenderer, RenderedFrame
from emotion.video.settings import VideoRequest
from emotion.video.summary import VideoSummary, read_summary

_MIN_FREE_BYTES: Final = 50_000_000


def is_outdated(analysis: VideoAnalysis) -> bool:
    """Return whether people were renamed, merged or hidden since the annotated video was drawn."""
    if analysis.annotated_video is None:
        return False
    drawn, current = IdentityEdits.read(analysis.folder / REDRAW_FOLDER), analysis.identity_edits
    return drawn != current and not all(current.is_equivalent(drawn, track) for track in analysis.track_ids())


def get_state(folder: Path) -> JobState | None:
    """Return the state of the job that draws the video of an analysis again, None where there was none."""
    return Job(folder / REDRAW_FOLDER).read_state() if (folder / REDRAW_FOLDER / STATE_FILE).is_file() else None


def redraw_video(folder: Path, reporter: JobReporter) -> bool:
    """Replace the annotated video of an analysis by one with the current identity edits.

    Args:
        folder: The folder of the analysis.
        reporter: Of the job that draws; the old video stays when a stop is requested.

    Returns:
        Whether the video was replaced.

    Raises:
        EmotionError: There is no annotated video, its source is missing or another file, or the disk is full.
    """
    request, edits = VideoRequest.read(folder), IdentityEdits.read(folder)
    if Job(folder).read_state().is_running:
        raise JobError(
            _("{name} is being analyzed: wait until that ends, then draw it again.").format(name=request.name)
        )
    summary = read_summary(folder)
    if not (folder / ANNOTATED_VIDEO_FILE).is_file() or not summary.get("frames_written"):
        raise JobError(
            _("{name} has no annotated video: analyze it again with the video switched on.").format(name=request.name)
        )
    regions = _load_regions(folder) if request.settings.anonymize else None
    redraw_folder = folder / REDRAW_FOLDER
    try:
        redraw_folder.mkdir(exist_ok=True)
        require_free_space(redraw_folder, _MIN_FREE_BYTES + (folder / ANNOTATED_VIDEO_FILE).stat().st_size)
        with VideoReader(request.video_path, request.name) as video:
            info = request.settings.time_range.select_info(video.info, request.name)
            if asdict(info) != read_json(folder / VIDEO_INFO_FILE):
                raise JobError(
                    _(
                        "{video_path} is not the video that was analyzed: restore that file, or analyze it again."
                    ).format(video_path=request.video_path)
                )
            is_complete = _VideoRedrawer(request, edits, folder, reporter).run(video, summary, regions)
        if is_complete:
            _replace_outputs(redraw_folder, folder, edits)
    except OSError as error:
        raise JobError(
            _("{folder} cannot be written to ({reason}): make room there.").format(
                folder=folder, reason=error.strerror or error
            )
        ) from error
    finally:
        for name in (ANNOTATED_VIDEO_FILE, COVER_FILE):
            with suppress(OSError):
                (redraw_folder / name).unlink(missing_ok=True)
    return is_complete


def _replace_outputs(redraw_folder: Path, folder: Path, edits: IdentityEdits) -> None:
    """Replace the old files by the new ones, and record the edits that they show."""
    retry_on_windows_lock(lambda: os.replace(redraw_folder / ANNOTATED_VIDEO_FILE, folder / ANNOTATED_VIDEO_FILE))
    if (redraw_folder / COVER_FILE).is_file():
        retry_on_windows_lock(lambda: os.replace(redraw_folder / COVER_FILE, folder / COVER_FILE))
    edits.write(redraw_folder)


def _load_regions(folder: Path) -> Iterator[list[Box] | None]:
    """Yield the boxes to pixelate in each frame, None for a whole frame."""
    try:
        lines = (folder / REGIONS_FILE).read_text(encoding="utf-8").splitlines()
        rows: list[Any] = [json.loads(line) for line in lines]
        return iter([None if boxes is None else [Box(*map(float, box)) for box in boxes] for boxes in rows])
    except (OSError, ValueError, TypeError) as error:
        raise JobError(
            _("{path} is missing or damaged, so the boxes to pixelate are unknown: analyze the video again.").format(
                path=folder / REGIONS_FILE
            )
        ) from error


class _VideoRedrawer:
    """Draws one video."""

    def __init__(self, request: VideoRequest, edits: IdentityEdits, folder: Path, reporter: JobReporter) -> None:
        self._request, self._edits, self._folder, self._reporter = request, edits, folder, reporter
        self._names: dict[int, str] = {}
        self._cover = CoverSelector(folder / REDRAW_FOLDER, self._names)

    def run(self, video: VideoReader, summary: VideoSummary, regions: Iterator[list[Box] | None] | None) -> bool:
        """Draw all frames of the old video into `REDRAW_FOLDER`, and return whether no stop was requested."""
        num_frames = summary.get("frames_written", 0)
        settings = replace(self._request.settings, write_video=True)
        size = video.info.width, video.info.height
        encoder = VideoEncoderThread(self._folder / REDRAW_FOLDER / ANNOTATED_VIDEO_FILE, *size, self._request)
        try:
            with decode_in_thread(video, settings) as channel:
                frames = islice(channel.receive(lambda: self._reporter.stop_requested), num_frames)
                for num_done, rendered_frame in enumerate(self._render_frames(frames, video.info), 1):
                    # A frame without recorded boxes is hidden as a whole.
                    rendered_frame = rendered_frame._replace(
                        hidden_boxes=[] if regions is None else next(regions, None)
                    )
                    encoder.put(partial(rendered_frame.render, self._names), rendered_frame.timestamp)
                    self._cover.update(rendered_frame)
                    self._report_progress(num_done, num_frames, rendered_frame.timestamp, video)
        finally:
            end_time = settings.time_range.clip_end(video.end_time)
            encoder.close(end_time if summary.get("status") == "done" else None)
        self._cover.write()
        if self._reporter.stop_requested:
            return False
        if encoder.num_frames != num_frames:
            raise JobError(
                _("{video_path} has fewer frames than when it was analyzed: analyze it again.").format(
                    video_path=self._request.video_path
                )
            )
        return True

    def _render_frames(self, decoded_frames: Iterator[DecodedFrame], video_info: VideoInfo) -> Iterator[RenderedFrame]:
        renderer = FrameRenderer(None, self._request.settings, video_info)
        logged_frames = FrameLog(self._folder).iter_displayed_faces()
        logged = next(logged_frames, None)
        for frame in decoded_frames:
            while logged is not None and logged[0] < frame.index:
                logged = next(logged_frames, None)
            faces = self._apply_edits(logged[1]) if logged is not None and logged[0] == frame.index else None
            yield from renderer.push(frame.image, frame.timestamp, faces)
        yield from renderer.flush()

    def _apply_edits(self, faces: tuple[Face, ...]) -> tuple[Face, ...]:
        """Return the visible faces with their numbers after merging; of two of one person, the larger."""
        people: dict[int, Face] = {}
        for face in sorted(faces, key=lambda face: face.box.area):
            track = face.track_id or 0
            if not self._edits.is_hidden(track):
                root = self._edits.canonical_track(track)
                people[root] = replace(face, track_id=root)
                self._names[root] = self._edits.custom_name(track)
        return tuple(people[root] for root in sorted(people))

    def _report_progress(self, num_done: int, total: int, timestamp: float, video: VideoReader) -> None:
        duration = self._request.settings.time_range.select_info(video.info, self._request.name).duration
        position = format_clock(timestamp) + (f" of {format_clock(duration)}" if duration else "")
        self._reporter.progress(num_done, total, position)
