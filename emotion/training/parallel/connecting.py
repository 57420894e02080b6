"""Connect the workers of a training; without Keras."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from queue import Empty, Queue
from threading import Thread
from typing import Any, Final

from emotion.errors import EmotionError, JobError
from emotion.training.parallel.group import WorkerGroup, refuse

TOKEN_VAR: Final = "EMOTION_TRAINING_TOKEN"
LOCAL_HOST: Final = "127.0.0.1"
_WAIT_SECONDS: Final = 0.2  # for a worker, between two checks of whether to stop
_CONNECT_SECONDS: Final = 600.0  # in which worker 0 must be there: it loads its data before
_RETRY_SECONDS: Final = 0.5
_CLOSE_SECONDS: Final = 5.0  # in which a thread ends that nothing holds up
_READY: Final = b"ready"


@dataclass(frozen=True)
class GroupAddress:
    """Where the workers of a training meet.

    Attributes:
        host: Of worker 0.
        port: Of worker 0; 0 for a free one.
        token: The secret that all workers share.
        size: The number of workers.
        identity: Of program, settings and data, which must be the same for all.
    """

    host: str
    port: int
    token: str
    size: int
    identity: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`.

    Raises:
        JobError: It is none.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 2**16:
        raise JobError(f"{text!r} is no address; expected HOST:PORT of worker 0, for example 10.0.0.5:7000.")
    return host, int(port)


def read_token() -> str:
    """Return the secret in the environment; `JobError` without one."""
    token = os.environ.get(TOKEN_VAR, "")
    if not token:
        raise JobError(f"Workers on several machines need a secret: set {TOKEN_VAR} to the same long text for all.")
    return token


@contextmanager
def lead_group(
    address: GroupAddress, start_workers: Callable[[int], None], check: Callable[[], None]
) -> Iterator[WorkerGroup]:
    """Wait for all workers and lead them in the block; at its end they end, too.

    Args:
        address: Where to listen.
        start_workers: Called with the port once it listens.
        check: Called while workers are missing; it raises where it is of no use to wait.

    Raises:
        JobError: The address cannot be used.
    """
    try:
        listener = Listener((address.host, address.port), backlog=address.size)
    except OSError as error:
        raise JobError(f"{address} cannot be used ({error.strerror}); give a free port of this machine.") from error
    arrived: Queue[Connection] = Queue()
    acceptance = Thread(target=_accept_forever, args=(listener, address.token.encode(), arrived), daemon=True)
    acceptance.start()
    try:
        start_workers(listener.address[1])  # pyright: ignore[reportArgumentType]
        connections = _greet_all(arrived, address, check)
    finally:
        _close(listener, acceptance)
    group = WorkerGroup(0, connections, address.size)
    try:
        yield group
    except EmotionError as error:
        group.end(str(error))
        raise
    finally:
        group.end()


def _greet_all(arrived: Queue[Connection], address: GroupAddress, check: Callable[[], None]) -> list[Connection]:
    connections: dict[int, Connection] = {}
    while len(connections) < address.size - 1:
        check()
        with suppress(Empty):
            connection = arrived.get(timeout=_WAIT_SECONDS)
            with suppress(EOFError, OSError, ValueError, LookupError, TypeError):  # it is gone again, or no worker
                rank, problem = _read_greeting(connection, address, connections)
                if problem:
                    refuse(connection, problem)
                else:
                    connection.send_bytes(_READY)
                    connections[rank] = connection
    return [connections[rank] for rank in sorted(connections)]


def _close(listener: Listener, acceptance: Thread) -> None:
    """Close a listener, and end the thread that waits at it: on Linux the port is open until this thread returns."""
    place: Any = listener.address
    listener.close()
    with suppress(OSError):
        socket.create_connection(place, timeout=_WAIT_SECONDS).close()
    acceptance.join(_CLOSE_SECONDS)


def _accept_forever(listener: Listener, key: bytes, arrived: Queue[Connection]) -> None:
    """Accept connections until the listener is closed; each has a thread, so that a silent one delays no other."""
    while True:
        try:
            connection = listener.accept()
        except ConnectionError:  # it is gone again
            continue
        except OSError:
            return
        Thread(target=_authenticate, args=(connection, key, arrived), daemon=True).start()


def _authenticate(connection: Connection, key: bytes, arrived: Queue[Connection]) -> None:
    """Add a connection to those that `arrived` if both sides know the key, as a `Listener` with a key does."""
    try:
        deliver_challenge(connection, key)
        answer_challenge(connection, key)
    except (AuthenticationError, AssertionError, EOFError, OSError, ValueError):  # another key or program, or gone
        connection.close()
    else:
        arrived.put(connection)


def _read_greeting(connection: Connection, address: GroupAddress, taken: dict[int, Any]) -> tuple[int, str]:
    """Return the rank of a worker and why it cannot take part, "" where it can."""
    greeting = json.loads(connection.recv_bytes())
    rank, size, identity = greeting["rank"], greeting["size"], greeting["identity"]
    if size != address.size or not 0 < rank < address.size:
        return rank, f"Worker 0 expects {address.size} workers: give the same --workers, and ranks below it."
    if rank in taken:
        return rank, f"There is already a worker {rank}: give each one a --rank of its own."
    if identity != address.identity:
        return rank, (
            f"Worker {rank} has another program, other settings or other data than worker 0: give the same command, "
            "the same data set and the same version of the program on all machines."
        )
    return rank, ""


def join_group(address: GroupAddress, rank: int) -> WorkerGroup:
    """Connect to worker 0, also one that starts later.

    Raises:
        JobError: It does not answer, or refuses this worker.
    """
    connection = _connect(address)
    try:
        greeting = {"rank": rank, "size": address.size, "identity": address.identity}
        connection.send_bytes(json.dumps(greeting).encode())
        if connection.recv_bytes() != _READY:
            raise JobError(connection.recv_bytes().decode())
    except (EOFError, OSError) as error:
        raise JobError(f"Worker 0 at {address} ended before the training began; see its message.") from error
    return WorkerGroup(rank, [connection], address.size)


def _connect(address: GroupAddress) -> Connection:
    deadline = time.monotonic() + _CONNECT_SECONDS
    while True:
        try:
            return Client((address.host, address.port), authkey=address.token.encode())  # pyright: ignore[reportReturnType]
        except AuthenticationError as error:
            raise JobError(f"Worker 0 at {address} has another secret: set {TOKEN_VAR} to the same text.") from error
        except (OSError, EOFError) as error:
            if time.monotonic() > deadline:
                raise JobError(f"No worker 0 answers at {address}: start it with the same command.") from error
            time.sleep(_RETRY_SECONDS)
