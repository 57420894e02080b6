"""Photos as the pages read them: kept for the session, in turn with other visitors, and forgotten when asked."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from typing import Any, Final

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from emotion.demo.sample_image import SAMPLE_IMAGE
from emotion.faces import Box
from emotion.jobs.fair_semaphore import FairSemaphore
from emotion.media.image_array import ImageArray
from emotion.recognition.analyzer import Analyzer, AnalyzerSettings
from emotion.results import photos
from emotion.results.photos import Photo, PhotoAnalysis
from emotion.ui import session

SAMPLE_PHOTO: Final = SAMPLE_IMAGE


def analyze_photo(content: bytes, name: str) -> PhotoAnalysis:
    """Read one photo with what is chosen in the sidebar; kept for the session by its content and the settings.

    `name` is what an `ImageError` calls it.
    """
    session_settings, analyzer = session.get_settings(), session.get_analyzer()
    settings = replace(session_settings.analyzer_settings, min_confidence=0)  # the analysis does not depend on it
    key = (hashlib.sha256(content).hexdigest(), session_settings.detector, analyzer.classifier.bundle.sha256, settings)
    known: set[object] = st.session_state.setdefault("analyzed_photos", set())
    if key in known:  # most likely kept; who only looks at it again waits for nobody
        return _analyze_photo(key, content, name, analyzer, settings)
    words = []

    def wait(before: int) -> None:
        words[:] = words or [st.empty()]
        yours = f"{before} before yours" if before else "yours is next"
        words[0].caption(f"Many photos are being read right now; {yours}.")

    with _get_semaphore().acquire(wait):
        for place in words:
            place.empty()
        analysis = _analyze_photo(key, content, name, analyzer, settings)
    known.add(key)
    return analysis


@st.cache_resource(show_spinner=False)
def _get_semaphore() -> FairSemaphore:
    """All visitors share the processors: more photos at once would only all be slower, and take more memory."""
    return FairSemaphore(os.cpu_count() or 1)


@st.cache_data(max_entries=200, show_spinner=False, scope="session")
def _analyze_photo(
    key: tuple[Any, ...], _content: bytes, _name: str, _analyzer: Analyzer, _settings: AnalyzerSettings
) -> PhotoAnalysis:
    return photos.analyze_photo(_content, _analyzer, _settings, _name)


def get_thumbnail(photo: Photo, anonymize: bool) -> ImageArray:
    """A small picture of a photo as it may be shown, RGB uint8; kept for the session."""
    hidden = photo.analysis.anonymized_boxes if anonymize else ()
    return _make_thumbnail(photo.analysis.preview_jpeg, hidden, photo)


@st.cache_data(max_entries=200, show_spinner=False, scope="session")
def _make_thumbnail(preview: bytes, hidden_boxes: tuple[Box, ...], _photo: Photo) -> ImageArray:
    return _photo.make_thumbnail(bool(hidden_boxes))


def clear_photos() -> None:
    """Free the memory of what this session read in photos that it no longer shows."""
    _analyze_photo.clear()
    _make_thumbnail.clear()
    st.session_state.pop("analyzed_photos", None)


def release_upload(file_id: str) -> None:
    """Free the memory of an upload now; Streamlit would keep it until the session ends."""
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file_id)


def read_sample_photo() -> tuple[str, bytes]:
    """Name and content of a photo to try the program with."""
    return SAMPLE_PHOTO.name, SAMPLE_PHOTO.read_bytes()
