"""Inside a job: report progress, check whether a stop was requested, record how the job ended."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from emotion.errors import DivergenceError, EmotionError, JobError
from emotion.jobs.interruption import Interruption
from emotion.jobs.job import LOG_FILE, PROGRESS_FILE, STOP_FILE, Job
from emotion.jobs.process_record import JOB_ENV_VAR, JobStatus, ProcessRecord
from emotion.storage import DISK_FULL_MESSAGE, folder_lock, is_disk_full, write_json
from emotion.translation.messages import get_message
from emotion.translation.messages import gettext as _

_WRITE_INTERVAL_SECONDS: Final = 0.25  # between two writes of the progress
_MIN_ETA_SECONDS: Final = 2.0  # of work before the remaining time can be estimated
_PARENT_TIMEOUT_SECONDS: Final = 5.0  # for the parent process to write its record
_PARENT_POLL_SECONDS: Final = 0.01

ProgressCallback = Callable[[float, float, str], None]  # done, total, message; called when progress.json is written


class JobReporter:
    """Reports the progress of a job and whether it has to stop; `job_context` makes one."""

    def __init__(self, folder: Path, on_progress: ProgressCallback | None = None) -> None:
        self.folder = folder
        self._on_progress = on_progress
        self.interruption = Interruption()
        self._stop_noticed = False
        self._started_at = time.time()
        self._pending: dict[str, Any] | None = None
        self._last_write = -_WRITE_INTERVAL_SECONDS  # this and `_phase` are in seconds of time.monotonic
        self._phase = (0.0, 0.0, 0.0)  # its start, and `done` and `total` at its start
        self._last_progress: tuple[float, float, str] | None = None
        self._idle_since: float | None = None

    @property
    def is_child(self) -> bool:
        """Whether `start_job` started this process; requests in the folder are then for this process alone."""
        return _is_started_for(self.folder)

    @property
    def stop_requested(self) -> bool:
        """True once the job has to finish its step, keep its results and end; cheap enough for every step."""
        self._stop_noticed = self._stop_noticed or self._check_stop()
        return self._stop_noticed

    def progress(self, done: float, total: float, message: str = "", *, counts_time: bool = True) -> None:
        """Report progress; a full disk does not raise here.

        Args:
            done: Work that is done, in any unit.
            total: All work in the same unit, 0 where it is unknown.
            message: One line for people.
            counts_time: False while the job is paused: that time is excluded from the estimate of the time left.
        """
        now, current = time.monotonic(), (done, total, message)
        if counts_time and self._idle_since is not None:
            self._phase = (self._phase[0] + now - self._idle_since, *self._phase[1:])
            self._idle_since = None
        elif not counts_time and self._idle_since is None:
            self._idle_since = now
        if self._last_progress is None or total != self._last_progress[1] or done < self._last_progress[0]:
            self._phase = (now, done, total)  # a resumed job begins at `done`, a new phase at its own start
        elapsed, gained = (self._idle_since or now) - self._phase[0], done - self._phase[1]
        has_estimate = elapsed >= _MIN_ETA_SECONDS and gained > 0
        self._pending = {
            "done": float(done),  # NumPy scalars are no JSON
            "total": float(total),
            "message": str(message),
            "started_at": self._started_at,
            "updated_at": time.time(),
            "seconds_left": max(0.0, elapsed * (total - done) / gained) if has_estimate else None,
        }
        is_new_end = done >= total > 0 and current != self._last_progress
        self._last_progress = current
        if is_new_end or now - self._last_write >= _WRITE_INTERVAL_SECONDS:
            self._flush()

    def _flush(self) -> None:
        if self._pending is not None:
            with suppress(OSError):
                write_json(self.folder / PROGRESS_FILE, self._pending)
            self._pending, self._last_write = None, time.monotonic()
            if self._on_progress is not None and self._last_progress is not None:
                self._on_progress(*self._last_progress)

    def _check_stop(self) -> bool:
        return self.interruption.stop_requested or os.path.exists(self.folder / STOP_FILE)

    def _finish(self, status: JobStatus, error: str | None = None) -> None:
        self._flush()
        ProcessRecord.from_current_process(status, error).write(self.folder)
        (self.folder / STOP_FILE).unlink(missing_ok=True)

    def _finish_with_error(self, error: BaseException) -> None:
        if isinstance(error, SystemExit) and not error.code:
            return self._finish("done")
        if not isinstance(error, EmotionError | KeyboardInterrupt) and not _is_started_for(self.folder):
            with open(self.folder / LOG_FILE, "a", encoding="utf-8") as log:  # stderr is a terminal in this case
                traceback.print_exception(error, file=log)
        # Workers receive the signal too: an error after a stop request is most likely caused by it.
        is_stopped = self._check_stop() or isinstance(error, KeyboardInterrupt)
        failure: JobStatus = "diverged" if isinstance(error, DivergenceError) else "failed"
        self._finish("stopped" if is_stopped else failure, _describe_error(error))


@contextmanager
def job_context(folder: Path, on_progress: ProgressCallback | None = None) -> Iterator[JobReporter]:
    """Own `folder` while a task runs, and record how it ended; errors pass through.

    The status becomes "done" after a normal end, "stopped" after `stop_requested` was seen as True or any error that
    follows a stop request, "diverged" after `DivergenceError` and "failed" after every other error.

    Args:
        folder: The job's folder, made if it is missing. `start_job` or a person started this process.

    Raises:
        JobError: Another process works in the folder.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    reporter = JobReporter(folder, on_progress)
    with reporter.interruption.catch_signals():
        _take_ownership(folder)
        try:
            yield reporter
        except BaseException as error:
            with suppress(OSError):  # a full disk must not hide the error itself
                reporter._finish_with_error(error)
            raise
        reporter._finish("stopped" if reporter._stop_noticed else "done")


def _take_ownership(folder: Path) -> None:
    """Become the process of the job, after the parent wrote its record: its "running" must not follow our "done"."""
    is_child, deadline = _is_started_for(folder), time.monotonic() + _PARENT_TIMEOUT_SECONDS
    while is_child and not _owns_folder(folder) and time.monotonic() < deadline:
        time.sleep(_PARENT_POLL_SECONDS)
    with folder_lock(folder):
        if not _owns_folder(folder) and Job(folder).read_state().is_running:
            raise JobError(
                _("Another process is working in {folder}: stop it or choose another folder.").format(folder=folder)
            )
        if not is_child:
            (folder / STOP_FILE).unlink(missing_ok=True)  # of an earlier run; `start_job` removes it itself
        ProcessRecord.from_current_process("running").write(folder)


def _owns_folder(folder: Path) -> bool:
    """Return whether the record names this process or its parent: a venv's python.exe only starts the real one."""
    with suppress(JobError):
        owner = ProcessRecord.read(folder)
        return owner.pid in (os.getpid(), os.getppid()) and owner.find_process() is not None
    return False


def _is_started_for(folder: Path) -> bool:
    return os.environ.get(JOB_ENV_VAR) == str(folder)


def _describe_error(error: BaseException) -> str | None:
    """Return one sentence for a person, None for an interruption."""
    if isinstance(error, KeyboardInterrupt):
        return None
    if isinstance(error, EmotionError):
        return get_message(error)
    if is_disk_full(error):
        return _(DISK_FULL_MESSAGE)
    if isinstance(error, MemoryError):
        return _("The memory was not enough: close other programs or choose smaller settings.")
    return _("A defect of the program ended it ({name}): see its log.").format(name=type(error).__name__)
