"""Emotion Studio: reads expressions in faces.

    from emotion import load_analyzer, read_image
    faces = load_analyzer().analyze(read_image("group.jpg"))

Nothing here imports TensorFlow or Streamlit.
"""

from emotion import environment  # noqa: F401  (before any package that reads it)
from emotion.errors import DataError, EmotionError, ImageError, JobError, ModelError, SettingsError, VideoError
from emotion.faces import Box, Face, FrameResult, Landmarks, Scores
from emotion.media.image_reader import as_rgb, read_image
from emotion.model_store.store import ModelBundle, get_default_model, list_models, open_model
from emotion.recognition.analyzer import Analyzer, AnalyzerSettings, load_analyzer
from emotion.recognition.annotation import annotate

__all__ = [
    "Analyzer",
    "AnalyzerSettings",
    "Box",
    "DataError",
    "EmotionError",
    "Face",
    "FrameResult",
    "ImageError",
    "JobError",
    "Landmarks",
    "ModelBundle",
    "ModelError",
    "Scores",
    "SettingsError",
    "VideoError",
    "annotate",
    "as_rgb",
    "get_default_model",
    "list_models",
    "load_analyzer",
    "open_model",
    "read_image",
]
