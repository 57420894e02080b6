"""A long task is a child process that writes a folder: start it, watch it, stop it.

    job.json       label and time of making              state.json   who runs it, and how it ended
    progress.json  how far it is                         log.txt      all that it printed
    stop           there while somebody asks it to end   the rest     belongs to the task

The folder is all there is: whoever reads it knows the job, also after a crash or from another program.
`jobs.process_record` says whose process it is; `jobs.reporter.job_context` is what the process itself uses.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil

from emotion.errors import JobError
from emotion.jobs.process_record import JOB_ENV_VAR, JobStatus, ProcessRecord, finite_float, is_alive
from emotion.jobs.result_folder import JOB, ResultManifest
from emotion.storage import PROJECT_ROOT, folder_lock, read_json, write_json

_KILL_TIMEOUT_SECONDS: Final = 5.0  # seconds for what was killed to be gone
_start_lock: Final = threading.Lock()  # two sessions of one server must not start in one folder


def create_job_folder(parent: Path, label: str) -> Path:
    """Make a folder of its own in `parent`, named by UTC time and chance; the label is only stored in it."""
    letters = "23456789abcdefghjkmnpqrstuvwxyz"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            chance = "".join(secrets.choice(letters) for _ in range(4))
            folder = parent / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{chance}"
            with suppress(FileExistsError):
                folder.mkdir()
                break
        ResultManifest(JOB).write(folder)
        write_json(folder / "job.json", {"label": label, "created": time.time()})
    except OSError as error:
        raise JobError(f"{parent} takes no new folder ({error.strerror}): check disk and rights.") from error
    return folder


@dataclass(frozen=True, slots=True)
class JobState:
    """How a job is at one moment. Times are unix seconds; `done` and `total` are in the task's own unit."""

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
        """How much is done, 0 to 1."""
        return min(1.0, max(0.0, self.done / self.total)) if self.total > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """A folder with a task in it. Holds nothing: every question reads the folder."""

    folder: Path

    @property
    def label(self) -> str:
        """The person's name for it (plain text, any characters), else the folder's name."""
        label = self._read_json("job.json").get("label")
        return label if isinstance(label, str) and label else self.folder.name

    def read_state(self) -> JobState:
        """How it is now; never raises: a job with a damaged state.json counts as interrupted."""
        try:
            for _ in range(2):  # between our looks at file and process it may write its end and leave
                owner = ProcessRecord.read(self.folder)
                if owner.status != "running" or owner.find_process():
                    return self._make_state(owner.status, owner.error)
        except JobError as error:
            return self._make_state("interrupted", str(error))
        return self._make_state("interrupted", "It was killed or the computer went down: see its log, resume it.")

    def _make_state(self, status: JobStatus, error: str | None) -> JobState:
        said = self._read_json("progress.json")
        return JobState(
            status=status,
            done=finite_float(said.get("done")) or 0.0,
            total=finite_float(said.get("total")) or 0.0,
            message=str(said.get("message", "")),
            started_at=finite_float(said.get("started_at")),
            updated_at=finite_float(said.get("updated_at")),
            seconds_left=finite_float(said.get("seconds_left")) if status == "running" else None,
            error=error,
        )

    def _read_json(self, name: str) -> dict[str, Any]:
        with suppress(JobError):
            return read_json(self.folder / name) or {}
        return {}

    def tail_log(self, n: int = 20) -> str:
        """The last `n` lines that it printed (lines beyond 500 bytes each may be cut)."""
        try:
            with open(self.folder / "log.txt", "rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 500 * n))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-n:]) if n > 0 else ""

    def stop(self, grace_seconds: float = 10.0) -> JobState:
        """Ask it to end, wait `grace_seconds` seconds, then kill it and all it started; the folder stays.

        Raises `JobError` if something of it cannot be killed. Signals no process that is not the job's.
        """
        ran = self.read_state().is_running
        members = self._find_processes()
        if not members:
            return self.read_state()
        if ran:
            self._request_stop(members, grace_seconds)
        patient_until = time.monotonic() + _KILL_TIMEOUT_SECONDS
        while rest := {process for process in members | self._find_processes() if is_alive(process)}:
            for process in rest:
                with suppress(psutil.Error):
                    process.kill()
            if time.monotonic() > patient_until:
                raise JobError(f"Processes {sorted(p.pid for p in rest)} of {self.folder} cannot be ended.")
            time.sleep(0.02)
        if ran and self.read_state().status == "interrupted":
            ProcessRecord.read(self.folder)._replace(status="stopped").write(self.folder)
        (self.folder / "stop").unlink(missing_ok=True)
        return self.read_state()

    def _request_stop(self, members: set[psutil.Process], grace_seconds: float) -> None:
        """Stop file and SIGTERM, then wait for the job's own process; newcomers join `members`."""
        with suppress(OSError):
            (self.folder / "stop").touch()
        if sys.platform != "win32":  # there "terminate" kills at once: the stop file has to do
            for process in members:
                with suppress(psutil.Error):
                    process.terminate()
        patient_until = time.monotonic() + grace_seconds
        while self.read_state().is_running and time.monotonic() < patient_until:
            members |= self._find_processes()
            time.sleep(0.05)

    def _find_processes(self) -> set[psutil.Process]:
        """All living processes of the job: its tree while it runs, and who is left of its session."""
        found: set[psutil.Process] = set()
        with suppress(JobError, psutil.Error):
            owner = ProcessRecord.read(self.folder)
            leader = owner.find_process() if owner.status == "running" else None
            found |= set(_iter_session(owner.pid, None if leader else str(self.folder.resolve())))
            if leader:
                found |= {leader, *leader.children(recursive=True)}
        return {process for process in found if is_alive(process)}


def _iter_session(pid: int, job_folder: str | None) -> Iterator[psutil.Process]:
    """Processes of the session that `pid` leads: only a process that `start_job` started leads one.

    Without its leader a session's number may come from a stranger: `job_folder` must be in the environment then.
    """
    if sys.platform != "win32":
        for other in psutil.pids():
            with suppress(OSError, psutil.Error):
                if os.getsid(other) == pid:
                    process = psutil.Process(other)
                    if job_folder is None or process.environ().get(JOB_ENV_VAR) == job_folder:
                        yield process


def start_job(arguments: Sequence[str], folder: Path, *, command: Sequence[str] | None = None) -> Job:
    """Run `python -m emotion *arguments` (or `command`, then the arguments) as the job of `folder`.

    It outlives this process, and its working folder is ours. Raises `JobError` if the folder is missing or
    at work already, or if the command cannot be run.
    """
    job = Job(folder.resolve())
    command = command if command is not None else (sys.executable, "-m", "emotion")
    if not job.folder.is_dir():
        raise JobError(f"The folder {folder} of the job is missing: make it first.")
    with _start_lock, folder_lock(job.folder):
        if job.read_state().is_running:
            raise JobError(f"A job is at work in {folder} already: stop it or take another folder.")
        try:
            if not any(job.folder.iterdir()):
                ResultManifest(JOB).write(job.folder)
            job.stop()  # what a killed process left running would write into the new attempt
            _remove_leftovers(job.folder)
            process = _spawn_process([*command, *arguments], job.folder)
            started = time.time()
            with suppress(psutil.Error):  # it may have ended already
                started = psutil.Process(process.pid).create_time()
            # Somebody must wait for a child, or it stays behind as a zombie.
            threading.Thread(target=process.wait, name=f"reaper-{process.pid}", daemon=True).start()
            ProcessRecord("running", process.pid, started, None).write(job.folder)
        except OSError as error:
            why = f"{command[0]} cannot be run for {folder} ({error.strerror})"
            raise JobError(f"{why}: check the disk and the installation.") from error
    return job


def _remove_leftovers(folder: Path) -> None:
    """Remove what an earlier, killed process left: the words of its end and half-written files."""
    for left in (folder / "stop", folder / "progress.json", *folder.rglob(".????????.part*")):
        left.unlink(missing_ok=True)


def _spawn_process(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    root = str(PROJECT_ROOT)  # the package is found from any working folder
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    words = {JOB_ENV_VAR: str(folder), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    flags = subprocess.CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0
    with open(folder / "log.txt", "ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | words,
            start_new_session=sys.platform != "win32",
            creationflags=flags,
        )


def open_job(folder: Path) -> Job:
    """The job of `folder`. Raises `JobError` if there is none."""
    if not os.path.isfile(folder / "state.json"):
        raise JobError(f"There is no job in {folder}: its state.json is missing.")
    return Job(folder.resolve())


def list_jobs(parent: Path) -> list[Job]:
    """The jobs in `parent`, newest first; folders without a state.json are none. Empty if it is missing."""
    folders = list(parent.iterdir()) if parent.is_dir() else []
    return sorted((open_job(f) for f in folders if os.path.isfile(f / "state.json")), key=_creation_key, reverse=True)


def _creation_key(job: Job) -> tuple[float, str]:
    created = finite_float(job._read_json("job.json").get("created"))
    started = finite_float(job._read_json("state.json").get("process_started_at"))
    return created or started or 0.0, job.folder.name
