"""What somebody wants to know of a film: the file, the choices, and the receipt of what will read it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from emotion.errors import JobError, SettingsError, VideoError
from emotion.model_store.store import Bundle, default_bundle, open_bundle, sha256_of
from emotion.recognition.analyzer import Analyzer, Settings
from emotion.recognition.classification import Recogniser
from emotion.recognition.detector_factory import available_detectors, find_yunet, make_detector, own_detectors
from emotion.results import serialization
from emotion.storage import read_json, write_json

FAST: Final = 0  # as `FilmSettings.every`
REQUEST: Final = "request.json"
_KINDS: Final = ("model", "detector")
_LONGEST_NAME: Final = 200


@dataclass(frozen=True)
class FilmSettings:
    """What can be chosen for a film. `every`: every n-th frame is looked at, `FAST` for about eight in a second;
    `blur`: no picture that is written shows a recognisable face; `film`: write the film with its labels, too."""

    recognition: Settings = field(default_factory=lambda: Settings(side=640))  # as for a camera
    every: int = 1
    blur: bool = False
    film: bool = True

    def __post_init__(self) -> None:
        if self.every < 0:
            raise VideoError(f"Every {self.every}th frame cannot be read; give 1 for all or a larger number.")


@dataclass(frozen=True)
class Request:
    """The file `film` under the `name` that people gave it, and what is to read it, resolved: `detector` by name,
    `model` as a folder. `receipt`: plain JSON values that say what made a result."""

    name: str
    film: Path
    settings: FilmSettings
    detector: str
    model: Path
    receipt: dict[str, Any]

    def __post_init__(self) -> None:
        _line_of(self.receipt)  # raises where it lacks something

    @classmethod
    def of(
        cls, film: Path, name: str, settings: FilmSettings, detector: str | None = None, model: Path | None = None
    ) -> Request:
        """None takes the best detector here and the shipped recogniser; `ModelError` where one is not to be had."""
        bundle = open_bundle(model) if model else default_bundle("recogniser")
        detector = detector or available_detectors()[0]
        if detector not in available_detectors():
            make_detector(detector)  # knows why not
        head = settings.recognition.head
        if head is not None and head not in bundle.heads:
            raise VideoError(f"The model has no answer {head!r}; it has {', '.join(bundle.heads)}.")
        receipt = {
            "program": serialization.PROGRAM,
            "model": {"name": bundle.name, "sha256": bundle.sha256},
            "detector": {"name": detector, "sha256": _detector_sha256(detector)},
            "settings": asdict(settings),
        }
        return cls(_readable(name), film, settings, detector, bundle.folder, receipt)

    @property
    def receipt_line(self) -> str:
        """The receipt as one line of text."""
        return _line_of(self.receipt)

    def write(self, folder: Path) -> None:
        """Keep it in `folder`."""
        value = asdict(self) | {"film": os.fsdecode(os.path.abspath(self.film)), "model": str(self.model.absolute())}
        write_json(folder / REQUEST, value)

    @classmethod
    def read(cls, folder: Path) -> Request:
        """What `write` kept; `JobError` where it is missing or makes no sense."""
        found = read_json(folder / REQUEST)
        if found is None:
            raise JobError(f"There is no film in {folder}: its {REQUEST} is missing.")
        try:
            settings = dict(found["settings"])
            recognition = Settings(**settings.pop("recognition"))
            return cls(
                str(found["name"]), Path(found["film"]), FilmSettings(recognition, **settings),
                str(found["detector"]), Path(found["model"]), dict(found["receipt"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, SettingsError) as error:
            raise JobError(f"{folder / REQUEST} is damaged: delete this film and read it again.") from error

    def analyzer(self) -> Analyzer:
        """What was chosen, loaded. It works on one core: a film keeps the others busy with its pictures, and the same
        film gives the same numbers on every machine. `ModelError` where something is not there any more."""
        bundle: Bundle = open_bundle(self.model)
        return Analyzer(make_detector(self.detector, threads=1), Recogniser(bundle, threads=1))


def _line_of(receipt: dict[str, Any]) -> str:
    settings = dict(receipt["settings"])
    choices = {**settings.pop("recognition"), **settings}
    parts = [f"{kind} {receipt[kind]['name']} {receipt[kind]['sha256'] or ''}".strip() for kind in _KINDS]
    return "; ".join([receipt["program"], *parts, *(f"{name}={value}" for name, value in choices.items())])


def _detector_sha256(name: str) -> str | None:
    """Of the detector's network; None for the cascade, which comes with OpenCV."""
    if name == "yunet":
        path = find_yunet()
        return sha256_of(path) if path else None
    own = own_detectors().get(name)
    return own.sha256 if own else None


def _readable(name: str) -> str:
    """A person's name for a film as one line of text that can be written anywhere."""
    text = "".join(c if c.isprintable() else " " for c in name.encode(errors="replace").decode())
    return " ".join(text.split())[:_LONGEST_NAME] or "film"
