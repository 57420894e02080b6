"""Emotion Studio: detect faces in images and videos, and classify their expressions.

    import emotion

    result = emotion.analyze_image("group.jpg")
    for face in result.faces:
        print(face.box, face.label, face.confidence)

Importing this package loads neither TensorFlow, Streamlit nor pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from emotion import environment  # noqa: F401  (before any package that reads it)
from emotion.api import Progress, analyze_image, analyze_images, analyze_video, load_model
from emotion.environment import VERSION as __version__
from emotion.errors import (
    DataError,
    DivergenceError,
    EmotionError,
    ImageError,
    JobError,
    ModelError,
    ResultFolderError,
    SettingsError,
    VideoError,
)
from emotion.faces import Box, Face, FaceFeatures, FrameResult, HeadPose, Landmarks, Scores
from emotion.media.image_reader import as_rgb, read_image
from emotion.model_store.store import ModelBundle, list_models
from emotion.recognition.analyzer import Analyzer, load_analyzer
from emotion.recognition.annotation import annotate
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.detection import FaceDetector
from emotion.recognition.settings import AnalyzerSettings
from emotion.results.image_result import ImageResult
from emotion.video.result import VideoResult

if TYPE_CHECKING:
    from emotion.media.video_reader import VideoInfo, VideoReader
    from emotion.media.video_writer import VideoWriter
    from emotion.tracking.settings import StreamSettings
    from emotion.tracking.stream import Stream
    from emotion.tracking.tracker import Tracker

# They load PyAV and SciPy, which analyzing an image does not need: half of the time that the import would take.
_LAZY_EXPORTS = {
    "Stream": "emotion.tracking.stream",
    "StreamSettings": "emotion.tracking.settings",
    "Tracker": "emotion.tracking.tracker",
    "VideoInfo": "emotion.media.video_reader",
    "VideoReader": "emotion.media.video_reader",
    "VideoWriter": "emotion.media.video_writer",
}

__all__ = [
    "Analyzer",
    "AnalyzerSettings",
    "Box",
    "DataError",
    "DivergenceError",
    "EmotionError",
    "ExpressionClassifier",
    "Face",
    "FaceDetector",
    "FaceFeatures",
    "FrameResult",
    "HeadPose",
    "ImageError",
    "ImageResult",
    "JobError",
    "Landmarks",
    "ModelBundle",
    "ModelError",
    "Progress",
    "ResultFolderError",
    "Scores",
    "SettingsError",
    "Stream",
    "StreamSettings",
    "Tracker",
    "VideoError",
    "VideoInfo",
    "VideoReader",
    "VideoResult",
    "VideoWriter",
    "__version__",
    "analyze_image",
    "analyze_images",
    "analyze_video",
    "annotate",
    "as_rgb",
    "list_models",
    "load_analyzer",
    "load_model",
    "read_image",
]


def __getattr__(name: str) -> object:
    if name not in _LAZY_EXPORTS:
        raise AttributeError(f"module 'emotion' has no attribute {name!r}")
    return getattr(import_module(_LAZY_EXPORTS[name]), name)
