"""The loss of the expression head is the cross-entropy of logits plus the logarithm of the prior."""

from __future__ import annotations

import numpy as np
import pytest

from emotion.recognition.classification import softmax

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' variables and NumPy 2
]

PRIOR = np.array([0.7, 0.25, 0.05])


def test_the_loss_equals_the_cross_entropy_with_the_prior_added() -> None:
    from emotion.training.classifier.losses import BalancedCrossentropy

    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (5, 3)).astype(np.float32)
    targets = rng.dirichlet(np.ones(3), 5).astype(np.float32)
    loss = np.asarray(BalancedCrossentropy(PRIOR, reduction=None)(targets, logits))
    np.testing.assert_allclose(loss, -(targets * np.log(softmax(logits + np.log(PRIOR)))).sum(1), rtol=1e-5)


def test_logits_of_no_evidence_are_best_where_labels_have_the_frequency_of_the_prior() -> None:
    from emotion.training.classifier.losses import BalancedCrossentropy

    loss = BalancedCrossentropy(PRIOR)
    targets = np.tile(PRIOR, (4, 1)).astype(np.float32)
    flat = np.zeros((4, 3), np.float32)
    assert float(loss(targets, flat)) < float(loss(targets, flat + np.array([0.3, 0, 0], np.float32)))
    assert float(loss(targets, flat)) < float(loss(targets, flat + np.array([0, 0, 0.3], np.float32)))


def test_a_class_without_a_training_face_leaves_the_loss_finite() -> None:
    from emotion.training.classifier.losses import BalancedCrossentropy

    loss = BalancedCrossentropy(np.array([1.0, 0.0, 0.0]))
    assert np.isfinite(float(loss(np.eye(3, dtype=np.float32), np.zeros((3, 3), np.float32))))
