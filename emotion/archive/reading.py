"""Read the files of an archive: images as bytes, videos as paths, within the limits of the decoders."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from emotion.archive.remote import open_binary
from emotion.archive.source_files import IMAGE, SourceFile, is_remote, is_zip
from emotion.errors import DataError, EmotionError, ImageError, VideoError
from emotion.media.image_safety import DEFAULT_LIMITS
from emotion.media.messages import display_name
from emotion.media.zip_entries import explain_zip_skip
from emotion.storage import require_free_space
from emotion.translation.messages import gettext as _

_MAX_VIDEO_BYTES: Final = 64 * 2**30  # of a video in a ZIP, in a tar or in a storage, which is copied to read it
_MIN_FREE_BYTES: Final = 500_000_000  # besides the copy of a video
_COPY_BYTES: Final = 1_000_000  # at a time
_RETRY_SECONDS: Final = (1.0, 5.0)  # before an image in a storage is read again


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class _BoundedStream:
    """The first bytes of a stream, as many as a member states: it may unpack to more."""

    def __init__(self, stream: _Readable, num_bytes: int) -> None:
        self._stream, self._num_left = stream, num_bytes

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(self._num_left if size < 0 else min(size, self._num_left))
        self._num_left -= len(data)
        return data


class SourceReader:
    """Reads files one after the other and keeps the last ZIP or tar open; a context manager, not thread-safe."""

    def __init__(self) -> None:
        self._open_location = ""
        self._stack = ExitStack()
        self._zip: zipfile.ZipFile | None = None
        self._tar: tarfile.TarFile | None = None
        self._file: BinaryIO | None = None

    def __enter__(self) -> SourceReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def read_image(self, file: SourceFile) -> bytes:
        """Return the bytes of an image, at most one more than the limit of the decoder.

        Raises:
            EmotionError: The image is missing, has changed since it was listed, is too large or is damaged.
        """
        limit = DEFAULT_LIMITS.max_bytes
        if file.size_bytes > limit:
            raise ImageError(
                _(
                    "{name} has more than {size:.0f} MB, the most that is read: save a smaller copy and use that."
                ).format(name=_get_label(file), size=limit / 2**20)
            )
        # A member that fails is damaged more often than out of reach.
        for pause in _RETRY_SECONDS if is_remote(file.location) and not file.member else ():
            try:
                with self._open(file) as stream:
                    return stream.read(limit + 1)
            except EmotionError as error:
                if isinstance(error.__cause__, FileNotFoundError):
                    raise
                time.sleep(pause)  # the network may come back
        with self._open(file) as stream:
            return stream.read(limit + 1)

    @contextmanager
    def open_video(self, file: SourceFile) -> Iterator[Path]:
        """Provide the path of a video; one in a ZIP, a tar or a storage is copied to a temporary file.

        Raises:
            EmotionError: As `read_image`, or there is no room for the copy.
        """
        if not file.member and not is_remote(file.location):
            _check_unchanged(file)
            yield Path(file.location)
            return
        with tempfile.TemporaryDirectory(prefix="emotion-") as folder:
            if file.size_bytes > _MAX_VIDEO_BYTES:
                raise VideoError(_("{name} is too large to copy: unpack it first.").format(name=_get_label(file)))
            require_free_space(Path(folder), max(0, file.size_bytes) + _MIN_FREE_BYTES)
            path = Path(folder) / f"video{Path(file.name).suffix.lower()}"
            with self._open(file) as source, open(path, "wb") as target:
                shutil.copyfileobj(source, target, _COPY_BYTES)
            yield path

    @contextmanager
    def _open(self, file: SourceFile) -> Iterator[_Readable]:
        error_class = ImageError if file.kind == IMAGE else VideoError
        label = _get_label(file)
        try:
            if file.member:
                with self._open_member(file, label) as stream:
                    yield _BoundedStream(stream, file.size_bytes)
            else:
                _check_unchanged(file)
                with open_binary(file.location) as stream:
                    yield stream
        except EmotionError:
            raise
        except FileNotFoundError as error:
            raise error_class(_("{name} was not found: check the name and the folder.").format(name=label)) from error
        except OSError as error:
            raise error_class(
                _("{name} cannot be opened ({reason}): check its permissions.").format(
                    name=label, reason=error.strerror or error
                )
            ) from error
        except Exception as error:
            # No list of types: damaged members raise BadZipFile, TarError, zlib.error, NotImplementedError and more.
            self._close()  # a stream that failed within a member has no known position
            if not file.member:
                raise error_class(
                    _("{name} cannot be read ({reason}): check the connection to its storage.").format(
                        name=label, reason=error
                    )
                ) from error
            raise error_class(
                _("{name} is damaged in {archive}: pack it again.").format(name=label, archive=Path(file.location).name)
            ) from error

    @contextmanager
    def _open_member(self, file: SourceFile, label: str) -> Iterator[_Readable]:
        if self._open_location != file.location:
            self._close()
            _check_archive_unchanged(file, label)
            self._file = self._stack.enter_context(open_binary(file.location))
            self._open_location = file.location
        assert self._file is not None
        if is_zip(file.location):
            self._zip = self._zip or self._stack.enter_context(zipfile.ZipFile(self._file))
            entry = self._zip.getinfo(file.member)
            limit = DEFAULT_LIMITS.max_bytes if file.kind == IMAGE else _MAX_VIDEO_BYTES
            if reason := explain_zip_skip(entry, max_bytes=limit):
                raise DataError(
                    _("{name} in {archive} is not read, since {reason}: check it by hand.").format(
                        name=label, archive=Path(file.location).name, reason=reason
                    )
                )
            with self._zip.open(entry) as stream:
                yield stream
        elif file.offset >= 0:
            self._file.seek(file.offset)
            yield self._file
        else:
            yield self._find_in_stream(file, self._file)

    def _find_in_stream(self, file: SourceFile, archive: BinaryIO) -> _Readable:
        """Go on in a compressed tar to a member; members are listed in the order in which they are read."""
        for is_from_start in (False, True):
            if self._tar is None or is_from_start:
                archive.seek(0)
                self._tar = self._stack.enter_context(_open_tar_stream(archive))
            for entry in self._tar:
                self._tar.members = []  # type: ignore[assignment]  # otherwise it keeps all entries in memory
                if entry.name == file.member and entry.isreg():
                    stream = self._tar.extractfile(entry)
                    assert stream is not None
                    return stream
        raise FileNotFoundError(file.member)

    def _close(self) -> None:
        self._stack.close()
        self._open_location, self._zip, self._tar, self._file = "", None, None, None


@contextmanager
def _open_tar_stream(archive: BinaryIO) -> Iterator[tarfile.TarFile]:
    with tarfile.open(fileobj=archive, mode="r|*") as tar:
        yield tar


def _get_label(file: SourceFile) -> str:
    """Return what messages call a file."""
    return display_name(file.name, _("The image") if file.kind == IMAGE else _("The video"))


def _check_archive_unchanged(file: SourceFile, label: str) -> None:
    """Raise DataError where a local ZIP or tar is not the one whose members were listed."""
    if not is_remote(file.location) and os.stat(file.location).st_mtime_ns != file.archive_mtime_ns:
        raise DataError(
            _(
                "{name} is not read, since {archive} has changed since the files were listed: analyze it again into a "
                "new folder."
            ).format(name=label, archive=Path(file.location).name)
        )


def _check_unchanged(file: SourceFile) -> None:
    """Raise DataError where a local file is not the one that was listed: a run that is resumed must be of one state."""
    if is_remote(file.location):
        return
    status, label = os.stat(file.location), _get_label(file)
    if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
        raise DataError(_("{name} is not a regular file: copy its content into one.").format(name=label))
    if (status.st_size, status.st_mtime_ns) != (file.size_bytes, file.mtime_ns):
        raise DataError(
            _("{name} has changed since the files were listed: analyze it again into a new folder.").format(name=label)
        )
