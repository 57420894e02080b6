"""Turn SIGTERM and Ctrl+C into a flag that a task checks between two steps."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Records whether a signal requested a stop; the second Ctrl+C raises `KeyboardInterrupt` immediately."""

    def __init__(self) -> None:
        self.stop_requested = False
        self._pid = os.getpid()

    def _on_signal(self, signal_number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a forked worker inherits this handler, but must end on a signal
            signal.signal(signal_number, signal.SIG_DFL)
            os.kill(os.getpid(), signal_number)
        elif self.stop_requested and signal_number == signal.SIGINT:
            raise KeyboardInterrupt
        self.stop_requested = True

    @contextmanager
    def catch_signals(self) -> Iterator[None]:
        """Let signals only set `stop_requested` inside the block; does nothing outside of the main thread."""
        if threading.current_thread() is not threading.main_thread():  # Python allows handlers only there
            yield
            return
        previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler or signal.SIG_DFL)
