from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.video.channel import BoundedChannel


def started(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


@given(st.lists(st.integers(), max_size=30), st.integers(1, 3))
def test_items_arrive_in_order(items: list[int], room: int) -> None:
    pipe: BoundedChannel[int] = BoundedChannel(room)
    maker = started(lambda: [*map(pipe.put, items), pipe.close()])
    assert list(pipe.receive()) == items
    maker.join(5)
    assert not maker.is_alive()


def test_capacity_bounds_the_waiting_items() -> None:
    pipe: BoundedChannel[int] = BoundedChannel(2)
    put = list[int]()
    maker = started(lambda: [put.append(n) for n in range(5) if pipe.put(n)])
    deadline = time.monotonic() + 5
    while len(put) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert put == [0, 1]
    assert next(iter(pipe.receive())) == 0
    pipe.abandon()
    maker.join(5)
    assert not maker.is_alive()
    assert put in ([0, 1], [0, 1, 2]), "an item waits for the one that was taken"


def test_error_of_the_sender_follows_its_items() -> None:
    pipe: BoundedChannel[int] = BoundedChannel()
    pipe.put(1)
    pipe.close(ValueError("broken"))
    items = pipe.receive()
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_put_returns_false_after_abandon() -> None:
    pipe: BoundedChannel[int] = BoundedChannel(1)
    assert pipe.put(1)
    answers = list[bool]()
    maker = started(lambda: answers.append(pipe.put(2)))
    pipe.abandon()
    maker.join(5)
    assert answers == [False]
    assert list(pipe.receive()) == []


def test_receive_stops_while_waiting() -> None:
    pipe: BoundedChannel[int] = BoundedChannel()
    asked = iter([False, False, True])
    assert list(pipe.receive(lambda: next(asked))) == []
