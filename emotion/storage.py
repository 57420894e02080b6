"""Atomic writes, JSON files, folder locks and free disk space."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

from filelock import FileLock

from emotion.errors import JobError
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

PROJECT_ROOT: Final = Path(__file__).resolve().parents[1]
LOCK_FILE: Final = ".lock"  # exists in a folder while `folder_lock` holds it
DISK_FULL_MESSAGE: Final = gettext_noop("The disk is full: make room, then start it again.")
MAX_RECORD_BYTES: Final = 64_000_000  # of a JSON file or a table in a folder of this program
_LOCK_POLL_SECONDS: Final = 0.02

# At the start of every CSV file for people: without it Excel does not read the file as UTF-8.
BYTE_ORDER_MARK: Final = "\ufeff"

_WINDOWS_RETRIES: Final = 25  # of an access to a file that another process has open: half a second in all

T = TypeVar("T")


def escape_formula(value: object) -> object:
    """Quote the text of a CSV cell that a spreadsheet would evaluate as a formula."""
    if not isinstance(value, str):
        return value
    value = value.replace("\r", "\n")  # many readers break the line at a single one, and `csv` does not quote it
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\n")) else value


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write bytes, or text as UTF-8, so that readers of `path` get either all of it or the previous content."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, with the same suffix, that replaces `path` at the end.

    After an error the temporary file is removed and `path` is unchanged. `start_job` removes what a killed process
    leaves.
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
    with suppress(OSError):  # Windows cannot open a folder; elsewhere this writes the rename to the disk
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def retry_on_windows_lock(action: Callable[[], T]) -> T:
    """Call `action`; on Windows repeat it for a while, since it refuses access to files that are in use elsewhere."""
    for _attempt in range(_WINDOWS_RETRIES if sys.platform == "win32" else 0):
        try:
            return action()
        except PermissionError:
            time.sleep(_LOCK_POLL_SECONDS)
    return action()


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=2) + "\n")


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading; OSError for one of another kind, such as a pipe, which may never end."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no regular file")
    return open(handle, "rb")


def read_file(path: Path, max_bytes: int = MAX_RECORD_BYTES) -> bytes:
    """Return the content of a regular file; OSError for one of another kind or a larger one."""
    with open_file(path) as file:
        if os.fstat(file.fileno()).st_size > max_bytes:
            raise OSError(errno.EFBIG, f"it has more than {max_bytes / 1e6:,.0f} MB")
        return file.read(max_bytes)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object of a file, None where there is no file; raise `JobError` where it cannot be read."""
    try:
        value = json.loads(retry_on_windows_lock(lambda: read_file(path)))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JobError(
            _("{path} cannot be read ({reason}): check the file and its permissions.").format(
                path=path, reason=error.strerror
            )
        ) from error
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise JobError(_("{path} is damaged, a JSON object was expected: remove or repair the file.").format(path=path))
    return value


def read_json_or_empty(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file, {} where there is none or it cannot be read: for what is optional."""
    with suppress(JobError):
        return read_json(path) or {}
    return {}


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


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error says that a disk, or the part of it that a user may fill, is full."""
    if not isinstance(error, OSError):
        return False
    # NumPy, which writes arrays itself, gives no number.
    is_short_write = error.errno is None and " requested and " in str(error) and str(error).endswith(" written")
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or is_short_write


def require_free_space(folder: Path, needed_bytes: int) -> None:
    """Raise `JobError` if the disk that holds (or will hold) `folder` has less than `needed_bytes` free."""
    folder = folder.absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed_bytes:
        raise JobError(
            _("{folder} needs {needed:,.0f} MB, its disk has {free:,.0f} MB free: make room.").format(
                folder=folder, needed=needed_bytes / 1e6, free=free / 1e6
            )
        )
