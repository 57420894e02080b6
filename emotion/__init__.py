"""Emotion Studio: reads expressions in faces.

    from emotion import load_analyzer, read_image
    faces = load_analyzer().analyze(read_image("group.jpg"))

Nothing here imports TensorFlow or Streamlit.
"""

from emotion import environment  # noqa: F401  (before any package that reads it)
from emotion.errors import DataError, EmotionError, ImageError, JobError, ModelError, SettingsError, VideoError
from emotion.faces import Box, Face, FrameResult, Landmarks, Scores
from emotion.media.image_reader import as_rgb, read_image
from emotion.model_store.store import Bundle, default_bundle, find_bundles, open_bundle
from emotion.recognition.analyzer import Analyzer, Settings, load_analyzer
from emotion.recognition.annotation import annotate

__all__ = [
    "Analyzer",
    "Box",
    "Bundle",
    "DataError",
    "EmotionError",
    "Face",
    "FrameResult",
    "ImageError",
    "JobError",
    "Landmarks",
    "ModelError",
    "Scores",
    "Settings",
    "SettingsError",
    "VideoError",
    "annotate",
    "as_rgb",
    "default_bundle",
    "find_bundles",
    "load_analyzer",
    "open_bundle",
    "read_image",
]
