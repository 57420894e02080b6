"""Long tasks of one kind wait for each other: two at once would both take twice as long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from emotion.errors import JobError
from emotion.jobs.job import Job
from emotion.jobs.reporter import Reporter

_LOOK_EVERY: Final = 0.3  # seconds


@contextmanager
def turn(
    folder: Path, report: Reporter, lock: str, waiting: str, earlier: Callable[[], Sequence[Job]]
) -> Iterator[bool]:
    """Wait until no other holder of `lock`, a file in the parent folder, is at work; False where it shall stop before.

    The system holds the lock and lets go of it when a process ends in any way. Who was asked for first goes first:
    `earlier` are the jobs that were asked for before this one, `waiting` is what those that wait say.
    """
    with _lock_file(folder.parent, lock) as file:
        while not (held := first(earlier(), waiting) and _take(file)) and not report.stopping:
            report.progress(0, 0, waiting)
            time.sleep(_LOOK_EVERY)
        yield held


def _lock_file(parent: Path, lock: str) -> IO[bytes]:
    try:
        return open(parent / lock, "ab")
    except OSError as error:
        raise JobError(f"{parent} cannot be written to ({error.strerror}); choose another folder.") from error


def first(earlier: Sequence[Job], waiting: str) -> bool:
    """Whether none of the earlier ones waits, or is about to."""
    states = [job.state() for job in earlier]
    return not any(state.running and state.text in ("", waiting) for state in states)


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
