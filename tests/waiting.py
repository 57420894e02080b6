"""Wait for a condition with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

POLL_SECONDS = 0.002


def wait_until(condition: Callable[[], object], seconds: float = 20.0, description: str = "the condition") -> None:
    """Return as soon as `condition` is true, and fail after `seconds`.

    The default leaves room for a busy machine.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"timed out waiting for {description}"
        time.sleep(POLL_SECONDS)
