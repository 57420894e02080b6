"""A bounded queue between two threads that either side can end."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_POLL_SECONDS: Final = 0.1  # between two checks of `should_stop`


class BoundedChannel(Generic[T]):
    """Passes items from one thread to another; at most `capacity` of them wait."""

    def __init__(self, capacity: int = 2) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._condition = threading.Condition()
        self._closed = False  # by the sender
        self._abandoned = False  # by the receiver
        self._error: BaseException | None = None

    def wait_for_room(self) -> bool:
        """Wait until `put` would return at once, to make an item not before; False after `abandon`."""
        with self._condition:
            self._condition.wait_for(lambda: self._abandoned or len(self._items) < self._capacity)
            return not self._abandoned

    def put(self, item: T) -> bool:
        """Add `item` as soon as there is room; False after `abandon`."""
        with self._condition:
            self._condition.wait_for(lambda: self._abandoned or len(self._items) < self._capacity)
            if not self._abandoned:
                self._items.append(item)
                self._condition.notify_all()
            return not self._abandoned

    def close(self, error: BaseException | None = None) -> None:
        """End the items; `error` is raised in the receiving thread after the last of them."""
        with self._condition:
            self._closed, self._error = True, error
            self._condition.notify_all()

    def abandon(self) -> None:
        """Accept no more items, and drop those that wait."""
        with self._condition:
            self._abandoned = True
            self._items.clear()
            self._condition.notify_all()

    def receive(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[T]:
        """Yield items until `close` or until `should_stop` returns True; raises the error of `close`."""
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
            del item  # a large image is not kept in memory while waiting
