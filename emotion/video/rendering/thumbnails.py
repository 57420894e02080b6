"""Select the best thumbnail of each face and expression during the analysis."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from emotion.faces import Face
from emotion.media.image_array import ImageArray, downscale
from emotion.media.image_reader import encode_jpeg
from emotion.recognition.anonymizer import pixelate_all
from emotion.recognition.cropping import to_gray
from emotion.recognition.labeling import measure_sharpness
from emotion.results import serialization
from emotion.storage import read_json_or_empty, write_atomic, write_json

THUMBNAILS_FOLDER: Final = "thumbnails"
THUMBNAIL_PX: Final = 160  # longer side
_JPEG_QUALITY: Final = 88
_INDEX_FILE: Final = "quality.json"  # the quality of each image, which decides between merged faces
_SHARPNESS_PX: Final = 48  # size at which sharpness is measured
_TARGET_SHARPNESS: Final = 0.1  # sharp enough for the full score
_MIN_SHARPNESS_SCORE: Final = 0.1
_UNCERTAIN_WEIGHT: Final = 0.01  # of an uncertain face as the best image of its track
_MIN_IMPROVEMENT: Final = 1.05  # factor by which a new image must be better


class ThumbnailStore:
    """Maintains `THUMBNAILS_FOLDER` with <track>-<expression>.jpg, and <track>.jpg, the best of a track.

    Images are pixelated with `anonymize`.
    """

    def __init__(self, folder: Path, anonymize: bool) -> None:
        self._folder = folder / THUMBNAILS_FOLDER
        self._anonymize = anonymize
        self._quality: dict[str, float] = {}
        self._pending: dict[str, ImageArray] = {}

    def update(self, image: ImageArray, faces: tuple[Face, ...]) -> None:
        """Compare the faces of a frame, RGB uint8 (H, W, 3), with the best ones so far."""
        for face in faces:
            if face.track_id is None or face.confidence is None:
                continue
            track_name, label_name = str(face.track_id), f"{face.track_id}-{face.display_label}"
            current = min(self._quality.get(label_name, 0.0), self._quality.get(track_name, 0.0))
            quality = _score_size(face) * face.confidence
            if quality <= _MIN_IMPROVEMENT * current:
                continue  # the sharpness score is at most 1
            crop = serialization.crop_with_margin(image, face)
            quality = round(quality * _score_sharpness(crop), 6)
            track_quality = quality if face.uncertainty_reason is None else quality * _UNCERTAIN_WEIGHT
            for name, value in ((label_name, quality), (track_name, track_quality)):
                if value > _MIN_IMPROVEMENT * self._quality.get(name, 0.0):
                    self._quality[name] = value
                    self._pending[name] = make_thumbnail(crop, self._anonymize)

    def write(self) -> None:
        """Write the images that are better than those in the folder."""
        if self._pending:
            self._folder.mkdir(exist_ok=True)
            for name, crop in self._pending.items():
                write_atomic(self._folder / f"{name}.jpg", encode_jpeg(crop, _JPEG_QUALITY))
            write_json(self._folder / _INDEX_FILE, self._quality)
            self._pending = {}


def make_thumbnail(crop: ImageArray, anonymize: bool) -> ImageArray:
    """Reduce a crop, RGB uint8, to `THUMBNAIL_PX`; pixelate it with `anonymize`."""
    reduced = downscale(crop, THUMBNAIL_PX)
    return pixelate_all(reduced) if anonymize else reduced.copy()


@dataclass(frozen=True)
class ThumbnailIndex:
    """The thumbnails in a folder: their quality by name."""

    folder: Path
    quality: Mapping[str, float]

    @classmethod
    def read(cls, folder: Path) -> ThumbnailIndex:
        """Read what `ThumbnailStore` wrote into `folder`; empty before."""
        try:
            file_names = os.listdir(folder / THUMBNAILS_FOLDER)
        except FileNotFoundError:
            file_names = []
        values = _read_quality(folder)
        names = (name.removesuffix(".jpg") for name in file_names if name.endswith(".jpg"))
        return cls(folder / THUMBNAILS_FOLDER, {name: values.get(name, 0.0) for name in names})

    def find_best(self, track_ids: tuple[int, ...], label: str | None = None) -> Path | None:
        """Return the best image of merged faces, of one expression or of all; None where there is none."""
        names = [f"{track}-{label}" if label else str(track) for track in track_ids]
        existing = [name for name in names if name in self.quality]
        return self.folder / f"{max(existing, key=lambda name: self.quality[name])}.jpg" if existing else None


def _read_quality(folder: Path) -> dict[str, float]:
    values = read_json_or_empty(folder / THUMBNAILS_FOLDER / _INDEX_FILE)  # the images are usable without it
    return {name: value for name, value in values.items() if isinstance(value, float)}


def _score_size(face: Face) -> float:
    """Score the size of a face, 0 to 1 at `THUMBNAIL_PX`."""
    return min(1.0, max(0.0, min(face.box.width, face.box.height)) / THUMBNAIL_PX)


def _score_sharpness(crop: ImageArray) -> float:
    """Score the sharpness of a crop, 0.1 to 1."""
    gray = cv2.resize(to_gray(np.ascontiguousarray(crop)), (_SHARPNESS_PX, _SHARPNESS_PX), interpolation=cv2.INTER_AREA)
    return max(_MIN_SHARPNESS_SCORE, min(1.0, measure_sharpness(gray) / _TARGET_SHARPNESS))  # type: ignore[arg-type]
