"""Score a recogniser: numbers only, nothing is drawn or printed here. All arrays are NumPy's."""

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


def cross_entropy(logits: Logits, answers: NDArray, temperature: float = 1.0) -> float:
    """Mean negative log-likelihood in nats under softmax(logits (n, c) / temperature) of `answers`: labels (n,), or
    the share (n, c) of each label."""
    nats = -np.log(np.maximum(softmax(logits, temperature), 1e-12))
    return float((nats[np.arange(len(answers)), answers] if answers.ndim == 1 else (nats * answers).sum(1)).mean())


def fit_temperature(logits: Logits, answers: NDArray) -> float:
    """The temperature with the least cross-entropy (Guo et al. 2017, "On calibration of modern neural networks") for
    labels (n,) or shares (n, c); to be fitted on PublicTest only. 1 for no rows."""
    if len(answers) == 0:
        return 1.0
    found = minimize_scalar(lambda t: cross_entropy(logits, answers, math.exp(t)), bounds=(-2.5, 2.5), method="bounded")
    return float(math.exp(found.x))


def fit_offset(logits: Logits, labels: NDArray[np.integer], prior: NDArray, most_lost: float = 0.01) -> NDArray:
    """What to add to calibrated logits (n, c), so that rare classes are named more often: a share of the negative
    logarithm of the `prior` (c,), the share of each class in what was learned; highest for the rarest, 0 for the
    commonest (Menon et al. 2021, "Long-tail learning via logit adjustment").

    Of the shares 0, 0.05, ... 1 the one with the best mean recall that gives up at most `most_lost` of the right
    answers; to be fitted on PublicTest only.
    """
    ahead = np.log(prior.max()) - np.log(np.maximum(prior, 1e-6))
    plain = (logits.argmax(1) == labels).mean()
    best, highest = 0.0 * ahead, -1.0
    for step in range(21):
        offset = step / 20 * ahead
        answers = (logits + offset).argmax(1)
        recall = np.mean([(answers[labels == c] == c).mean() for c in np.unique(labels)])
        if recall > highest and (answers == labels).mean() >= plain - most_lost:
            best, highest = offset, recall
    return best


def expected_calibration_error(probabilities: NDArray, labels: NDArray[np.integer], bins: int = 15) -> float:
    """ECE over equally wide bins of the highest probability (Guo et al. 2017); 0 is perfect."""
    return calibration_error(probabilities.max(1), probabilities.argmax(1) == labels, bins)


def calibration_error(confidence: NDArray, right: NDArray, bins: int = 15) -> float:
    """As `expected_calibration_error` of confidences (n,) 0 to 1; `right` (n,) is 0 or 1, or anything between."""
    rows = binned(confidence, right, bins)
    total = sum(row["n"] for row in rows)
    return sum(row["n"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / max(1, total)


def reliability(probabilities: NDArray, labels: NDArray[np.integer], bins: int = 15) -> list[dict[str, Any]]:
    """For each filled bin of confidence: `low`, `high`, `n`, mean `confidence`, `accuracy`."""
    return binned(probabilities.max(1), probabilities.argmax(1) == labels, bins)


def binned(confidence: NDArray, right: NDArray, bins: int = 15) -> list[dict[str, Any]]:
    """As `reliability` of confidences (n,) 0 to 1; `right` (n,) is 0 or 1, or anything between."""
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "low": b / bins,
            "high": (b + 1) / bins,
            "n": int((number == b).sum()),
            "confidence": float(confidence[number == b].mean()),
            "accuracy": float(right[number == b].mean()),
        }
        for b in range(bins)
        if (number == b).any()
    ]


def coverage(confidence: NDArray, right: NDArray[np.bool_]) -> list[dict[str, float]]:
    """How often answers are right that are at least so certain: `threshold` 0, 0.05, ... 0.95, the share `answered`,
    and the `accuracy` of those (the step before where nothing is as certain)."""
    rows, last = [], float(right.mean()) if right.size else 0.0
    for step in range(20):
        said = confidence >= step / 20
        last = float(right[said].mean()) if said.any() else last
        rows.append({"threshold": step / 20, "answered": float(said.mean()), "accuracy": last})
    return rows


def wilson_interval(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), which stays inside 0 to 1 for small n."""
    if n == 0:
        return 0.0, 1.0
    p, z2 = right / n, z * z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def score_head(
    logits: Logits, labels: NDArray[np.integer], names: Sequence[str], temperature: float = 1.0
) -> dict[str, Any]:
    """Everything about one head on labelled rows: logits (n, c), labels (n,) without -1.

    `n`, `accuracy`, `accuracy_interval` (95 %), `balanced_accuracy`, `cross_entropy`, `ece` after and
    `ece_raw` before the temperature, `mean_confidence`, `per_class` (precision, recall, f1, n by name),
    `confusion` (rows asked, columns answered), `reliability`.
    """
    if len(labels) == 0:
        return {"n": 0}
    answers = logits.argmax(1)
    right = int((answers == labels).sum())
    classes = range(len(names))
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
        "ece_raw": expected_calibration_error(softmax(logits), labels),
        "mean_confidence": float(probabilities.max(1).mean()),
        "per_class": {
            name: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "n": int(support[i]),
            }
            for i, name in enumerate(names)
        },
        "confusion": confusion_matrix(labels, answers, labels=classes).tolist(),
        "reliability": reliability(probabilities, labels),
    }
