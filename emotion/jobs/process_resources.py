"""Memory and priority of this process."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from typing import Final

import psutil

_NICENESS: Final = 10  # added to that of the parent: beside it, a tenth of a busy core


def return_free_memory() -> None:
    """Return freed memory to the system on Linux, where the C library keeps tens of megabytes of former images."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)


def lower_priority() -> None:
    """Let this process compute only where processes that people wait for leave the processor free."""
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(_NICENESS)
