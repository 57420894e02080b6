"""Who waits for work that is done for a few at a time, first come, first served."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_POLL_SECONDS: Final = 0.5  # seconds after which somebody who waits is heard at the latest


class FairSemaphore:
    """`num_slots` at once may do something; the others wait in the order in which they came."""

    def __init__(self, num_slots: int) -> None:
        self._num_free = num_slots
        self._queue: list[object] = []
        self._condition = threading.Condition()

    @contextmanager
    def acquire(self, on_wait: Callable[[int], None]) -> Iterator[None]:
        """Wait for a place and hold it. While it waits, `on_wait` is called with the number of those before it, again
        and again; what it raises ends the waiting."""
        me = object()
        with self._condition:
            self._queue.append(me)
        try:
            while not self._try_enter(me):
                on_wait(self._queue.index(me))  # outside of the lock: it may take its time
                with self._condition:
                    self._condition.wait_for(lambda: self._is_next(me), _POLL_SECONDS)
        except BaseException:
            with self._condition:
                self._queue.remove(me)
                self._condition.notify_all()
            raise
        try:
            yield
        finally:
            with self._condition:
                self._num_free += 1
                self._condition.notify_all()

    def _is_next(self, ticket: object) -> bool:
        return self._num_free > 0 and self._queue[0] is ticket

    def _try_enter(self, ticket: object) -> bool:
        with self._condition:
            if not self._is_next(ticket):
                return False
            self._queue.pop(0)
            self._num_free -= 1
            self._condition.notify_all()  # there may be a place for the next one, too
            return True
