"""Start, watch and stop a job: a child process that writes a folder.

    job.json       label and creation time               state.json   its process, and how it ended
    progress.json  how far it is                         log.txt      everything that it printed
    stop           present while a stop is requested     the rest     belongs to the task

All state is in the folder, so any program can watch the job, also after a crash. `jobs.process_record` identifies its
process; the process itself uses `jobs.reporter.job_context`.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil

from emotion.environment import get_child_environment
from emotion.errors import JobError
from emotion.formatting import format_name
from emotion.jobs.leftovers import remove_partial_files
from emotion.jobs.process_record import (
    JOB_ENV_VAR,
    MAX_TIMESTAMP,
    STATE_FILE,
    JobStatus,
    ProcessRecord,
    finite_float,
    is_alive,
    iter_session,
    missing_job_error,
)
from emotion.jobs.result_manifest import JOB, ResultManifest
from emotion.storage import LOCK_FILE, folder_lock, open_file, read_json_or_empty, write_json
from emotion.translation.messages import gettext as _

JOB_FILE: Final = "job.json"
PROGRESS_FILE: Final = "progress.json"
LOG_FILE: Final = "log.txt"
STOP_FILE: Final = "stop"

_NAME_LETTERS: Final = "23456789abcdefghjkmnpqrstuvwxyz"  # without those that are easily confused
_NAME_SUFFIX_LENGTH: Final = 4
_KILL_TIMEOUT_SECONDS: Final = 5.0  # for killed processes to be gone
_KILL_POLL_SECONDS: Final = 0.02
_STOP_POLL_SECONDS: Final = 0.05
_MAX_LOG_LINE_BYTES: Final = 500
_MAX_LABEL_LENGTH: Final = 200
_start_lock: Final = threading.Lock()  # two sessions of one server must not start in one folder


def create_job_folder(parent: Path, label: str) -> Path:
    """Make a folder in `parent`, named by UTC time and random letters; the label is only stored in it."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            suffix = "".join(secrets.choice(_NAME_LETTERS) for _ in range(_NAME_SUFFIX_LENGTH))
            folder = parent / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{suffix}"
            with suppress(FileExistsError):
                folder.mkdir()
                break
        ResultManifest(JOB).write(folder)
        write_json(folder / JOB_FILE, {"label": label, "created": time.time()})
    except OSError as error:
        problem = _("{parent} takes no new folder ({reason}): check its disk and its rights.")
        raise JobError(problem.format(parent=parent, reason=error.strerror)) from error
    return folder


@dataclass(frozen=True, slots=True)
class JobState:
    """The state of a job at one moment. Times are unix seconds; `done` and `total` are in the task's own unit."""

    status: JobStatus
    done: float = 0.0
    total: float = 0.0
    message: str = ""
    started_at: float | None = None
    updated_at: float | None = None
    seconds_left: float | None = None  # only while it runs
    error: str | None = None  # one sentence

    @property
    def is_running(self) -> bool:
        """True while its process lives."""
        return self.status == "running"

    @property
    def fraction(self) -> float:
        """The fraction of the work that is done, 0 to 1."""
        return min(1.0, max(0.0, self.done / self.total)) if self.total > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """A folder in which a task runs or ran; holds no state, every call reads the folder."""

    folder: Path

    @property
    def label(self) -> str:
        """The name that a person gave it, else the folder's name: plain text in one line."""
        label = read_json_or_empty(self.folder / JOB_FILE).get("label")
        names = (label if isinstance(label, str) else "", self.folder.name)
        return next(filter(None, (format_name(name, _MAX_LABEL_LENGTH) for name in names)), "unnamed")

    @property
    def created_at(self) -> float:
        """When it was created, else when its process started, in unix seconds; 0 where neither is recorded."""
        created = read_json_or_empty(self.folder / JOB_FILE).get("created")
        started = read_json_or_empty(self.folder / STATE_FILE).get("process_started_at")
        timestamps = (finite_float(value) or 0.0 for value in (created, started))
        return next((timestamp for timestamp in timestamps if 0 < timestamp < MAX_TIMESTAMP), 0.0)

    def read_state(self) -> JobState:
        """Read the current state; never raises: a job with a damaged record counts as interrupted."""
        try:
            for _attempt in range(2):  # it may record its end between our reading the file and looking for the process
                owner = ProcessRecord.read(self.folder)
                if owner.status != "running" or owner.find_process():
                    return self._make_state(owner.status, owner.error)
        except JobError as error:
            return self._make_state("interrupted", str(error))
        return self._make_state("interrupted", _("It was killed or the computer shut down: see its log, resume it."))

    def _make_state(self, status: JobStatus, error: str | None) -> JobState:
        progress = read_json_or_empty(self.folder / PROGRESS_FILE)
        return JobState(
            status=status,
            done=finite_float(progress.get("done")) or 0.0,
            total=finite_float(progress.get("total")) or 0.0,
            message=format_name(str(progress.get("message", "")), _MAX_LABEL_LENGTH),
            started_at=finite_float(progress.get("started_at")),
            updated_at=finite_float(progress.get("updated_at")),
            seconds_left=finite_float(progress.get("seconds_left")) if status == "running" else None,
            error=error,
        )

    def tail_log(self, n: int = 20) -> str:
        """Return the last `n` lines that it printed; lines of more than 500 bytes may be cut."""
        try:
            with open_file(self.folder / LOG_FILE) as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _MAX_LOG_LINE_BYTES * n))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-n:]) if n > 0 else ""

    def stop(self, grace_seconds: float = 10.0) -> JobState:
        """Stop the job and keep its folder; signals only processes of the job.

        Args:
            grace_seconds: How long it may take to end by itself before it and all it started are killed.

        Raises:
            JobError: One of its processes cannot be killed.
        """
        was_running, members = self.read_state().is_running, self._find_processes()
        if not members:
            return self.read_state()
        if was_running:
            self._request_stop(members, grace_seconds)
        deadline = time.monotonic() + _KILL_TIMEOUT_SECONDS
        while remaining := {process for process in members | self._find_processes() if is_alive(process)}:
            for process in remaining:
                with suppress(psutil.Error):
                    process.kill()
            if time.monotonic() > deadline:
                pids = sorted(process.pid for process in remaining)
                raise JobError(_("Processes {pids} of {folder} cannot be ended.").format(pids=pids, folder=self.folder))
            time.sleep(_KILL_POLL_SECONDS)
        if was_running and self.read_state().status == "interrupted":
            ProcessRecord.read(self.folder)._replace(status="stopped").write(self.folder)
        (self.folder / STOP_FILE).unlink(missing_ok=True)
        return self.read_state()

    def request_stop(self) -> None:
        """Ask a running job to end, and return at once."""
        if self.read_state().is_running:
            self._ask_to_stop(self._find_processes())

    def seconds_since_stop_request(self) -> float | None:
        """Return how long ago a running job was asked to end; None where it was not."""
        with suppress(FileNotFoundError):
            return max(0.0, time.time() - (self.folder / STOP_FILE).stat().st_mtime)
        return None

    def _ask_to_stop(self, members: set[psutil.Process]) -> None:
        """Write the stop file and send SIGTERM."""
        with suppress(OSError):
            (self.folder / STOP_FILE).touch()
        if sys.platform != "win32":  # on Windows, terminate() kills: only the stop file asks
            for process in members:
                with suppress(psutil.Error):
                    process.terminate()

    def _request_stop(self, members: set[psutil.Process], grace_seconds: float) -> None:
        """Ask the job to end and wait for its own process; add new processes to `members`."""
        self._ask_to_stop(members)
        deadline = time.monotonic() + grace_seconds
        while self.read_state().is_running and time.monotonic() < deadline:
            members |= self._find_processes()
            time.sleep(_STOP_POLL_SECONDS)

    def _find_processes(self) -> set[psutil.Process]:
        """Return all living processes of the job: its process tree, and what remains of its session."""
        processes: set[psutil.Process] = set()
        with suppress(JobError, psutil.Error):
            owner = ProcessRecord.read(self.folder)
            leader = owner.find_process() if owner.status == "running" else None
            processes |= set(iter_session(owner.pid, None if leader else str(self.folder.resolve())))
            if leader:
                processes |= {leader, *leader.children(recursive=True)}
        return {process for process in processes if is_alive(process)}


def start_job(arguments: Sequence[str], folder: Path, *, command: Sequence[str] | None = None) -> Job:
    """Run a command in a process of its own, which outlives this one and keeps the working folder.

    Args:
        arguments: Of the command.
        folder: The existing folder of the job.
        command: What to run, None: `python -m emotion`.

    Raises:
        JobError: The folder is missing or has a running job, or the command cannot be run.
    """
    job = Job(folder.resolve())
    command = command or (sys.executable, "-m", "emotion")
    if not job.folder.is_dir():
        raise JobError(_("The folder {folder} of the job is missing: make it first.").format(folder=folder))
    try:
        with _start_lock, folder_lock(job.folder):
            if job.read_state().is_running:
                raise JobError(_("A job is already running in {folder}: stop it first.").format(folder=folder))
            if all(path.name == LOCK_FILE for path in job.folder.iterdir()):
                ResultManifest(JOB).write(job.folder)
            job.stop()  # processes that a killed leader left running would write into the new run
            _remove_leftovers(job.folder)
            _start_process([*command, *arguments], job.folder)
    except OSError as error:
        problem = _("{command} cannot be run for {folder} ({reason}): check the disk and the installation.")
        raise JobError(problem.format(command=command[0], folder=folder, reason=error.strerror)) from error
    return job


def _start_process(command: list[str], folder: Path) -> None:
    process = _spawn_process(command, folder)
    started_at = time.time()
    with suppress(psutil.Error):  # it may have ended already
        started_at = psutil.Process(process.pid).create_time()
    # A child that is not waited for stays behind as a zombie.
    threading.Thread(target=process.wait, name=f"reaper-{process.pid}", daemon=True).start()
    ProcessRecord("running", process.pid, started_at, None).write(folder)


def _remove_leftovers(folder: Path) -> None:
    """Remove the stop request, progress and partial files of an earlier process that was killed."""
    (folder / STOP_FILE).unlink(missing_ok=True)
    (folder / PROGRESS_FILE).unlink(missing_ok=True)
    remove_partial_files(folder)


def _spawn_process(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    with open(folder / LOG_FILE, "ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=get_child_environment() | {JOB_ENV_VAR: str(folder)},
            start_new_session=sys.platform != "win32",
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0,
        )


def open_job(folder: Path) -> Job:
    """Return the job of `folder`; `JobError` if there is none."""
    if not os.path.isfile(folder / STATE_FILE):
        raise missing_job_error(folder)
    return Job(folder.resolve())


def list_jobs(parent: Path) -> list[Job]:
    """Return the jobs in `parent`, newest first; empty if the folder is missing."""
    folders = parent.iterdir() if parent.is_dir() else ()
    found = [open_job(folder) for folder in folders if os.path.isfile(folder / STATE_FILE)]
    return sorted(found, key=lambda job: (job.created_at, job.folder.name), reverse=True)
