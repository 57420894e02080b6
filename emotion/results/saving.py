"""Write a result in the format that the suffix of a path names."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from emotion.errors import ResultFolderError, SettingsError
from emotion.storage import write_atomic


def save_by_suffix(path: str | Path, writers: Mapping[str, Callable[[], bytes | Path]]) -> None:
    """Write what the writer of the suffix of `path` returns: bytes, or a file to be copied."""
    path = Path(path)
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise SettingsError(f"{path.name} ends in {path.suffix!r}; expected one of {', '.join(writers)}.")
    content = writer()
    try:
        if isinstance(content, Path):
            shutil.copyfile(content, path)
        else:
            write_atomic(path, content)
    except OSError as error:
        raise ResultFolderError(f"{path} cannot be written ({error.strerror}); choose another folder.") from error
