"""The video library: submit, queue, list and delete analyses."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from emotion.environment import get_workspace
from emotion.errors import JobError
from emotion.jobs import job as jobs
from emotion.jobs.job import Job
from emotion.jobs.ownership import is_owned_by
from emotion.jobs.process_record import STATE_FILE
from emotion.media.containers.duration import measure_duration
from emotion.media.file_kinds import VIDEO_SUFFIXES
from emotion.media.video_reader import DEFAULT_LIMITS, VideoReader
from emotion.storage import require_free_space
from emotion.translation.messages import gettext as _
from emotion.video.analysis import MIN_GROUP_FACES, VideoAnalysis
from emotion.video.people import Highlight, Person
from emotion.video.pipeline import REDRAW_FOLDER
from emotion.video.settings import FAST_STRIDE, VideoRequest, VideoSettings
from emotion.video.space import VideoSpace, iter_expired

__all__ = [
    "FAST_STRIDE",
    "MIN_GROUP_FACES",
    "VIDEOS_FOLDER",
    "Highlight",
    "Person",
    "VideoAnalysis",
    "VideoSettings",
    "VideoSpace",
    "delete",
    "list_videos",
    "remove_expired",
    "submit",
    "submit_redraw",
]

VIDEOS_FOLDER: Final = get_workspace() / "data" / "videos"
_UPLOAD_SUFFIXES: Final = (*VIDEO_SUFFIXES, ".gif")
_CHUNK_BYTES: Final = 4_000_000  # copied at a time
_MIN_FREE_BYTES: Final = 100_000_000  # that stay free after an upload
_MAX_UPLOAD_SECONDS: Final = 3600.0  # from the reservation of a folder to the start of its job
_GRACE_SECONDS: Final = 5.0  # for the job of a video that is deleted to end


def submit(
    upload: BinaryIO | Path,
    name: str,
    settings: VideoSettings,
    *,
    detector: str | None = None,
    model: Path | None = None,
    space: VideoSpace | None = None,
) -> Job:
    """Copy a video into a new folder, and analyze it there in a job that waits for earlier ones.

    Args:
        upload: An open binary file, or the path of one.
        name: The name that a user gave it; never used as a path.
        settings: Settings of the analysis.
        detector: Name of the detector, None: the best one that is available.
        model: Folder of the classifier, None: the default one.
        space: Where the folder is made, None: `VIDEOS_FOLDER`.

    Raises:
        EmotionError: It is no video of a supported format, the space has no room, or detector or model are missing; no
            folder is left.
    """
    suffix = next((suffix for suffix in _UPLOAD_SUFFIXES if name.lower().endswith(suffix)), "")
    space = space or VideoSpace(VIDEOS_FOLDER)
    folder = space.reserve(name, _measure_upload(upload))
    try:
        source = folder / f"source{suffix}"
        _copy_upload(upload, source)
        with VideoReader(source, name) as reader:  # refuses other files before the job starts
            settings.time_range.select_info(reader.info, name)
            space.add_duration(folder, reader.info.duration or measure_duration(source, DEFAULT_LIMITS.max_side))
        VideoRequest.from_video(source, name, settings, detector, model).write(folder)
        return jobs.start_job(["video", "run-job", str(folder)], folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _measure_upload(upload: BinaryIO | Path) -> int:
    try:
        return upload.stat().st_size if isinstance(upload, Path) else upload.seek(0, os.SEEK_END)
    except OSError:
        return 0  # copying it names the problem


def _copy_upload(upload: BinaryIO | Path, target: Path) -> None:
    """Copy the video to `target` in chunks."""
    try:
        if isinstance(upload, Path):
            with open(upload, "rb") as file:
                return _copy_upload(file, target)
        size = upload.seek(0, 2)
        upload.seek(0)
        require_free_space(target.parent, size + _MIN_FREE_BYTES)
        with open(target, "wb") as file:
            shutil.copyfileobj(upload, file, _CHUNK_BYTES)
    except OSError as error:
        raise JobError(
            _("The video cannot be written to {folder} ({reason}): make room there, or choose another video.").format(
                folder=target.parent, reason=error.strerror or error
            )
        ) from error


def submit_redraw(folder: Path) -> Job:
    """Draw the annotated video of an analysis again in a job, see `redraw`.

    Raises:
        JobError: Such a job is running already, or it cannot be started.
    """
    redraw_folder = folder / REDRAW_FOLDER
    try:
        redraw_folder.mkdir(exist_ok=True)
    except OSError as error:
        raise JobError(
            _("{folder} cannot be written to ({reason}); check the disk.").format(folder=folder, reason=error.strerror)
        ) from error
    return jobs.start_job(["video", "redraw", str(folder.resolve())], redraw_folder)


def list_videos(space: VideoSpace | None = None) -> list[VideoAnalysis]:
    """Return all analyses in `space` (None: `VIDEOS_FOLDER`), newest first, including unfinished ones."""
    space = space or VideoSpace(VIDEOS_FOLDER)
    found = jobs.list_jobs(space.folder)
    return [VideoAnalysis(job.folder) for job in found if not space.owner or is_owned_by(job.folder, space.owner)]


def remove_expired(parent: Path | None = None) -> list[Path]:
    """Remove the videos of visitors that have expired, and uploads that were interrupted; return their folders.

    Only folders with the record of a visitor are removed; one that cannot be removed is left for the next call.
    """
    removed = []
    for folder in iter_expired(parent or VIDEOS_FOLDER, time.time(), _MAX_UPLOAD_SECONDS):
        with suppress(JobError, OSError):
            delete(folder) if (folder / STATE_FILE).is_file() else shutil.rmtree(folder)
            removed.append(folder)
    return removed


def delete(folder: Path) -> None:
    """Stop the jobs of an analysis and remove its folder; `JobError` where that fails."""
    if (folder / REDRAW_FOLDER / STATE_FILE).is_file():
        jobs.open_job(folder / REDRAW_FOLDER).stop(_GRACE_SECONDS)
    jobs.open_job(folder).stop(_GRACE_SECONDS)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise JobError(
            _("{folder} cannot be removed ({reason}): check its rights, try again.").format(
                folder=folder, reason=error.strerror
            )
        ) from error
