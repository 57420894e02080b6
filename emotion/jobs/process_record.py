"""Which process works for a folder, and how it ended: what a job's state.json says.

A process counts as the job's by folder, pid and start time; by its pid alone it may be a stranger's.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple, cast, get_args

import psutil

from emotion.errors import JobError
from emotion.storage import read_json, write_json

JobStatus = Literal["running", "done", "stopped", "failed", "diverged", "interrupted"]

JOB_ENV_VAR: Final = "EMOTION_JOB"  # in the environment of what `jobs.start_job` starts: the folder it works for
_START_TOLERANCE_SECONDS: Final = 2.0  # seconds: the system counts starts from a boot time that moves with its clock


class ProcessRecord(NamedTuple):
    """What state.json says."""

    status: JobStatus
    pid: int
    process_started_at: float  # unix seconds
    error: str | None

    @classmethod
    def read(cls, folder: Path) -> ProcessRecord:
        """Raises `JobError` if there is no state.json or it makes no sense."""
        path = folder / "state.json"
        found = read_json(path)
        if found is None:
            raise JobError(f"There is no job in {folder}: its state.json is missing.")
        status, pid, error = found.get("status"), finite_float(found.get("pid")), found.get("error")
        started = finite_float(found.get("process_started_at"))
        if status not in get_args(JobStatus) or not pid or pid < 1 or pid > 2**31 - 1 or started is None:
            raise JobError(f"{path} is damaged, a job's state was expected: start the job again.")
        return cls(cast(JobStatus, status), int(pid), started, error if isinstance(error, str) else None)

    @classmethod
    def from_current_process(cls, status: JobStatus, error: str | None = None) -> ProcessRecord:
        """This very process, with that status."""
        return cls(status, os.getpid(), psutil.Process().create_time(), error)

    def write(self, folder: Path) -> None:
        """Make it the owner of `folder`."""
        write_json(folder / "state.json", self._asdict())

    def find_process(self) -> psutil.Process | None:
        """The living process, None if it ended (a zombie has ended) or its pid is another's by now."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.process_started_at) <= _START_TOLERANCE_SECONDS and is_alive(process):
                return process
        return None


def is_alive(process: psutil.Process) -> bool:
    """True while it runs; a zombie does not."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def finite_float(value: object) -> float | None:
    """A finite number of any sensible size, None for everything else that JSON can hold."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
        return float(value)
    return None
