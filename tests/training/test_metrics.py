"""Metrics, compared with other implementations."""

from __future__ import annotations

import json
import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn import metrics

from emotion.training.metrics import (
    accuracy_by_coverage,
    calibration_error,
    cross_entropy,
    expected_calibration_error,
    fit_logit_bias,
    fit_temperature,
    reliability_bins,
    score_head,
    wilson_interval,
)

NAMES = ("angry", "happy", "sad")


def answers(n: int, seed: int = 0, classes: int = 3) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Logits that are often right, and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n).astype(np.int8)
    return (rng.normal(0, 2, (n, classes)) + 2 * np.eye(classes)[labels]).astype(np.float32), labels


def softmax(logits: NDArray, temperature: float = 1.0) -> NDArray[np.float64]:
    return np.array(
        [
            [math.exp(v / temperature) / sum(math.exp(w / temperature) for w in row) for v in row]
            for row in logits.tolist()
        ]
    )


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_cross_entropy_is_that_of_scikit_learn(temperature: float) -> None:
    logits, labels = answers(300)
    expected = metrics.log_loss(labels, softmax(logits, temperature), labels=range(3))
    assert cross_entropy(logits, labels, temperature) == pytest.approx(expected, rel=1e-6)


def test_cross_entropy_of_certain_errors_is_large_but_finite() -> None:
    assert cross_entropy(np.array([[1e4, 0]], np.float32), np.array([1])) == pytest.approx(-math.log(1e-12))


@pytest.mark.parametrize("true", [0.3, 1.0, 2.5, 8.0])
def test_the_temperature_is_found(true: float) -> None:
    rng = np.random.default_rng(3)
    fair = rng.normal(0, 2, (40_000, 4))
    cumulated = (np.exp(fair) / np.exp(fair).sum(1, keepdims=True)).cumsum(1)
    labels = (rng.random((40_000, 1)) > cumulated).sum(1).clip(0, 3)  # drawn from the fair probabilities
    assert fit_temperature((fair * true).astype(np.float32), labels) == pytest.approx(true, rel=0.03)


def test_no_other_temperature_is_better() -> None:
    logits, labels = answers(500)
    found = fit_temperature(logits, labels)
    best = min(np.geomspace(0.1, 10, 400), key=lambda t: cross_entropy(logits, labels, t))
    assert found == pytest.approx(best, rel=0.02)


def test_a_temperature_for_vote_shares_is_that_for_single_votes() -> None:
    """Ten people for each face, one row for each of them."""
    rng = np.random.default_rng(3)
    logits, people = rng.normal(0, 2, (300, 3)), rng.integers(0, 3, (300, 10))
    shares = np.stack([(people == c).mean(1) for c in range(3)], axis=1)
    one_by_one = np.repeat(logits, 10, axis=0), people.ravel()
    assert cross_entropy(logits, shares, 1.7) == pytest.approx(cross_entropy(*one_by_one, 1.7))
    assert fit_temperature(logits, shares) == pytest.approx(fit_temperature(*one_by_one), rel=1e-4)


def test_the_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.45, 0.55], [1.0, 0.0], [0.95, 0.05]])
    labels = np.array([0, 1, 1, 1, 0, 1])
    # Bins of a fifth. 0.4 to 0.6: 0.55, right. 0.6 to 0.8: 0.7, right. 0.8 to 1: 0.9 0.8 1 0.95, 2 of 4 right.
    expected = 1 / 6 * 0.45 + 1 / 6 * 0.3 + 4 / 6 * (0.9125 - 0.5)
    assert expected_calibration_error(probabilities, labels, num_bins=5) == pytest.approx(expected)
    assert reliability_bins(probabilities, labels, num_bins=5) == [
        {"low": 0.4, "high": 0.6, "n": 1, "confidence": pytest.approx(0.55), "accuracy": 1.0},
        {"low": 0.6, "high": 0.8, "n": 1, "confidence": pytest.approx(0.7), "accuracy": 1.0},
        {"low": 0.8, "high": 1.0, "n": 4, "confidence": pytest.approx(0.9125), "accuracy": 0.5},
    ]


@given(n=st.integers(1, 60), bins=st.integers(1, 20), seed=st.integers(0, 999))
def test_the_calibration_error_against_a_slow_oracle(n: int, bins: int, seed: int) -> None:
    logits, labels = answers(n, seed)
    probabilities = softmax(logits)
    error = 0.0
    for b in range(bins):
        inside = [i for i, p in enumerate(probabilities) if b / bins <= max(p) < (b + 1) / bins]
        right = sum(int(np.argmax(probabilities[i])) == labels[i] for i in inside)
        error += abs(right - sum(max(probabilities[i]) for i in inside)) / n
    assert expected_calibration_error(probabilities, labels, bins) == pytest.approx(error, abs=1e-9)
    rows = reliability_bins(probabilities, labels, bins)
    assert sum(row["n"] for row in rows) == n
    assert all(row["low"] <= row["confidence"] <= row["high"] for row in rows)


def test_a_perfect_classifier_has_no_calibration_error() -> None:
    assert expected_calibration_error(np.eye(3), np.arange(3)) == 0
    assert expected_calibration_error(np.eye(3), np.array([1, 2, 0])) == 1


@given(n=st.integers(1, 5000), share=st.floats(0, 1))
def test_the_wilson_interval_equals_that_of_statsmodels(n: int, share: float) -> None:
    right = round(n * share)
    critical = norm.isf(0.05 / 2)
    q, squared = right / n, critical**2
    denominator = 1 + squared / n
    centre = (q + squared / (2 * n)) / denominator
    distance = critical * math.sqrt(q * (1 - q) / n + squared / (4 * n**2)) / denominator
    low, high = wilson_interval(right, n)
    assert low == pytest.approx(max(0, centre - distance), abs=1e-4)
    assert high == pytest.approx(min(1, centre + distance), abs=1e-4)
    assert 0 <= low <= Fraction(right, n) + Fraction(1, 10**12)
    assert Fraction(right, n) - Fraction(1, 10**12) <= high <= 1


def test_the_wilson_interval_without_cases_is_everything() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_the_scores_of_a_head_equal_those_of_scikit_learn() -> None:
    logits, labels = answers(400)
    logits, labels = logits[labels != 2], labels[labels != 2]  # no face is sad, but some are predicted so
    predicted = logits.argmax(1)
    score = score_head(logits, labels, NAMES, temperature=2.0)
    assert score["n"] == len(labels)
    assert score["accuracy"] == metrics.accuracy_score(labels, predicted)
    assert score["accuracy_interval"] == wilson_interval((labels == predicted).sum(), len(labels))
    recalls = metrics.recall_score(labels, predicted, labels=[0, 1], average="macro")
    assert score["balanced_accuracy"] == pytest.approx(recalls)
    expected = metrics.log_loss(labels, softmax(logits, 2.0), labels=range(3))
    assert score["cross_entropy"] == pytest.approx(expected, rel=1e-6)
    assert score["ece"] == pytest.approx(expected_calibration_error(softmax(logits, 2.0), labels))
    assert score["ece_uncalibrated"] == pytest.approx(expected_calibration_error(softmax(logits), labels))
    assert score["mean_confidence"] == pytest.approx(softmax(logits, 2.0).max(1).mean())
    for row, other in zip(score["reliability"], reliability_bins(softmax(logits, 2.0), labels), strict=True):
        assert row == pytest.approx(other)
    report = metrics.classification_report(
        labels, predicted, labels=range(3), target_names=NAMES, output_dict=True, zero_division=0
    )
    for name in NAMES:
        expected = {k: report[name][k] for k in ("precision", "recall")}
        expected |= {"f1": report[name]["f1-score"], "n": report[name]["support"]}
        assert score["per_class"][name] == pytest.approx(expected)
    confusion = [[int(((labels == i) & (predicted == j)).sum()) for j in range(3)] for i in range(3)]
    assert score["confusion"] == confusion  # rows are labels, columns are predictions
    json.dumps(score, allow_nan=False)


def test_no_rows() -> None:
    logits, labels = np.empty((0, 3), np.float32), np.empty(0, np.int8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert score_head(logits, labels, NAMES) == {"n": 0}
        assert fit_temperature(logits, labels) == 1.0
        assert expected_calibration_error(logits, labels) == 0
        assert reliability_bins(logits, labels) == []


# --- what rare classes get ahead ---------------------------------------------------------------------------


def imbalanced(n: int = 4000, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.integer], NDArray[np.float64]]:
    """Calibrated logits of a class that is common, one that is not and one that is rare, the labels, and the prior."""
    rng, prior = np.random.default_rng(seed), np.array([0.8, 0.17, 0.03])
    labels = rng.choice(3, n, p=prior)
    seen = rng.normal(0, 1, (n, 3)) + 1.2 * np.eye(3)[labels]
    return 1.2 * seen + np.log(prior), labels, prior


def test_the_bias_favors_rare_classes_within_the_allowed_loss_of_accuracy() -> None:
    logits, labels, prior = imbalanced()

    def scores(offset: NDArray) -> tuple[float, float]:
        predicted = (logits + offset).argmax(1)
        return metrics.accuracy_score(labels, predicted), metrics.balanced_accuracy_score(labels, predicted)

    plain, best = scores(np.zeros(3)), fit_logit_bias(logits, labels, prior)
    assert best[0] == 0 < best[1] < best[2]  # the commonest gets nothing, the rarest most
    assert best[1] / best[2] == pytest.approx(np.log(0.8 / 0.17) / np.log(0.8 / 0.03))
    right, balanced = scores(best)
    assert plain[0] - 0.01 <= right
    assert balanced > plain[1] + 0.03
    more = scores(best + 0.05 * np.log(prior.max() / prior))
    assert more[0] < plain[0] - 0.01 or more[1] <= balanced
    assert not fit_logit_bias(logits, labels, np.full(3, 1 / 3)).any()


def test_no_bias_is_used_where_it_would_cost_too_much_accuracy() -> None:
    logits, labels, prior = imbalanced()
    predicted = (logits + fit_logit_bias(logits, labels, prior, max_accuracy_drop=0.0)).argmax(1)
    assert (predicted == labels).mean() >= (logits.argmax(1) == labels).mean()


# --- how often it is right when it speaks ------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_coverage_counts_the_predictions_that_are_certain_enough(pairs: list[tuple[float, bool]]) -> None:
    confidence, right = np.array([p for p, _ in pairs]), np.array([r for _, r in pairs])
    rows, before = accuracy_by_coverage(confidence, right), None
    assert [row["threshold"] for row in rows] == [step / 20 for step in range(20)]
    for row in rows:
        those = [r for p, r in pairs if p >= row["threshold"]]
        assert row["coverage"] == pytest.approx(len(those) / len(pairs))
        assert row["accuracy"] == pytest.approx(sum(those) / len(those) if those else before)
        before = row["accuracy"]


def test_the_calibration_error_of_partly_right_predictions() -> None:
    """Two bins: 4 predictions of 0.9 with 70 of 100 votes, 1 of 0.55 with 60."""
    confidence, agreeing = np.array([0.9] * 4 + [0.55]), np.array([0.8, 0.6, 0.7, 0.7, 0.6])
    assert calibration_error(confidence, agreeing) == pytest.approx((4 * 0.2 + 0.05) / 5)
