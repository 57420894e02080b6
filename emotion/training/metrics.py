"""Score a classifier: numbers only, nothing is drawn or printed here. All arrays are NumPy's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from emotion.recognition.classification import softmax

Logits = NDArray[np.floating]


def cross_entropy(logits: Logits, targets: NDArray, temperature: float = 1.0) -> float:
    """Mean negative log-likelihood in nats under softmax(logits (n, c) / temperature) of `targets`: labels (n,), or
    the share (n, c) of each label."""
    nats = -np.log(np.maximum(softmax(logits, temperature), 1e-12))
    return float((nats[np.arange(len(targets)), targets] if targets.ndim == 1 else (nats * targets).sum(1)).mean())


def fit_temperature(logits: Logits, targets: NDArray) -> float:
    """The temperature with the least cross-entropy (Guo et al. 2017, "On calibration of modern neural networks") for
    labels (n,) or shares (n, c); to be fitted on the validation split only. 1 for no rows."""
    if len(targets) == 0:
        return 1.0
    found = minimize_scalar(lambda t: cross_entropy(logits, targets, math.exp(t)), bounds=(-2.5, 2.5), method="bounded")
    return float(math.exp(found.x))


def fit_logit_bias(
    logits: Logits, labels: NDArray[np.integer], prior: NDArray, max_accuracy_drop: float = 0.01
) -> NDArray:
    """What to add to calibrated logits (n, c), so that rare classes are named more often: a share of the negative
    logarithm of the `prior` (c,), the share of each class in what was learned; highest for the rarest, 0 for the
    commonest (Menon et al. 2021, "Long-tail learning via logit adjustment").

    Of the shares 0, 0.05, ... 1 the one with the best mean recall that gives up at most `max_accuracy_drop` of the right
    answers; to be fitted on the validation split only.
    """
    ahead = np.log(prior.max()) - np.log(np.maximum(prior, 1e-6))
    plain = (logits.argmax(1) == labels).mean()
    best, highest = 0.0 * ahead, -1.0
    for step in range(21):
        offset = step / 20 * ahead
        answers = (logits + offset).argmax(1)
        recall = np.mean([(answers[labels == c] == c).mean() for c in np.unique(labels)])
        if recall > highest and (answers == labels).mean() >= plain - max_accuracy_drop:
            best, highest = offset, recall
    return best


def expected_calibration_error(probabilities: NDArray, labels: NDArray[np.integer], num_bins: int = 15) -> float:
    """ECE over equally wide bins of the highest probability (Guo et al. 2017); 0 is perfect."""
    return calibration_error(probabilities.max(1), probabilities.argmax(1) == labels, num_bins)


def calibration_error(confidence: NDArray, correct: NDArray, num_bins: int = 15) -> float:
    """As `expected_calibration_error` of confidences (n,) 0 to 1; `correct` (n,) is 0 or 1, or anything between."""
    rows = bin_by_confidence(confidence, correct, num_bins)
    total = sum(row["n"] for row in rows)
    return sum(row["n"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / max(1, total)


def reliability_bins(probabilities: NDArray, labels: NDArray[np.integer], num_bins: int = 15) -> list[dict[str, Any]]:
    """For each filled bin of confidence: `low`, `high`, `n`, mean `confidence`, `accuracy`."""
    return bin_by_confidence(probabilities.max(1), probabilities.argmax(1) == labels, num_bins)


def bin_by_confidence(confidence: NDArray, correct: NDArray, num_bins: int = 15) -> list[dict[str, Any]]:
    """As `reliability_bins` of confidences (n,) 0 to 1; `correct` (n,) is 0 or 1, or anything between."""
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
    """How often answers are right that are at least so certain: `threshold` 0, 0.05, ... 0.95, the share that is named, `coverage`,
    and the `accuracy` of those (the step before where nothing is as certain)."""
    rows, last = [], float(correct.mean()) if correct.size else 0.0
    for step in range(20):
        said = confidence >= step / 20
        last = float(correct[said].mean()) if said.any() else last
        rows.append({"threshold": step / 20, "coverage": float(said.mean()), "accuracy": last})
    return rows


def wilson_interval(num_successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), which stays inside 0 to 1 for small n."""
    if n == 0:
        return 0.0, 1.0
    p, z2 = num_successes / n, z * z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def score_head(
    logits: Logits, labels: NDArray[np.integer], class_names: Sequence[str], temperature: float = 1.0
) -> dict[str, Any]:
    """Everything about one head on labelled rows: logits (n, c), labels (n,) without -1.

    `n`, `accuracy`, `accuracy_interval` (95 %), `balanced_accuracy`, `cross_entropy`, `ece` after and
    `ece_uncalibrated` before the temperature, `mean_confidence`, `per_class` (precision, recall, f1, n by name),
    `confusion` (rows asked, columns answered), `reliability_bins`.
    """
    if len(labels) == 0:
        return {"n": 0}
    answers = logits.argmax(1)
    right = int((answers == labels).sum())
    classes = range(len(class_names))
    precision, recall, f1, support = (
        np.asarray(values)
        for values in precision_recall_fscore_support(
            labels,
            answers,
            labels=classes,
            zero_division=0,  # pyright: ignore[reportArgumentType]
        )
    )
    probabilities = softmax(logits, temperature)
    return {
        "n": len(labels),
        "accuracy": right / len(labels),
        "accuracy_interval": wilson_interval(right, len(labels)),
        "balanced_accuracy": float(recall[support > 0].mean()),
        "cross_entropy": cross_entropy(logits, labels, temperature),
        "ece": expected_calibration_error(probabilities, labels),
        "ece_uncalibrated": expected_calibration_error(softmax(logits), labels),
        "mean_confidence": float(probabilities.max(1).mean()),
        "per_class": {
            name: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "n": int(support[i]),
            }
            for i, name in enumerate(class_names)
        },
        "confusion": confusion_matrix(labels, answers, labels=classes).tolist(),
        "reliability": reliability_bins(probabilities, labels),
    }
