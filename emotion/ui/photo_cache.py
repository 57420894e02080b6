"""Photos as the pages read them: kept for the session, in turn with other visitors, and forgotten when asked."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from typing import Any, Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from emotion.faces import Box
from emotion.jobs.fair_semaphore import Line
from emotion.recognition.analyzer import Analyzer, Settings
from emotion.results import photos
from emotion.results.photos import Photo, Reading
from emotion.storage import PROJECT_ROOT
from emotion.ui import session

Picture = NDArray[np.uint8]

SAMPLE: Final = PROJECT_ROOT / "emotion" / "demo" / "assets" / "astronaut.jpg"


def read_photo(content: bytes, name: str) -> Reading:
    """Read one photo with what is chosen in the sidebar; kept for the session by its content and the settings.

    `name` is what an `ImageError` calls it.
    """
    chosen, reader = session.choice(), session.analyzer()
    settings = replace(chosen.settings, unsure=0)  # the reading does not depend on it
    key = (hashlib.sha256(content).hexdigest(), chosen.detector, reader.recogniser.bundle.sha256, settings)
    known: set[object] = st.session_state.setdefault("photos_read", set())
    if key in known:  # most likely kept; who only looks at it again waits for nobody
        return _read_photo(key, content, name, reader, settings)
    words = []

    def wait(before: int) -> None:
        words[:] = words or [st.empty()]
        yours = f"{before} before yours" if before else "yours is next"
        words[0].caption(f"Many photos are being read right now; {yours}.")

    with _line().place(wait):
        for place in words:
            place.empty()
        reading = _read_photo(key, content, name, reader, settings)
    known.add(key)
    return reading


@st.cache_resource(show_spinner=False)
def _line() -> Line:
    """All visitors share the processors: more photos at once would only all be slower, and take more memory."""
    return Line(os.cpu_count() or 1)


@st.cache_data(max_entries=200, show_spinner=False, scope="session")
def _read_photo(key: tuple[Any, ...], _content: bytes, _name: str, _reader: Analyzer, _settings: Settings) -> Reading:
    return photos.read(_content, _reader, _settings, _name)


def thumbnail(photo: Photo, blur: bool) -> Picture:
    """A small picture of a photo as it may be shown, RGB uint8; kept for the session."""
    hidden = photo.reading.hidden if blur else ()
    return _thumbnail(photo.reading.preview, hidden, photo)


@st.cache_data(max_entries=200, show_spinner=False, scope="session")
def _thumbnail(preview: bytes, hidden: tuple[Box, ...], _photo: Photo) -> Picture:
    return _photo.thumbnail(bool(hidden))


def forget_photos() -> None:
    """Free the memory of what this session read in photos that it no longer shows."""
    _read_photo.clear()
    _thumbnail.clear()
    st.session_state.pop("photos_read", None)


def forget_upload(file_id: str) -> None:
    """Free the memory of an upload now; Streamlit would keep it until the session ends."""
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file_id)


def sample_photo() -> tuple[str, bytes]:
    """Name and content of a photo to try the program with."""
    return SAMPLE.name, SAMPLE.read_bytes()
