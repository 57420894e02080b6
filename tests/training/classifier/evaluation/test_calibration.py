"""Temperatures and biases of the heads, and the prior that suits candid and posed faces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.datasets.dataset import majority_vote
from emotion.errors import DataError
from emotion.expressions import FERPLUS_LABELS
from emotion.faces import Scores
from emotion.model_store.card_parts import Head
from emotion.recognition.classification import compute_probabilities
from emotion.training.classifier.evaluation.calibration import (
    calibrate_heads,
    calibrate_with_labeled_faces,
    fit_face_threshold,
)
from emotion.training.classifier.evaluation.labeled_face_scores import LabeledFace, Recognition, RecognizedFaces
from tests.training.making import dataset

LABELS = ("neutral", "angry")
PRIOR = (0.9, 0.1)
HEAD = Head(output="expression", labels=LABELS, temperature=2.0, logit_bias=(0.0, -1.0), prior=PRIOR)


def draw_faces(share_of_angry: float, count: int = 4000, seed: int = 0) -> tuple[NDArray, NDArray[np.intp]]:
    """Logits and labels: the evidence for angry against neutral is normally distributed with a mean of +-1."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < share_of_angry).astype(np.intp)
    evidence = rng.normal(np.where(labels == 1, 1.0, -1.0), np.sqrt(2))  # its log likelihood ratio, exactly
    return np.column_stack([-evidence / 2, evidence / 2]), labels


def recognize(logits: NDArray, labels: Sequence[int], head: Head = HEAD) -> RecognizedFaces:
    faces = [LabeledFace(f"{i}.png", LABELS[label], f"p{i}") for i, label in enumerate(labels)]
    scores = [Scores(LABELS, probs) for probs in compute_probabilities(logits, head)]
    return RecognizedFaces(faces, [Recognition(values, True) for values in scores])


def bias_between_labels(head: Head) -> float:
    assert head.logit_bias is not None
    return head.logit_bias[1] - head.logit_bias[0]


def test_candid_faces_alone_bring_the_whole_prior_back() -> None:
    logits, labels = draw_faces(share_of_angry=0.1)
    head = calibrate_with_labeled_faces(HEAD, logits, labels, [])
    assert head.temperature == pytest.approx(1.0, abs=0.15)
    assert bias_between_labels(head) == pytest.approx(np.log(0.1 / 0.9), abs=0.25)


def test_balanced_faces_alone_leave_the_prior_out() -> None:
    logits, labels = draw_faces(share_of_angry=0.5)
    no_majority = np.full(4000, -1)
    head = calibrate_with_labeled_faces(HEAD, logits, no_majority, [recognize(logits, labels.tolist())])
    assert head.temperature == pytest.approx(1.0, abs=0.15)
    assert bias_between_labels(head) == pytest.approx(0, abs=0.25)


def test_both_together_choose_a_prior_between() -> None:
    candid, candid_labels = draw_faces(0.1)
    posed, posed_labels = draw_faces(0.5, seed=1)
    head = calibrate_with_labeled_faces(HEAD, candid, candid_labels, [recognize(posed, posed_labels.tolist())])
    assert np.log(0.1 / 0.9) + 0.4 < bias_between_labels(head) < -0.4


def test_the_result_does_not_depend_on_the_calibration_before() -> None:
    logits, labels = draw_faces(0.5)
    no_majority, other = np.full(4000, -1), HEAD.model_copy(update={"temperature": 0.7, "logit_bias": None})
    heads = [
        calibrate_with_labeled_faces(head, logits, no_majority, [recognize(logits, labels.tolist(), head)])
        for head in (HEAD, other)
    ]
    assert heads[0].temperature == pytest.approx(heads[1].temperature, abs=0.01)
    assert bias_between_labels(heads[0]) == pytest.approx(bias_between_labels(heads[1]), abs=0.02)


def test_faces_that_are_not_found_or_have_another_label_do_not_count() -> None:
    logits, labels = draw_faces(0.1, count=500)
    ignored = RecognizedFaces(
        [LabeledFace("a.png", "angry", "a"), LabeledFace("b.png", "contempt", "b")],
        [Recognition(None, False), Recognition(Scores(LABELS, (0.5, 0.5)), True)],
    )
    assert calibrate_with_labeled_faces(HEAD, logits, labels, [ignored]) == calibrate_with_labeled_faces(
        HEAD, logits, labels, []
    )
    with pytest.raises(DataError, match="Neither the data set nor the folder"):
        calibrate_with_labeled_faces(HEAD, logits, np.full(500, -1), [ignored])


def test_a_head_without_a_prior_is_refused() -> None:
    with pytest.raises(DataError, match="has no prior; train a classifier"):
        calibrate_with_labeled_faces(HEAD.model_copy(update={"prior": None}), np.zeros((1, 2)), np.zeros(1, int), [])


def test_the_prior_of_a_balanced_head_is_part_of_its_bias() -> None:
    data = dataset(400, 200)
    validation = majority_vote(data.take(data.rows_in("validation")))
    rng = np.random.default_rng(0)
    prior = rng.dirichlet(np.full(8, 5))
    natural = 3 * np.eye(8)[np.maximum(validation, 0)] + rng.normal(0, 1, (200, 8))
    heads = {name: {"output": name, "labels": list(FERPLUS_LABELS)} for name in ("ferplus", "expression")}
    heads["expression"]["prior"] = prior.tolist()
    logits = {"ferplus": natural, "expression": natural - np.log(prior)}
    fitted = calibrate_heads(heads, logits, data)
    plain, balanced = (
        compute_probabilities(logits[name], Head.model_validate(fitted[name])) for name in ("ferplus", "expression")
    )
    np.testing.assert_allclose(plain, balanced, atol=1e-3)


def test_99_of_100_validation_faces_reach_the_face_threshold() -> None:
    data = dataset(0, 400, votes=False)
    logits = {"face": np.random.default_rng(1).normal(2, 1, (400, 1)).astype(np.float32)}
    fitted = fit_face_threshold({"output": "face", "threshold": 0.5}, logits, data)
    assert fitted is not None
    probabilities = 1 / (1 + np.exp(-logits["face"]))
    assert (probabilities >= fitted["threshold"]).mean() == pytest.approx(0.99, abs=0.003)


def test_few_validation_faces_leave_the_face_threshold_as_it_is() -> None:
    face_head = {"output": "face", "threshold": 0.9}
    logits = {"face": np.ones((50, 1), np.float32)}
    assert fit_face_threshold(face_head, logits, dataset(0, 50, votes=False)) == face_head
    assert fit_face_threshold(None, {}, dataset(0, 50, votes=False)) is None
