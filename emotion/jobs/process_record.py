"""The state.json of a job: which process runs it, and how it ended.

A process is identified by pid and start time, because the system reuses pids.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple, cast, get_args

import psutil

from emotion.errors import JobError
from emotion.storage import read_json, write_json
from emotion.translation.messages import gettext as _
from emotion.translation.text import from_parts, to_parts

JobStatus = Literal["running", "done", "stopped", "failed", "diverged", "interrupted"]

STATE_FILE: Final = "state.json"
JOB_ENV_VAR: Final = "EMOTION_JOB"  # holds the job's folder in each process that `start_job` starts
_START_TOLERANCE_SECONDS: Final = 2.0  # start times count from a boot time that moves with the system clock
_MAX_PID: Final = 2**31 - 1
MAX_TIMESTAMP: Final = 1e11  # unix seconds; `datetime` supports no later years
_MAX_FLOAT: Final = 1e15  # larger than any count or time that a job writes


class ProcessRecord(NamedTuple):
    """The content of state.json."""

    status: JobStatus
    pid: int
    process_started_at: float  # unix seconds
    error: str | None

    @classmethod
    def read(cls, folder: Path) -> ProcessRecord:
        """Read the record of a job; `JobError` if it is missing or invalid."""
        path = folder / STATE_FILE
        values = read_json(path)
        if values is None:
            raise missing_job_error(folder)
        record = cls.from_values(values)
        if record is None:
            raise JobError(_("{path} is damaged, a job's state was expected: start the job again.").format(path=path))
        return record

    @classmethod
    def from_values(cls, values: Mapping[str, object]) -> ProcessRecord | None:
        """Return the record that the JSON object of a file holds, None where a field is missing or wrong."""
        status, pid, english = values.get("status"), finite_float(values.get("pid")), values.get("error")
        started_at = finite_float(values.get("process_started_at"))
        if status not in get_args(JobStatus) or not pid or not 1 <= pid <= _MAX_PID or started_at is None:
            return None
        error = from_parts(english, values.get("error_parts")) if isinstance(english, str) else None
        return cls(cast(JobStatus, status), int(pid), started_at, error)

    @classmethod
    def from_current_process(cls, status: JobStatus, error: str | None = None) -> ProcessRecord:
        """Make a record of this process."""
        return cls(status, os.getpid(), psutil.Process().create_time(), error)

    def write(self, folder: Path) -> None:
        """Write it as the state of the job in `folder`."""
        parts = {"error_parts": to_parts(self.error)} if self.error else {}  # for pages in other languages
        write_json(folder / STATE_FILE, self._asdict() | parts)

    def find_process(self) -> psutil.Process | None:
        """Return the process if it lives, None if it ended (also as a zombie) or another process has its pid."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.process_started_at) <= _START_TOLERANCE_SECONDS and is_alive(process):
                return process
        return None


def missing_job_error(folder: Path) -> JobError:
    """Make the error for a folder without a job."""
    text = _("There is no job in {folder}: its {file} is missing.")
    return JobError(text.format(folder=folder, file=STATE_FILE))


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process runs; False for a zombie."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def iter_session(pid: int, job_folder: str | None) -> Iterator[psutil.Process]:
    """Yield the processes of the session that `pid` leads; only processes that `start_job` started lead one.

    Without a living leader, another session may have its number: then `job_folder` must be in the environment.
    """
    if sys.platform != "win32":
        for other in psutil.pids():
            with suppress(OSError, psutil.Error):
                if os.getsid(other) == pid:
                    process = psutil.Process(other)
                    if job_folder is None or process.environ().get(JOB_ENV_VAR) == job_folder:
                        yield process


def finite_float(value: object) -> float | None:
    """Return a number of plausible size as a float, None for all else that JSON can hold."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MAX_FLOAT:
        return float(value)
    return None
