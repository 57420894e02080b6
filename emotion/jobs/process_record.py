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

State = Literal["running", "done", "stopped", "failed", "diverged", "interrupted"]

MARK: Final = "EMOTION_JOB"  # in the environment of what `jobs.start` starts: the folder it works for
_SAME_START: Final = 2.0  # seconds: the system counts starts from a boot time that moves with its clock


class Owner(NamedTuple):
    """What state.json says."""

    state: State
    pid: int
    process_started: float  # unix seconds
    error: str | None

    @classmethod
    def read(cls, folder: Path) -> Owner:
        """Raises `JobError` if there is no state.json or it makes no sense."""
        path = folder / "state.json"
        found = read_json(path)
        if found is None:
            raise JobError(f"There is no job in {folder}: its state.json is missing.")
        state, pid, error = found.get("state"), number(found.get("pid")), found.get("error")
        started = number(found.get("process_started"))
        if state not in get_args(State) or not pid or pid < 1 or pid > 2**31 - 1 or started is None:
            raise JobError(f"{path} is damaged, a job's state was expected: start the job again.")
        return cls(cast(State, state), int(pid), started, error if isinstance(error, str) else None)

    @classmethod
    def of_this_process(cls, state: State, error: str | None = None) -> Owner:
        """This very process, in that state."""
        return cls(state, os.getpid(), psutil.Process().create_time(), error)

    def write(self, folder: Path) -> None:
        """Make it the owner of `folder`."""
        write_json(folder / "state.json", self._asdict())

    def process(self) -> psutil.Process | None:
        """The living process, None if it ended (a zombie has ended) or its pid is another's by now."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.process_started) <= _SAME_START and alive(process):
                return process
        return None


def alive(process: psutil.Process) -> bool:
    """True while it runs; a zombie does not."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def number(value: object) -> float | None:
    """A finite number of any sensible size, None for everything else that JSON can hold."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
        return float(value)
    return None
