"""Films wait for each other: two at once would both take twice as long."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from emotion import jobs, turns
from emotion.films.request import REQUEST
from emotion.jobs import Job
from emotion.reporting import Reporter

WAITING: Final = "Waiting for another film"
_LOCK: Final = ".films.lock"


def turn(folder: Path, report: Reporter) -> AbstractContextManager[bool]:
    """Wait until no other film of the same parent folder is read; False where it shall stop before that."""
    return turns.turn(folder, report, _LOCK, WAITING, lambda: _earlier(folder))


def _earlier(folder: Path) -> list[Job]:
    """The films of the parent folder that were asked for before this one."""
    films = [job for job in jobs.list_jobs(folder.parent) if (job.folder / REQUEST).is_file()]  # newest first
    places = [place for place, job in enumerate(films) if job.folder == folder.resolve()]
    return films[places[0] + 1 :] if places else []
