"""Who waits for work that is done for a few at a time, first come, first served."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_LOOK: Final = 0.5  # seconds after which somebody who waits is heard at the latest


class Line:
    """`places` at once may do something; the others wait in the order in which they came."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[object] = []
        self._changed = threading.Condition()

    @contextmanager
    def place(self, said: Callable[[int], None]) -> Iterator[None]:
        """Wait for a place and hold it. While it waits, `said` is called with the number of those before it, again
        and again; what it raises ends the waiting."""
        me = object()
        with self._changed:
            self._waiting.append(me)
        try:
            while not self._entered(me):
                said(self._waiting.index(me))  # outside of the lock: it may take its time
                with self._changed:
                    self._changed.wait_for(lambda: self._mine(me), _LOOK)
        except BaseException:
            with self._changed:
                self._waiting.remove(me)
                self._changed.notify_all()
            raise
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def _mine(self, me: object) -> bool:
        return self._free > 0 and self._waiting[0] is me

    def _entered(self, me: object) -> bool:
        with self._changed:
            if not self._mine(me):
                return False
            self._waiting.pop(0)
            self._free -= 1
            self._changed.notify_all()  # there may be a place for the next one, too
            return True
