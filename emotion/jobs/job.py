"""A long task is a child process that writes a folder: start it, watch it, stop it.

    job.json       label and time of making              state.json   who runs it, and how it ended
    progress.json  how far it is                         log.txt      all that it printed
    stop           there while somebody asks it to end   the rest     belongs to the task

The folder is all there is: whoever reads it knows the job, also after a crash or from another program.
`jobs.process_record` says whose process it is; `reporting` is what the process itself uses.
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
from emotion.jobs.process_record import MARK, Owner, State, alive, number
from emotion.jobs.result_folder import JOB, Mark
from emotion.storage import PROJECT_ROOT, alone_in, read_json, write_json

_PATIENCE: Final = 5.0  # seconds for what was killed to be gone
_starting: Final = threading.Lock()  # two sessions of one server must not start in one folder


def new_folder(parent: Path, label: str) -> Path:
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
        Mark(JOB).write(folder)
        write_json(folder / "job.json", {"label": label, "created": time.time()})
    except OSError as error:
        raise JobError(f"{parent} takes no new folder ({error.strerror}): check disk and rights.") from error
    return folder


@dataclass(frozen=True, slots=True)
class JobState:
    """How a job is at one moment. Times are unix seconds; `done` and `total` are in the task's own unit."""

    state: State
    done: float = 0.0
    total: float = 0.0
    text: str = ""
    started: float | None = None
    updated: float | None = None
    seconds_left: float | None = None  # only while it runs
    error: str | None = None  # one sentence

    @property
    def running(self) -> bool:
        """True while its process lives."""
        return self.state == "running"

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
        label = self._read("job.json").get("label")
        return label if isinstance(label, str) and label else self.folder.name

    def state(self) -> JobState:
        """How it is now; never raises: a job with a damaged state.json counts as interrupted."""
        try:
            for _ in range(2):  # between our looks at file and process it may write its end and leave
                owner = Owner.read(self.folder)
                if owner.state != "running" or owner.process():
                    return self._state(owner.state, owner.error)
        except JobError as error:
            return self._state("interrupted", str(error))
        return self._state("interrupted", "It was killed or the computer went down: see its log, resume it.")

    def _state(self, state: State, error: str | None) -> JobState:
        said = self._read("progress.json")
        return JobState(
            state=state,
            done=number(said.get("done")) or 0.0,
            total=number(said.get("total")) or 0.0,
            text=str(said.get("text", "")),
            started=number(said.get("started")),
            updated=number(said.get("updated")),
            seconds_left=number(said.get("seconds_left")) if state == "running" else None,
            error=error,
        )

    def _read(self, name: str) -> dict[str, Any]:
        with suppress(JobError):
            return read_json(self.folder / name) or {}
        return {}

    def log_tail(self, n: int = 20) -> str:
        """The last `n` lines that it printed (lines beyond 500 bytes each may be cut)."""
        try:
            with open(self.folder / "log.txt", "rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 500 * n))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-n:]) if n > 0 else ""

    def stop(self, grace: float = 10.0) -> JobState:
        """Ask it to end, wait `grace` seconds, then kill it and all it started; the folder stays.

        Raises `JobError` if something of it cannot be killed. Signals no process that is not the job's.
        """
        ran = self.state().running
        members = self._members()
        if not members:
            return self.state()
        if ran:
            self._ask(members, grace)
        patient_until = time.monotonic() + _PATIENCE
        while rest := {process for process in members | self._members() if alive(process)}:
            for process in rest:
                with suppress(psutil.Error):
                    process.kill()
            if time.monotonic() > patient_until:
                raise JobError(f"Processes {sorted(p.pid for p in rest)} of {self.folder} cannot be ended.")
            time.sleep(0.02)
        if ran and self.state().state == "interrupted":
            Owner.read(self.folder)._replace(state="stopped").write(self.folder)
        (self.folder / "stop").unlink(missing_ok=True)
        return self.state()

    def _ask(self, members: set[psutil.Process], grace: float) -> None:
        """Stop file and SIGTERM, then wait for the job's own process; newcomers join `members`."""
        with suppress(OSError):
            (self.folder / "stop").touch()
        if sys.platform != "win32":  # there "terminate" kills at once: the stop file has to do
            for process in members:
                with suppress(psutil.Error):
                    process.terminate()
        patient_until = time.monotonic() + grace
        while self.state().running and time.monotonic() < patient_until:
            members |= self._members()
            time.sleep(0.05)

    def _members(self) -> set[psutil.Process]:
        """All living processes of the job: its tree while it runs, and who is left of its session."""
        found: set[psutil.Process] = set()
        with suppress(JobError, psutil.Error):
            owner = Owner.read(self.folder)
            leader = owner.process() if owner.state == "running" else None
            found |= set(_session(owner.pid, None if leader else str(self.folder.resolve())))
            if leader:
                found |= {leader, *leader.children(recursive=True)}
        return {process for process in found if alive(process)}


def _session(pid: int, mark: str | None) -> Iterator[psutil.Process]:
    """Processes of the session that `pid` leads: only a process that `start` started leads one.

    Without its leader a session's number may come from a stranger: `mark` must be in the environment then.
    """
    if sys.platform != "win32":
        for other in psutil.pids():
            with suppress(OSError, psutil.Error):
                if os.getsid(other) == pid:
                    process = psutil.Process(other)
                    if mark is None or process.environ().get(MARK) == mark:
                        yield process


def start(arguments: Sequence[str], folder: Path, *, command: Sequence[str] | None = None) -> Job:
    """Run `python -m emotion *arguments` (or `command`, then the arguments) as the job of `folder`.

    It outlives this process, and its working folder is ours. Raises `JobError` if the folder is missing or
    at work already, or if the command cannot be run.
    """
    job = Job(folder.resolve())
    command = command if command is not None else (sys.executable, "-m", "emotion")
    if not job.folder.is_dir():
        raise JobError(f"The folder {folder} of the job is missing: make it first.")
    with _starting, alone_in(job.folder):
        if job.state().running:
            raise JobError(f"A job is at work in {folder} already: stop it or take another folder.")
        try:
            if not any(job.folder.iterdir()):
                Mark(JOB).write(job.folder)
            job.stop()  # what a killed process left running would write into the new attempt
            _sweep(job.folder)
            process = _spawn([*command, *arguments], job.folder)
            started = time.time()
            with suppress(psutil.Error):  # it may have ended already
                started = psutil.Process(process.pid).create_time()
            # Somebody must wait for a child, or it stays behind as a zombie.
            threading.Thread(target=process.wait, name=f"reaper-{process.pid}", daemon=True).start()
            Owner("running", process.pid, started, None).write(job.folder)
        except OSError as error:
            why = f"{command[0]} cannot be run for {folder} ({error.strerror})"
            raise JobError(f"{why}: check the disk and the installation.") from error
    return job


def _sweep(folder: Path) -> None:
    """Remove what an earlier, killed process left: the words of its end and half-written files."""
    for left in (folder / "stop", folder / "progress.json", *folder.rglob(".????????.part*")):
        left.unlink(missing_ok=True)


def _spawn(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    root = str(PROJECT_ROOT)  # the package is found from any working folder
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    words = {MARK: str(folder), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
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


def find(folder: Path) -> Job:
    """The job of `folder`. Raises `JobError` if there is none."""
    if not os.path.isfile(folder / "state.json"):
        raise JobError(f"There is no job in {folder}: its state.json is missing.")
    return Job(folder.resolve())


def list_jobs(parent: Path) -> list[Job]:
    """The jobs in `parent`, newest first; folders without a state.json are none. Empty if it is missing."""
    folders = list(parent.iterdir()) if parent.is_dir() else []
    return sorted((find(f) for f in folders if os.path.isfile(f / "state.json")), key=_age, reverse=True)


def _age(job: Job) -> tuple[float, str]:
    created = number(job._read("job.json").get("created"))
    started = number(job._read("state.json").get("process_started"))
    return created or started or 0.0, job.folder.name
