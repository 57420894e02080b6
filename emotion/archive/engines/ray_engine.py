"""Workers as actors of a Ray cluster.

Ray reports nothing to its makers and opens no dashboard. Actors send their results through Ray's object store to this
process, which alone writes, so that the machines of the cluster need no common disk for the results.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Final

from emotion.archive.engines.engine import MAX_START_FAILURES, START_ADVICE, LostPiece, Outcome
from emotion.archive.pieces import Piece, PieceResult
from emotion.archive.settings import ArchiveRequest
from emotion.archive.worker import ArchiveWorker
from emotion.environment import IS_INSTALLED, WORKSPACE_VAR, get_workspace
from emotion.errors import EmotionError, JobError
from emotion.storage import PROJECT_ROOT

_LOCAL_ADDRESS: Final = "127.0.0.1"  # of a cluster that is started for one run: it opens no port to the network
_CLIENT_SCHEME: Final = "ray://"
_CONNECT_SECONDS: Final = 10.0
_OFF: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_RECORD_ACTOR_TASK_LOGGING": "0"}


class _RayWorker:
    """A worker that is loaded by a call: its error arrives as it is, that of a constructor only as text."""

    def __init__(self) -> None:
        self._worker: ArchiveWorker | None = None

    def load(self, request: ArchiveRequest) -> EmotionError | None:
        """Load the analyzer; return the error that a person can fix, None where it is ready."""
        try:
            self._worker = ArchiveWorker(request)
        except EmotionError as error:
            return error
        return None

    def process(self, piece: Piece) -> PieceResult:
        """Analyze a piece after `load`."""
        assert self._worker is not None
        return self._worker.process(piece)


class RayEngine:
    """See `Engine`.

    Args:
        request: What the workers do.
        address: Of the cluster: "auto", HOST:PORT or ray://HOST:PORT; None starts one on this machine.
        num_workers: The number of actors; None for one on each core of the cluster.

    Raises:
        JobError: Ray is not installed, the cluster cannot be reached, or it has no core.
    """

    def __init__(self, request: ArchiveRequest, address: str | None = None, num_workers: int | None = None) -> None:
        self._ray = _connect(address, num_workers)
        self._request, self._num_start_failures = request, 0
        self._actor_class = self._ray.remote(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")(_RayWorker)
        num_cores = int(self._ray.cluster_resources().get("CPU", 0))
        if num_cores < 1:
            raise JobError(f"The cluster at {address} has no core: add a machine with `ray start`.")
        self._idle: list[Any] = []
        self._starting: dict[Any, Any] = {}  # actor by the reference that is ready with it
        self._running: dict[Any, tuple[Any, Piece]] = {}  # actor and piece by the reference of the result
        for _ in range(min(num_workers or num_cores, num_cores)):
            self._start_actor()

    @property
    def num_idle(self) -> int:
        """How many workers are ready and have nothing to do."""
        return len(self._idle)

    def submit(self, piece: Piece) -> None:
        """Start a piece on an idle worker."""
        actor = self._idle.pop(0)
        self._running[actor.process.remote(piece)] = actor, piece

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """Return the outcomes of the pieces that ended; see `Engine.wait`."""
        references = [*self._running, *self._starting]
        ready, _ = self._ray.wait(references, num_returns=1, timeout=seconds)
        if ready:  # perhaps more than one
            ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        for reference in ready:
            if reference in self._starting:
                self._finish_start(reference)
        return [self._receive(reference) for reference in ready if reference in self._running]

    def close(self) -> None:
        """End all workers, and the cluster where it was started for this run."""
        for actor in (*self._idle, *self._starting.values(), *(actor for actor, _ in self._running.values())):
            self._ray.kill(actor)
        self._ray.shutdown()

    def _start_actor(self) -> None:
        actor = self._actor_class.remote()
        self._starting[actor.load.remote(self._request)] = actor

    def _finish_start(self, reference: Any) -> None:
        """Take an actor that is ready; an error of this program would be the same for the next one, and is raised."""
        actor = self._starting.pop(reference)
        try:
            problem = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._num_start_failures += 1
            if self._num_start_failures >= MAX_START_FAILURES:
                raise JobError(
                    f"Workers end before they are ready ({_first_line(error)}): {START_ADVICE}, or install the same "
                    "version on all machines."
                ) from error
            self._start_actor()
            return
        if problem is not None:
            raise problem
        self._num_start_failures = 0
        self._idle.append(actor)

    def _receive(self, reference: Any) -> Outcome:
        actor, piece = self._running.pop(reference)
        try:
            result = self._ray.get(reference)
        except self._ray.exceptions.RayError:  # the actor or its machine is gone, or the program has a defect there
            self._ray.kill(actor)
            self._start_actor()
            return LostPiece(piece)
        self._idle.append(actor)
        return result


def _connect(address: str | None, num_workers: int | None) -> ModuleType:
    os.environ.update(_OFF)  # before Ray is imported, which reads them then
    try:
        import ray
    except ImportError as error:
        raise JobError(
            "The engine ray needs the package ray: install it with `pip install emotion-studio[cluster]`, or use the "
            "engine local."
        ) from error
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "runtime_env": _make_environment()}
    if address is None:
        options |= {"num_cpus": num_workers, "include_dashboard": False, "_node_ip_address": _LOCAL_ADDRESS}
        address = "local"
    try:
        _check_reachable(address)
        ray.init(address=address, **options)
    except Exception as error:
        # No list of types: connection errors of gRPC, timeouts and mismatched versions have no common class.
        raise JobError(
            f"No Ray cluster can be used at {address} ({_first_line(error)}): start one with `ray start`, and install "
            "the same versions of Python and Ray on all machines."
        ) from error
    return ray


def _check_reachable(address: str) -> None:
    """Raise OSError where nothing listens at an address: Ray itself would try for minutes."""
    host, separator, port = address.removeprefix(_CLIENT_SCHEME).rpartition(":")
    if separator and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()


def _make_environment() -> dict[str, Any]:
    """Return the environment of the actors: this checkout, where the package is not installed, and no telemetry."""
    variables = dict(_OFF)
    if not IS_INSTALLED:
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PROJECT_ROOT), os.environ.get("PYTHONPATH"))))
        variables[WORKSPACE_VAR] = str(get_workspace())
    if sys.flags.utf8_mode:
        variables["PYTHONUTF8"] = "1"
    return {"env_vars": variables}


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
