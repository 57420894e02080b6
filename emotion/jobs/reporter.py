"""Inside a job: say how far it is, hear that it shall stop, write how it ended."""

from __future__ import annotations

import errno
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from emotion.errors import Diverged, EmotionError, JobError
from emotion.jobs.interruption import Interruption
from emotion.jobs.job import Job
from emotion.jobs.process_record import MARK, Owner, State
from emotion.storage import alone_in, write_json

_WRITE_EVERY: Final = 0.25  # seconds between two writings of progress.json
_KNOWN_AFTER: Final = 2.0  # seconds of work before the time left is more than a guess
_PATIENCE: Final = 5.0  # seconds for the parent to write


class Reporter:
    """Inside a job: says how far it is and hears that it shall stop. Made by `reporting`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.interruption = Interruption()
        self._noticed = False
        self._started = time.time()
        self._pending: dict[str, Any] | None = None
        self._written = -_WRITE_EVERY  # both clocks below are time.monotonic
        self._phase = (0.0, 0.0, 0.0)  # since when, from which `done`, to which `total`
        self._last: tuple[float, float, str] | None = None
        self._resting: float | None = None  # since when nothing is worked on

    @property
    def stopping(self) -> bool:
        """True as soon as the job shall end: finish the step, keep what is done, leave. Cheap, ask often."""
        self._noticed = self._noticed or self._asked()
        return self._noticed

    def progress(self, done: float, total: float, text: str = "", *, working: bool = True) -> None:
        """`done` of `total` (any unit), with one line for people. A full disk does not end the job here.

        Not `working`: it rests, and the time until it works again tells nothing of how long the rest will take.
        """
        now, news = time.monotonic(), (done, total, text)
        if working and self._resting is not None:
            self._phase = (self._phase[0] + now - self._resting, *self._phase[1:])
            self._resting = None
        elif not working and self._resting is None:
            self._resting = now
        if self._last is None or total != self._last[1] or done < self._last[0]:
            self._phase = (now, done, total)  # a resumed job begins at `done`, a new phase begins anew
        seconds, gained = (self._resting or now) - self._phase[0], done - self._phase[1]
        known = seconds >= _KNOWN_AFTER and gained > 0
        self._pending = {
            "done": float(done),  # also what numpy counts
            "total": float(total),
            "text": str(text),
            "started": self._started,
            "updated": time.time(),
            "seconds_left": max(0.0, seconds * (total - done) / gained) if known else None,
        }
        complete = done >= total > 0 and news != self._last
        self._last = news
        if complete or now - self._written >= _WRITE_EVERY:
            self._flush()

    def _flush(self) -> None:
        if self._pending is not None:
            with suppress(OSError):
                write_json(self.folder / "progress.json", self._pending)
            self._pending, self._written = None, time.monotonic()

    def _asked(self) -> bool:
        return self.interruption.asked or os.path.exists(self.folder / "stop")

    def _end(self, state: State, error: str | None = None) -> None:
        self._flush()
        Owner.of_this_process(state, error).write(self.folder)
        (self.folder / "stop").unlink(missing_ok=True)

    def _end_with(self, error: BaseException) -> None:
        if isinstance(error, SystemExit) and not error.code:
            return self._end("done")
        if not isinstance(error, EmotionError | KeyboardInterrupt) and not _started_for(self.folder):
            with open(self.folder / "log.txt", "a", encoding="utf-8") as log:  # stderr is a terminal then
                traceback.print_exception(error, file=log)
        # Workers hear the signal too: what breaks after it was asked to stop, most likely broke by that.
        stopped = self._asked() or isinstance(error, KeyboardInterrupt)
        ended: State = "diverged" if isinstance(error, Diverged) else "failed"
        self._end("stopped" if stopped else ended, _sentence(error))


@contextmanager
def reporting(folder: Path) -> Iterator[Reporter]:
    """Own `folder` while the task runs, started by `jobs.start` or by hand; write how it ended; errors go on.

    Done: left normally. Stopped: left after `stopping` was seen as True, or by any error after a stop was
    asked for. Diverged: left by `Diverged`. Failed: every other error. Raises `JobError` if another process is at
    work in the folder.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    report = Reporter(folder)
    with report.interruption.listening():
        _take_over(folder)
        try:
            yield report
        except BaseException as error:
            with suppress(OSError):  # a full disk must not hide the error itself
                report._end_with(error)
            raise
        report._end("stopped" if report._noticed else "done")


def _take_over(folder: Path) -> None:
    """Wait until the parent has named this process: later, its "running" could come after our "done"."""
    by_start, patient_until = _started_for(folder), time.monotonic() + _PATIENCE
    while by_start and not _named(folder) and time.monotonic() < patient_until:
        time.sleep(0.01)
    with alone_in(folder):
        if not _named(folder) and Job(folder).state().running:
            raise JobError(f"Another process is at work in {folder}: stop it or take another folder.")
        if not by_start:
            (folder / "stop").unlink(missing_ok=True)  # of an earlier time; `jobs.start` has seen to that itself
        Owner.of_this_process("running").write(folder)


def _named(folder: Path) -> bool:
    """True if state.json names this process or its parent: a venv's python.exe only starts the real one."""
    with suppress(JobError):
        owner = Owner.read(folder)
        return owner.pid in (os.getpid(), os.getppid()) and owner.process() is not None
    return False


def _started_for(folder: Path) -> bool:
    return os.environ.get(MARK) == str(folder)


def _sentence(error: BaseException) -> str | None:
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
