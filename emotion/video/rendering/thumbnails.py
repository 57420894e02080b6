"""The best picture of each face and expression of a film, kept up to date while the film is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from emotion.errors import JobError
from emotion.faces import Face
from emotion.media.image_array import ImageArray, downscale
from emotion.media.image_reader import encode_jpeg
from emotion.recognition.analyzer import measure_sharpness
from emotion.recognition.anonymizer import pixelate_all
from emotion.recognition.cropping import to_gray
from emotion.results import serialization
from emotion.storage import read_json, write_atomic, write_json

THUMBNAILS_FOLDER: Final = "thumbnails"
THUMBNAIL_PX: Final = 160  # pixels, of what is kept
_INDEX_FILE: Final = "quality.json"  # how good each picture is, so that those of faces that are one can be compared
_SHARPNESS_PX: Final = 48  # pixels in which sharpness is judged
_TARGET_SHARPNESS: Final = 0.1  # from which on it is sharp enough
_MIN_IMPROVEMENT: Final = 1.05  # factor from which a picture replaces the one before


class ThumbnailStore:
    """Keeps `THUMBNAILS_FOLDER`/<track>-<expression>.jpg and <track>.jpg, the best of all, in a folder; a mosaic with `anonymize`."""

    def __init__(self, folder: Path, anonymize: bool) -> None:
        self._folder = folder / THUMBNAILS_FOLDER
        self._anonymize = anonymize
        self._quality: dict[str, float] = {}
        self._pending: dict[str, ImageArray] = {}

    def update(self, image: ImageArray, faces: tuple[Face, ...]) -> None:
        """Look at the faces of RGB uint8 (H, W, 3)."""
        for face in faces:
            if face.track_id is None or face.confidence is None:
                continue
            whole, name = str(face.track_id), f"{face.track_id}-{face.display_label}"
            least = _MIN_IMPROVEMENT * min(self._quality.get(name, 0.0), self._quality.get(whole, 0.0))
            value = _score_size(face) * face.confidence
            if value <= least:
                continue  # sharpness cannot help it any more
            crop = serialization.crop_with_margin(image, face)
            value = round(value * _score_sharpness(crop), 6)
            sure = value if face.uncertainty_reason is None else value / 100  # where there is nothing else
            for key, good in ((name, value), (whole, sure)):
                if good > _MIN_IMPROVEMENT * self._quality.get(key, 0.0):
                    self._quality[key] = good
                    self._pending[key] = make_thumbnail(crop, self._anonymize)

    def write(self) -> None:
        """Write the pictures that are better than those that are there."""
        if self._pending:
            self._folder.mkdir(exist_ok=True)
            for name, crop in self._pending.items():
                write_atomic(self._folder / f"{name}.jpg", encode_jpeg(crop, 88))
            write_json(self._folder / _INDEX_FILE, self._quality)
            self._pending = {}


def make_thumbnail(crop: ImageArray, anonymize: bool) -> ImageArray:
    """What is kept of a crop, RGB uint8: at most `THUMBNAIL_PX` pixels, a mosaic with `anonymize`."""
    reduced = downscale(crop, THUMBNAIL_PX)
    return pixelate_all(reduced) if anonymize else reduced.copy()


@dataclass(frozen=True)
class ThumbnailIndex:
    """The pictures that are in a folder now, read once for all faces: how good each is by its name."""

    folder: Path
    quality: Mapping[str, float]

    @classmethod
    def read(cls, folder: Path) -> ThumbnailIndex:
        """Those that `ThumbnailStore` wrote into `folder`, none where it wrote none (yet)."""
        try:
            there = os.listdir(folder / THUMBNAILS_FOLDER)
        except FileNotFoundError:
            there = []
        values = _read_quality(folder)
        names = (name.removesuffix(".jpg") for name in there if name.endswith(".jpg"))
        return cls(folder / THUMBNAILS_FOLDER, {name: values.get(name, 0.0) for name in names})

    def find_best(self, track_ids: tuple[int, ...], label: str | None = None) -> Path | None:
        """The best picture of faces that are one, of one expression or of all; None where there is none."""
        names = [f"{track}-{label}" if label else str(track) for track in track_ids]
        there = [name for name in names if name in self.quality]
        return self.folder / f"{max(there, key=lambda name: self.quality[name])}.jpg" if there else None


def _read_quality(folder: Path) -> dict[str, float]:
    try:
        found: dict[str, Any] = read_json(folder / THUMBNAILS_FOLDER / _INDEX_FILE) or {}
    except JobError:  # the pictures are good without it
        return {}
    return {name: value for name, value in found.items() if isinstance(value, float)}


def _score_size(face: Face) -> float:
    """How large a face is, 0 to 1: more than `THUMBNAIL_PX` pixels are not kept."""
    return min(1.0, max(0.0, min(face.box.width, face.box.height)) / THUMBNAIL_PX)


def _score_sharpness(crop: ImageArray) -> float:
    """How sharp a crop is, 0.1 to 1."""
    grey = cv2.resize(to_gray(np.ascontiguousarray(crop)), (_SHARPNESS_PX, _SHARPNESS_PX), interpolation=cv2.INTER_AREA)
    return max(0.1, min(1.0, measure_sharpness(grey) / _TARGET_SHARPNESS))  # type: ignore[arg-type]
