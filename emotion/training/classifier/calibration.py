"""Calibrate the heads of a trained classifier: temperatures, biases for rare expressions, and the face threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.datasets.dataset import Dataset, is_non_face, majority_vote, vote_distribution
from emotion.training.metrics import fit_logit_bias, fit_temperature

_FACE_QUANTILE: Final = 0.01  # the share of validation faces below the face threshold
_FACE_THRESHOLDS: Final = (0.001, 0.999)
_VOTE_HEADS: Final = ("ferplus", "expression")  # whose targets are the FER+ votes
_MIN_PRIOR: Final = 1e-4


def calibrate_heads(heads: Mapping[str, Any], logits: Mapping[str, NDArray], data: Dataset) -> dict[str, Any]:
    """Return the heads with temperatures and biases that are fitted on the validation split.

    The probabilities of the heads of votes become the shares of the votes, those of other heads the share of correct
    predictions. The heads of votes also get a bias for rare expressions; it contains the prior of a head that was
    trained as if all expressions were equally frequent.

    Args:
        heads: The heads of a card by name.
        logits: The logits (n, classes) of the validation split by head.
        data: The data set.
    """
    validation = data.take(data.rows_in("validation"))
    shares, majority = vote_distribution(validation), majority_vote(validation)
    train_prior = vote_distribution(data.take(data.rows_in("train"))).sum(0)
    fitted = {}
    for name, head in heads.items():
        is_voted = name in _VOTE_HEADS
        targets = shares if is_voted else validation.labels
        rows = np.flatnonzero((shares > 0).any(1) if is_voted else validation.labels >= 0)
        offset = np.log(np.maximum(head["prior"], _MIN_PRIOR)) if head.get("prior") else 0.0
        natural = logits[name] + offset
        temperature = round(fit_temperature(natural[rows], targets[rows]), 4)
        fitted[name] = {**head, "temperature": temperature}
        voted = np.flatnonzero(majority >= 0)
        if is_voted and voted.size:
            prior = train_prior / max(1e-9, train_prior.sum())
            bias = fit_logit_bias(natural[voted] / temperature, majority[voted], prior) + offset / temperature
            fitted[name]["logit_bias"] = [round(float(value), 4) for value in bias - bias.max()]
    return fitted


def fit_face_threshold(logits: Mapping[str, NDArray], data: Dataset) -> dict[str, Any] | None:
    """Return the face head with the threshold that 99 % of the validation faces reach; None without such a head."""
    if "face" not in logits:
        return None
    validation = data.take(data.rows_in("validation"))
    face_logits = logits["face"][~is_non_face(validation), 0]
    threshold = float(1 / (1 + np.exp(-np.quantile(face_logits, _FACE_QUANTILE)))) if face_logits.size else 0.5
    low, high = _FACE_THRESHOLDS
    return {"output": "face", "threshold": round(min(high, max(low, threshold)), 4)}
