"""The best picture of each face and expression of a film, kept up to date while the film is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.errors import JobError
from emotion.faces import Face
from emotion.media.image_reader import encode_jpeg
from emotion.recognition.analyzer import sharpness
from emotion.recognition.anonymizer import hidden
from emotion.recognition.cropping import to_grey
from emotion.results import serialization
from emotion.results.photos import smaller
from emotion.storage import read_json, write_atomic, write_json

Picture = NDArray[np.uint8]

FOLDER: Final = "crops"
SIDE: Final = 160  # pixels, of what is kept
_INDEX: Final = "values.json"  # how good each picture is, so that those of faces that are one can be compared
_READ: Final = 48  # pixels in which sharpness is judged
_SHARP: Final = 0.1  # from which on it is sharp enough
_BETTER: Final = 1.05  # factor from which a picture replaces the one before


class Crops:
    """Keeps `FOLDER`/<track>-<expression>.jpg and <track>.jpg, the best of all, in a folder; a mosaic with `blur`."""

    def __init__(self, folder: Path, blur: bool) -> None:
        self._folder = folder / FOLDER
        self._blur = blur
        self._values: dict[str, float] = {}
        self._new: dict[str, Picture] = {}

    def see(self, image: Picture, faces: tuple[Face, ...]) -> None:
        """Look at the faces of RGB uint8 (H, W, 3)."""
        for face in faces:
            if face.track is None or face.confidence is None:
                continue
            whole, name = str(face.track), f"{face.track}-{face.shown}"
            least = _BETTER * min(self._values.get(name, 0.0), self._values.get(whole, 0.0))
            value = _size(face) * face.confidence
            if value <= least:
                continue  # sharpness cannot help it any more
            crop = serialization.cut_out(image, face)
            value = round(value * _sharp(crop), 6)
            sure = value if face.unsure is None else value / 100  # where there is nothing else
            for key, good in ((name, value), (whole, sure)):
                if good > _BETTER * self._values.get(key, 0.0):
                    self._values[key] = good
                    self._new[key] = small(crop, self._blur)

    def write(self) -> None:
        """Write the pictures that are better than those that are there."""
        if self._new:
            self._folder.mkdir(exist_ok=True)
            for name, crop in self._new.items():
                write_atomic(self._folder / f"{name}.jpg", encode_jpeg(crop, 88))
            write_json(self._folder / _INDEX, self._values)
            self._new = {}


def small(crop: Picture, blur: bool) -> Picture:
    """What is kept of a crop, RGB uint8: at most `SIDE` pixels, a mosaic with `blur`."""
    reduced = smaller(crop, SIDE)
    return hidden(reduced) if blur else reduced.copy()


@dataclass(frozen=True)
class Kept:
    """The pictures that are in a folder now, read once for all faces: how good each is by its name."""

    folder: Path
    values: Mapping[str, float]

    @classmethod
    def read(cls, folder: Path) -> Kept:
        """Those that `Crops` wrote into `folder`, none where it wrote none (yet)."""
        try:
            there = os.listdir(folder / FOLDER)
        except FileNotFoundError:
            there = []
        values = _read_values(folder)
        names = (name.removesuffix(".jpg") for name in there if name.endswith(".jpg"))
        return cls(folder / FOLDER, {name: values.get(name, 0.0) for name in names})

    def best(self, tracks: tuple[int, ...], expression: str | None = None) -> Path | None:
        """The best picture of faces that are one, of one expression or of all; None where there is none."""
        names = [f"{track}-{expression}" if expression else str(track) for track in tracks]
        there = [name for name in names if name in self.values]
        return self.folder / f"{max(there, key=lambda name: self.values[name])}.jpg" if there else None


def _read_values(folder: Path) -> dict[str, float]:
    try:
        found: dict[str, Any] = read_json(folder / FOLDER / _INDEX) or {}
    except JobError:  # the pictures are good without it
        return {}
    return {name: value for name, value in found.items() if isinstance(value, float)}


def _size(face: Face) -> float:
    """How large a face is, 0 to 1: more than `SIDE` pixels are not kept."""
    return min(1.0, max(0.0, min(face.box.width, face.box.height)) / SIDE)


def _sharp(crop: Picture) -> float:
    """How sharp a crop is, 0.1 to 1."""
    grey = cv2.resize(to_grey(np.ascontiguousarray(crop)), (_READ, _READ), interpolation=cv2.INTER_AREA)
    return max(0.1, min(1.0, sharpness(grey) / _SHARP))  # type: ignore[arg-type]
