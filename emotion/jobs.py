"""A long task is a child process that writes a folder: start it, watch it, stop it.

    job.json       label and time of making              state.json   who runs it, and how it ended
    progress.json  how far it is                         log.txt      all that it printed
    stop           there while somebody asks it to end   the rest     belongs to the task

The folder is all there is: whoever reads it knows the job, also after a crash or from another program.
A process counts as the job's by folder, pid and start time; by its pid alone it may be a stranger's.
"""

from __future__ import annotations

import errno
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final, Literal, NamedTuple, TypeVar, cast, get_args

import psutil

from emotion.errors import Diverged, EmotionError, JobError
from emotion.files import alone_in, read_json, write_json

T = TypeVar("T")
State = Literal["running", "done", "stopped", "failed", "diverged", "interrupted"]

_MARK: Final = "EMOTION_JOB"  # in the environment of what `start` starts: the folder it works for
_SAME_START: Final = 2.0  # seconds: the system counts starts from a boot time that moves with its clock
_WRITE_EVERY: Final = 0.25  # seconds between two writings of progress.json
_KNOWN_AFTER: Final = 2.0  # seconds of work before the time left is more than a guess
_PATIENCE: Final = 5.0  # seconds for the other side to answer: the parent to write, the killed to be gone
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
        write_json(folder / "job.json", {"label": label, "created": time.time()})
    except OSError as error:
        raise JobError(f"{parent} takes no new folder ({error.strerror}): check disk and rights.") from error
    return folder


# ------------------------------------------------------------------ who runs a folder


class _Owner(NamedTuple):
    """What state.json says."""

    state: State
    pid: int
    process_started: float  # unix seconds
    error: str | None

    @classmethod
    def read(cls, folder: Path) -> _Owner:
        """Raises `JobError` if there is no state.json or it makes no sense."""
        path = folder / "state.json"
        found = read_json(path)
        if found is None:
            raise JobError(f"There is no job in {folder}: its state.json is missing.")
        state, pid, error = found.get("state"), _number(found.get("pid")), found.get("error")
        started = _number(found.get("process_started"))
        if state not in get_args(State) or not pid or pid < 1 or pid > 2**31 - 1 or started is None:
            raise JobError(f"{path} is damaged, a job's state was expected: start the job again.")
        return cls(cast(State, state), int(pid), started, error if isinstance(error, str) else None)

    def write(self, folder: Path) -> None:
        write_json(folder / "state.json", self._asdict())

    def process(self) -> psutil.Process | None:
        """The living process, None if it ended (a zombie has ended) or its pid is another's by now."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.process_started) <= _SAME_START and _alive(process):
                return process
        return None


def _alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _number(value: object) -> float | None:
    """A finite number of any sensible size, None for everything else that JSON can hold."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
        return float(value)
    return None


# ------------------------------------------------------------------ the child's side


class Reporter:
    """Inside a job: says how far it is and hears that it shall stop. Made by `reporting`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pid = os.getpid()
        self._signalled = False
        self._noticed = False
        self._started = time.time()
        self._pending: dict[str, Any] | None = None
        self._written = -_WRITE_EVERY  # both clocks below are time.monotonic
        self._phase = (0.0, 0.0, 0.0)  # since when, from which `done`, to which `total`
        self._last: tuple[float, float, str] | None = None

    @property
    def stopping(self) -> bool:
        """True as soon as the job shall end: finish the step, keep what is done, leave. Cheap, ask often."""
        self._noticed = self._noticed or self._asked()
        return self._noticed

    def progress(self, done: float, total: float, text: str = "") -> None:
        """`done` of `total` (any unit), with one line for people. A full disk does not end the job here."""
        now, news = time.monotonic(), (done, total, text)
        if self._last is None or total != self._last[1] or done < self._last[0]:
            self._phase = (now, done, total)  # a resumed job begins at `done`, a new phase begins anew
        seconds, gained = now - self._phase[0], done - self._phase[1]
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
        return self._signalled or os.path.exists(self.folder / "stop")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a forked worker inherits this handler, and must die when told to
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif self._signalled and number == signal.SIGINT:
            raise KeyboardInterrupt  # Ctrl+C for the second time: at once, please
        self._signalled = True

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Signals only set a flag meanwhile. Python allows handlers in the main thread only."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {n: signal.signal(n, self._on_signal) for n in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)

    def _end(self, state: State, error: str | None = None) -> None:
        self._flush()
        _myself(state, error).write(self.folder)
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
    """Own `folder` while the task runs, started by `start` or by hand; write how it ended; errors go on.

    Done: left normally. Stopped: left after `stopping` was seen as True, or by any error after a stop was
    asked for. Diverged: left by `Diverged`. Failed: every other error. Raises `JobError` if another process is at
    work in the folder.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    report = Reporter(folder)
    with report._listening():
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
            (folder / "stop").unlink(missing_ok=True)  # of an earlier time; `start` has seen to that itself
        _myself("running").write(folder)


def _named(folder: Path) -> bool:
    """True if state.json names this process or its parent: a venv's python.exe only starts the real one."""
    with suppress(JobError):
        owner = _Owner.read(folder)
        return owner.pid in (os.getpid(), os.getppid()) and owner.process() is not None
    return False


def _myself(state: State, error: str | None = None) -> _Owner:
    return _Owner(state, os.getpid(), psutil.Process().create_time(), error)


def _started_for(folder: Path) -> bool:
    return os.environ.get(_MARK) == str(folder)


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


# ------------------------------------------------------------------ the parent's side


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
                owner = _Owner.read(self.folder)
                if owner.state != "running" or owner.process():
                    return self._state(owner.state, owner.error)
        except JobError as error:
            return self._state("interrupted", str(error))
        return self._state("interrupted", "It was killed or the computer went down: see its log, resume it.")

    def _state(self, state: State, error: str | None) -> JobState:
        said = self._read("progress.json")
        return JobState(
            state=state,
            done=_number(said.get("done")) or 0.0,
            total=_number(said.get("total")) or 0.0,
            text=str(said.get("text", "")),
            started=_number(said.get("started")),
            updated=_number(said.get("updated")),
            seconds_left=_number(said.get("seconds_left")) if state == "running" else None,
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
        while rest := {process for process in members | self._members() if _alive(process)}:
            for process in rest:
                with suppress(psutil.Error):
                    process.kill()
            if time.monotonic() > patient_until:
                raise JobError(f"Processes {sorted(p.pid for p in rest)} of {self.folder} cannot be ended.")
            time.sleep(0.02)
        if ran and self.state().state == "interrupted":
            _Owner.read(self.folder)._replace(state="stopped").write(self.folder)
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
            owner = _Owner.read(self.folder)
            leader = owner.process() if owner.state == "running" else None
            found |= set(_session(owner.pid, None if leader else str(self.folder.resolve())))
            if leader:
                found |= {leader, *leader.children(recursive=True)}
        return {process for process in found if _alive(process)}


def _session(pid: int, mark: str | None) -> Iterator[psutil.Process]:
    """Processes of the session that `pid` leads: only a process that `start` started leads one.

    Without its leader a session's number may come from a stranger: `mark` must be in the environment then.
    """
    if sys.platform != "win32":
        for other in psutil.pids():
            with suppress(OSError, psutil.Error):
                if os.getsid(other) == pid:
                    process = psutil.Process(other)
                    if mark is None or process.environ().get(_MARK) == mark:
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
            job.stop()  # what a killed process left running would write into the new attempt
            _sweep(job.folder)
            process = _spawn([*command, *arguments], job.folder)
            started = time.time()
            with suppress(psutil.Error):  # it may have ended already
                started = psutil.Process(process.pid).create_time()
            # Somebody must wait for a child, or it stays behind as a zombie.
            threading.Thread(target=process.wait, name=f"reaper-{process.pid}", daemon=True).start()
            _Owner("running", process.pid, started, None).write(job.folder)
        except OSError as error:
            why = f"{command[0]} cannot be run for {folder} ({error.strerror})"
            raise JobError(f"{why}: check the disk and the installation.") from error
    return job


def _sweep(folder: Path) -> None:
    """Remove what an earlier, killed process left: the words of its end and half-written files."""
    for left in (folder / "stop", folder / "progress.json", *folder.rglob(".????????.part*")):
        left.unlink(missing_ok=True)


def _spawn(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parents[1])  # the package is found from any working folder
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    words = {_MARK: str(folder), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
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
    created = _number(job._read("job.json").get("created"))
    started = _number(job._read("state.json").get("process_started"))
    return created or started or 0.0, job.folder.name
