"""Priority of processes that nobody waits for."""

from __future__ import annotations

import os
import sys
from typing import Final

import psutil

_NICENESS: Final = 10  # added to that of the parent: beside it, a tenth of a busy core


def lower_priority() -> None:
    """Let this process compute only where processes that people wait for leave the processor free."""
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(_NICENESS)
