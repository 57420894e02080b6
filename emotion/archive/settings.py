"""The settings of an archive analysis, and what identifies the program and the models that make its results."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2

from emotion.errors import SettingsError
from emotion.model_store.store import get_default_model, open_model
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.detectors.detector_factory import available_detectors, get_detector_sha256, make_detector
from emotion.recognition.features.default_network import find_default_bundle, load_default_network
from emotion.recognition.settings import AnalyzerSettings
from emotion.results.serialization import PROGRAM
from emotion.video.settings import FAST_STRIDE, VideoSettings


@dataclass(frozen=True)
class ArchiveSettings:
    """The settings of an analysis.

    Attributes:
        images: Of detection and classification in images, and whether faces have features.
        videos: Of videos; about eight frames a second by default; faces have features as in images.
        thumbnails: Whether a small image of each face is stored in the tables.
    """

    images: AnalyzerSettings = field(default_factory=AnalyzerSettings)
    videos: VideoSettings = field(
        default_factory=lambda: VideoSettings(frame_stride=FAST_STRIDE, write_video=False),
    )
    thumbnails: bool = True

    def __post_init__(self) -> None:
        if self.images.features != self.videos.recognition.features:
            raise SettingsError("The faces of images and of videos have features or not, both alike; set both.")


@dataclass(frozen=True)
class ArchiveRequest:
    """The settings with everything else that determines the results.

    Attributes:
        settings: The settings.
        detector: The name of the detector.
        model: The folder of the classifier; None for the default one.
        labels: The labels of the head.
        program: The name and version of the program.
        model_sha256: Of the classifier's network.
        detector_sha256: Of the detector's network; None for the cascade.
        features_sha256: Of the features network, which also turns the crops of tilted faces; None without one.
    """

    settings: ArchiveSettings
    detector: str
    model: Path | None
    labels: tuple[str, ...]
    program: str
    model_sha256: str
    detector_sha256: str | None
    features_sha256: str | None = None

    @classmethod
    def from_settings(
        cls, settings: ArchiveSettings, detector: str | None = None, model: Path | None = None
    ) -> ArchiveRequest:
        """Make a request of the models of this machine.

        Args:
            settings: The settings.
            detector: Name of the detector; the best one that is available for None.
            model: Folder of the classifier; the default one for None.

        Raises:
            ModelError: The detector, the classifier or the features network is not available.
            SettingsError: The classifier does not have the head of the settings.
        """
        bundle = open_model(model) if model else get_default_model("classifier")
        detector = detector or available_detectors()[0]
        make_detector(detector)  # raises where it is not available
        head = settings.images.head or bundle.default_head
        if head not in bundle.heads:
            raise SettingsError(f"The model has no head {head!r}; choose one of {', '.join(bundle.heads)}.")
        return cls(
            settings,
            detector,
            model.absolute() if model else None,
            tuple(bundle.heads[head].labels),
            PROGRAM,
            bundle.sha256,
            get_detector_sha256(detector),
            _get_features_sha256(settings),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what decides the results as plain JSON values; the model is named by its sha256, not by its path."""
        record = asdict(self)
        del record["model"]
        return record | {"labels": list(self.labels)}

    def load_analyzer(self) -> Analyzer:
        """Load detector and classifier on one core, since a worker is one of several.

        Raises:
            ModelError: One of them is missing on this machine.
            SettingsError: This machine has another version of the program or of a model.
        """
        cv2.setNumThreads(1)
        bundle = open_model(self.model) if self.model else get_default_model("classifier")
        features = _get_features_sha256(self.settings)
        found = (PROGRAM, bundle.sha256, get_detector_sha256(self.detector), features)
        expected = (self.program, self.model_sha256, self.detector_sha256, self.features_sha256)
        names = ("program", "classifier", "detector", "features network")
        for name, here, wanted in zip(names, found, expected, strict=True):
            if here != wanted:
                raise SettingsError(
                    f"A worker has another {name} ({_shorten(here)}) than the analysis ({_shorten(wanted)}): install "
                    "the same version on all machines."
                )
        return Analyzer(make_detector(self.detector, num_threads=1), ExpressionClassifier(bundle, num_threads=1))


def _get_features_sha256(settings: ArchiveSettings) -> str | None:
    if settings.images.features:
        return load_default_network().bundle.sha256
    bundle = find_default_bundle()
    return None if bundle is None else bundle.sha256


def _shorten(identity: str | None) -> str:
    """Return the program as it is and the beginning of a sha256."""
    return (identity or "none")[: len(PROGRAM)]
