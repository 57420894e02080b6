"""Inside a job: say how far it is, hear that it shall stop, write how it ended."""

from __future__ import annotations

import errno
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from emotion.errors import DivergenceError, EmotionError, JobError
from emotion.jobs.interruption import Interruption
from emotion.jobs.job import Job
from emotion.jobs.process_record import JOB_ENV_VAR, JobStatus, ProcessRecord
from emotion.storage import folder_lock, write_json

_WRITE_INTERVAL_SECONDS: Final = 0.25  # seconds between two writings of progress.json
_MIN_ETA_SECONDS: Final = 2.0  # seconds of work before the time left is more than a guess
_PARENT_TIMEOUT_SECONDS: Final = 5.0  # seconds for the parent to write

ProgressCallback = Callable[[float, float, str], None]  # done, total, message; called when progress.json is written


class JobReporter:
    """Inside a job: says how far it is and hears that it shall stop. Made by `job_context`."""

    def __init__(self, folder: Path, on_progress: ProgressCallback | None = None) -> None:
        self.folder = folder
        self._on_progress = on_progress
        self.interruption = Interruption()
        self._stop_noticed = False
        self._started_at = time.time()
        self._pending: dict[str, Any] | None = None
        self._last_write = -_WRITE_INTERVAL_SECONDS  # both clocks below are time.monotonic
        self._phase = (0.0, 0.0, 0.0)  # since when, from which `done`, to which `total`
        self._last_progress: tuple[float, float, str] | None = None
        self._idle_since: float | None = None  # since when nothing is worked on

    @property
    def stop_requested(self) -> bool:
        """True as soon as the job shall end: finish the step, keep what is done, leave. Cheap, ask often."""
        self._stop_noticed = self._stop_noticed or self._check_stop()
        return self._stop_noticed

    def progress(self, done: float, total: float, message: str = "", *, counts_time: bool = True) -> None:
        """`done` of `total` (any unit), with one line for people. A full disk does not end the job here.

        Not `counts_time`: it rests, and the time until it works again tells nothing of how long the rest will take.
        """
        now, news = time.monotonic(), (done, total, message)
        if counts_time and self._idle_since is not None:
            self._phase = (self._phase[0] + now - self._idle_since, *self._phase[1:])
            self._idle_since = None
        elif not counts_time and self._idle_since is None:
            self._idle_since = now
        if self._last_progress is None or total != self._last_progress[1] or done < self._last_progress[0]:
            self._phase = (now, done, total)  # a resumed job begins at `done`, a new phase begins anew
        seconds, gained = (self._idle_since or now) - self._phase[0], done - self._phase[1]
        known = seconds >= _MIN_ETA_SECONDS and gained > 0
        self._pending = {
            "done": float(done),  # also what numpy counts
            "total": float(total),
            "message": str(message),
            "started_at": self._started_at,
            "updated_at": time.time(),
            "seconds_left": max(0.0, seconds * (total - done) / gained) if known else None,
        }
        complete = done >= total > 0 and news != self._last_progress
        self._last_progress = news
        if complete or now - self._last_write >= _WRITE_INTERVAL_SECONDS:
            self._flush()

    def _flush(self) -> None:
        if self._pending is not None:
            with suppress(OSError):
                write_json(self.folder / "progress.json", self._pending)
            self._pending, self._last_write = None, time.monotonic()
            if self._on_progress is not None and self._last_progress is not None:
                self._on_progress(*self._last_progress)

    def _check_stop(self) -> bool:
        return self.interruption.stop_requested or os.path.exists(self.folder / "stop")

    def _finish(self, status: JobStatus, error: str | None = None) -> None:
        self._flush()
        ProcessRecord.from_current_process(status, error).write(self.folder)
        (self.folder / "stop").unlink(missing_ok=True)

    def _finish_with_error(self, error: BaseException) -> None:
        if isinstance(error, SystemExit) and not error.code:
            return self._finish("done")
        if not isinstance(error, EmotionError | KeyboardInterrupt) and not _is_started_for(self.folder):
            with open(self.folder / "log.txt", "a", encoding="utf-8") as log:  # stderr is a terminal then
                traceback.print_exception(error, file=log)
        # Workers hear the signal too: what breaks after it was asked to stop, most likely broke by that.
        stopped = self._check_stop() or isinstance(error, KeyboardInterrupt)
        ended: JobStatus = "diverged" if isinstance(error, DivergenceError) else "failed"
        self._finish("stopped" if stopped else ended, _describe_error(error))


@contextmanager
def job_context(folder: Path, on_progress: ProgressCallback | None = None) -> Iterator[JobReporter]:
    """Own `folder` while the task runs, started by `jobs.start_job` or by hand; write how it ended; errors go on.

    Done: left normally. Stopped: left after `stop_requested` was seen as True, or by any error after a stop was
    asked for. Diverged: left by `DivergenceError`. Failed: every other error. Raises `JobError` if another process is at
    work in the folder.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    report = JobReporter(folder, on_progress)
    with report.interruption.catch_signals():
        _take_ownership(folder)
        try:
            yield report
        except BaseException as error:
            with suppress(OSError):  # a full disk must not hide the error itself
                report._finish_with_error(error)
            raise
        report._finish("stopped" if report._stop_noticed else "done")


def _take_ownership(folder: Path) -> None:
    """Wait until the parent has named this process: later, its "running" could come after our "done"."""
    by_start, patient_until = _is_started_for(folder), time.monotonic() + _PARENT_TIMEOUT_SECONDS
    while by_start and not _owns_folder(folder) and time.monotonic() < patient_until:
        time.sleep(0.01)
    with folder_lock(folder):
        if not _owns_folder(folder) and Job(folder).read_state().is_running:
            raise JobError(f"Another process is at work in {folder}: stop it or take another folder.")
        if not by_start:
            (folder / "stop").unlink(missing_ok=True)  # of an earlier time; `jobs.start_job` has seen to that itself
        ProcessRecord.from_current_process("running").write(folder)


def _owns_folder(folder: Path) -> bool:
    """True if state.json names this process or its parent: a venv's python.exe only starts the real one."""
    with suppress(JobError):
        owner = ProcessRecord.read(folder)
        return owner.pid in (os.getpid(), os.getppid()) and owner.find_process() is not None
    return False


def _is_started_for(folder: Path) -> bool:
    return os.environ.get(JOB_ENV_VAR) == str(folder)


def _describe_error(error: BaseException) -> str | None:
    """What ended the job, for a person."""
    if isinstance(error, KeyboardInterrupt):
        return None
    if isinstance(error, EmotionError):
        return str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "The disk is full: make room, then start it again."
    if isinstance(error, MemoryError):
        return "The memory was not enough: close other programs or choose smaller settings."
    return f"A defect of the program ended it ({type(error).__name__}): its log tells where."
