"""Limit how much threads do at a time, in the order in which they arrive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_POLL_SECONDS: Final = 0.5  # between two calls of `on_wait`


class FairSemaphore:
    """A first-come, first-served semaphore with `num_slots` slots."""

    def __init__(self, num_slots: int) -> None:
        self._num_slots = self._num_free = num_slots
        self._queue: list[object] = []
        self._condition = threading.Condition()

    @contextmanager
    def acquire(self, on_wait: Callable[[int], None], num_slots: int = 1) -> Iterator[None]:
        """Wait for slots and hold them inside the `with` block.

        Args:
            on_wait: Called repeatedly while waiting, with the number of threads ahead; what it raises ends the wait.
            num_slots: The slots to hold; all of them where these are more than there are.
        """
        ticket, num_slots = object(), min(num_slots, self._num_slots)
        with self._condition:
            self._queue.append(ticket)
        try:
            while not self._try_enter(ticket, num_slots):
                on_wait(self._queue.index(ticket))  # outside of the lock, because it may take long
                with self._condition:
                    self._condition.wait_for(lambda: self._is_next(ticket, num_slots), _POLL_SECONDS)
        except BaseException:
            with self._condition:
                self._queue.remove(ticket)
                self._condition.notify_all()
            raise
        try:
            yield
        finally:
            with self._condition:
                self._num_free += num_slots
                self._condition.notify_all()

    def _is_next(self, ticket: object, num_slots: int) -> bool:
        return self._num_free >= num_slots and self._queue[0] is ticket

    def _try_enter(self, ticket: object, num_slots: int) -> bool:
        with self._condition:
            if not self._is_next(ticket, num_slots):
                return False
            self._queue.pop(0)
            self._num_free -= num_slots
            self._condition.notify_all()  # other slots may be free for the next thread
            return True
