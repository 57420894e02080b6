"""Workers as actors of a Ray cluster.

Actors send their results through Ray's object store to this process, which alone writes, so that the machines of the
cluster need no common disk for the results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emotion.archive.engines.engine import MAX_START_FAILURES, START_ADVICE, LostPiece, Outcome
from emotion.archive.pieces import Piece, PieceResult
from emotion.archive.settings import ArchiveRequest
from emotion.archive.worker import ArchiveWorker
from emotion.errors import EmotionError, JobError
from emotion.jobs.ray_cluster import connect_cluster, first_line


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
        self._ray = connect_cluster(address, num_workers)
        self._request, self._num_start_failures = request, 0
        self._actor_class = self._ray.remote(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")(_RayWorker)
        num_cores = int(self._ray.cluster_resources()["CPU"])
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
                    f"Workers end before they are ready ({first_line(error)}): {START_ADVICE}, or install the same "
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
