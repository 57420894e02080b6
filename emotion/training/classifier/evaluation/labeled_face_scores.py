"""Score recognized faces with known labels: recall, calibration, coverage, with intervals over persons."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.faces import Scores

_INTERVAL_PERCENTILES: Final = (2.5, 97.5)
_NUM_CALIBRATION_BINS: Final = 15  # as `training.metrics`

Metrics = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Bootstrap:
    """A bootstrap over persons (Efron 1979): the images of one person are not independent."""

    num_resamples: int = 2000
    seed: int = 0


class LabeledFace(NamedTuple):
    """An image of a folder of labeled faces; `name` is its path in the folder."""

    name: str
    label: str
    person: str


class Recognition(NamedTuple):
    """The scores of a face, None without a found one, and whether the application displays its label."""

    scores: Scores | None
    is_displayed: bool

    @property
    def label(self) -> str:
        """The predicted label, "" without a found face."""
        return self.scores.label if self.scores else ""

    @property
    def confidence(self) -> float:
        """The probability of the label, 0 without a found face."""
        return self.scores.confidence if self.scores else 0.0


class RecognizedFaces(NamedTuple):
    """Labeled faces and their recognition, in the same order."""

    faces: Sequence[LabeledFace]
    results: Sequence[Recognition]


@dataclass(frozen=True)
class Estimate:
    """A value and its 95% interval; NaN where nothing could be measured."""

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


class LabeledFaceScorer:
    """Computes all metrics, with intervals of a bootstrap over persons."""

    def __init__(self, labels: tuple[str, ...], min_confidence: float, bootstrap: Bootstrap) -> None:
        self._labels, self._min_confidence, self._bootstrap = labels, min_confidence, bootstrap

    def score(self, faces: Sequence[LabeledFace], results: Sequence[Recognition]) -> LabeledFacesScore | None:
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
        rng = np.random.default_rng(self._bootstrap.seed)
        shares = np.full(num_persons, 1 / num_persons)
        return rng.multinomial(num_persons, shares, self._bootstrap.num_resamples)[:, person_index].astype(np.float64)

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
