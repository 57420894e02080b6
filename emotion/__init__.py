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

if TYPE_CHECKING:
    from emotion.api import Progress, analyze_image, analyze_images, analyze_video, load_model
    from emotion.faces import Box, Face, FaceFeatures, FrameResult, HeadPose, Landmarks, Scores
    from emotion.media.image_reader import as_rgb, read_image
    from emotion.media.video_reader import VideoInfo, VideoReader
    from emotion.media.video_writer import VideoWriter
    from emotion.model_store.store import ModelBundle, list_models
    from emotion.recognition.analyzer import Analyzer, load_analyzer
    from emotion.recognition.annotation import annotate
    from emotion.recognition.classification import ExpressionClassifier
    from emotion.recognition.detectors.detection import FaceDetector
    from emotion.recognition.settings import AnalyzerSettings
    from emotion.results.image_result import ImageResult
    from emotion.tracking.settings import StreamSettings
    from emotion.tracking.stream import Stream
    from emotion.tracking.tracker import Tracker
    from emotion.video.result import VideoResult
    from emotion.video.time_range import TimeRange

# The modules of the public names, imported when a name is used: a job that waits for its turn holds neither OpenCV nor
# ONNX Runtime.
_MODULES = {
    "emotion.api": ("Progress", "analyze_image", "analyze_images", "analyze_video", "load_model"),
    "emotion.faces": ("Box", "Face", "FaceFeatures", "FrameResult", "HeadPose", "Landmarks", "Scores"),
    "emotion.media.image_reader": ("as_rgb", "read_image"),
    "emotion.media.video_reader": ("VideoInfo", "VideoReader"),
    "emotion.media.video_writer": ("VideoWriter",),
    "emotion.model_store.store": ("ModelBundle", "list_models"),
    "emotion.recognition.analyzer": ("Analyzer", "load_analyzer"),
    "emotion.recognition.annotation": ("annotate",),
    "emotion.recognition.classification": ("ExpressionClassifier",),
    "emotion.recognition.detectors.detection": ("FaceDetector",),
    "emotion.recognition.settings": ("AnalyzerSettings",),
    "emotion.results.image_result": ("ImageResult",),
    "emotion.tracking.settings": ("StreamSettings",),
    "emotion.tracking.stream": ("Stream",),
    "emotion.tracking.tracker": ("Tracker",),
    "emotion.video.result": ("VideoResult",),
    "emotion.video.time_range": ("TimeRange",),
}
_MODULE_BY_NAME = {name: module for module, names in _MODULES.items() for name in names}

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
    "TimeRange",
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
    if name not in _MODULE_BY_NAME:
        raise AttributeError(f"module 'emotion' has no attribute {name!r}")
    return getattr(import_module(_MODULE_BY_NAME[name]), name)
