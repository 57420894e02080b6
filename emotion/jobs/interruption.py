"""SIGTERM and Ctrl+C as a question that a task asks between two steps, instead of an end within one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether the process was told to end. The second Ctrl+C raises `KeyboardInterrupt` at once."""

    def __init__(self) -> None:
        self.stop_requested = False
        self._pid = os.getpid()

    def _on_signal(self, signal_number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a forked worker inherits this handler, and must die when told to
            signal.signal(signal_number, signal.SIG_DFL)
            os.kill(os.getpid(), signal_number)
        elif self.stop_requested and signal_number == signal.SIGINT:
            raise KeyboardInterrupt
        self.stop_requested = True

    @contextmanager
    def catch_signals(self) -> Iterator[None]:
        """Signals only set `stop_requested` meanwhile. Python allows handlers in the main thread only."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {n: signal.signal(n, self._on_signal) for n in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)
