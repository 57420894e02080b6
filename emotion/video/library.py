"""The videos of people: start to read one, wait for its turn, list and delete them."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Final

from emotion.environment import get_workspace
from emotion.errors import JobError
from emotion.jobs import job as jobs
from emotion.jobs import queue
from emotion.jobs.job import Job
from emotion.jobs.reporter import JobReporter
from emotion.media.video_reader import VideoReader
from emotion.storage import require_free_space
from emotion.video.analysis import MIN_GROUP_FACES, VideoAnalysis
from emotion.video.people import Highlight, Person
from emotion.video.pipeline import REDRAW_FOLDER
from emotion.video.settings import FAST_STRIDE, REQUEST_FILE, VideoRequest, VideoSettings

WAITING_MESSAGE: Final = "Waiting for another video"
_LOCK_FILE: Final = ".videos.lock"

__all__ = [
    "FAST_STRIDE",
    "MIN_GROUP_FACES",
    "VIDEOS_FOLDER",
    "VIDEO_SUFFIXES",
    "Highlight",
    "Person",
    "VideoAnalysis",
    "VideoSettings",
    "delete",
    "list_videos",
    "submit",
    "submit_redraw",
]

VIDEOS_FOLDER: Final = get_workspace() / "data" / "videos"
VIDEO_SUFFIXES: Final = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif")
_CHUNK_BYTES: Final = 4_000_000  # bytes
_MIN_FREE_BYTES: Final = 100_000_000  # bytes that stay free beside an upload
_GRACE_SECONDS: Final = 5.0  # seconds that a film that is deleted has to end


def submit(
    upload: BinaryIO | Path,
    name: str,
    settings: VideoSettings,
    *,
    detector: str | None = None,
    model: Path | None = None,
    parent: Path | None = None,
) -> Job:
    """Copy a film, an open file or the path of one, into a new folder below `parent` and read it there as a job, after
    the films that are read already. `name` is what people called it, and is never used as a path.

    Raises `EmotionError`, and leaves nothing, where it is no film that can be read or something else is missing.
    """
    suffix = next((suffix for suffix in VIDEO_SUFFIXES if name.lower().endswith(suffix)), "")
    folder = jobs.create_job_folder(parent or VIDEOS_FOLDER, name)
    try:
        source = folder / f"source{suffix}"
        _copy_upload(upload, source)
        with VideoReader(source, name):
            pass  # what is no film is refused here, to whoever brought it
        VideoRequest.from_video(source, name, settings, detector, model).write(folder)
        return jobs.start_job(["video", "run-job", str(folder)], folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _copy_upload(upload: BinaryIO | Path, target: Path) -> None:
    """Write the film to `target`, never all of it in memory."""
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
            f"The video cannot be kept in {target.parent} ({error.strerror or error}): make room there, or choose "
            "another video."
        ) from error


def submit_redraw(folder: Path) -> Job:
    """Draw the video with labels of the analysis in `folder` again, as a job in its folder `REDRAW_FOLDER`, see `redraw`.
    Raises `JobError` where one is at work there already, or where it cannot be started."""
    place = folder / REDRAW_FOLDER
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise JobError(f"{folder} cannot be written to ({error.strerror}); check the disk.") from error
    return jobs.start_job(["video", "redraw", str(folder.resolve())], place)


def list_videos(parent: Path | None = None) -> list[VideoAnalysis]:
    """All films that were read or are being read below `parent`, newest first."""
    return [VideoAnalysis(job.folder) for job in jobs.list_jobs(parent or VIDEOS_FOLDER)]


def delete(folder: Path) -> None:
    """End the reading of a film and remove every file of it; `JobError` where that cannot be done."""
    if (folder / REDRAW_FOLDER / "state.json").is_file():
        jobs.open_job(folder / REDRAW_FOLDER).stop(_GRACE_SECONDS)
    jobs.open_job(folder).stop(_GRACE_SECONDS)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise JobError(f"{folder} cannot be removed ({error.strerror}): check its rights, try again.") from error


def wait_for_slot(folder: Path, reporter: JobReporter) -> AbstractContextManager[bool]:
    """Wait until no other film of the same parent folder is read; False where it shall stop before that."""
    return queue.wait_in_queue(folder, reporter, _LOCK_FILE, WAITING_MESSAGE, lambda: _list_earlier_jobs(folder))


def _list_earlier_jobs(folder: Path) -> list[Job]:
    """The films of the parent folder that were asked for before this one."""
    films = [job for job in jobs.list_jobs(folder.parent) if (job.folder / REQUEST_FILE).is_file()]  # newest first
    places = [place for place, job in enumerate(films) if job.folder == folder.resolve()]
    return films[places[0] + 1 :] if places else []
