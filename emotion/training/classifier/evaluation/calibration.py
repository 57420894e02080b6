"""Calibrate the heads of a trained classifier: temperatures, biases for rare expressions, and the face threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from emotion.datasets.dataset import Dataset, is_non_face, majority_vote, vote_distribution
from emotion.errors import DataError
from emotion.model_store.card_parts import Head
from emotion.recognition.classification import softmax
from emotion.training.classifier.evaluation.labeled_face_scores import RecognizedFaces
from emotion.training.metrics import cross_entropy, expected_calibration_error, fit_logit_bias, fit_temperature

_FACE_QUANTILE: Final = 0.01  # the share of validation faces below the face threshold
_MIN_THRESHOLD_FACES: Final = 100  # of fewer, a hundredth is not even one
_FACE_THRESHOLDS: Final = (0.001, 0.999)
_VOTE_HEADS: Final = ("ferplus", "expression")  # whose targets are the FER+ votes
_MIN_PRIOR: Final = 1e-4
_MIN_PROBABILITY: Final = 1e-12
# Of the logarithm of the temperature and of the power of the prior.
_INITIAL_PARAMETERS: Final = (0.0, 0.5)
_PARAMETER_BOUNDS: Final = ((-2.5, 2.5), (0.0, 1.0))
_TEMPERATURE_FACTORS: Final = np.geomspace(0.5, 2.0, 41)  # of the temperature with the smallest cross-entropy


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


def fit_face_threshold(
    face_head: Mapping[str, Any] | None, logits: Mapping[str, NDArray], data: Dataset
) -> dict[str, Any] | None:
    """Return the face head with the threshold that 99% of the validation faces reach; None without such a head.

    With too few validation faces for this share the head is returned as it is.
    """
    if face_head is None:
        return None
    validation = data.take(data.rows_in("validation"))
    face_logits = logits["face"][~is_non_face(validation), 0]
    if face_logits.size < _MIN_THRESHOLD_FACES:
        return dict(face_head)
    threshold = float(1 / (1 + np.exp(-np.quantile(face_logits, _FACE_QUANTILE))))
    low, high = _FACE_THRESHOLDS
    return {**face_head, "threshold": round(min(high, max(low, threshold)), 4)}


def calibrate_with_labeled_faces(
    head: Head, logits: NDArray[np.floating], majority: NDArray[np.integer], recognized: Sequence[RecognizedFaces]
) -> Head:
    """Return a head whose temperature and prior suit candid and posed faces alike.

    Expressions are rare on candid faces and equally frequent on posed ones, so no prior is right for both. The one with
    the smallest sum of the cross-entropy on the validation split and of the mean one of the other sources is used: a
    power of the prior of the training split, between none and all of it. The temperature then is the one with the
    smallest larger calibration error of the two: cross-entropy accepts that the probabilities of one are overstated.

    Args:
        head: A head with `prior`.
        logits: Its logits (n, classes) on the validation split.
        majority: The FER+ labels (n,) of the split, -1 for none.
        recognized: Sources of labeled faces, as the classifier with this head recognized them.

    Raises:
        DataError: The head has no prior, or there is neither a face with a majority nor a labeled one.
    """
    if head.prior is None:
        raise DataError("The displayed head has no prior; train a classifier with FER+ votes and FER-2013 labels.")
    voted = np.flatnonzero(majority >= 0)
    posed = [_restore_logits(head, source) for source in recognized]
    posed = [(values, labels) for values, labels in posed if len(labels)]
    groups = [group for group in ([(logits[voted], majority[voted])] if voted.size else [], posed) if group]
    if not groups:
        raise DataError("Neither the data set nor the folder has a face with a label of the displayed head.")
    log_prior = np.log(np.maximum(head.prior, _MIN_PRIOR))

    def loss(parameters: NDArray[np.float64]) -> float:
        temperature, power = np.exp(parameters[0]), parameters[1]
        losses = [[cross_entropy(z / temperature + power * log_prior, labels) for z, labels in g] for g in groups]
        return float(sum(np.mean(values) for values in losses))

    found = minimize(loss, _INITIAL_PARAMETERS, method="L-BFGS-B", bounds=_PARAMETER_BOUNDS)
    bias = found.x[1] * log_prior

    def largest_calibration_error(temperature: float) -> float:
        errors = [
            [expected_calibration_error(softmax(z / temperature + bias), labels) for z, labels in g] for g in groups
        ]
        return float(max(np.mean(values) for values in errors))

    temperature = min(np.exp(found.x[0]) * _TEMPERATURE_FACTORS, key=largest_calibration_error)
    return head.model_copy(
        update={
            "temperature": round(float(temperature), 4),
            "logit_bias": tuple(round(float(value), 4) for value in bias - bias.max()),
        }
    )


def _restore_logits(head: Head, recognized: RecognizedFaces) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return logits (n, classes) and labels (n,) of the faces that were found and have a label of the head."""
    rows = [
        ([result.scores[label] for label in head.labels], head.labels.index(face.label))
        for face, result in zip(recognized.faces, recognized.results, strict=True)
        if result.scores is not None and face.label in head.labels
    ]
    if not rows:
        return np.empty((0, len(head.labels))), np.empty(0, np.intp)
    probs = np.array([probabilities for probabilities, _ in rows])
    logits = (np.log(np.maximum(probs, _MIN_PROBABILITY)) - np.array(head.logit_bias or 0.0)) * head.temperature
    return logits, np.array([label for _, label in rows])
