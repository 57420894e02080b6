"""Frames and faces of a video as small images, hidden where faces are not to be seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from emotion.errors import EmotionError
from emotion.media.image_reader import encode_jpeg, read_image
from emotion.media.video_reader import Film
from emotion.media.video_writer import fitted
from emotion.recognition.anonymizer import hidden
from emotion.results.photos import smaller
from emotion.ui import components, session
from emotion.video.analysis import Analysis


def covered(analysis: Analysis) -> bool:
    """Whether faces are to be blurred that are not blurred in the files of this film."""
    return session.choice().blur and not analysis.settings.blur


def small_picture(path: Path | None, cover: bool) -> bytes | None:
    """A small JPEG of a film's folder as it may be shown, None where there is none."""
    try:
        return _covered(path.read_bytes(), cover) if path else None
    except OSError:
        return None


def portrait(path: Path | None, cover: bool) -> bytes | None:
    """A face as a square JPEG, None where there is none."""
    jpeg = small_picture(path, cover)
    return _square(jpeg) if jpeg else None


@st.cache_data(max_entries=400, show_spinner=False)
def _square(jpeg: bytes) -> bytes | None:
    try:
        image = read_image(jpeg)
    except EmotionError:
        return None
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 3, (image.shape[1] - side) // 2  # eyes lie above the middle
    return encode_jpeg(np.ascontiguousarray(image[top : top + side, left : left + side]), 88)


def show_frame(jpeg: bytes | None, alt: str) -> None:
    """Show a frame of a video; nothing for None.

    Args:
        jpeg: The frame. It is sent as part of the page: a file of its own would be removed, by the next run of the
            page, before a slow browser has asked for it.
        alt: What it shows.
    """
    if jpeg:
        st.image(components.jpeg_url(jpeg), width="stretch", alt=alt)


def latest_frame(analysis: Analysis, cover: bool) -> bytes | None:
    """The last processed frame with its labels, JPEG; the first frame of the video until there is one."""
    return _shown_frame(analysis, analysis.preview, cover)


def cover_frame(analysis: Analysis, cover: bool) -> bytes | None:
    """A frame with faces, JPEG, see `Analysis.cover`; the first frame of the video until there is one."""
    return _shown_frame(analysis, analysis.cover, cover)


def thumbnail(analysis: Analysis, cover: bool) -> bytes | None:
    """`cover_frame` for the card of a video, JPEG 320 x 180; None where the video cannot be opened."""
    jpeg = cover_frame(analysis, cover)
    return _thumbnail(jpeg) if jpeg else None


def _shown_frame(analysis: Analysis, jpeg: bytes | None, cover: bool) -> bytes | None:
    if jpeg:
        return _covered(jpeg, cover)
    try:
        return _first_frame(analysis.request.film, cover or analysis.settings.blur)
    except EmotionError:
        return None


@st.cache_data(max_entries=100, show_spinner=False)
def _first_frame(path: Path, cover: bool) -> bytes:
    with Film(path) as film:
        image = smaller(next(film.frames()).image(), 640)
    return encode_jpeg(hidden(image) if cover else image, 80)


@st.cache_data(max_entries=100, show_spinner=False)
def _thumbnail(jpeg: bytes) -> bytes | None:
    try:
        return encode_jpeg(fitted(read_image(jpeg), 320, 180), 85)
    except EmotionError:
        return None


def _covered(jpeg: bytes, cover: bool) -> bytes | None:
    try:
        return encode_jpeg(hidden(read_image(jpeg)), 88) if cover else jpeg
    except EmotionError:  # a damaged picture is as good as none
        return None
