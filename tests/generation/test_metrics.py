"""The measures against textbook formulas, and in cases whose answer is known."""

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
from tests.generation.making import write_judge


def crowd(count: int, middle: float = 0.0, spread: float = 1.0, seed: int = 0, size: int = 5) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(middle, spread, (count, size))


def noise(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 48, 48)).astype(np.uint8)


# --- the judge ---------------------------------------------------------------------------------------------


def test_the_judge_says_what_the_classifier_says(judge_bundle: ModelBundle) -> None:
    faces = noise(300)
    seen = FeatureExtractor(judge_bundle, FER2013_LABELS).extract(faces)
    logits = ExpressionClassifier(judge_bundle).logits(faces)["fer2013"]
    np.testing.assert_array_equal(seen.predictions, logits.argmax(1))
    assert len(set(seen.predictions.tolist())) > 2
    weights = {c.name: onnx.numpy_helper.to_array(c) for c in onnx.load(judge_bundle.onnx_path).graph.initializer}
    assert seen.features.shape == (300, 10)
    np.testing.assert_allclose(seen.features @ weights["head"] + weights["bias"], logits, atol=1e-3)


def test_answers_are_in_the_order_of_the_labels_asked_for(judge_bundle: ModelBundle) -> None:
    faces, labels = noise(50), ("happy", "angry", "neutral", "sad", "fear", "disgust", "surprise")
    one, other = (
        FeatureExtractor(judge_bundle, order).extract(faces).predictions for order in (FER2013_LABELS, labels)
    )
    assert [FER2013_LABELS[i] for i in one] == [labels[i] for i in other]


def test_the_narrowest_head_with_the_labels_answers(tiny: ModelBundle) -> None:
    """FER+ has the seven, too, but would give votes to an eighth."""
    assert FeatureExtractor(tiny, FER2013_LABELS)._logits_name == "fer2013"
    assert FeatureExtractor(tiny, FERPLUS_LABELS)._logits_name == "ferplus"


def test_labels_that_the_classifier_has_not_are_refused(judge_bundle: ModelBundle) -> None:
    with pytest.raises(ModelError, match="has no answer with all of contempt, happy"):
        FeatureExtractor(judge_bundle, ("contempt", "happy"))


def test_another_kind_of_model_cannot_judge(made: Path) -> None:
    with pytest.raises(ModelError, match="is a generator; faces are judged by a classifier"):
        FeatureExtractor(open_model(made), FER2013_LABELS)


def test_a_network_without_a_dense_layer_is_refused(tmp_path: Path) -> None:
    folder = write_judge(tmp_path / "judge")
    network = onnx.load(folder / "model.onnx")
    for node in network.graph.node:
        if node.op_type == "MatMul":
            node.op_type, node.domain = "Einsum", ""
            node.attribute.append(onnx.helper.make_attribute("equation", "ij,jk->ik"))
    onnx.save(network, folder / "model.onnx")
    digest = compute_sha256(folder / "model.onnx")
    card = (folder / "card.json").read_text()
    (folder / "card.json").write_text(card.replace(card.split('"sha256": "')[1][:64], digest))
    with pytest.raises(ModelError, match="comes from no dense layer"):
        FeatureExtractor(open_model(folder), FER2013_LABELS)


# --- distances ---------------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.floats(-2, 2), st.floats(0.1, 3))
def test_frechet_is_the_textbook_formula(seed: int, middle: float, spread: float) -> None:
    one, other = crowd(60, seed=seed), crowd(50, middle, spread, seed + 1) @ crowd(5, seed=seed + 2)
    a, b = np.cov(one.T), np.cov(other.T)
    expected = np.square(one.mean(0) - other.mean(0)).sum() + np.trace(a + b - 2 * np.real(scipy.linalg.sqrtm(a @ b)))
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert frechet_distance(other, one) == pytest.approx(frechet_distance(one, other), rel=1e-6, abs=1e-6)


def test_frechet_of_known_crowds() -> None:
    one = crowd(100)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, one + 3) == pytest.approx(5 * 9)
    assert frechet_distance(one, 3 * (one - one.mean(0)) + one.mean(0)) == pytest.approx(4 * np.trace(np.cov(one.T)))
    flat = one * [1, 1, 1, 0, 0]  # features that never fire
    assert frechet_distance(flat, flat) == pytest.approx(0, abs=1e-9)


def test_kid_is_the_textbook_formula() -> None:
    one, other = crowd(7), crowd(9, 1, seed=1)

    def kernel(a: NDArray, b: NDArray) -> float:
        return float((a @ b / 5 + 1) ** 3)

    expected = (
        sum(kernel(a, b) for i, a in enumerate(one) for j, b in enumerate(one) if i != j) / (7 * 6)
        + sum(kernel(a, b) for i, a in enumerate(other) for j, b in enumerate(other) if i != j) / (9 * 8)
        - 2 * sum(kernel(a, b) for a in one for b in other) / (7 * 9)
    )
    assert kid(one, other) == pytest.approx(expected)


def test_kid_has_no_bias() -> None:
    values = [kid(crowd(40, seed=i), crowd(40, seed=1000 + i)) for i in range(100)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 10
    assert kid(crowd(40), crowd(40, 1)) > 5 * np.std(values)


@pytest.mark.parametrize(
    ("fake", "precision", "recall"),
    [
        (crowd(200, seed=1), (0.85, 1), (0.85, 1)),
        (crowd(200, 50, seed=1), (0, 0), (0, 0)),
        (crowd(200, 0, 0.05, seed=1), (1, 1), (0, 0.1)),  # collapsed into the middle
        (np.concatenate([crowd(100, seed=1), crowd(100, 50, seed=2)]), (0.4, 0.5), (0.8, 1)),
    ],
    ids=["alike", "apart", "collapsed", "half"],
)
def test_precision_and_recall(fake: NDArray, precision: tuple[float, float], recall: tuple[float, float]) -> None:
    got = precision_recall(fake, crowd(200))
    assert precision[0] <= got[0] <= precision[1]
    assert recall[0] <= got[1] <= recall[1]


def test_precision_and_recall_by_hand() -> None:
    """On a line, k = 1: reaches of the real ones 1, 1, 2, of the synthetic ones 8, 3, 3."""
    real, fake = np.array([[0.0], [1], [3]]), np.array([[-8.0], [4.5], [7.5]])
    assert precision_recall(fake, real, k=1) == (pytest.approx(1 / 3), 1.0)
    assert precision_recall(real, fake, k=1) == (1.0, pytest.approx(1 / 3))


def test_diversity() -> None:
    square = np.array([[0.0, 0], [0, 3], [4, 0], [4, 3]])
    assert diversity(square) == pytest.approx((3 + 4 + 5) / 3)
    assert [diversity(square[:n]) for n in (0, 1)] == [0, 0]
    labels = np.array([1, 1, 4, 4])
    assert diversity_ratios(square * [[1, 2]], square, labels) == {1: pytest.approx(2), 4: pytest.approx(2)}
    assert diversity_ratios(square[[0, 0, 2, 3]], square, labels) == {1: 0, 4: pytest.approx(1)}
    assert diversity_ratios(square, square, np.array([0, 1, 2, 2])) == {2: pytest.approx(1)}  # the others stand alone


# --- untrained eyes ----------------------------------------------------------------------------------------


def test_untrained_eyes_see_what_is_different() -> None:
    faces, smooth = noise(300), np.stack([np.outer(np.arange(48), np.full(48, i % 5 + 1)) for i in range(300)])
    features = random_conv_features(faces)
    assert features.shape == (300, 128)
    np.testing.assert_array_equal(features, random_conv_features(faces))
    np.testing.assert_allclose(features[:5], random_conv_features(faces[:5]), atol=1e-9)  # also in another batch
    other = random_conv_features(noise(300, 1))
    assert frechet_distance(features, other) * 5 < frechet_distance(
        features, random_conv_features(smooth.astype(np.uint8))
    )


@pytest.mark.parametrize(
    "change",
    [lambda f: f, lambda f: f[:, :, ::-1], lambda f: (f * 0.5 + 60).astype(np.uint8)],
    ids=["as it is", "mirrored", "in another light"],
)
def test_the_nearest_face_is_found(change: Callable[[NDArray], NDArray]) -> None:
    training = noise(400)
    wanted = np.array([3, 399, 0])
    rows, distances = nearest_training_faces(change(training[wanted]), training, k=2)
    np.testing.assert_array_equal(rows[:, 0], wanted)
    assert (distances[:, 0] < 0.1).all()
    assert (distances[:, 1] > 0.5).all()
    assert (rows[:, 1] != wanted).all()


def test_distances_to_the_nearest_grow_and_fit_their_rows() -> None:
    training, faces = noise(30), noise(300, 1)
    rows, distances = nearest_training_faces(faces, training, k=30)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert (np.sort(rows, axis=1) == np.arange(30)).all()
    again = nearest_training_faces(faces[7:8], training[rows[7]])[1]
    assert again[0, 0] == pytest.approx(distances[7, 0])


# --- in a training -----------------------------------------------------------------------------------------


def test_a_yardstick_says_equal_for_equal(judge_bundle: ModelBundle) -> None:
    faces = noise(80)
    judge = FeatureExtractor(judge_bundle, FER2013_LABELS)
    labels = judge.extract(faces).predictions
    yardstick = ReferenceMetrics.from_faces(judge, faces, labels)
    assert yardstick.measure(faces) == {
        "frechet": pytest.approx(0, abs=1e-9),
        "class_consistency": 1.0,
        "diversity": pytest.approx(1),
    }
    same = np.repeat(faces[:1], 80, axis=0)
    spoilt = yardstick.measure(same)
    assert spoilt["frechet"] > 0.1
    assert spoilt["diversity"] == pytest.approx(0, abs=1e-6)
    assert spoilt["class_consistency"] == pytest.approx((labels == labels[0]).mean())
