"""Uploaded files, the large ones on the disk in place of the memory, with a ceiling for each session and for all."""

from __future__ import annotations

import mmap
import tempfile
import threading
from typing import Final

from starlette.exceptions import HTTPException
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

MAX_SESSION_BYTES: Final = 500_000_000
MAX_TOTAL_BYTES: Final = 4_000_000_000
# Videos are read once, and then let go. A page with photos reads them in each run, and shares what is in memory.
MIN_SPOOLED_BYTES: Final = 32_000_000
_TOO_LARGE: Final = 413  # HTTP status


class SpooledUploadManager(MemoryUploadedFileManager):
    """Streamlit's manager with ceilings, whose large files are on the disk."""

    def __init__(self, upload_endpoint: str) -> None:
        super().__init__(upload_endpoint)
        self._admission_lock = threading.Lock()

    def add_file(self, session_id: str, file: UploadedFileRec) -> None:
        """Keep a file.

        Raises:
            HTTPException: The session or the server holds too much already.
        """
        size = len(file.data)
        with self._admission_lock:
            held = {key: sum(len(one.data) for one in [*files.values()]) for key, files in [*self.file_storage.items()]}
            if held.get(session_id, 0) + size > MAX_SESSION_BYTES or sum(held.values()) + size > MAX_TOTAL_BYTES:
                raise HTTPException(_TOO_LARGE, "There is no room for more uploads; remove some first.")
            super().add_file(session_id, file if size < MIN_SPOOLED_BYTES else file._replace(data=_spool(file.data)))


def _spool(data: bytes) -> bytes:
    """Write data into a file without a name, which the system frees with the view of it, also after a kill."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))  # type: ignore[return-value]
