"""A worker thread with a queue of one item: a newer item replaces one that waits, and `put` never blocks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)


class LatestItemWorker(Generic[T]):
    """Calls `handler` with one item after the other in a thread of its own.

    The thread starts with the first item and ends after `idle_seconds` without one, so that a forgotten worker costs
    no thread; the next item starts another thread. What `handler` raises is logged.
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
        """Queue `item` for the thread.

        Returns:
            The item that will never be handled: the one that waited before, `item` itself after `close`, or None.
        """
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

    def close(self, timeout: float | None = 1.0) -> bool:
        """Accept no more items, and let the thread handle the one that waits and end.

        Returns:
            Whether it ended within `timeout` seconds (None: waits for it); if not, it ends as soon as `handler`
            returns.
        """
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
            except Exception:  # the thread must survive whatever the handler raises
                log.exception("the worker %s failed on an item", self._name)
            del item  # a large image is not kept in memory while the worker is idle

    def _take_item(self) -> T | None:
        """Return the next item, None where the thread has to end."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._pending is not None, self._idle_seconds)
            item, self._pending = self._pending, None
            if item is None:
                self._thread = None
            return item
