"""Workers that train one network together: each has a part of every batch, and all get the same sums; without Keras.

Worker 0 leads: it adds up what the others send and sends the sum back. Only bytes of arrays are exchanged, after both
sides have proved that they know the same secret; they are not encrypted.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.errors import JobError

_END: Final = b""  # instead of values; the reason follows
_EPOCH_TYPE: Final = np.dtype(np.int64)
# A machine that is silent for 30 seconds is asked every 10 seconds whether it is there; it is gone after 3 questions.
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


class GroupEnded(Exception):
    """Worker 0 ended the training; `str(error)` is the reason where it is an error, else empty."""


class WorkerGroup:
    """The place of this process among the workers of a training; not thread-safe.

    Args:
        rank: Of this worker; 0 leads.
        connections: Of worker 0 to the others by rank; of the others the one to worker 0.
        size: The number of workers.

    Attributes:
        failure: Why an exchange failed, None where none did.
    """

    def __init__(self, rank: int, connections: Sequence[Connection], size: int) -> None:
        self.rank, self.size = rank, size
        self._connections = connections
        self.failure: JobError | GroupEnded | None = None
        for connection in connections:
            _set_options(connection)

    @property
    def is_leader(self) -> bool:
        """Whether this worker leads, and alone writes."""
        return self.rank == 0

    def rows(self, batch_size: int) -> slice:
        """Return the rows of a batch that this worker has."""
        return slice(self.rank * batch_size // self.size, (self.rank + 1) * batch_size // self.size)

    def all_reduce(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sum over all workers, the same bits for each of them.

        Args:
            values: In the same shape and type as those of the other workers at this moment.

        Raises:
            JobError: A worker is gone.
            GroupEnded: Worker 0 ended the training.
        """
        try:
            if not self.is_leader:
                self._send(0, values.tobytes())
                return self._receive(0, values)
            total = np.array(values)
            for index in range(len(self._connections)):
                total += self._receive(index, values)
            self._send_all(total.tobytes())
            return total
        except (JobError, GroupEnded) as error:
            self.failure = error
            raise

    def start_epoch(self, epoch: int, variables: Sequence[Any]) -> None:
        """Tell the other workers to train an epoch (from 0), beginning with the values of these variables."""
        self._send_all(np.array(epoch, _EPOCH_TYPE).tobytes())
        for variable in variables:
            self._send_all(np.array(variable).tobytes())

    def receive_epoch(self, variables: Sequence[Any]) -> int:
        """Wait for `start_epoch` of worker 0, set the variables, and return the epoch.

        Raises:
            JobError: Worker 0 is gone.
            GroupEnded: Worker 0 ended the training.
        """
        epoch = int(self._receive(0, np.empty((), _EPOCH_TYPE)))
        for variable in variables:
            variable.assign(self._receive(0, np.array(variable)))
        return epoch

    def end(self, reason: str = "") -> None:
        """Tell the other workers that the training ended, with a sentence after an error, and disconnect."""
        for connection in self._connections:
            try:
                if self.is_leader:
                    refuse(connection, reason)
                connection.close()
            except OSError:  # it is gone
                continue

    def _send_all(self, data: bytes) -> None:
        for index in range(len(self._connections)):
            self._send(index, data)

    def _send(self, index: int, data: bytes) -> None:
        try:
            self._connections[index].send_bytes(data)
        except OSError as error:
            raise self._describe_loss(index) from error

    def _receive(self, index: int, like: NDArray[Any]) -> NDArray[Any]:
        """Return an array of the shape and type of `like`."""
        connection = self._connections[index]
        try:
            data = connection.recv_bytes()
            if data == _END:
                raise GroupEnded(connection.recv_bytes().decode())
        except (EOFError, OSError) as error:
            raise self._describe_loss(index) from error
        if len(data) != like.nbytes:
            raise JobError(
                f"Worker {self._get_rank(index)} sent {len(data)} bytes, expected {like.nbytes}: start all workers "
                "with the same command and the same version of the program."
            )
        return np.frombuffer(data, like.dtype).reshape(like.shape)

    def _get_rank(self, index: int) -> int:
        return index + 1 if self.is_leader else 0

    def _describe_loss(self, index: int) -> JobError:
        return JobError(
            f"Worker {self._get_rank(index)} of {self.size} is gone: run the same command again, it goes on after the "
            "last whole epoch."
        )


def refuse(connection: Connection, reason: str) -> None:
    """Send the end of the training to a worker instead of values."""
    connection.send_bytes(_END)
    connection.send_bytes(reason.encode())


def _set_options(connection: Connection) -> None:
    """Send small messages at once, and notice a machine that is switched off."""
    with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as link:  # a copy of the descriptor
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):  # not all systems have all of them
                link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
