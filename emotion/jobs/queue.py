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
from emotion.jobs.reporter import JobReporter

_POLL_SECONDS: Final = 0.3  # seconds


@contextmanager
def wait_in_queue(
    folder: Path, reporter: JobReporter, lock_name: str, waiting_message: str, list_earlier: Callable[[], Sequence[Job]]
) -> Iterator[bool]:
    """Wait until no other holder of `lock`, a file in the parent folder, is at work; False where it shall stop before.

    The system holds the lock and lets go of it when a process ends in any way. Who was asked for first goes first:
    `earlier` are the jobs that were asked for before this one, `waiting_message` is what those that wait say.
    """
    with _open_lock_file(folder.parent, lock_name) as file:
        while (
            not (held := is_first(list_earlier(), waiting_message) and _try_lock(file)) and not reporter.stop_requested
        ):
            reporter.progress(0, 0, waiting_message)
            time.sleep(_POLL_SECONDS)
        yield held


def _open_lock_file(parent: Path, lock_name: str) -> IO[bytes]:
    try:
        return open(parent / lock_name, "ab")
    except OSError as error:
        raise JobError(f"{parent} cannot be written to ({error.strerror}); choose another folder.") from error


def is_first(earlier_jobs: Sequence[Job], waiting_message: str) -> bool:
    """Whether none of the earlier ones waits, or is about to."""
    states = [job.read_state() for job in earlier_jobs]
    return not any(state.is_running and state.message in ("", waiting_message) for state in states)


def _try_lock(lock_file: IO[bytes]) -> bool:
    """Take the lock, if nobody has it; it is let go when the file is closed."""
    try:
        if sys.platform == "win32":
            import msvcrt

            lock_file.seek(0)
            msvcrt.locking(lock_file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
