"""The player of a video, its thumbnails and its preview."""

from __future__ import annotations

import io
import mmap
import sys
from pathlib import Path
from typing import Final

import streamlit as st

from emotion.video.analysis import VideoAnalysis

_MAX_HEIGHT_PX: Final = 520  # pixels of the player


class _MemoryMappedFile(io.BytesIO):
    """A file that Streamlit serves from the disk: it would read the whole of it into memory, on every run anew."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        with open(path, "rb") as file:
            self._view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def getvalue(self) -> bytes:
        """All of it, as a view."""
        return self._view  # type: ignore[return-value]


def open_video_file(path: Path) -> io.BytesIO:
    """A finished film for `st.video` and `st.download_button`."""
    if sys.platform == "win32":  # there a file that is in use cannot be deleted
        return io.BytesIO(path.read_bytes())
    return _MemoryMappedFile(path)


def show_player(analysis: VideoAnalysis) -> None:
    """The film with its labels, never higher than a window."""
    facts = analysis.video_info
    width = round(_MAX_HEIGHT_PX * facts.width / facts.height) if facts else _MAX_HEIGHT_PX
    if analysis.annotated_video is not None:
        st.video(
            open_video_file(analysis.annotated_video),
            alt=f"The film {analysis.name} with its labels",
            width=width if width < _MAX_HEIGHT_PX else "stretch",
        )
