"""List the images and videos of sources: folders, patterns, files, ZIP and tar files, list files, object storage."""

from __future__ import annotations

import glob
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from emotion.archive import remote
from emotion.archive.source_files import FileKind, SourceFile, get_kind, is_compressed_tar, is_remote, is_tar, is_zip
from emotion.datasets.readers.folder_layout import is_hidden
from emotion.errors import DataError
from emotion.media.zip_entries import decode_zip_path

LIST_SUFFIX: Final = ".txt"  # of a file that holds one source a line
_NS_PER_SECOND: Final = 10**9

StopCheck = Callable[[], bool]


def absolute_source(source: str) -> str:
    """Return a source as it is stored: a URL as it is, a path or pattern as an absolute path."""
    return source if is_remote(source) else os.path.abspath(source)


def iter_sources(sources: Sequence[str], should_stop: StopCheck = lambda: False) -> Iterator[SourceFile]:
    """List all images and videos of sources, each once, in an order that depends only on their names.

    Hidden files, links to folders and files that are neither image nor video are left out. Members of a compressed tar
    are in the order of the tar, since it can only be read from its beginning.

    Args:
        sources: Paths, patterns with `*`, `?` or `[]`, ZIP or tar files, list files (`.txt`), or URLs.
        should_stop: Ends the listing early.

    Raises:
        DataError: A source does not exist, cannot be read, or holds neither images nor videos.
    """
    seen: set[tuple[str, str]] = set()
    for source in sources:
        found = False
        for file in _iter_source(source):
            if should_stop():
                return
            found = True
            key = (file.location, file.member)
            if key not in seen:
                seen.add(key)
                yield file
        if not found:
            raise DataError(f"{source} holds neither images nor videos; give another folder, pattern or file.")


def _iter_source(source: str) -> Iterator[SourceFile]:
    try:
        if is_remote(source):
            yield from _iter_remote(source)
        elif os.path.isfile(source) and source.lower().endswith(LIST_SUFFIX):
            yield from _iter_list_file(Path(source))
        elif os.path.exists(source):
            yield from _iter_path(source)
        elif glob.has_magic(source):
            for path in sorted(glob.iglob(source, recursive=True)):
                if os.path.isdir(path) or is_zip(path) or is_tar(path) or get_kind(path) is not None:
                    yield from _iter_path(path)
        else:
            raise DataError(f"There is no {source}; give a folder, a pattern, a ZIP or tar, a list file or a URL.")
    except OSError as error:
        raise DataError(
            f"{source} cannot be read ({error.strerror or error}); check the disk and the permissions."
        ) from error


def _iter_path(path: str) -> Iterator[SourceFile]:
    path = os.path.abspath(path)
    if os.path.isdir(path):
        yield from _iter_folder(path)
    elif is_zip(path) or is_tar(path):
        yield from _iter_members(path)
    else:
        yield _make_file(path, _require_kind(path))


def _iter_folder(folder: str) -> Iterator[SourceFile]:
    for parent, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not is_hidden(f"{name}/"))
        for name in sorted(files):
            kind = get_kind(name)
            if kind is not None:
                yield _make_file(os.path.join(parent, name), kind)


def _make_file(path: str, kind: FileKind) -> SourceFile:
    try:
        status = os.stat(path)
    except OSError:  # a broken link: analyzed and reported as a file that is missing
        return SourceFile(path, "", kind, -1, 0)
    return SourceFile(path, "", kind, status.st_size, status.st_mtime_ns)


def _iter_list_file(list_file: Path) -> Iterator[SourceFile]:
    with open(list_file, encoding="utf-8-sig", errors="surrogateescape") as lines:
        for line in map(str.strip, lines):
            if is_remote(line):
                yield from _iter_remote(line)
            elif line:
                path = os.path.join(list_file.parent, line)
                yield from (
                    [_make_file(os.path.abspath(path), _require_kind(path))] if _is_plain(path) else _iter_path(path)
                )


def _is_plain(path: str) -> bool:
    return not (os.path.isdir(path) or is_zip(path) or is_tar(path))


def _iter_remote(url: str) -> Iterator[SourceFile]:
    for entry in remote.list_files(url):
        if not entry.path_in_folder and (is_zip(entry.url) or is_tar(entry.url)):
            yield from _iter_members(entry.url)
        elif not is_hidden(entry.path_in_folder) and (kind := get_kind(entry.url)) is not None:
            yield SourceFile(entry.url, "", kind, entry.size_bytes, entry.mtime_ns)


def _iter_members(location: str) -> Iterator[SourceFile]:
    mtime_ns = 0 if is_remote(location) else os.stat(location).st_mtime_ns
    try:
        members = list(_iter_zip(location, mtime_ns) if is_zip(location) else _iter_tar(location, mtime_ns))
    except (DataError, OSError):
        raise
    except Exception as error:
        # No list of types: damaged bytes raise BadZipFile, TarError, zlib.error, struct.error and more.
        raise DataError(f"{location} is no readable ZIP or tar; copy it again or unpack it.") from error
    yield from members if is_compressed_tar(location) else sorted(members, key=lambda file: file.member)


def _iter_zip(location: str, archive_mtime_ns: int) -> Iterator[SourceFile]:
    with remote.open_binary(location) as file, zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            kind = None if entry.is_dir() or is_hidden(decode_zip_path(entry)) else get_kind(decode_zip_path(entry))
            if kind is not None:
                mtime = datetime(*entry.date_time, tzinfo=UTC) if _is_date(entry.date_time) else None
                mtime_ns = int(mtime.timestamp()) * _NS_PER_SECOND if mtime else 0
                yield SourceFile(
                    location, entry.filename, kind, entry.file_size, mtime_ns, archive_mtime_ns=archive_mtime_ns
                )


def _is_date(values: tuple[int, ...]) -> bool:
    try:
        datetime(*values, tzinfo=UTC)  # type: ignore[misc]
    except ValueError:  # programs write zeros where they know no time
        return False
    return True


def _iter_tar(location: str, archive_mtime_ns: int) -> Iterator[SourceFile]:
    is_compressed = is_compressed_tar(location)
    with remote.open_binary(location) as file, tarfile.open(fileobj=file, mode="r|*" if is_compressed else "r:") as tar:
        for entry in tar:
            kind = get_kind(entry.name) if entry.isreg() and not is_hidden(entry.name) else None
            if kind is not None:
                offset = -1 if is_compressed or entry.issparse() else entry.offset_data
                mtime_ns = int(entry.mtime) * _NS_PER_SECOND
                yield SourceFile(location, entry.name, kind, entry.size, mtime_ns, offset, archive_mtime_ns)
            tar.members = []  # type: ignore[assignment]  # otherwise it keeps all entries in memory


def _require_kind(path: str) -> FileKind:
    kind = get_kind(path)
    if kind is None:
        raise DataError(f"{path} is neither an image nor a video by its suffix; rename it or leave it out.")
    return kind


def _raise(error: OSError) -> None:
    raise error
