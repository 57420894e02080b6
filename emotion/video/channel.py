"""A short queue between two threads: who is faster waits, and either may end it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_POLL_SECONDS: Final = 0.1  # seconds after which who waits for an item asks whether to go on


class BoundedChannel(Generic[T]):
    """One thread puts, another takes, and at most `capacity` items wait between them."""

    def __init__(self, capacity: int = 2) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._condition = threading.Condition()
        self._closed = False  # nothing more comes
        self._abandoned = False  # nothing more is taken
        self._error: BaseException | None = None

    def put(self, item: T) -> bool:
        """Hand over `item`, as soon as there is room; False where nobody takes it any more."""
        with self._condition:
            self._condition.wait_for(lambda: self._abandoned or len(self._items) < self._capacity)
            if not self._abandoned:
                self._items.append(item)
                self._condition.notify_all()
            return not self._abandoned

    def close(self, error: BaseException | None = None) -> None:
        """Nothing more comes; `error` is why, and is raised where the items are taken, after the last of them."""
        with self._condition:
            self._closed, self._error = True, error
            self._condition.notify_all()

    def abandon(self) -> None:
        """Take nothing more, also of what waits."""
        with self._condition:
            self._abandoned = True
            self._items.clear()
            self._condition.notify_all()

    def receive(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[T]:
        """What comes, until `close` or until `should_stop` says so. Raises what the other side ended with."""
        while not should_stop():
            with self._condition:
                self._condition.wait_for(lambda: self._items or self._closed or self._abandoned, _POLL_SECONDS)
                if self._items:
                    item = self._items.popleft()
                    self._condition.notify_all()
                elif self._closed or self._abandoned:
                    if self._error is not None:
                        raise self._error
                    return
                else:
                    continue
            yield item
            del item  # a large picture is not kept while nothing comes
