from __future__ import annotations

import threading

import pytest

from emotion.jobs.fair_semaphore import FairSemaphore
from tests.waiting import wait_until

TIMEOUT = 20.0  # seconds, more than a busy machine needs


class Threads:
    """Threads that acquire the semaphore; each holds its slot until `leave`."""

    def __init__(self, semaphore: FairSemaphore) -> None:
        self.semaphore, self.inside, self.max_inside = semaphore, list[int](), 0
        self.reported: dict[int, list[int]] = {}
        self._leave_events = {n: threading.Event() for n in range(10)}
        self._threads: dict[int, threading.Thread] = {}

    def enter(self, index: int, num_slots: int = 1) -> None:
        def hold_slot() -> None:
            with self.semaphore.acquire(self.reported.setdefault(index, []).append, num_slots):
                self.inside.append(index)
                self.max_inside = max(self.max_inside, len(self.inside))
                self._leave_events[index].wait(TIMEOUT)
                self.inside.remove(index)

        self._threads[index] = threading.Thread(target=hold_slot, daemon=True)
        self._threads[index].start()
        wait_until(lambda: index in self.inside or self.reported.get(index))

    def leave(self, index: int) -> None:
        self._leave_events[index].set()
        self._threads[index].join(TIMEOUT)


def test_slots_are_given_in_order_of_arrival() -> None:
    threads = Threads(FairSemaphore(2))
    for index in range(6):
        threads.enter(index)
    assert sorted(threads.inside) == [0, 1]
    assert [threads.reported[n][0] for n in range(2, 6)] == [0, 1, 2, 3]
    for leaving, expected in ((1, [0, 2]), (0, [2, 3]), (3, [2, 4]), (2, [4, 5]), (4, [5]), (5, [])):
        threads.leave(leaving)
        wait_until(lambda expected=expected: sorted(threads.inside) == expected)
    assert threads.max_inside == 2
    assert not threads.reported[0]


def test_on_wait_is_called_repeatedly_while_waiting() -> None:
    threads = Threads(FairSemaphore(1))
    for index in range(3):
        threads.enter(index)
    wait_until(lambda: len(threads.reported[2]) > 2)
    threads.leave(0)
    wait_until(lambda: threads.reported[2][-1] == 0)
    threads.leave(1)
    threads.leave(2)


def test_an_abandoned_wait_does_not_block_others() -> None:
    semaphore = FairSemaphore(1)
    threads = Threads(semaphore)
    threads.enter(0)

    def give_up(num_ahead: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError), semaphore.acquire(give_up):
        pass
    threads.enter(1)
    assert threads.reported[1][0] == 0
    threads.leave(0)
    wait_until(lambda: threads.inside == [1])
    threads.leave(1)


def test_an_error_inside_frees_the_slot() -> None:
    semaphore = FairSemaphore(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), semaphore.acquire(lambda num_ahead: pytest.fail("a slot is free")):
            1 / 0  # noqa: B018


def test_slots_are_counted() -> None:
    threads = Threads(FairSemaphore(80))
    for index, num_slots in enumerate((40, 40, 12, 500, 40)):
        threads.enter(index, num_slots)
    assert sorted(threads.inside) == [0, 1]
    for leaving, expected in ((0, [1, 2]), (1, [2]), (2, [3]), (3, [4]), (4, [])):
        threads.leave(leaving)
        wait_until(lambda expected=expected: sorted(threads.inside) == expected)


def test_an_error_inside_frees_all_slots() -> None:
    semaphore = FairSemaphore(80)
    for num_slots in (80, 500, 80):
        with pytest.raises(ZeroDivisionError), semaphore.acquire(lambda num_ahead: pytest.fail("free"), num_slots):
            1 / 0  # noqa: B018
