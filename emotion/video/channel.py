"""A short queue between two threads: who is faster waits, and either may end it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_LOOK_UP: Final = 0.1  # seconds after which who waits for an item asks whether to go on


class Pipe(Generic[T]):
    """One thread puts, another takes, and at most `room` items wait between them."""

    def __init__(self, room: int = 2) -> None:
        self._room = room
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._ended = False  # nothing more comes
        self._left = False  # nothing more is taken
        self._error: BaseException | None = None

    def put(self, item: T) -> bool:
        """Hand over `item`, as soon as there is room; False where nobody takes it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._left or len(self._items) < self._room)
            if not self._left:
                self._items.append(item)
                self._changed.notify_all()
            return not self._left

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes; `error` is why, and is raised where the items are taken, after the last of them."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def leave(self) -> None:
        """Take nothing more, also of what waits."""
        with self._changed:
            self._left = True
            self._items.clear()
            self._changed.notify_all()

    def items(self, stopping: Callable[[], bool] = lambda: False) -> Iterator[T]:
        """What comes, until `end` or until `stopping` says so. Raises what the other side ended with."""
        while not stopping():
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._ended or self._left, _LOOK_UP)
                if self._items:
                    item = self._items.popleft()
                    self._changed.notify_all()
                elif self._ended or self._left:
                    if self._error is not None:
                        raise self._error
                    return
                else:
                    continue
            yield item
            del item  # a large picture is not kept while nothing comes
