"""The request to analyze a video: the file, the settings, and the provenance of the results."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, NotRequired, cast

from emotion.errors import EmotionError, JobError, SettingsError, VideoError
from emotion.formatting import format_name
from emotion.model_store.store import ModelBundle, get_default_model, open_model
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.detectors.detector_factory import available_detectors, get_detector_sha256, make_detector
from emotion.recognition.features.default_network import find_default_bundle, load_default_network
from emotion.recognition.settings import AnalyzerSettings
from emotion.results import serialization
from emotion.results.records import ModelReference, Provenance
from emotion.storage import read_json, write_json
from emotion.translation.messages import gettext as _
from emotion.video.slot import REQUEST_FILE
from emotion.video.time_range import TimeRange

FAST_STRIDE: Final = None  # as `VideoSettings.frame_stride`: about eight frames per second
_MAX_NAME_LENGTH: Final = 200
_CAMERA_MAX_SIDE: Final = 640  # the detector input of a camera stream


@dataclass(frozen=True)
class VideoSettings:
    """The settings of an analysis.

    Attributes:
        recognition: Settings of detection and classification, and whether faces have features.
        frame_stride: Every n-th frame is processed; None (`FAST_STRIDE`): about eight per second.
        anonymize: Whether faces are pixelated in every image that is written; not together with features, since points
            and movements would describe what the pixels hide.
        write_video: Whether to write the annotated video.
        time_range: The part of the video that is analyzed; times in the results count from its start.
    """

    recognition: AnalyzerSettings = field(default_factory=lambda: AnalyzerSettings(max_side=_CAMERA_MAX_SIDE))
    frame_stride: int | None = 1
    anonymize: bool = False
    write_video: bool = True
    time_range: TimeRange = field(default_factory=TimeRange)

    def __post_init__(self) -> None:
        if self.frame_stride is not None and self.frame_stride < 1:
            raise SettingsError(
                _("A frame stride of {frame_stride} is not possible; give 1 for all frames or a larger number.").format(
                    frame_stride=self.frame_stride
                )
            )
        if self.anonymize and self.recognition.features:
            raise SettingsError(_("Features of anonymized faces are not estimated; switch one of the two off."))


class VideoProvenance(Provenance):
    """What reproduces the results of an analysis: program, models, and `VideoSettings` as plain values."""

    detector: ModelReference
    features: NotRequired[ModelReference]  # it also turns the crops of tilted faces; left out without one
    settings: dict[str, Any]


@dataclass(frozen=True)
class VideoRequest:
    """A video and everything that determines its results.

    Attributes:
        name: The name that a user gave the video.
        video_path: The file.
        settings: The settings.
        detector: The name of the detector.
        model: The folder of the classifier.
        provenance: What reproduces the results.
    """

    name: str
    video_path: Path
    settings: VideoSettings
    detector: str
    model: Path
    provenance: VideoProvenance

    def __post_init__(self) -> None:
        _format_provenance(self.provenance)  # raises for missing keys

    @classmethod
    def from_video(
        cls,
        video_path: Path,
        name: str,
        settings: VideoSettings,
        detector: str | None = None,
        model: Path | None = None,
    ) -> VideoRequest:
        """Make a request.

        Args:
            video_path: The file.
            name: The name that a user gave the video.
            settings: The settings.
            detector: Name of the detector, None: the best one that is available.
            model: Folder of the classifier, None: the default one.

        Raises:
            ModelError: A detector or a model is not available.
            VideoError: The model has no such head.
        """
        bundle = open_model(model) if model else get_default_model("classifier")
        detector = detector or available_detectors()[0]
        if detector not in available_detectors():
            make_detector(detector)  # raises with the reason
        head = settings.recognition.head
        if head is not None and head not in bundle.heads:
            raise VideoError(
                _("The model has no head {head!r}; it has {names}.").format(head=head, names=", ".join(bundle.heads))
            )
        provenance = VideoProvenance(
            program=serialization.PROGRAM,
            model={"name": bundle.name, "sha256": bundle.sha256},
            detector={"name": detector, "sha256": get_detector_sha256(detector)},
            settings=asdict(settings),
        )
        network = load_default_network().bundle if settings.recognition.features else find_default_bundle()
        if network is not None:
            provenance["features"] = {"name": network.name, "sha256": network.sha256}
        return cls(_sanitize_name(name), video_path, settings, detector, bundle.folder, provenance)

    @property
    def provenance_line(self) -> str:
        """The provenance as one line of text."""
        return _format_provenance(self.provenance)

    def write(self, folder: Path) -> None:
        """Write it into `folder`."""
        record = asdict(self) | {
            "video_path": os.fsdecode(os.path.abspath(self.video_path)),
            "model": str(self.model.absolute()),
        }
        write_json(folder / REQUEST_FILE, record)

    @classmethod
    def read(cls, folder: Path) -> VideoRequest:
        """Read what `write` wrote; `JobError` where it is missing or damaged."""
        record = read_json(folder / REQUEST_FILE)
        if record is None:
            raise JobError(
                _("There is no video in {folder}: its {request_file} is missing.").format(
                    folder=folder, request_file=REQUEST_FILE
                )
            )
        try:
            settings = dict(record["settings"])
            recognition = AnalyzerSettings(**settings.pop("recognition"))
            time_range = TimeRange(**settings.pop("time_range", {}))
            return cls(
                str(record["name"]),
                Path(record["video_path"]),
                VideoSettings(recognition, time_range=time_range, **settings),
                str(record["detector"]),
                Path(record["model"]),
                cast(VideoProvenance, dict(record["provenance"])),
            )
        except (KeyError, TypeError, ValueError, EmotionError) as error:
            raise JobError(
                _("{path} is damaged: delete this video and analyze it again.").format(path=folder / REQUEST_FILE)
            ) from error

    def load_analyzer(self) -> Analyzer:
        """Load detector and classifier; `ModelError` where one is missing.

        They run on one core: decoding and encoding use the others, and the results are the same on every machine.
        """
        bundle: ModelBundle = open_model(self.model)
        return Analyzer(make_detector(self.detector, num_threads=1), ExpressionClassifier(bundle, num_threads=1))


def _format_provenance(provenance: VideoProvenance) -> str:
    settings = dict(provenance["settings"])
    time_range = settings.pop("time_range", {})
    values = {**settings.pop("recognition"), **settings, **{name: time for name, time in time_range.items() if time}}
    models = {"model": provenance["model"], "detector": provenance["detector"]}
    if "features" in provenance:
        models["features network"] = provenance["features"]
    parts = [f"{kind} {model['name']} {model['sha256'] or ''}".strip() for kind, model in models.items()]
    return "; ".join([provenance["program"], *parts, *(f"{name}={value}" for name, value in values.items())])


def _sanitize_name(name: str) -> str:
    """Return a user's name for a video as one line of printable text."""
    return format_name(name.encode(errors="replace").decode(), _MAX_NAME_LENGTH) or "video"
