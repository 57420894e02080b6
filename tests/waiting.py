"""Wait for a condition with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

MIN_POLL_SECONDS, MAX_POLL_SECONDS = 0.002, 0.02


def wait_until(condition: Callable[[], object], seconds: float = 20.0, description: str = "the condition") -> None:
    """Return as soon as `condition` is true, and fail after `seconds`.

    The default leaves room for a busy machine.
    """
    deadline, pause = time.monotonic() + seconds, MIN_POLL_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"timed out waiting for {description}"
        time.sleep(pause)
        pause = min(1.5 * pause, MAX_POLL_SECONDS)  # a long wait leaves the processor to what it waits for
