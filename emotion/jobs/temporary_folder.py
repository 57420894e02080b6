"""Temporary folders of this process, and the removal of those that a killed process left."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from emotion.errors import EmotionError
from emotion.jobs.result_manifest import JOB, ResultManifest, read_manifest, read_owner

_PREFIX: Final = "emotion-studio-"


def create_temporary_folder(purpose: str) -> Path:
    """Make a folder in the temporary folder of the system, marked with this process."""
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{purpose}-"))
    ResultManifest(JOB).write(folder, in_progress=True)
    return folder


def remove_abandoned_folders() -> list[Path]:
    """Remove the temporary folders of processes that ended, and return them; only those with the mark of this user."""
    return [path for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*") if _remove_if_abandoned(path)]


def _remove_if_abandoned(folder: Path) -> bool:
    try:
        is_ours = not folder.is_symlink() and (not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid())
        if not is_ours or read_manifest(folder) is None:
            return False
        owner = read_owner(folder)
        if owner is None or owner.find_process() is not None:
            return False
        shutil.rmtree(folder)
    except (OSError, EmotionError):  # another process removes it too, or the mark is damaged
        return False
    return True
