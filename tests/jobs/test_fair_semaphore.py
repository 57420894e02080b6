from __future__ import annotations

import threading
import time

import pytest

from emotion.jobs.fair_semaphore import FairSemaphore

LONG = 20.0  # seconds: more than a busy machine needs


class Crowd:
    """Threads that want a place; each stays until it is sent away."""

    def __init__(self, line: FairSemaphore) -> None:
        self.line, self.inside, self.most = line, list[int](), 0
        self.heard: dict[int, list[int]] = {}
        self._leave = {n: threading.Event() for n in range(10)}
        self._threads: dict[int, threading.Thread] = {}

    def come(self, number: int) -> None:
        def stay() -> None:
            with self.line.acquire(self.heard.setdefault(number, []).append):
                self.inside.append(number)
                self.most = max(self.most, len(self.inside))
                self._leave[number].wait(LONG)
                self.inside.remove(number)

        self._threads[number] = threading.Thread(target=stay, daemon=True)
        self._threads[number].start()
        until(lambda: number in self.inside or self.heard.get(number))

    def go(self, number: int) -> None:
        self._leave[number].set()
        self._threads[number].join(LONG)


def until(true: object) -> None:
    end = time.monotonic() + LONG
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def test_as_many_as_there_are_places_in_the_order_in_which_they_came() -> None:
    crowd = Crowd(FairSemaphore(2))
    for number in range(6):
        crowd.come(number)
    assert sorted(crowd.inside) == [0, 1]
    assert [crowd.heard[n][0] for n in range(2, 6)] == [0, 1, 2, 3]
    for gone, now in ((1, [0, 2]), (0, [2, 3]), (3, [2, 4]), (2, [4, 5]), (4, [5]), (5, [])):
        crowd.go(gone)
        until(lambda now=now: sorted(crowd.inside) == now)
    assert crowd.most == 2
    assert not crowd.heard[0]


def test_who_waits_hears_again_and_again() -> None:
    crowd = Crowd(FairSemaphore(1))
    for number in range(3):
        crowd.come(number)
    until(lambda: len(crowd.heard[2]) > 2)
    crowd.go(0)
    until(lambda: crowd.heard[2][-1] == 0)
    crowd.go(1)
    crowd.go(2)


def test_who_gives_up_is_in_nobodys_way() -> None:
    line = FairSemaphore(1)
    crowd = Crowd(line)
    crowd.come(0)

    def enough(before: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError), line.acquire(enough):
        pass
    crowd.come(1)
    assert crowd.heard[1][0] == 0
    crowd.go(0)
    until(lambda: crowd.inside == [1])
    crowd.go(1)


def test_an_error_inside_frees_the_place() -> None:
    line = FairSemaphore(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), line.acquire(lambda before: pytest.fail("there is a place")):
            1 / 0  # noqa: B018
