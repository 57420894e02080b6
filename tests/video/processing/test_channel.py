from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.video.processing.channel import BoundedChannel
from tests.waiting import wait_until


def start_thread(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


@given(st.lists(st.integers(), max_size=30), st.integers(1, 3))
def test_items_arrive_in_order(items: list[int], capacity: int) -> None:
    channel: BoundedChannel[int] = BoundedChannel(capacity)
    sender = start_thread(lambda: [*map(channel.put, items), channel.close()])
    assert list(channel.receive()) == items
    sender.join(5)
    assert not sender.is_alive()


def test_capacity_bounds_the_waiting_items() -> None:
    channel: BoundedChannel[int] = BoundedChannel(2)
    sent = list[int]()
    sender = start_thread(lambda: [sent.append(n) for n in range(5) if channel.put(n)])
    wait_until(lambda: len(sent) == 2)
    assert sent == [0, 1]
    assert next(iter(channel.receive())) == 0
    channel.abandon()
    sender.join(5)
    assert not sender.is_alive()
    assert sent in ([0, 1], [0, 1, 2]), "an item waits for the one that was taken"


def test_error_of_the_sender_follows_its_items() -> None:
    channel: BoundedChannel[int] = BoundedChannel()
    channel.put(1)
    channel.close(ValueError("broken"))
    items = channel.receive()
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_put_returns_false_after_abandon() -> None:
    channel: BoundedChannel[int] = BoundedChannel(1)
    assert channel.put(1)
    results = list[bool]()
    sender = start_thread(lambda: results.append(channel.put(2)))
    channel.abandon()
    sender.join(5)
    assert results == [False]
    assert list(channel.receive()) == []


def test_receive_stops_while_waiting() -> None:
    channel: BoundedChannel[int] = BoundedChannel()
    stop_values = iter([False, False, True])
    assert list(channel.receive(lambda: next(stop_values))) == []


def test_an_item_is_made_only_when_there_is_room() -> None:
    channel: BoundedChannel[int] = BoundedChannel(1)
    made = list[int]()

    def send() -> None:
        while channel.wait_for_room():
            made.append(len(made))
            channel.put(made[-1])

    sender = start_thread(send)
    items = channel.receive()
    for n in range(3):
        wait_until(lambda n=n: len(made) == n + 1)
        assert next(items) == n
    channel.abandon()
    sender.join(5)
    assert not sender.is_alive()
    assert len(made) <= 4
