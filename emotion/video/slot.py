"""The queue of the video analyses: what a waiting job needs, and no more, since many may wait at a time."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from emotion.jobs import job as jobs
from emotion.jobs import queue
from emotion.jobs.job import Job
from emotion.jobs.reporter import JobReporter
from emotion.translation.messages import gettext_noop

REQUEST_FILE: Final = "request.json"  # of a video and its settings, see `VideoRequest`
WAITING_MESSAGE: Final = gettext_noop("Waiting for another video")
_LOCK_FILE: Final = ".videos.lock"


def wait_for_slot(folder: Path, reporter: JobReporter) -> AbstractContextManager[bool]:
    """Wait until no other video of the parent folder is analyzed; yields False where a stop was requested first."""
    return queue.wait_in_queue(folder, reporter, _LOCK_FILE, WAITING_MESSAGE, lambda: list_earlier_jobs(folder))


def list_earlier_jobs(folder: Path) -> list[Job]:
    """Return the videos of the parent folder that were submitted before this one, newest first."""
    videos = [job for job in jobs.list_jobs(folder.parent) if (job.folder / REQUEST_FILE).is_file()]
    indices = [index for index, job in enumerate(videos) if job.folder == folder.resolve()]
    return videos[indices[0] + 1 :] if indices else []
