"""Measure a classifier on a folder of images with known labels and persons, as a benchmark that is never trained on.

FOLDER/labels.json         {"set/0001.webp": {"label": "happy", "person": "p1"}, ...}
FOLDER/set/0001.webp       an image with one face, or a ready crop of 48 x 48 pixels
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.augmentation import resize_images
from emotion.datasets.dataset import IMAGE_SIZE
from emotion.errors import DataError, SettingsError
from emotion.expressions import UNCERTAIN, normalize_label
from emotion.media.image_array import ImageArray
from emotion.media.image_reader import read_image
from emotion.recognition.analyzer import Analyzer, AnalyzerSettings
from emotion.recognition.cropping import to_gray

LABELS_FILE: Final = "labels.json"
_INTERVAL_PERCENTILES: Final = (2.5, 97.5)
_NUM_CALIBRATION_BINS: Final = 15  # as `training.metrics`
_BATCH_SIZE: Final = 256  # crops that the classifier reads together

Metrics = dict[str, NDArray[np.float64]]


class LabeledFace(NamedTuple):
    """An image of a folder of labeled faces; `name` is its path in the folder."""

    name: str
    label: str
    person: str


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval; NaN where nothing could be measured."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """Return plain JSON values, None for NaN."""
        return {key: None if math.isnan(value) else round(value, 4) for key, value in vars(self).items()}


@dataclass(frozen=True)
class LabeledFacesScore:
    """How well faces with known labels are recognized; shares are 0 to 1.

    Attributes:
        num_images: Images with a label that the head has.
        num_persons: Persons in them.
        excluded: Images by label that the head lacks.
        detection_rate: Share of images in which a face is found; 1 for crops.
        accuracy: Share of images with the right label; an image without a found face counts as wrong.
        macro_recall: Mean of `recall`.
        recall: Share of images with the right label, by label.
        labels: The labels of the head.
        confusion: Images of each label (rows) by predicted label (columns), both in the order of `labels`; the last
            column counts the images without a found face.
        calibration_error: Expected calibration error of the found faces over 15 bins.
        min_confidence: The confidence from which the application displays a label.
        coverage: Share of images for which it displays one.
        covered_accuracy: Share of those with the right label.
    """

    num_images: int
    num_persons: int
    excluded: Mapping[str, int]
    detection_rate: Estimate
    accuracy: Estimate
    macro_recall: Estimate
    recall: Mapping[str, Estimate]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    calibration_error: Estimate
    min_confidence: float
    coverage: Estimate
    covered_accuracy: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        record: dict[str, Any] = dict(vars(self))
        record |= {key: value.to_dict() for key, value in record.items() if isinstance(value, Estimate)}
        record |= {"excluded": dict(self.excluded), "labels": list(self.labels)}
        record["recall"] = {label: estimate.to_dict() for label, estimate in self.recall.items()}
        record["confusion"] = [list(row) for row in self.confusion]
        return record


@dataclass(frozen=True)
class LabeledFacesReport:
    """Scores of the whole pipeline and of the classifier on ready crops; None without such images."""

    pipeline: LabeledFacesScore | None
    crops: LabeledFacesScore | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {key: score.to_dict() if score else None for key, score in vars(self).items()}


class _Recognition(NamedTuple):
    """The predicted label, "" without a found face, its confidence, and whether the application displays it."""

    label: str
    confidence: float
    is_displayed: bool


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


def evaluate_labeled_faces(
    folder: Path,
    analyzer: Analyzer,
    *,
    subset: str = "",
    settings: AnalyzerSettings | None = None,
    num_resamples: int = 2000,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> LabeledFacesReport:
    """Measure detector and classifier on a folder of labeled faces.

    Images of 48 x 48 pixels are ready crops, which only the classifier reads; all others go through the whole
    pipeline, which takes the largest face that it finds. Intervals come from a bootstrap over persons (Efron 1979):
    the images of one person are not independent.

    Args:
        folder: Of the images and labels.json.
        analyzer: Detector and classifier.
        subset: Only images in this folder in it; "" for all.
        settings: Of the analysis; the defaults of the application for None.
        num_resamples: Of the bootstrap.
        seed: Of the bootstrap.
        on_progress: Called with the number of images that are done and of all.

    Raises:
        DataError: labels.json is missing or damaged, or has no label of the classifier.
        ImageError: An image is missing or damaged.
        SettingsError: The classifier has no head of the settings.
    """
    settings = settings or AnalyzerSettings()
    bundle = analyzer.classifier.bundle
    head = settings.head or bundle.default_head
    if head not in bundle.heads:
        raise SettingsError(f"The classifier has no head {head!r}; choose one of {', '.join(bundle.heads)}.")
    labels = bundle.heads[head].labels
    faces = load_labels(folder, subset)
    if not {face.label for face in faces} & set(labels):
        raise DataError(f"No image in {folder} has a label of the classifier: expected {', '.join(labels)}.")
    crop_faces: list[LabeledFace] = []
    crops: list[ImageArray] = []
    photo_faces: list[LabeledFace] = []
    photo_results: list[_Recognition] = []
    for done, face in enumerate(faces):
        on_progress(done, len(faces))
        image = read_image(folder / face.name)
        if image.shape[:2] == (IMAGE_SIZE, IMAGE_SIZE):
            crop_faces.append(face)
            crops.append(to_gray(image))
        else:
            photo_faces.append(face)
            photo_results.append(_recognize_photo(analyzer, image, settings))
    crop_results = _recognize_crops(analyzer, crops, settings)
    on_progress(len(faces), len(faces))
    score = _Scorer(labels, settings.min_confidence, num_resamples, seed).score
    return LabeledFacesReport(score(photo_faces, photo_results), score(crop_faces, crop_results))


def _recognize_photo(analyzer: Analyzer, image: ImageArray, settings: AnalyzerSettings) -> _Recognition:
    found = analyzer.analyze(image, settings)
    if not found:
        return _Recognition("", 0.0, False)
    face = max(found, key=lambda face: face.box.area)
    return _Recognition(face.label or "", face.confidence or 0.0, face.display_label != UNCERTAIN.name)


def _recognize_crops(analyzer: Analyzer, crops: Sequence[ImageArray], settings: AnalyzerSettings) -> list[_Recognition]:
    results = []
    for start in range(0, len(crops), _BATCH_SIZE):
        batch = resize_images(np.stack(crops[start : start + _BATCH_SIZE]), analyzer.classifier.input_size)
        for prediction in analyzer.classifier.predict(batch, settings.head):
            confidence = prediction.scores.confidence
            results.append(_Recognition(prediction.scores.label, confidence, confidence >= settings.min_confidence))
    return results


class _Scorer:
    """Computes all metrics, with intervals of a bootstrap over persons."""

    def __init__(self, labels: tuple[str, ...], min_confidence: float, num_resamples: int, seed: int) -> None:
        self._labels, self._min_confidence = labels, min_confidence
        self._num_resamples, self._seed = num_resamples, seed

    def score(self, faces: Sequence[LabeledFace], results: Sequence[_Recognition]) -> LabeledFacesScore | None:
        """Score the images whose label the head has; None where there are none."""
        excluded = Counter(face.label for face in faces if face.label not in self._labels)
        scored = [(face, result) for face, result in zip(faces, results, strict=True) if face.label in self._labels]
        if not scored:
            return None
        persons, person_index = np.unique([face.person for face, _ in scored], return_inverse=True)
        columns = (*self._labels, "")
        true = np.array([self._labels.index(face.label) for face, _ in scored])
        predicted = np.array([columns.index(result.label) for _, result in scored])
        metrics = self._compute_metrics(
            np.vstack([np.ones(len(scored)), self._resample(person_index, len(persons))]),
            true,
            predicted,
            np.array([result.confidence for _, result in scored]),
            np.array([result.is_displayed for _, result in scored]),
        )
        estimates = {name: _to_estimate(values) for name, values in metrics.items()}
        confusion = np.zeros((len(self._labels), len(columns)), np.int64)
        np.add.at(confusion, (true, predicted), 1)
        return LabeledFacesScore(
            num_images=len(scored),
            num_persons=len(persons),
            excluded=dict(sorted(excluded.items())),
            detection_rate=estimates["detection_rate"],
            accuracy=estimates["accuracy"],
            macro_recall=estimates["macro_recall"],
            recall={self._labels[i]: estimates[f"recall_{i}"] for i in np.unique(true).tolist()},
            labels=self._labels,
            confusion=tuple(tuple(row) for row in confusion.tolist()),
            calibration_error=estimates["calibration_error"],
            min_confidence=self._min_confidence,
            coverage=estimates["coverage"],
            covered_accuracy=estimates["covered_accuracy"],
        )

    def _resample(self, person_index: NDArray[np.intp], num_persons: int) -> NDArray[np.float64]:
        """How often each image is in each resample, (resamples, n)."""
        rng = np.random.default_rng(self._seed)
        shares = np.full(num_persons, 1 / num_persons)
        return rng.multinomial(num_persons, shares, self._num_resamples)[:, person_index].astype(np.float64)

    def _compute_metrics(
        self,
        weights: NDArray[np.float64],
        true: NDArray[np.integer],
        predicted: NDArray[np.integer],
        confidence: NDArray[np.float64],
        is_displayed: NDArray[np.bool_],
    ) -> Metrics:
        """Every metric (k,) for k weightings (k, n) of the images."""
        total = weights.sum(axis=1)
        correct = (true == predicted).astype(float)
        is_found = predicted < len(self._labels)
        recall = {
            f"recall_{i}": _divide(weights @ (correct * (true == i)), weights @ (true == i)) for i in np.unique(true)
        }
        bins = np.minimum((confidence * _NUM_CALIBRATION_BINS).astype(int), _NUM_CALIBRATION_BINS - 1)
        gaps = [weights @ ((correct - confidence) * (is_found & (bins == b))) for b in range(_NUM_CALIBRATION_BINS)]
        return {
            "detection_rate": weights @ is_found / total,
            "accuracy": weights @ correct / total,
            "macro_recall": np.nanmean(list(recall.values()), axis=0),
            "calibration_error": _divide(np.abs(gaps).sum(axis=0), weights @ is_found),
            "coverage": weights @ is_displayed / total,
            "covered_accuracy": _divide(weights @ (correct * is_displayed), weights @ is_displayed),
            **recall,
        }


def _divide(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quotient, NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)


def _to_estimate(values: NDArray[np.float64]) -> Estimate:
    """The first value, and percentiles of the others."""
    resampled = values[1:][~np.isnan(values[1:])]
    low, high = np.percentile(resampled, _INTERVAL_PERCENTILES) if resampled.size else (np.nan, np.nan)
    return Estimate(float(values[0]), float(low), float(high))
