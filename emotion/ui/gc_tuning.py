"""What keeps a page quick while the memory of many is tidied up."""

from __future__ import annotations

import gc
import sys
import threading
import time
from typing import Final

_FULL_COLLECT_SECONDS: Final = 600.0  # seconds after which everything is looked through once more

_lock = threading.Lock()
_num_modules, _last_freeze_timestamp = 0, 0.0  # how many modules there were the last time, and when that was


def freeze_objects() -> None:
    """Have the garbage collector pass over all that is alive now; to be called at the end of a page.

    After each run of a page, and of each of its parts that refresh themselves, Streamlit has the collector look
    through all objects of the process. Nearly all of them belong to modules, which stay: it took 140 ms a time, in
    which no other thread runs, three times a second for each visitor with a camera. They are set aside whenever
    modules have come, and every ten minutes all are looked through, so that what was set aside and has become garbage
    is freed.
    """
    global _num_modules, _last_freeze_timestamp
    if not _lock.acquire(blocking=False):  # another page does it
        return
    try:
        if len(sys.modules) > _num_modules or time.monotonic() - _last_freeze_timestamp > _FULL_COLLECT_SECONDS:
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            _num_modules, _last_freeze_timestamp = len(sys.modules), time.monotonic()
    finally:
        _lock.release()
