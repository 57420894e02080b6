"""Metrics of a classifier: cross-entropy, calibration, coverage, intervals, scores by class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from emotion.recognition.classification import softmax

Logits = NDArray[np.floating]

_MIN_PROBABILITY: Final = 1e-12  # keeps a logarithm finite
_MIN_PRIOR: Final = 1e-6
_LOG_TEMPERATURES: Final = (-2.5, 2.5)  # 0.08 to 12
_NUM_STEPS: Final = 20  # of a factor or a threshold from 0 to 1
_CONFIDENCE_LEVEL: Final = 0.95


class ClassScores(TypedDict):
    """The scores of one class, 0 to 1, and its number of labels."""

    precision: float
    recall: float
    f1: float
    n: int


class LabelScores(ClassScores):
    """The scores of one class with its name."""

    label: str


class ReliabilityBin(TypedDict):
    """The predictions with a confidence from `low` to `high`: their number, mean confidence and accuracy."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


def cross_entropy(logits: Logits, targets: NDArray, temperature: float = 1.0) -> float:
    """Return the mean cross-entropy in nats of softmax(logits (n, c) / temperature) and `targets`.

    `targets` are labels (n,) or the share (n, c) of each label.
    """
    nats = -np.log(np.maximum(softmax(logits, temperature), _MIN_PROBABILITY))
    return float((nats[np.arange(len(targets)), targets] if targets.ndim == 1 else (nats * targets).sum(1)).mean())


def fit_temperature(logits: Logits, targets: NDArray) -> float:
    """Return the temperature with the smallest cross-entropy, 1 for no rows; to be fitted on the validation split.

    `targets` as for `cross_entropy`. Guo et al. 2017, "On calibration of modern neural networks".
    """
    if len(targets) == 0:
        return 1.0
    found = minimize_scalar(
        lambda t: cross_entropy(logits, targets, math.exp(t)), bounds=_LOG_TEMPERATURES, method="bounded"
    )
    return float(math.exp(found.x))


def fit_logit_bias(
    logits: Logits, labels: NDArray[np.integer], prior: NDArray, max_accuracy_drop: float = 0.01
) -> NDArray:
    """Return what is added to calibrated logits so that rare classes are predicted more often.

    It is a multiple of the negative logarithm of the prior, 0 for the most frequent class (Menon et al. 2021,
    "Long-tail learning via logit adjustment"). Of the factors 0, 0.05, ... 1 that lose at most `max_accuracy_drop` of
    the accuracy, the one with the highest mean recall is used; to be fitted on the validation split.

    Args:
        logits: Calibrated logits (n, c).
        labels: Labels (n,).
        prior: The share (c,) of each class in the training split.
        max_accuracy_drop: The accuracy that may be lost, 0 to 1.

    Returns:
        The bias (c,).
    """
    full_bias = np.log(prior.max()) - np.log(np.maximum(prior, _MIN_PRIOR))
    accuracy = (logits.argmax(1) == labels).mean()
    best_bias, best_recall = 0.0 * full_bias, -1.0
    for step in range(_NUM_STEPS + 1):
        bias = step / _NUM_STEPS * full_bias
        predicted = (logits + bias).argmax(1)
        recall = np.mean([(predicted[labels == c] == c).mean() for c in np.unique(labels)])
        if recall > best_recall and (predicted == labels).mean() >= accuracy - max_accuracy_drop:
            best_bias, best_recall = bias, recall
    return best_bias


def expected_calibration_error(probabilities: NDArray, labels: NDArray[np.integer], num_bins: int = 15) -> float:
    """Return the ECE over bins of equal width of the highest probability (Guo et al. 2017); 0 is perfect."""
    return calibration_error(probabilities.max(1), probabilities.argmax(1) == labels, num_bins)


def calibration_error(confidence: NDArray, correct: NDArray, num_bins: int = 15) -> float:
    """Return the ECE of confidences (n,) 0 to 1; `correct` (n,) is 0 or 1, or a share between."""
    rows = bin_by_confidence(confidence, correct, num_bins)
    total = sum(row["n"] for row in rows)
    return sum(row["n"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / max(1, total)


def reliability_bins(probabilities: NDArray, labels: NDArray[np.integer], num_bins: int = 15) -> list[ReliabilityBin]:
    """Return the filled bins of the highest probability."""
    return bin_by_confidence(probabilities.max(1), probabilities.argmax(1) == labels, num_bins)


def bin_by_confidence(confidence: NDArray, correct: NDArray, num_bins: int = 15) -> list[ReliabilityBin]:
    """Return the bins of `reliability_bins` for confidences (n,) 0 to 1; `correct` (n,) is 0 or 1, or a share between.

    Not scikit-learn's `calibration_curve`, which has no counts and takes no shares.
    """
    number = np.minimum((confidence * num_bins).astype(int), num_bins - 1)
    return [
        {
            "low": b / num_bins,
            "high": (b + 1) / num_bins,
            "n": int((number == b).sum()),
            "confidence": float(confidence[number == b].mean()),
            "accuracy": float(correct[number == b].mean()),
        }
        for b in range(num_bins)
        if (number == b).any()
    ]


def accuracy_by_coverage(confidence: NDArray, correct: NDArray[np.bool_]) -> list[dict[str, float]]:
    """Return `threshold`, `coverage` and `accuracy` of the predictions with at least that confidence.

    The thresholds are 0, 0.05, ... 0.95; where no confidence reaches one, the accuracy is that of the one before.
    """
    rows, accuracy = [], float(correct.mean()) if correct.size else 0.0
    for step in range(_NUM_STEPS):
        threshold = step / _NUM_STEPS
        is_covered = confidence >= threshold
        accuracy = float(correct[is_covered].mean()) if is_covered.any() else accuracy
        rows.append({"threshold": threshold, "coverage": float(is_covered.mean()), "accuracy": accuracy})
    return rows


def wilson_interval(num_successes: int, n: int) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson 1927), which stays inside 0 to 1 for small n."""
    if n == 0:
        return 0.0, 1.0
    interval = binomtest(num_successes, n).proportion_ci(_CONFIDENCE_LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def scores_by_class(
    labels: NDArray[np.integer], predicted: NDArray[np.integer], class_names: Sequence[str]
) -> dict[str, ClassScores]:
    """Return the scores of each class by name for labels (n,) and predictions (n,)."""
    columns = precision_recall_fscore_support(
        labels,
        predicted,
        labels=range(len(class_names)),
        zero_division=0,  # pyright: ignore[reportArgumentType]
    )
    return {
        name: ClassScores(precision=float(precision), recall=float(recall), f1=float(f1), n=int(n))
        for name, precision, recall, f1, n in zip(class_names, *map(np.asarray, columns), strict=True)
    }


def score_head(
    logits: Logits, labels: NDArray[np.integer], class_names: Sequence[str], temperature: float = 1.0
) -> dict[str, Any]:
    """Score one head.

    Args:
        logits: Logits (n, c).
        labels: Labels (n,), none of them -1.
        class_names: The names of the classes.
        temperature: The temperature of the head.

    Returns:
        `n`, `accuracy`, `accuracy_interval` (95%), `balanced_accuracy`, `cross_entropy`, `ece` after and
        `ece_uncalibrated` before the temperature, `mean_confidence`, `per_class` (`ClassScores` by name), `confusion`
        (rows are labels, columns predictions) and `reliability` (see `reliability_bins`); `n` alone for no rows.
    """
    if len(labels) == 0:
        return {"n": 0}
    predicted = logits.argmax(1)
    num_correct = int((predicted == labels).sum())
    per_class = scores_by_class(labels, predicted, class_names)
    probabilities = softmax(logits, temperature)
    return {
        "n": len(labels),
        "accuracy": num_correct / len(labels),
        "accuracy_interval": wilson_interval(num_correct, len(labels)),
        "balanced_accuracy": float(np.mean([scores["recall"] for scores in per_class.values() if scores["n"]])),
        "cross_entropy": cross_entropy(logits, labels, temperature),
        "ece": expected_calibration_error(probabilities, labels),
        "ece_uncalibrated": expected_calibration_error(softmax(logits), labels),
        "mean_confidence": float(probabilities.max(1).mean()),
        "per_class": per_class,
        "confusion": confusion_matrix(labels, predicted, labels=range(len(class_names))).tolist(),
        "reliability": reliability_bins(probabilities, labels),
    }
