"""A worker thread with one slot: what waits in it is replaced by what is newer, and nobody who puts ever waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)


class LatestItemWorker(Generic[T]):
    """Hands what is put in to `handler`, one after the other, in a thread of its own.

    The thread starts with the first item and ends by itself after `idle_seconds` seconds without one, so that a forgotten
    mailbox costs no thread; the next item starts another one. What `handler` raises is written to the log.
    """

    def __init__(self, handler: Callable[[T], object], name: str, idle_seconds: float = 5.0) -> None:
        self._handler = handler
        self._name = name
        self._idle_seconds = idle_seconds
        self._condition = threading.Condition()
        self._pending: T | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, item: T) -> T | None:
        """Leave `item` for the thread. Returns what will never be worked on: the one that waited before, `item`
        itself in a closed mailbox, or None."""
        with self._condition:
            if self._closed:
                return item
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                thread.start()
                self._thread = thread
            replaced, self._pending = self._pending, item
            self._condition.notify()
        return replaced

    def close(self, timeout: float = 1.0) -> bool:
        """Take nothing more, let the thread do what waits and end. Returns whether it ended within `timeout`; if
        not, it ends as soon as `handler` returns."""
        with self._condition:
            self._closed = True
            thread = self._thread
            self._condition.notify()
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def _run(self) -> None:
        while (item := self._take_item()) is not None:
            try:
                self._handler(item)
            except Exception:
                log.exception("%s could not do its work", self._name)
            del item  # a large picture is not kept while nothing comes

    def _take_item(self) -> T | None:
        """The next item; None where the thread has to end."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._pending is not None, self._idle_seconds)
            item, self._pending = self._pending, None
            if item is None:
                self._thread = None
            return item
