"""Measure a recognizer on a folder of images with known labels and persons, as a benchmark that is never trained on.

FOLDER/labels.json         {"set/0001.webp": {"label": "happy", "person": "p1"}, ...}
FOLDER/set/0001.webp       an image with one face, or a ready crop of 48 x 48 pixels
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from emotion.datasets.augmentation import resize_images
from emotion.datasets.dataset import IMAGE_SIZE
from emotion.errors import DataError, SettingsError
from emotion.expressions import UNCERTAIN, normalize_label
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import read_image
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.cropping import to_gray
from emotion.recognition.settings import AnalyzerSettings
from emotion.training.classifier.evaluation.labeled_face_scores import (
    Bootstrap,
    LabeledFace,
    LabeledFaceScorer,
    LabeledFacesScore,
    Recognition,
    RecognizedFaces,
)

LABELS_FILE: Final = "labels.json"
_BATCH_SIZE: Final = 256  # crops that the classifier reads together


@dataclass(frozen=True)
class LabeledFacesReport:
    """Scores of the whole pipeline and of the classifier on ready crops; None without such images."""

    pipeline: LabeledFacesScore | None
    crops: LabeledFacesScore | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {key: score.to_dict() if score else None for key, score in vars(self).items()}


def load_labels(folder: Path, subset: str = "") -> list[LabeledFace]:
    """Read labels.json.

    Args:
        folder: Of the images and labels.json.
        subset: Only images in this folder in it; "" for all.

    Raises:
        DataError: labels.json is missing or damaged, or names no image of the subset.
    """
    path = folder / LABELS_FILE
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        faces = [
            LabeledFace(name, normalize_label(_get_text(entry, "label")), _get_text(entry, "person"))
            for name, entry in sorted(entries.items())
        ]
    except FileNotFoundError as error:
        raise DataError(f"There is no {path}; give a folder of labeled faces with one.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the file and its permissions.") from error
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise DataError(f"{path} is damaged ({error!r}); expected a label and a person by file name.") from error
    faces = [face for face in faces if not subset or face.name.startswith(f"{subset}/")]
    if not faces:
        raise DataError(f"{path} names no image{f' in {subset}' if subset else ''}; expected at least one.")
    for face in faces:
        if not (folder / face.name).resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{path} names {face.name}, which is outside its folder; expected paths in it.")
    return faces


def _get_text(entry: Mapping[str, Any], key: str) -> str:
    value = entry[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} is {value!r}")
    return value


class FaceRecognizer(Protocol):
    """What is measured: a program that names the expressions of faces."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels, by their names of `emotion.expressions`."""
        ...

    @property
    def min_confidence(self) -> float:
        """The confidence from which it displays a label."""
        ...

    def recognize_photo(self, image: ImageArray) -> Recognition:
        """Find the largest face of an image and name its expression."""
        ...

    def recognize_crops(self, crops: Sequence[ImageArray]) -> list[Recognition]:
        """Name the expressions of gray crops (48, 48)."""
        ...


class AnalyzerRecognizer:
    """Detector and classifier of this program.

    Args:
        analyzer: Both.
        settings: Of the analysis; the defaults of the application for None.

    Raises:
        SettingsError: The classifier has no head of the settings.
    """

    def __init__(self, analyzer: Analyzer, settings: AnalyzerSettings | None = None) -> None:
        self._analyzer, self._settings = analyzer, settings or AnalyzerSettings()
        bundle = analyzer.classifier.bundle
        head = self._settings.head or bundle.default_head
        if head not in bundle.heads:
            raise SettingsError(f"The classifier has no head {head!r}; choose one of {', '.join(bundle.heads)}.")
        self.labels = bundle.heads[head].labels
        self.min_confidence = self._settings.min_confidence

    def recognize_photo(self, image: ImageArray) -> Recognition:
        """Find the largest face of an image and name its expression."""
        found = self._analyzer.analyze(image, self._settings)
        if not found:
            return Recognition(None, False)
        face = max(found, key=lambda face: face.box.area)
        return Recognition(face.scores, face.display_label != UNCERTAIN.name)

    def recognize_crops(self, crops: Sequence[ImageArray]) -> list[Recognition]:
        """Name the expressions of gray crops."""
        classifier, results = self._analyzer.classifier, []
        for start in range(0, len(crops), _BATCH_SIZE):
            batch = resize_images(np.stack(crops[start : start + _BATCH_SIZE]), classifier.input_size)
            for prediction in classifier.predict(batch, self._settings.head):
                is_displayed = prediction.scores.confidence >= self.min_confidence
                results.append(Recognition(prediction.scores, is_displayed))
        return results


def evaluate_labeled_faces(
    folder: Path,
    recognizer: FaceRecognizer,
    *,
    subset: str = "",
    bootstrap: Bootstrap | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> LabeledFacesReport:
    """Measure a recognizer on a folder of labeled faces.

    Images of 48 x 48 pixels are ready crops, whose expressions are named as they are; in all others the face is
    detected first, and the largest one counts.

    Args:
        folder: Of the images and labels.json.
        recognizer: What is measured.
        subset: Only images in this folder in it; "" for all.
        bootstrap: How the intervals are computed; the default for None.
        on_progress: Called with the number of images that are done and of all.

    Raises:
        DataError: labels.json is missing or damaged, or has no label of the recognizer.
        ImageError: An image is missing or damaged.
    """
    photos, crops = recognize_labeled_faces(folder, recognizer, subset=subset, on_progress=on_progress)
    scorer = LabeledFaceScorer(recognizer.labels, recognizer.min_confidence, bootstrap or Bootstrap())
    return LabeledFacesReport(scorer.score(*photos), scorer.score(*crops))


def recognize_labeled_faces(
    folder: Path,
    recognizer: FaceRecognizer,
    *,
    subset: str = "",
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[RecognizedFaces, RecognizedFaces]:
    """Recognize the faces of a folder of labeled faces; arguments and errors as `evaluate_labeled_faces`.

    Returns:
        Images in which the face was detected first, and ready crops.
    """
    faces = load_labels(folder, subset)
    if not {face.label for face in faces} & set(recognizer.labels):
        raise DataError(f"No image in {folder} has a label of the classifier: expected {', '.join(recognizer.labels)}.")
    photo_faces: list[LabeledFace] = []
    photo_results: list[Recognition] = []
    crop_faces: list[LabeledFace] = []
    crops: list[ImageArray] = []
    for done, face in enumerate(faces):
        on_progress(done, len(faces))
        image = read_image(folder / face.name)
        if image.shape[:2] == (IMAGE_SIZE, IMAGE_SIZE):
            crop_faces.append(face)
            crops.append(to_gray(image))
        else:
            photo_faces.append(face)
            photo_results.append(recognizer.recognize_photo(image))
    crop_results = recognizer.recognize_crops(crops)
    on_progress(len(faces), len(faces))
    return RecognizedFaces(photo_faces, photo_results), RecognizedFaces(crop_faces, crop_results)
