"""The images, videos and downloads of the pages, each served only to the visitors on whose pages it is."""

from __future__ import annotations

import threading
from pathlib import PurePosixPath

from streamlit.runtime.media_file_storage import MediaFileKind, MediaFileStorageError
from streamlit.runtime.memory_media_file_storage import MemoryFile, MemoryMediaFileStorage

from emotion.ui.visitors import identity


class OwnedMediaStorage(MemoryMediaFileStorage):
    """Streamlit's storage, which records for whom a file was made and finds it only for them."""

    def __init__(self, media_endpoint: str) -> None:
        super().__init__(media_endpoint)
        self._owners: dict[str, set[str]] = {}
        self._owners_lock = threading.Lock()

    def load_and_get_id(
        self, path_or_data: str | bytes, mimetype: str, kind: MediaFileKind, filename: str | None = None
    ) -> str:
        """Add a file for the visitor whose page is run, and return its id."""
        file_id = super().load_and_get_id(path_or_data, mimetype, kind, filename)
        with self._owners_lock:
            self._owners.setdefault(file_id, set()).add(identity.get_key())
        return file_id

    def get_file(self, filename: str) -> MemoryFile:
        """Return a file; to a request only one of its visitor, the error for others is that for a missing file."""
        key = identity.get_request_key()
        with self._owners_lock:
            is_allowed = key is None or (key and key in self._owners.get(PurePosixPath(filename).stem, ()))
        if not is_allowed:
            raise MediaFileStorageError(f"There is no media file {filename!r}.")
        return super().get_file(filename)

    def delete_file(self, file_id: str) -> None:
        """Delete a file that is on no page."""
        super().delete_file(file_id)
        with self._owners_lock:
            self._owners.pop(file_id, None)
