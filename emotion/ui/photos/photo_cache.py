"""Cached analyses and thumbnails of the photos of a session; visitors take turns."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from emotion.demo.sample_image import SAMPLE_IMAGE
from emotion.faces import Box
from emotion.jobs.fair_semaphore import FairSemaphore
from emotion.jobs.process_resources import return_free_memory
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import count_pixels
from emotion.results import photos
from emotion.results.photos import Photo, PhotoAnalysis
from emotion.translation.messages import gettext as _
from emotion.translation.messages import ngettext
from emotion.ui import session

SAMPLE_PHOTO: Final = SAMPLE_IMAGE
MAX_MEGAPIXELS: Final = 80  # analyzed at a time by all visitors: two photos of the largest size, about 900 MB
MAX_ANALYSES: Final = 200  # kept for each session


def analyze_photo(content: bytes, name: str, *, with_features: bool = False) -> PhotoAnalysis:
    """Analyze a photo with the settings of the sidebar; cached for the session by content and settings.

    Args:
        content: The bytes of the file.
        name: Name of the photo in error messages.
        with_features: Whether points, head pose and movements of the faces are estimated, too.

    Raises:
        ImageError: If it cannot be read.
        ModelError: If there is no classifier.
    """
    session_settings, analyzer = session.get_settings(), session.get_analyzer()
    # The analysis does not depend on the minimum confidence.
    settings = replace(session_settings.analyzer_settings, min_confidence=0, features=with_features)
    key = (hashlib.sha256(content).hexdigest(), session_settings.detector, analyzer.classifier.bundle.sha256, settings)
    analyses: dict[object, PhotoAnalysis] = st.session_state.setdefault("photo_analyses", {})
    analysis = analyses.pop(key, None)
    if analysis is None:
        with _take_turn_with_caption(content):
            analysis = photos.analyze_photo(content, analyzer, settings, name)
    analyses[key] = analysis  # the last one used is the last one in the dictionary
    if len(analyses) > MAX_ANALYSES:
        del analyses[next(iter(analyses))]
    return analysis


@contextmanager
def _take_turn_with_caption(content: bytes) -> Iterator[None]:
    slots: list[DeltaGenerator] = []

    def show_position(num_ahead: int) -> None:
        slots[:] = slots or [st.empty()]
        text = ngettext(
            "Many photos are being analyzed right now; {count} before yours.",
            "Many photos are being analyzed right now; {count} before yours.",
            num_ahead,
        ).format(count=num_ahead)
        slots[0].caption(text if num_ahead else _("Many photos are being analyzed right now; yours is next."))

    with take_turn([content], show_position):
        for slot in slots:
            slot.empty()
        yield


@contextmanager
def take_turn(contents: Iterable[bytes], on_wait: Callable[[int], None]) -> Iterator[None]:
    """Wait until photos may be decoded one after the other, and hold their share of `MAX_MEGAPIXELS` inside `with`.

    Their memory is returned to the system at the end.

    Args:
        contents: The bytes of the files.
        on_wait: Called repeatedly while waiting, with the number of threads ahead.
    """
    with _get_semaphore().acquire(on_wait, max(map(_count_slots, contents), default=MAX_MEGAPIXELS)):
        try:
            yield
        finally:
            return_free_memory()


@st.cache_resource(show_spinner=False)
def _get_semaphore() -> FairSemaphore:
    """Limit the photos analyzed at the same time by their megapixels, and so the memory that this takes."""
    return FairSemaphore(MAX_MEGAPIXELS)


def _count_slots(content: bytes) -> int:
    """Return the slots of a photo: its megapixels, but so many that one processor is left for the pages."""
    num_processors = max(2, os.cpu_count() or 1)
    return max(math.ceil(count_pixels(content) / 1e6), MAX_MEGAPIXELS // num_processors + 1)


def get_thumbnail(photo: Photo, anonymize: bool) -> ImageArray:
    """Return a thumbnail of a photo, RGB uint8; cached for the session."""
    hidden_boxes = photo.analysis.anonymized_boxes if anonymize else ()
    return _make_thumbnail(photo.analysis.preview_jpeg, hidden_boxes, photo)


@st.cache_data(max_entries=200, show_spinner=False, scope="session")
def _make_thumbnail(preview: bytes, hidden_boxes: tuple[Box, ...], _photo: Photo) -> ImageArray:
    return _photo.make_thumbnail(bool(hidden_boxes))


def get_detail(photo: Photo) -> PhotoAnalysis:
    """Return the analysis of a photo with a preview of more pixels, see `Photo.load_detail`; the last one is cached."""
    if not photo.has_detail or not isinstance(photo.content, bytes):
        return photo.analysis
    return replace(photo.analysis, preview_jpeg=_load_detail(photo.analysis.preview_jpeg, photo.content, photo))


@st.cache_data(max_entries=1, show_spinner=False, scope="session")
def _load_detail(preview: bytes, _content: bytes, _photo: Photo) -> bytes:
    with take_turn([_content], lambda num_ahead: None):
        return _photo.load_detail().preview_jpeg


def clear_photos() -> None:
    """Free the cached analyses and thumbnails of this session."""
    st.session_state.pop("photo_analyses", None)
    _load_detail.clear()
    _make_thumbnail.clear()


def read_sample_photo() -> tuple[str, bytes]:
    """Return the name and the content of the sample photo."""
    return SAMPLE_PHOTO.name, SAMPLE_PHOTO.read_bytes()
