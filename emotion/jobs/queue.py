"""Run one job of a kind at a time, because two at a time would both take twice as long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from emotion.errors import JobError
from emotion.jobs.job import Job
from emotion.jobs.reporter import JobReporter
from emotion.translation.messages import gettext as _

_POLL_SECONDS: Final = 0.3


@contextmanager
def wait_in_queue(
    folder: Path, reporter: JobReporter, lock_name: str, waiting_message: str, list_earlier: Callable[[], Sequence[Job]]
) -> Iterator[bool]:
    """Hold the lock of a queue inside the `with` block; the system releases it when the process ends in any way.

    Args:
        folder: The folder of this job.
        reporter: Reports the wait, and whether a stop was requested.
        lock_name: Name of the lock file in the parent folder.
        waiting_message: The progress message of jobs that wait.
        list_earlier: Returns the jobs that were submitted before this one; they go first.

    Yields:
        True when the lock is held, False when a stop was requested first.

    Raises:
        JobError: The lock file cannot be written.
    """
    lock = FileLock(folder.parent / lock_name)
    try:
        while not (is_first(list_earlier(), waiting_message) and _try_acquire(lock)) and not reporter.stop_requested:
            reporter.progress(0, 0, waiting_message)
            time.sleep(_POLL_SECONDS)
        yield lock.is_locked
    finally:
        lock.release()


def is_first(earlier_jobs: Sequence[Job], waiting_message: str) -> bool:
    """Return whether none of the earlier jobs waits or is about to wait."""
    states = [job.read_state() for job in earlier_jobs]
    return not any(state.is_running and state.message in ("", waiting_message) for state in states)


def _try_acquire(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    except OSError as error:
        parent = Path(lock.lock_file).parent
        raise JobError(
            _("{parent} cannot be written to ({reason}); choose another folder.").format(
                parent=parent, reason=error.strerror
            )
        ) from error
    return True
