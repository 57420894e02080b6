"""Open and list files by path or by URL; fsspec opens URLs with the credentials that it finds itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO, Final, NamedTuple, cast

from emotion.archive.source_files import is_remote
from emotion.errors import DataError
from emotion.translation.messages import gettext as _

_NS_PER_SECOND: Final = 10**9
_TIME_KEYS: Final = ("mtime", "LastModified", "last_modified", "updated", "created")  # as different storages name it
_GLOB_CHARACTER: Final = "*"  # the others of patterns are frequent in URLs


class RemoteFile(NamedTuple):
    """A file of a storage.

    Attributes:
        url: Its URL.
        size_bytes: Its size.
        mtime_ns: When it was changed, in nanoseconds of unix time; 0 for unknown.
        path_in_folder: Its path in the folder that was listed; "" for a file that was named itself or by a pattern.
    """

    url: str
    size_bytes: int
    mtime_ns: int
    path_in_folder: str


def open_binary(location: str) -> BinaryIO:
    """Open the file at a path or URL for reading.

    Raises:
        OSError: The file is missing or cannot be read.
        DataError: The storage cannot be reached.
    """
    if not is_remote(location):
        return open(location, "rb")
    with _convert_errors(location):
        import fsspec

        filesystem, path = fsspec.core.url_to_fs(location)
        return cast(BinaryIO, filesystem.open(path, "rb"))


def list_files(url: str) -> list[RemoteFile]:
    """List the files of a URL, which names a file, a folder or a pattern, sorted by URL.

    Raises:
        DataError: The storage cannot be reached, its package is not installed, or there is no such file.
    """
    with _convert_errors(url):
        import fsspec

        filesystem, path = fsspec.core.url_to_fs(url)
        is_folder = False
        if _GLOB_CHARACTER in path:
            found: dict[str, dict[str, Any]] = filesystem.glob(path, detail=True)
        elif filesystem.isdir(path):
            found, is_folder = filesystem.find(path, detail=True), True
        else:
            found = {path: filesystem.info(path)}
        files = [
            RemoteFile(
                filesystem.unstrip_protocol(name),
                int(info.get("size") or 0),
                _read_mtime(info),
                name.removeprefix(path).lstrip("/") if is_folder else "",
            )
            for name, info in found.items()
            if info.get("type") == "file"
        ]
    return sorted(files)


def _read_mtime(info: dict[str, Any]) -> int:
    for key in _TIME_KEYS:
        value = info.get(key)
        if isinstance(value, datetime):
            return int(value.timestamp() * _NS_PER_SECOND)
        if isinstance(value, int | float):
            return int(value * _NS_PER_SECOND)
    return 0


@contextmanager
def _convert_errors(url: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(_("There is no {url}; check the name and the storage.").format(url=url)) from error
    except ImportError as error:
        text = _("{url} needs a package that is missing ({reason}); install it with pip.")
        raise DataError(text.format(url=url, reason=error)) from error
    except Exception as error:
        # No list of types: every storage has its own errors for names, rights and connections.
        text = _("{url} cannot be reached ({reason}); check the address, the network and the rights.")
        raise DataError(text.format(url=url, reason=error)) from error
