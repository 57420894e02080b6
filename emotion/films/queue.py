"""Films wait for each other: two at once would both take twice as long."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from emotion import jobs
from emotion.errors import JobError
from emotion.films.request import REQUEST
from emotion.jobs import Reporter

WAITING: Final = "Waiting for another film"
_LOCK: Final = ".films.lock"
_LOOK_EVERY: Final = 0.3  # seconds


@contextmanager
def turn(folder: Path, report: Reporter) -> Iterator[bool]:
    """Wait until no other film of the same parent folder is read; False where it shall stop before that.

    The system holds the lock and lets go of it when a process ends in any way. Who was asked for first goes first.
    """
    with _lock_file(folder.parent) as lock:
        while not (held := _first(folder) and _take(lock)) and not report.stopping:
            report.progress(0, 0, WAITING)
            time.sleep(_LOOK_EVERY)
        yield held


def _lock_file(parent: Path) -> IO[bytes]:
    try:
        return open(parent / _LOCK, "ab")
    except OSError as error:
        raise JobError(f"{parent} cannot be written to ({error.strerror}); choose another folder.") from error


def _first(folder: Path) -> bool:
    """Whether no film of the parent folder that was asked for earlier waits, or is about to."""
    films = [job for job in jobs.list_jobs(folder.parent) if (job.folder / REQUEST).is_file()]  # newest first
    places = [place for place, job in enumerate(films) if job.folder == folder.resolve()]
    older = films[places[0] + 1 :] if places else []
    states = [job.state() for job in older]
    return not any(state.running and state.text in ("", WAITING) for state in states)


def _take(lock: IO[bytes]) -> bool:
    """Take the lock, if nobody has it; it is let go when the file is closed."""
    try:
        if sys.platform == "win32":
            import msvcrt

            lock.seek(0)
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
