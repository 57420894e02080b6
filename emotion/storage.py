"""The folder of the project, and files that no reader ever sees half of."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from filelock import FileLock

from emotion.errors import JobError

PROJECT_ROOT: Final = Path(__file__).resolve().parents[1]
LOCK_FILE: Final = ".lock"  # exists in a folder while `folder_lock` holds it
_LOCK_POLL_SECONDS: Final = 0.02

# Begins the text of every CSV file for people: without it Excel does not take the file for UTF-8.
BYTE_ORDER_MARK: Final = "\ufeff"

T = TypeVar("T")


def escape_formula(value: object) -> object:
    """Put a quote before a text that a spreadsheet would run as a formula, as the cell of a CSV file."""
    if not isinstance(value, str):
        return value
    value = value.replace("\r", "\n")  # a lone one breaks the line for many readers, but Python would not quote it
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\n")) else value


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write `data` (text as UTF-8) so that `path` holds all of it or what it held before, at any moment."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` (same suffix), for libraries that write files: renamed to it at the end.

    After an error nothing is left of it and `path` is as before. What a killed process leaves, the next
    `start` in that folder sweeps away.
    """
    temporary = path.with_name(f".{secrets.token_hex(4)}.part{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        retry_on_windows_lock(lambda: os.replace(temporary, path))
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    with suppress(OSError):  # Windows cannot open a folder; elsewhere the rename itself reaches the disk
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def retry_on_windows_lock(action: Callable[[], T]) -> T:
    """Windows refuses to replace or read a file that is just in use elsewhere: try for half a second."""
    for _ in range(25 if sys.platform == "win32" else 0):
        try:
            return action()
        except PermissionError:
            time.sleep(0.02)
    return action()


def write_json(path: Path, value: object) -> None:
    """Write `value` as readable JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in `path`, None if there is no such file. Raises `JobError` if it cannot be read."""
    try:
        value = json.loads(retry_on_windows_lock(path.read_bytes))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JobError(f"{path} cannot be read ({error.strerror}): check the file and its rights.") from error
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise JobError(f"{path} is damaged, a JSON object was expected: remove or mend the file.")
    return value


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Exclude all other processes and threads from blocks for the same folder; they wait.

    The system releases the lock when a process ends in any way. The lock file is removed at the end of the block,
    while it is still locked: `filelock` detects that and locks a new file.
    """
    path = folder / LOCK_FILE
    with FileLock(path, poll_interval=_LOCK_POLL_SECONDS):
        try:
            yield
        finally:
            with suppress(OSError):  # Windows does not remove an open file
                path.unlink()


def require_free_space(folder: Path, needed_bytes: int) -> None:
    """Raise `JobError` if the disk that holds (or will hold) `folder` has less than `needed_bytes` free."""
    folder = folder.absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    if free < needed_bytes:
        raise JobError(
            f"{folder} needs {needed_bytes / 1e6:,.0f} MB, its disk has {free / 1e6:,.0f} MB free: make room."
        )
