"""Frames and faces of a video as small JPEG images, pixelated where faces are anonymized."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from emotion.errors import EmotionError
from emotion.media.image_array import downscale
from emotion.media.image_reader import encode_jpeg, read_image
from emotion.media.video_reader import VideoReader
from emotion.media.video_writer import letterbox
from emotion.recognition.anonymizer import pixelate_all
from emotion.ui import components, session
from emotion.video.analysis import VideoAnalysis


def should_anonymize(analysis: VideoAnalysis) -> bool:
    """Check whether faces must be pixelated here because they are not in the files of the video."""
    return session.get_settings().anonymize and not analysis.settings.anonymize


def read_thumbnail(path: Path | None, anonymize: bool) -> bytes | None:
    """Read a JPEG from the folder of a video; None where there is none."""
    try:
        return _anonymize_jpeg(path.read_bytes(), anonymize) if path else None
    except OSError:
        return None


def get_face_thumbnail(path: Path | None, anonymize: bool) -> bytes | None:
    """Read the thumbnail of a face as a square JPEG; None where there is none."""
    jpeg = read_thumbnail(path, anonymize)
    return _crop_square(jpeg) if jpeg else None


@st.cache_data(max_entries=400, show_spinner=False)
def _crop_square(jpeg: bytes) -> bytes | None:
    try:
        image = read_image(jpeg)
    except EmotionError:
        return None
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 3, (image.shape[1] - side) // 2  # the eyes are above the middle
    return encode_jpeg(np.ascontiguousarray(image[top : top + side, left : left + side]), 88)


def show_frame(jpeg: bytes | None, alt_text: str) -> None:
    """Show a frame of a video; nothing for None.

    Args:
        jpeg: The frame, sent as part of the page: the next run of the page can remove a media file before a slow
            browser has requested it.
        alt_text: Description of the frame.
    """
    if jpeg:
        st.image(components.to_data_url(jpeg), width="stretch", alt=alt_text)


def get_latest_frame(analysis: VideoAnalysis, anonymize: bool) -> bytes | None:
    """Return the last processed frame with its labels, or else the first frame of the video, as JPEG."""
    return _get_frame(analysis, analysis.preview, anonymize)


def get_cover_frame(analysis: VideoAnalysis, anonymize: bool) -> bytes | None:
    """Return a frame with faces (`VideoAnalysis.cover`), or else the first frame of the video, as JPEG."""
    return _get_frame(analysis, analysis.cover, anonymize)


def get_video_thumbnail(analysis: VideoAnalysis, anonymize: bool) -> bytes | None:
    """Return `get_cover_frame` in 320 x 180 pixels; None where the video cannot be opened."""
    jpeg = get_cover_frame(analysis, anonymize)
    return _letterbox_jpeg(jpeg) if jpeg else None


def _get_frame(analysis: VideoAnalysis, jpeg: bytes | None, anonymize: bool) -> bytes | None:
    if jpeg:
        return _anonymize_jpeg(jpeg, anonymize)
    try:
        return _read_first_frame(analysis.request.video_path, anonymize or analysis.settings.anonymize)
    except EmotionError:
        return None


@st.cache_data(max_entries=100, show_spinner=False)
def _read_first_frame(path: Path, anonymize: bool) -> bytes:
    with VideoReader(path) as reader:
        image = downscale(next(reader.frames()).image(), 640)
    return encode_jpeg(pixelate_all(image) if anonymize else image, 80)


@st.cache_data(max_entries=100, show_spinner=False)
def _letterbox_jpeg(jpeg: bytes) -> bytes | None:
    try:
        return encode_jpeg(letterbox(read_image(jpeg), 320, 180), 85)
    except EmotionError:
        return None


def _anonymize_jpeg(jpeg: bytes, anonymize: bool) -> bytes | None:
    try:
        return encode_jpeg(pixelate_all(read_image(jpeg)), 88) if anonymize else jpeg
    except EmotionError:  # a damaged image counts as missing
        return None
