"""What somebody wants to know of a film: the file, the choices, and the receipt of what will read it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from emotion.errors import JobError, SettingsError, VideoError
from emotion.model_store.store import ModelBundle, compute_sha256, get_default_model, open_model
from emotion.recognition.analyzer import Analyzer, AnalyzerSettings
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.detector_factory import available_detectors, find_yunet, make_detector, trained_detectors
from emotion.results import serialization
from emotion.storage import read_json, write_json

FAST_STRIDE: Final = 0  # as `VideoSettings.frame_stride`
REQUEST_FILE: Final = "request.json"
_COMPONENTS: Final = ("model", "detector")
_MAX_NAME_LENGTH: Final = 200


@dataclass(frozen=True)
class VideoSettings:
    """What can be chosen for a video. `frame_stride`: every n-th frame is processed, `FAST_STRIDE` for about eight per
    second; `anonymize`: no image that is written shows a recognizable face; `write_video`: write the video with its
    labels, too."""

    recognition: AnalyzerSettings = field(default_factory=lambda: AnalyzerSettings(max_side=640))  # as for a camera
    frame_stride: int = 1
    anonymize: bool = False
    write_video: bool = True

    def __post_init__(self) -> None:
        if self.frame_stride < 0:
            raise VideoError(f"Every {self.frame_stride}th frame cannot be read; give 1 for all or a larger number.")


@dataclass(frozen=True)
class VideoRequest:
    """The file `video_path` under the `name` that people gave it, and what is to read it, resolved: `detector` by name,
    `model` as a folder. `provenance`: plain JSON values that say what made a result."""

    name: str
    video_path: Path
    settings: VideoSettings
    detector: str
    model: Path
    provenance: dict[str, Any]

    def __post_init__(self) -> None:
        _format_provenance(self.provenance)  # raises where it lacks something

    @classmethod
    def from_video(
        cls,
        video_path: Path,
        name: str,
        settings: VideoSettings,
        detector: str | None = None,
        model: Path | None = None,
    ) -> VideoRequest:
        """None takes the best detector here and the shipped classifier; `ModelError` where one is not to be had."""
        bundle = open_model(model) if model else get_default_model("classifier")
        detector = detector or available_detectors()[0]
        if detector not in available_detectors():
            make_detector(detector)  # knows why not
        head = settings.recognition.head
        if head is not None and head not in bundle.heads:
            raise VideoError(f"The model has no answer {head!r}; it has {', '.join(bundle.heads)}.")
        receipt = {
            "program": serialization.PROGRAM,
            "model": {"name": bundle.name, "sha256": bundle.sha256},
            "detector": {"name": detector, "sha256": _get_detector_sha256(detector)},
            "settings": asdict(settings),
        }
        return cls(_sanitize_name(name), video_path, settings, detector, bundle.folder, receipt)

    @property
    def provenance_line(self) -> str:
        """The receipt as one line of text."""
        return _format_provenance(self.provenance)

    def write(self, folder: Path) -> None:
        """Keep it in `folder`."""
        value = asdict(self) | {
            "video_path": os.fsdecode(os.path.abspath(self.video_path)),
            "model": str(self.model.absolute()),
        }
        write_json(folder / REQUEST_FILE, value)

    @classmethod
    def read(cls, folder: Path) -> VideoRequest:
        """What `write` kept; `JobError` where it is missing or makes no sense."""
        found = read_json(folder / REQUEST_FILE)
        if found is None:
            raise JobError(f"There is no film in {folder}: its {REQUEST_FILE} is missing.")
        try:
            settings = dict(found["settings"])
            recognition = AnalyzerSettings(**settings.pop("recognition"))
            return cls(
                str(found["name"]),
                Path(found["video_path"]),
                VideoSettings(recognition, **settings),
                str(found["detector"]),
                Path(found["model"]),
                dict(found["provenance"]),
            )
        except (KeyError, TypeError, ValueError, SettingsError) as error:
            raise JobError(f"{folder / REQUEST_FILE} is damaged: delete this film and read it again.") from error

    def load_analyzer(self) -> Analyzer:
        """What was chosen, loaded. It works on one core: a film keeps the others busy with its pictures, and the same
        film gives the same numbers on every machine. `ModelError` where something is not there any more."""
        bundle: ModelBundle = open_model(self.model)
        return Analyzer(make_detector(self.detector, num_threads=1), ExpressionClassifier(bundle, num_threads=1))


def _format_provenance(provenance: dict[str, Any]) -> str:
    settings = dict(provenance["settings"])
    choices = {**settings.pop("recognition"), **settings}
    parts = [f"{kind} {provenance[kind]['name']} {provenance[kind]['sha256'] or ''}".strip() for kind in _COMPONENTS]
    return "; ".join([provenance["program"], *parts, *(f"{name}={value}" for name, value in choices.items())])


def _get_detector_sha256(name: str) -> str | None:
    """Of the detector's network; None for the cascade, which comes with OpenCV."""
    if name == "yunet":
        path = find_yunet()
        return compute_sha256(path) if path else None
    own = trained_detectors().get(name)
    return own.sha256 if own else None


def _sanitize_name(name: str) -> str:
    """A person's name for a film as one line of text that can be written anywhere."""
    text = "".join(c if c.isprintable() else " " for c in name.encode(errors="replace").decode())
    return " ".join(text.split())[:_MAX_NAME_LENGTH] or "video"
