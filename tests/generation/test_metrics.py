"""Metrics against textbook formulas, and in cases with a known result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.errors import ModelError
from emotion.expressions import FER2013_LABELS, FERPLUS_LABELS
from emotion.generation.metrics import (
    FeatureExtractor,
    ReferenceMetrics,
    diversity,
    diversity_ratios,
    frechet_distance,
    kid,
    nearest_training_faces,
    precision_recall,
    random_conv_features,
)
from emotion.model_store.store import ModelBundle, compute_sha256, open_model
from emotion.recognition.classification import ExpressionClassifier
from tests.generation.making import write_classifier


def random_features(
    count: int, middle: float = 0.0, spread: float = 1.0, seed: int = 0, size: int = 5
) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(middle, spread, (count, size))


def random_faces(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 48, 48)).astype(np.uint8)


# --- feature extraction ------------------------------------------------------------------------------------


def test_the_extractor_predicts_as_the_classifier(classifier_bundle: ModelBundle) -> None:
    faces = random_faces(300)
    extracted = FeatureExtractor(classifier_bundle, FER2013_LABELS).extract(faces)
    logits = ExpressionClassifier(classifier_bundle).logits(faces)["fer2013"]
    np.testing.assert_array_equal(extracted.predictions, logits.argmax(1))
    assert len(set(extracted.predictions.tolist())) > 2
    weights = {c.name: onnx.numpy_helper.to_array(c) for c in onnx.load(classifier_bundle.onnx_path).graph.initializer}
    assert extracted.features.shape == (300, 10)
    np.testing.assert_allclose(extracted.features @ weights["head"] + weights["bias"], logits, atol=1e-3)


def test_predictions_are_in_the_order_of_the_requested_labels(classifier_bundle: ModelBundle) -> None:
    faces, labels = random_faces(50), ("happy", "angry", "neutral", "sad", "fear", "disgust", "surprise")
    default, reordered = (
        FeatureExtractor(classifier_bundle, order).extract(faces).predictions for order in (FER2013_LABELS, labels)
    )
    assert [FER2013_LABELS[i] for i in default] == [labels[i] for i in reordered]


def test_the_narrowest_head_with_the_labels_is_used(tiny: ModelBundle) -> None:
    """FER+ has the seven labels of FER-2013 and an eighth, which must not be predicted."""
    assert FeatureExtractor(tiny, FER2013_LABELS)._logits_name == "fer2013"
    assert FeatureExtractor(tiny, FERPLUS_LABELS)._logits_name == "ferplus"


def test_labels_that_the_classifier_lacks_are_refused(classifier_bundle: ModelBundle) -> None:
    with pytest.raises(ModelError, match="has no head with all of contempt, happy"):
        FeatureExtractor(classifier_bundle, ("contempt", "happy"))


def test_only_a_classifier_extracts_features(generator_folder: Path) -> None:
    with pytest.raises(ModelError, match="is a generator; faces are judged by a classifier"):
        FeatureExtractor(open_model(generator_folder), FER2013_LABELS)


def test_a_network_without_a_dense_layer_is_refused(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "classifier")
    network = onnx.load(folder / "model.onnx")
    for node in network.graph.node:
        if node.op_type == "MatMul":
            node.op_type, node.domain = "Einsum", ""
            node.attribute.append(onnx.helper.make_attribute("equation", "ij,jk->ik"))
    onnx.save(network, folder / "model.onnx")
    digest = compute_sha256(folder / "model.onnx")
    card = (folder / "card.json").read_text()
    (folder / "card.json").write_text(card.replace(card.split('"sha256": "')[1][:64], digest))
    with pytest.raises(ModelError, match="has no dense layer"):
        FeatureExtractor(open_model(folder), FER2013_LABELS)


# --- distances ---------------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.floats(-2, 2), st.floats(0.1, 3))
def test_frechet_distance_is_the_textbook_formula(seed: int, middle: float, spread: float) -> None:
    first, second = (
        random_features(60, seed=seed),
        random_features(50, middle, spread, seed + 1) @ random_features(5, seed=seed + 2),
    )
    a, b = np.cov(first.T), np.cov(second.T)
    expected = np.square(first.mean(0) - second.mean(0)).sum() + np.trace(
        a + b - 2 * np.real(scipy.linalg.sqrtm(a @ b))
    )
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert frechet_distance(second, first) == pytest.approx(frechet_distance(first, second), rel=1e-6, abs=1e-6)


def test_frechet_distance_of_known_distributions() -> None:
    first = random_features(100)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(first, first + 3) == pytest.approx(5 * 9)
    assert frechet_distance(first, 3 * (first - first.mean(0)) + first.mean(0)) == pytest.approx(
        4 * np.trace(np.cov(first.T))
    )
    flat = first * [1, 1, 1, 0, 0]  # features that are always 0
    assert frechet_distance(flat, flat) == pytest.approx(0, abs=1e-9)


def test_kid_is_the_textbook_formula() -> None:
    first, second = random_features(7), random_features(9, 1, seed=1)

    def kernel(a: NDArray, b: NDArray) -> float:
        return float((a @ b / 5 + 1) ** 3)

    expected = (
        sum(kernel(a, b) for i, a in enumerate(first) for j, b in enumerate(first) if i != j) / (7 * 6)
        + sum(kernel(a, b) for i, a in enumerate(second) for j, b in enumerate(second) if i != j) / (9 * 8)
        - 2 * sum(kernel(a, b) for a in first for b in second) / (7 * 9)
    )
    assert kid(first, second) == pytest.approx(expected)


def test_kid_has_no_bias() -> None:
    values = [kid(random_features(40, seed=i), random_features(40, seed=1000 + i)) for i in range(100)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 10
    assert kid(random_features(40), random_features(40, 1)) > 5 * np.std(values)


@pytest.mark.parametrize(
    ("fake", "precision", "recall"),
    [
        (random_features(200, seed=1), (0.85, 1), (0.85, 1)),
        (random_features(200, 50, seed=1), (0, 0), (0, 0)),
        (random_features(200, 0, 0.05, seed=1), (1, 1), (0, 0.1)),  # collapsed into the middle
        (np.concatenate([random_features(100, seed=1), random_features(100, 50, seed=2)]), (0.4, 0.5), (0.8, 1)),
    ],
    ids=["alike", "apart", "collapsed", "half"],
)
def test_precision_and_recall_of_known_distributions(
    fake: NDArray, precision: tuple[float, float], recall: tuple[float, float]
) -> None:
    measured = precision_recall(fake, random_features(200))
    assert precision[0] <= measured[0] <= precision[1]
    assert recall[0] <= measured[1] <= recall[1]


def test_precision_and_recall_of_a_computed_example() -> None:
    """On a line with k = 1 the radii are 1, 1, 2 of the real and 12.5, 3, 3 of the synthetic features."""
    real, fake = np.array([[0.0], [1], [3]]), np.array([[-8.0], [4.5], [7.5]])
    assert precision_recall(fake, real, k=1) == (pytest.approx(1 / 3), 1.0)
    assert precision_recall(real, fake, k=1) == (1.0, pytest.approx(1 / 3))


def test_diversity_is_the_mean_distance_and_its_ratio_is_by_label() -> None:
    square = np.array([[0.0, 0], [0, 3], [4, 0], [4, 3]])
    assert diversity(square) == pytest.approx((3 + 4 + 5) / 3)
    assert [diversity(square[:n]) for n in (0, 1)] == [0, 0]
    labels = np.array([1, 1, 4, 4])
    assert diversity_ratios(square * [[1, 2]], square, labels) == {1: pytest.approx(2), 4: pytest.approx(2)}
    assert diversity_ratios(square[[0, 0, 2, 3]], square, labels) == {1: 0, 4: pytest.approx(1)}
    assert diversity_ratios(square, square, np.array([0, 1, 2, 2])) == {
        2: pytest.approx(1)
    }  # single faces have no diversity


# --- features without training -----------------------------------------------------------------------------


@pytest.mark.slow
def test_random_features_tell_different_images_apart() -> None:
    faces, smooth = random_faces(300), np.stack([np.outer(np.arange(48), np.full(48, i % 5 + 1)) for i in range(300)])
    features = random_conv_features(faces)
    assert features.shape == (300, 128)
    np.testing.assert_array_equal(features, random_conv_features(faces))
    np.testing.assert_allclose(features[:5], random_conv_features(faces[:5]), atol=1e-9)  # also in another batch
    second = random_conv_features(random_faces(300, 1))
    assert frechet_distance(features, second) * 5 < frechet_distance(
        features, random_conv_features(smooth.astype(np.uint8))
    )


@pytest.mark.parametrize(
    "change",
    [lambda f: f, lambda f: f[:, :, ::-1], lambda f: (f * 0.5 + 60).astype(np.uint8)],
    ids=["as it is", "mirrored", "in another light"],
)
def test_the_nearest_training_face_is_found(change: Callable[[NDArray], NDArray]) -> None:
    training = random_faces(400)
    expected = np.array([3, 399, 0])
    rows, distances = nearest_training_faces(change(training[expected]), training, k=2)
    np.testing.assert_array_equal(rows[:, 0], expected)
    assert (distances[:, 0] < 0.1).all()
    assert (distances[:, 1] > 0.5).all()
    assert (rows[:, 1] != expected).all()


def test_nearest_distances_are_sorted_and_match_their_rows() -> None:
    training, faces = random_faces(30), random_faces(300, 1)
    rows, distances = nearest_training_faces(faces, training, k=30)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert (np.sort(rows, axis=1) == np.arange(30)).all()
    again = nearest_training_faces(faces[7:8], training[rows[7]])[1]
    assert again[0, 0] == pytest.approx(distances[7, 0])


# --- during a training -------------------------------------------------------------------------------------


def test_reference_metrics_are_ideal_for_the_same_faces(classifier_bundle: ModelBundle) -> None:
    faces = random_faces(80)
    extractor = FeatureExtractor(classifier_bundle, FER2013_LABELS)
    labels = extractor.extract(faces).predictions
    reference = ReferenceMetrics.from_faces(extractor, faces, labels)
    assert reference.measure(faces) == {
        "frechet": pytest.approx(0, abs=1e-9),
        "class_consistency": 1.0,
        "diversity": pytest.approx(1),
    }
    copies = np.repeat(faces[:1], 80, axis=0)
    collapsed = reference.measure(copies)
    assert collapsed["frechet"] > 0.1
    assert collapsed["diversity"] == pytest.approx(0, abs=1e-6)
    assert collapsed["class_consistency"] == pytest.approx((labels == labels[0]).mean())
