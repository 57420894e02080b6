"""Workers that are threads of this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.connection import Listener
from typing import Any

import numpy as np
import pytest

from emotion.errors import EmotionError, JobError
from emotion.training.parallel.connecting import GroupAddress, join_group, lead_group, parse_address, read_token
from emotion.training.parallel.group import GroupEnded, WorkerGroup

ADDRESS = GroupAddress("127.0.0.1", 0, "secret", 3, "the same")

Work = Callable[[WorkerGroup], Any]


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture
def run(executor: ThreadPoolExecutor) -> Callable[[Work, Work], list[Any]]:
    """`run(lead, follow)`: what worker 0 and the others of a group of three return."""

    def run_all(lead: Work, follow: Work) -> list[Any]:
        started: list[Future[Any]] = []

        def work(port: int, rank: int) -> Any:
            group = join_group(replace(ADDRESS, port=port), rank)
            try:
                return follow(group)
            finally:
                group.end()

        def start(port: int) -> None:
            started.extend(executor.submit(work, port, rank) for rank in (1, 2))

        with lead_group(ADDRESS, start, lambda: None) as group:
            result = lead(group)
        return [result, *(future.result() for future in started)]

    return run_all


class Variable:
    """As much of a Keras variable as a group needs."""

    def __init__(self, value: Any) -> None:
        self.value = np.array(value, np.float32)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.value

    def assign(self, value: Any) -> None:
        self.value = np.array(value)


def test_all_workers_get_the_same_sum(run: Any) -> None:
    def add(group: WorkerGroup) -> Any:
        return group.all_reduce(np.array([[group.rank, 0.1], [1, 2]], np.float32))

    first, *others = run(add, add)
    np.testing.assert_allclose(first, [[3, 0.3], [3, 6]], rtol=1e-6)
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_an_epoch_begins_with_the_variables_of_the_leader(run: Any) -> None:
    def lead(group: WorkerGroup) -> None:
        group.start_epoch(7, [Variable(3.0), Variable([[1, 2]])])

    def follow(group: WorkerGroup) -> Any:
        variables = [Variable(0.0), Variable([[0, 0]])]
        epoch = group.receive_epoch(variables)
        return epoch, [variable.value.tolist() for variable in variables]

    assert run(lead, follow)[1:] == [(7, [3.0, [[1, 2]]])] * 2


def test_the_others_end_with_the_leader(run: Any) -> None:
    def follow(group: WorkerGroup) -> str:
        with pytest.raises(GroupEnded) as end:
            group.all_reduce(np.zeros(2))
        assert group.failure is end.value
        return str(end.value)

    assert run(lambda group: None, follow)[1:] == ["", ""]


def test_the_others_learn_why_the_leader_failed(executor: ThreadPoolExecutor) -> None:
    started: list[Future[Any]] = []

    def follow(port: int, rank: int) -> None:
        join_group(replace(ADDRESS, port=port), rank).receive_epoch([])

    def start(port: int) -> None:
        started.extend(executor.submit(follow, port, rank) for rank in (1, 2))

    with pytest.raises(JobError, match="No room"), lead_group(ADDRESS, start, lambda: None):
        raise JobError("No room.")
    for future in started:
        with pytest.raises(GroupEnded, match="No room"):
            future.result()


def test_a_lost_worker_is_one_sentence_for_all(executor: ThreadPoolExecutor) -> None:
    started: list[Future[Any]] = []

    def follow(port: int, rank: int) -> None:
        group = join_group(replace(ADDRESS, port=port), rank)
        if rank == 1:
            group.end()
        else:
            group.all_reduce(np.zeros(2))

    def start(port: int) -> None:
        started.extend(executor.submit(follow, port, rank) for rank in (1, 2))

    message = r"Worker 1 of 3 is gone: run the same command again, it goes on after the last whole epoch\."
    with pytest.raises(JobError, match=message), lead_group(ADDRESS, start, lambda: None) as group:
        group.all_reduce(np.zeros(2))
    with pytest.raises(GroupEnded, match=message):
        started[1].result()


def test_a_lost_leader_is_one_sentence(executor: ThreadPoolExecutor) -> None:
    def follow(port: int) -> None:
        join_group(replace(ADDRESS, port=port), 1).receive_epoch([])

    with Listener((ADDRESS.host, 0), authkey=ADDRESS.token.encode()) as leader:
        started = executor.submit(follow, leader.address[1])  # type: ignore[arg-type]
        with leader.accept() as connection:
            connection.recv_bytes()
            connection.send_bytes(b"ready")
    with pytest.raises(JobError, match="Worker 0 of 3 is gone"):
        started.result()


def test_a_leader_that_ends_early_is_one_sentence(executor: ThreadPoolExecutor) -> None:
    with Listener((ADDRESS.host, 0), authkey=ADDRESS.token.encode()) as leader:
        started = executor.submit(join_group, replace(ADDRESS, port=leader.address[1]), 1)
        leader.accept().close()
    with pytest.raises(JobError, match="ended before the training began"):
        started.result()


def test_values_of_another_size_are_one_sentence(executor: ThreadPoolExecutor) -> None:
    started: list[Future[Any]] = []

    def follow(port: int, rank: int) -> None:
        join_group(replace(ADDRESS, port=port), rank).all_reduce(np.zeros(rank))

    def start(port: int) -> None:
        started.extend(executor.submit(follow, port, rank) for rank in (1, 2))

    message = "Worker 2 sent 16 bytes, expected 8"
    with pytest.raises(JobError, match=message), lead_group(ADDRESS, start, lambda: None) as group:
        group.all_reduce(np.zeros(1))
    with pytest.raises(GroupEnded, match=message):
        started[0].result()


@pytest.mark.parametrize(
    ("changes", "rank", "message"),
    [
        ({"identity": "another"}, 1, "another program, other settings or other data"),
        ({"size": 4}, 1, "expects 3 workers"),
        ({}, 3, "expects 3 workers"),
        ({"token": "guessed"}, 1, "has another secret"),
    ],
)
def test_a_worker_that_does_not_fit_is_refused_and_the_others_are_awaited(
    executor: ThreadPoolExecutor, changes: dict[str, Any], rank: int, message: str
) -> None:
    def follow(port: int) -> list[WorkerGroup]:
        with pytest.raises(JobError, match=message):
            join_group(replace(ADDRESS, port=port, **changes), rank)
        return [join_group(replace(ADDRESS, port=port), rank) for rank in (1, 2)]

    started: list[Future[Any]] = []
    with lead_group(ADDRESS, lambda port: started.append(executor.submit(follow, port)), lambda: None) as group:
        assert group.size == 3
    for member in started[0].result():
        member.end()


@pytest.mark.parametrize("words", [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\5abc", b"", None])
def test_workers_are_accepted_after_a_stranger(executor: ThreadPoolExecutor, words: bytes | None) -> None:
    """The stranger sends what is no message, half of one or nothing; None: nothing, and stays connected."""
    strangers: list[socket.socket] = []
    started: list[Future[WorkerGroup]] = []

    def start(port: int) -> None:
        strangers.append(socket.create_connection(("127.0.0.1", port)))
        if words is not None:
            strangers[0].sendall(words)
            strangers[0].shutdown(socket.SHUT_WR)
        started.extend(executor.submit(join_group, replace(ADDRESS, port=port), rank) for rank in (1, 2))

    deadline = time.monotonic() + 30

    def check() -> None:
        if time.monotonic() > deadline:
            raise JobError("The workers were not accepted.")

    with lead_group(ADDRESS, start, check):
        ranks = [future.result().rank for future in started]
    strangers[0].close()
    assert ranks == [1, 2]


def test_a_rank_is_given_once(executor: ThreadPoolExecutor) -> None:
    def follow(port: int) -> list[WorkerGroup]:
        first = join_group(replace(ADDRESS, port=port), 1)
        with pytest.raises(JobError, match="already a worker 1"):
            join_group(replace(ADDRESS, port=port), 1)
        return [first, join_group(replace(ADDRESS, port=port), 2)]

    started: list[Future[Any]] = []
    with lead_group(ADDRESS, lambda port: started.append(executor.submit(follow, port)), lambda: None) as group:
        assert not group.rows(7).start
    for member in started[0].result():
        member.end()


def test_waiting_ends_when_it_is_of_no_use() -> None:
    def check() -> None:
        raise JobError("Worker 1 ended.")

    threads, ports = threading.active_count(), []
    with pytest.raises(JobError, match=r"Worker 1 ended"), lead_group(ADDRESS, ports.append, check):
        pytest.fail("there is no worker")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports[0]), timeout=1)
    assert threading.active_count() <= threads + 1


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = replace(ADDRESS, port=server.getsockname()[1])
        with pytest.raises(JobError, match=r"127.0.0.1:\d+ cannot be used"), lead_group(address, print, print):
            pytest.fail("the port is taken")


@pytest.mark.parametrize("batch_size", [3, 8, 64])
def test_the_parts_of_a_batch_are_all_of_it(batch_size: int) -> None:
    parts = [WorkerGroup(rank, [], 3).rows(batch_size) for rank in range(3)]
    rows = [row for part in parts for row in range(batch_size)[part]]
    assert rows == list(range(batch_size))
    assert all(range(batch_size)[part] for part in parts)


@pytest.mark.parametrize("text", ["", "host", ":7000", "host:", "host:seven", "host:0", "host:70000"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(EmotionError, match="expected HOST:PORT"):
        parse_address(text)


def test_an_address_has_a_host_and_a_port() -> None:
    assert parse_address("10.0.0.5:7000") == ("10.0.0.5", 7000)


def test_without_a_secret_there_are_no_workers_on_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOTION_TRAINING_TOKEN", raising=False)
    with pytest.raises(JobError, match="set EMOTION_TRAINING_TOKEN"):
        read_token()
    monkeypatch.setenv("EMOTION_TRAINING_TOKEN", "long")
    assert read_token() == "long"
