"""One file of an archive: where it is, what it is, and the size and time that it has when it is listed."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal

from emotion.datasets.readers.folder_layout import IMAGE_SUFFIXES, is_hidden
from emotion.media.file_kinds import VIDEO_SUFFIXES

FileKind = Literal["image", "video"]
IMAGE: Final[FileKind] = "image"
VIDEO: Final[FileKind] = "video"
ZIP_SUFFIXES: Final = (".zip",)
TAR_SUFFIXES: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_SCHEME_MARK: Final = "://"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """An image or a video of an archive.

    Attributes:
        location: The absolute path or the URL of the file, or of the ZIP or tar that holds it.
        member: Its path in the ZIP or tar; "" for a file of its own.
        kind: "image" or "video".
        size_bytes: Its size; -1 where the storage does not state it.
        mtime_ns: When it was changed, in nanoseconds of unix time; 0 where the storage does not state it.
        offset: Where its bytes begin in an uncompressed tar; -1 for all other files.
        archive_mtime_ns: When the ZIP or tar that holds it was changed, in nanoseconds of unix time; 0 for a file of
            its own and for a ZIP or tar in a storage.
    """

    location: str
    member: str
    kind: FileKind
    size_bytes: int
    mtime_ns: int
    offset: int = -1
    archive_mtime_ns: int = 0

    @property
    def name(self) -> str:
        """The file name without folders."""
        return posixpath.basename((self.member or self.location).replace("\\", "/"))

    @property
    def folder(self) -> str:
        """The folder; within a ZIP or tar the path of both, such as "/photos/2019.zip/summer"."""
        location = self.location.replace("\\", "/")
        return posixpath.dirname(f"{location}/{self.member}" if self.member else location)


def is_remote(location: str) -> bool:
    """Return whether a location is a URL, which fsspec opens, and no path."""
    return _SCHEME_MARK in location


def is_zip(location: str) -> bool:
    """Return whether a location names a ZIP."""
    return location.lower().endswith(ZIP_SUFFIXES)


def is_tar(location: str) -> bool:
    """Return whether a location names a tar, compressed or not."""
    return location.lower().endswith(TAR_SUFFIXES)


def is_compressed_tar(location: str) -> bool:
    """Return whether a location names a tar that can only be read from its beginning."""
    return is_tar(location) and not location.lower().endswith(".tar")


def get_kind(name: str) -> FileKind | None:
    """Return the kind of a file by its suffix; None for hidden files and those that are neither image nor video."""
    suffix = PurePosixPath(name).suffix.lower()
    if is_hidden(PurePosixPath(name).name):
        return None
    return IMAGE if suffix in IMAGE_SUFFIXES else VIDEO if suffix in VIDEO_SUFFIXES else None
