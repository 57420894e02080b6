"""Draw the video of an analysis again after people were renamed, merged or hidden: read and draw, no inference.

    redraw/              the job that draws: its state, its progress, its log
    redraw/people.json   the names, merged and hidden faces with which annotated.mp4 was drawn last

`regions.jsonl` of an anonymized video holds what is pixelated in each of its frames, see `RenderedFrame.to_regions`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from emotion.errors import JobError
from emotion.faces import Box, Face
from emotion.formatting import format_clock
from emotion.jobs.job import Job, JobState
from emotion.jobs.reporter import JobReporter
from emotion.media.video_reader import VideoReader
from emotion.storage import read_json, require_free_space, retry_on_windows_lock
from emotion.video.analysis import VideoAnalysis
from emotion.video.frame_log import FrameLog
from emotion.video.identities import IdentityEdits
from emotion.video.pipeline import ANNOTATED_VIDEO_FILE, REDRAW_FOLDER, REGIONS_FILE, SUMMARY_FILE, VIDEO_INFO_FILE
from emotion.video.rendering.cover import COVER_FILE, CoverSelector
from emotion.video.rendering.renderer import FrameRenderer, RenderedFrame
from emotion.video.settings import VideoRequest
from emotion.video.workers import DecodedFrame, VideoEncoderThread, decode_in_thread

_MIN_FREE_BYTES: Final = 50_000_000


def is_outdated(analysis: VideoAnalysis) -> bool:
    """Whether faces were renamed, merged or hidden since the video with labels was drawn."""
    if analysis.annotated_video is None:
        return False
    drawn, now = IdentityEdits.read(analysis.folder / REDRAW_FOLDER), analysis.identity_edits
    return drawn != now and not all(now.is_equivalent(drawn, track) for track in analysis.track_ids())


def get_state(folder: Path) -> JobState | None:
    """How the job is that draws the video of the analysis in `folder` again; None where there never was one."""
    return Job(folder / REDRAW_FOLDER).read_state() if (folder / REDRAW_FOLDER / "state.json").is_file() else None


def redraw_video(folder: Path, reporter: JobReporter) -> bool:
    """Replace the annotated video of the analysis in `folder` by one with the current names, merged and hidden faces.

    Args:
        folder: Where the video was analyzed.
        report: Of the job that draws; the old video stays where it stops before the end.

    Returns:
        Whether the video was replaced.

    Raises:
        EmotionError: There is no such video, its source is not there any more or is another one, or the disk is full.
    """
    request, cast = VideoRequest.read(folder), IdentityEdits.read(folder)
    if Job(folder).read_state().is_running:
        raise JobError(f"{request.name} is being analyzed: wait for the end, then draw it again.")
    summary = read_json(folder / SUMMARY_FILE) or {}
    if not (folder / ANNOTATED_VIDEO_FILE).is_file() or not summary.get("frames_written"):
        raise JobError(f"{request.name} has no video with labels: analyze it again with the video switched on.")
    regions = _load_regions(folder) if request.settings.anonymize else None
    place = folder / REDRAW_FOLDER
    try:
        place.mkdir(exist_ok=True)
        require_free_space(place, _MIN_FREE_BYTES + (folder / ANNOTATED_VIDEO_FILE).stat().st_size)
        with VideoReader(request.video_path, request.name) as film:
            if asdict(film.info) != read_json(folder / VIDEO_INFO_FILE):
                raise JobError(
                    f"{request.video_path} is not the video that was analyzed: put that one back, or analyze anew."
                )
            whole = _VideoRedrawer(request, cast, folder, reporter).run(film, summary, regions)
        if whole:
            _replace_outputs(place, folder, cast)
    except OSError as error:
        raise JobError(f"{folder} cannot be written to ({error.strerror or error}): make room there.") from error
    finally:
        for name in (ANNOTATED_VIDEO_FILE, COVER_FILE):
            with suppress(OSError):
                (place / name).unlink(missing_ok=True)
    return whole


def _replace_outputs(redraw_folder: Path, folder: Path, edits: IdentityEdits) -> None:
    """Put the new files in the place of the old ones, and note what they show."""
    retry_on_windows_lock(lambda: os.replace(redraw_folder / ANNOTATED_VIDEO_FILE, folder / ANNOTATED_VIDEO_FILE))
    if (redraw_folder / COVER_FILE).is_file():
        retry_on_windows_lock(lambda: os.replace(redraw_folder / COVER_FILE, folder / COVER_FILE))
    edits.write(redraw_folder)


def _load_regions(folder: Path) -> Iterator[list[Box] | None]:
    """What to pixelate in frame after frame of the old video."""
    try:
        lines = (folder / REGIONS_FILE).read_text(encoding="utf-8").splitlines()
        rows: list[Any] = [json.loads(line) for line in lines]
        return iter([None if boxes is None else [Box(*map(float, box)) for box in boxes] for boxes in rows])
    except (OSError, ValueError, TypeError) as error:
        raise JobError(
            f"{folder / REGIONS_FILE} is missing or damaged, so the places to pixelate are unknown: analyze the video again."
        ) from error


class _VideoRedrawer:
    """One video on its way."""

    def __init__(self, request: VideoRequest, edits: IdentityEdits, folder: Path, reporter: JobReporter) -> None:
        self._request, self._edits, self._folder, self._reporter = request, edits, folder, reporter
        self._names: dict[int, str] = {}
        self._cover = CoverSelector(folder / REDRAW_FOLDER, self._names)

    def run(self, video: VideoReader, summary: dict[str, Any], regions: Iterator[list[Box] | None] | None) -> bool:
        """Draw all frames of the old video into `REDRAW_FOLDER`; whether it got to the end."""
        settings = replace(self._request.settings, write_video=True)
        size = video.info.width, video.info.height
        comment = self._request.provenance_line
        encoder = VideoEncoderThread(
            self._folder / REDRAW_FOLDER / ANNOTATED_VIDEO_FILE, *size, self._request.video_path, comment
        )
        try:
            with decode_in_thread(video, settings) as shots:
                frames = islice(shots.receive(lambda: self._reporter.stop_requested), int(summary["frames_written"]))
                for number, drawn in enumerate(self._render_frames(frames), 1):
                    # A frame for which nothing is known is hidden as a whole.
                    hide = [] if regions is None else next(regions, None)
                    drawn = drawn._replace(hidden_boxes=hide)
                    encoder.put(drawn.render(self._names), drawn.timestamp)
                    self._cover.update(drawn)
                    self._report_progress(number, int(summary["frames_written"]), drawn.timestamp, video)
        finally:
            encoder.close(video.end_time if summary.get("status") == "done" else None)
        self._cover.write()
        if self._reporter.stop_requested:
            return False
        if encoder.num_frames != summary["frames_written"]:
            raise JobError(f"{self._request.video_path} has fewer frames than when it was analyzed: analyze it again.")
        return True

    def _render_frames(self, decoded_frames: Iterator[DecodedFrame]) -> Iterator[RenderedFrame]:
        easel = FrameRenderer(None, self._request.settings)
        logged = FrameLog(self._folder).iter_displayed_faces()
        following = next(logged, None)
        for shot in decoded_frames:
            while following is not None and following[0] < shot.index:
                following = next(logged, None)
            found = following[1] if following is not None and following[0] == shot.index else None
            yield from easel.push(shot.image, shot.timestamp, None if found is None else self._apply_edits(found))
        yield from easel.flush()

    def _apply_edits(self, faces: tuple[Face, ...]) -> tuple[Face, ...]:
        """The faces that are not hidden under the numbers of those into whom they were merged; of two that are the
        same person in one frame, the larger."""
        people: dict[int, Face] = {}
        for face in sorted(faces, key=lambda face: face.box.area):
            track = face.track_id or 0
            if not self._edits.is_hidden(track):
                root = self._edits.canonical_track(track)
                people[root] = replace(face, track_id=root)
                self._names[root] = self._edits.custom_name(track)
        return tuple(people[root] for root in sorted(people))

    def _report_progress(self, num_done: int, total: int, timestamp: float, video: VideoReader) -> None:
        told = video.info.duration
        self._reporter.progress(
            num_done, total, f"{format_clock(timestamp)} of {format_clock(told)}" if told else format_clock(timestamp)
        )
