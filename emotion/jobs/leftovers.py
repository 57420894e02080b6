"""What killed processes leave in the folder of a job."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path
from typing import Final

from emotion.jobs.process_record import STATE_FILE

_PARTIAL_PATTERN: Final = ".????????.part*"  # see `storage.atomic_path`


def remove_partial_files(folder: Path) -> None:
    """Remove partial files from a folder, but for those of jobs within it, which may run and remove their own."""
    for parent, subfolders, files in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not os.path.lexists(os.path.join(parent, name, STATE_FILE))]
        for name in fnmatch.filter(files, _PARTIAL_PATTERN):
            Path(parent, name).unlink(missing_ok=True)
