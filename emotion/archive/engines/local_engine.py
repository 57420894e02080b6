"""Workers as processes of this machine.

Each has a pipe of its own: a queue that all share could stay locked by a process that is killed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final

from emotion.archive.engines.engine import MAX_START_FAILURES, START_ADVICE, LostPiece, Outcome
from emotion.archive.pieces import Piece, PieceResult
from emotion.archive.settings import ArchiveRequest
from emotion.archive.worker import ArchiveWorker
from emotion.errors import EmotionError, JobError

_JOIN_SECONDS: Final = 5.0  # for a process that is being ended
_CONTEXT: Final = multiprocessing.get_context("spawn")  # a forked process would inherit locks of other threads


class LocalEngine:
    """See `Engine`.

    Args:
        request: What the workers do.
        num_workers: The number of processes.
    """

    def __init__(self, request: ArchiveRequest, num_workers: int) -> None:
        self._request = request
        self._num_start_failures = 0
        self._workers = [_WorkerProcess(request) for _ in range(num_workers)]

    @property
    def num_idle(self) -> int:
        """How many workers are ready and have nothing to do."""
        return sum(worker.is_idle for worker in self._workers)

    def submit(self, piece: Piece) -> None:
        """Start a piece on an idle worker."""
        worker = next(worker for worker in self._workers if worker.is_idle)
        worker.piece = piece
        with suppress(OSError):  # it has ended, which `wait` finds out
            worker.connection.send(piece)

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """Return the outcomes of the pieces that ended; see `Engine.wait`."""
        wait([worker.connection for worker in self._workers], seconds)
        outcomes = [self._receive(index) for index, worker in enumerate(self._workers) if worker.has_message()]
        return [outcome for outcome in outcomes if outcome is not None]

    def close(self) -> None:
        """End all workers and what they work on."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join(_JOIN_SECONDS)
            worker.connection.close()

    def _receive(self, index: int) -> Outcome | None:
        worker = self._workers[index]
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            return self._replace(index)
        if isinstance(message, EmotionError):
            raise message
        if isinstance(message, PieceResult):
            worker.piece = None
            return message
        worker.is_ready, self._num_start_failures = True, 0
        return None

    def _replace(self, index: int) -> LostPiece | None:
        lost = self._workers[index]
        lost.connection.close()
        lost.process.join(_JOIN_SECONDS)
        self._num_start_failures += not lost.is_ready
        if self._num_start_failures >= MAX_START_FAILURES:
            raise JobError(f"Workers end before they are ready (exit code {lost.process.exitcode}): {START_ADVICE}.")
        self._workers[index] = _WorkerProcess(self._request)
        return None if lost.piece is None else LostPiece(lost.piece)


class _WorkerProcess:
    """A process, the pipe to it, and the piece that it works on."""

    def __init__(self, request: ArchiveRequest) -> None:
        self.connection, child = _CONTEXT.Pipe()
        self.process: BaseProcess = _CONTEXT.Process(target=_serve, args=(child, request), daemon=True)
        self.process.start()
        child.close()  # so that the end of the process ends the pipe
        self.piece: Piece | None = None
        self.is_ready = False

    @property
    def is_idle(self) -> bool:
        """Whether the process is ready and has nothing to do."""
        return self.is_ready and self.piece is None

    def has_message(self) -> bool:
        """Return whether the process sent a message or ended."""
        try:
            return self.connection.poll()
        except OSError:  # on Windows, of a process that ended
            return True


def _serve(connection: Connection, request: ArchiveRequest) -> None:
    """Run a worker until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches all processes of a terminal; the first one decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        worker = ArchiveWorker(request)
    except EmotionError as error:
        connection.send(error)
        return
    connection.send("ready")
    with suppress(EOFError, OSError):
        while True:
            connection.send(worker.process(connection.recv()))


def _end_with_parent() -> None:
    """End this process at once when its parent is killed, since its results are not used."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
