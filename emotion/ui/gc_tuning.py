"""What keeps a page quick while the memory of many is tidied up."""

from __future__ import annotations

import gc
import sys
import threading
import time
from typing import Final

_AGAIN: Final = 600.0  # seconds after which everything is looked through once more

_lock = threading.Lock()
_seen, _at = 0, 0.0  # how many modules there were the last time, and when that was


def set_aside() -> None:
    """Have the garbage collector pass over all that is alive now; to be called at the end of a page.

    After each run of a page, and of each of its parts that refresh themselves, Streamlit has the collector look
    through all objects of the process. Nearly all of them belong to modules, which stay: it took 140 ms a time, in
    which no other thread runs, three times a second for each visitor with a camera. They are set aside whenever
    modules have come, and every ten minutes all are looked through, so that what was set aside and has become garbage
    is freed.
    """
    global _seen, _at
    if not _lock.acquire(blocking=False):  # another page does it
        return
    try:
        if len(sys.modules) > _seen or time.monotonic() - _at > _AGAIN:
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            _seen, _at = len(sys.modules), time.monotonic()
    finally:
        _lock.release()
