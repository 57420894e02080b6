from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from emotion.errors import ModelError
from emotion.expressions import FER2013_LABELS, FERPLUS_LABELS
from emotion.faces import Box, Face
from emotion.model_store.store import ModelBundle, compute_sha256, get_default_model, open_model
from emotion.recognition.classification import ExpressionClassifier, Prediction, softmax
from emotion.recognition.cropping import CropGeometry, crop_faces, to_gray
from emotion.recognition.trial_run import trust_network

MakeBundle = Callable[..., Path]
CROPS = np.random.default_rng(6).integers(0, 256, (24, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def shipped() -> ExpressionClassifier:
    return ExpressionClassifier(get_default_model("classifier"), num_threads=1)


@pytest.fixture(scope="module", params=["tiny", "shipped"])
def classifier(request: pytest.FixtureRequest, tiny_classifier: ExpressionClassifier) -> ExpressionClassifier:
    return tiny_classifier if request.param == "tiny" else request.getfixturevalue("shipped")


def table(predictions: tuple[Prediction, ...]) -> NDArray[np.float64]:
    """Return scores and face probability, float64 (n, labels + 1)."""
    return np.array([[*prediction.scores.values(), prediction.face_prob] for prediction in predictions])


# ------------------------------------------------------------------ softmax


@given(
    arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(1, 8)), elements=st.floats(-1e4, 1e4, width=32)),
    st.floats(0.05, 20),
)
def test_softmax_matches_scipy(logits: NDArray[np.float32], temperature: float) -> None:
    before = logits.copy()
    out = softmax(logits, temperature)
    np.testing.assert_allclose(out, scipy.special.softmax(logits.astype(float) / temperature, axis=1), atol=1e-12)
    np.testing.assert_allclose(out.sum(axis=1), 1)
    np.testing.assert_array_equal(logits, before)


def test_softmax_of_huge_logits_is_finite() -> None:
    np.testing.assert_array_equal(softmax(np.array([[1e30, -1e30, 0]])), [[1, 0, 0]])


def test_higher_temperature_lowers_the_confidence() -> None:
    logits = np.array([[2.0, 1.0, -1.0]])
    max_probs = [softmax(logits, t).max() for t in (0.5, 1.0, 2.0, 100.0)]
    assert max_probs == sorted(max_probs, reverse=True)
    assert softmax(logits, 2.0) == pytest.approx(scipy.special.softmax(logits / 2, axis=1))


# ------------------------------------------------------------------ predictions


@pytest.mark.parametrize("n", [0, 1, 7])
@pytest.mark.parametrize(
    ("head", "labels"), [(None, FERPLUS_LABELS), ("ferplus", FERPLUS_LABELS), ("fer2013", FER2013_LABELS)]
)
def test_each_crop_has_one_prediction(
    classifier: ExpressionClassifier, n: int, head: str | None, labels: tuple[str, ...]
) -> None:
    predictions = classifier.predict(CROPS[:n], head)
    assert isinstance(predictions, tuple)
    assert len(predictions) == n
    for prediction in predictions:
        assert tuple(prediction.scores) == labels
        assert sum(prediction.scores.values()) == pytest.approx(1)
        assert 0 <= prediction.face_prob <= 1


def test_batch_gives_the_same_predictions_as_single_crops(classifier: ExpressionClassifier) -> None:
    batched = table(classifier.predict(CROPS))
    single = np.concatenate([table(classifier.predict(CROPS[i : i + 1])) for i in range(len(CROPS))])
    np.testing.assert_allclose(batched, single, atol=1e-5)


def test_threads_give_the_same_predictions_as_one_thread(classifier: ExpressionClassifier) -> None:
    parts = [CROPS[i % 20 : i % 20 + 1 + i % 4] for i in range(64)]
    serial = [table(classifier.predict(part)) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(lambda part: table(classifier.predict(part)), parts))
    for original, other in zip(serial, parallel, strict=True):
        np.testing.assert_allclose(original, other, atol=1e-6)


def test_predictions_match_the_arithmetic_of_the_network(
    tiny_classifier: ExpressionClassifier, tiny: ModelBundle
) -> None:
    """The expected values are computed from the weights of the tiny network."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(tiny.onnx_path).graph
    weights = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    x = CROPS.reshape(len(CROPS), -1) / 255
    logits = tiny_classifier.logits(CROPS)
    assert list(logits) == ["ferplus", "fer2013", "face"]
    for head in ("ferplus", "fer2013"):
        np.testing.assert_allclose(logits[head], x @ weights[f"w_{head}"], atol=1e-3)
    np.testing.assert_allclose(logits["face"], (np.ptp(x, axis=1) * 20 - 10)[:, None], atol=1e-3)
    predictions = tiny_classifier.predict(CROPS, "fer2013")
    expected = scipy.special.softmax(x @ weights["w_fer2013"], axis=1)
    np.testing.assert_allclose(table(predictions)[:, :-1], expected, atol=1e-3)
    np.testing.assert_allclose(table(predictions)[:, -1], scipy.special.expit(logits["face"][:, 0]), atol=1e-6)


def test_predict_does_not_change_the_crops(classifier: ExpressionClassifier) -> None:
    crops = CROPS[:2].copy()
    classifier.predict(crops)
    np.testing.assert_array_equal(crops, CROPS[:2])


def test_crops_need_not_be_contiguous(tiny_classifier: ExpressionClassifier) -> None:
    view = CROPS[::-2, :, ::-1]
    assert tiny_classifier.predict(view) == tiny_classifier.predict(np.ascontiguousarray(view))


# ------------------------------------------------------------------ the model card


def test_labels_have_the_order_of_the_card(
    make_bundle: MakeBundle, tmp_path: Path, tiny_classifier: ExpressionClassifier
) -> None:
    def reverse_labels(card: dict[str, Any]) -> None:
        card["heads"]["ferplus"]["labels"].reverse()

    other = ExpressionClassifier(open_model(make_bundle(tmp_path / "m", reverse_labels)))
    for original, reversed_labels in zip(tiny_classifier.predict(CROPS[:3]), other.predict(CROPS[:3]), strict=True):
        assert tuple(reversed_labels.scores) == FERPLUS_LABELS[::-1]
        assert list(reversed_labels.scores.values()) == pytest.approx(list(original.scores.values()), abs=1e-6)


def test_default_head_comes_from_the_card(make_bundle: MakeBundle, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "m", lambda card: card.update(default_head="fer2013"))
    classifier = ExpressionClassifier(open_model(folder))
    assert classifier.head_names == ("ferplus", "fer2013")
    assert tuple(classifier.predict(CROPS[:1])[0].scores) == FER2013_LABELS


def test_temperature_comes_from_the_card(
    make_bundle: MakeBundle, tmp_path: Path, tiny_classifier: ExpressionClassifier
) -> None:
    def set_temperature(card: dict[str, Any]) -> None:
        card["heads"]["fer2013"]["temperature"] = 2.5

    calibrated = ExpressionClassifier(open_model(make_bundle(tmp_path / "m", set_temperature)))
    logits = tiny_classifier.logits(CROPS)["fer2013"].astype(float)
    np.testing.assert_allclose(
        table(calibrated.predict(CROPS, "fer2013"))[:, :-1], scipy.special.softmax(logits / 2.5, axis=1), atol=1e-6
    )
    np.testing.assert_allclose(table(calibrated.predict(CROPS)), table(tiny_classifier.predict(CROPS)), atol=1e-6)


def test_without_a_face_head_every_crop_is_a_face(make_bundle: MakeBundle, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "m", lambda card: card.pop("face_head"), face=False)
    classifier = ExpressionClassifier(open_model(folder))
    assert [prediction.face_prob for prediction in classifier.predict(np.zeros((3, 48, 48), np.uint8))] == [1.0] * 3


def test_face_probability_is_stable_for_extreme_logits(
    tiny_classifier: ExpressionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops = np.zeros((2, 48, 48), np.uint8)
    crops[0, 0, 0] = 255
    face, other = tiny_classifier.predict(crops)
    assert face.face_prob > 0.999
    assert other.face_prob < 0.001
    extreme = np.float32([[3000], [-3000], [0]])
    monkeypatch.setattr(
        tiny_classifier, "logits", lambda crops: {"ferplus": np.zeros((3, 8), np.float32), "face": extreme}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [prediction.face_prob for prediction in tiny_classifier.predict(np.zeros((3, 48, 48), np.uint8))] == [
            1,
            0,
            0.5,
        ]


def remove_label(card: dict[str, Any]) -> None:
    card["heads"]["ferplus"]["labels"].pop()


def rename_output(card: dict[str, Any]) -> None:
    card["heads"]["ferplus"]["output"] = "affectnet"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove_label, "gives 7 labels to the output ferplus; the network has 8"),
        (rename_output, "gives 8 labels to the output affectnet; the network has no such output"),
        (lambda card: card["face_head"].update(output="nose"), "gives 1 labels to the output nose; the network has no"),
        (lambda card: card["input"].update(size=64), "64 x 64 pixels; the network has 48 x 48 x 1"),
    ],
)
def test_card_that_does_not_match_its_network_is_refused(
    make_bundle: MakeBundle, tmp_path: Path, change: Callable, message: str
) -> None:
    bundle = open_model(make_bundle(tmp_path / "m", change))
    with pytest.raises(ModelError, match=f"The card of the model m .*{message}"):
        ExpressionClassifier(bundle)


@pytest.mark.parametrize("kind", ["detector", "generator"])
def test_model_of_another_kind_is_refused(kind: str) -> None:
    with pytest.raises(ModelError, match=f"is a {kind}; expected a classifier"):
        ExpressionClassifier(get_default_model(kind))


@pytest.mark.parametrize("content", [b"", b"no network", bytes(100)])
def test_file_that_is_no_network_is_refused(make_bundle: MakeBundle, tmp_path: Path, content: bytes) -> None:
    """The sha256 in the card matches the invalid file."""
    folder = make_bundle(tmp_path / "m")
    (folder / "model.onnx").write_bytes(content)
    card = json.loads((folder / "card.json").read_text())
    card["files"]["model.onnx"]["sha256"] = compute_sha256(folder / "model.onnx")
    (folder / "card.json").write_text(json.dumps(card))
    trust_network(compute_sha256(folder / "model.onnx"))  # its trial run is tested by itself
    with pytest.raises(
        ModelError, match=r"network of the model m cannot be loaded|model\.onnx of the model m is damaged"
    ):
        ExpressionClassifier(open_model(folder))


# ------------------------------------------------------------------ plausibility


@pytest.mark.parametrize("head", ["ferplus", "fer2013"])
def test_smiling_face_is_happy(
    shipped: ExpressionClassifier, sample: NDArray[np.uint8], sample_face: Box, head: str
) -> None:
    for image in (sample, sample[:, ::-1]):
        box = sample_face if image is sample else replace(sample_face, x1=512 - sample_face.x2, x2=512 - sample_face.x1)
        crops = crop_faces(to_gray(np.ascontiguousarray(image)), (Face(box, 1.0),), CropGeometry(), shipped.input_size)
        (prediction,) = shipped.predict(crops, head)
        assert prediction.scores.label == "happy"
        assert prediction.face_prob > 0.5


def test_flat_image_is_no_face(shipped: ExpressionClassifier) -> None:
    flat = np.full((3, 48, 48), [[[0]], [[128]], [[255]]], np.uint8)
    assert max(prediction.face_prob for prediction in shipped.predict(flat)) < 0.5


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.999])
def test_face_probability_is_one_half_at_the_threshold_of_the_card(
    make_bundle: Callable[..., Path], tmp_path: Path, threshold: float
) -> None:
    """The tiny network gives a logit of 10 with contrast and -10 without; one threshold fits every classifier."""
    bundle = make_bundle(tmp_path / "model", lambda card: card["face_head"].update(threshold=threshold))
    crops = np.zeros((2, 48, 48), np.uint8)
    crops[0, :24] = 255
    face, flat = (prediction.face_prob for prediction in ExpressionClassifier(open_model(bundle)).predict(crops))
    distance = math.log(threshold / (1 - threshold))
    assert face == pytest.approx(1 / (1 + math.exp(distance - 10)))
    assert flat == pytest.approx(1 / (1 + math.exp(distance + 10)))


# ------------------------------------------------------------------ logit bias and class activation maps


def test_logit_bias_is_added_after_the_temperature(make_bundle: MakeBundle, tmp_path: Path, tiny: ModelBundle) -> None:
    bias = [0.0, 0.5, 1.0, 0.0, 0.0, 2.0, 1.5, 2.5]
    folder = make_bundle(
        tmp_path / "biased", lambda card: card["heads"]["ferplus"].update(logit_bias=bias, temperature=0.5)
    )
    logits = ExpressionClassifier(tiny, num_threads=1).logits(CROPS)["ferplus"]
    expected = scipy.special.softmax(logits / 0.5 + np.array(bias), axis=1)
    actual = table(ExpressionClassifier(open_model(folder), num_threads=1).predict(CROPS))[:, :-1]
    np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.parametrize("bias", [[1.0], [math.nan] * 8, ["a"] * 8])
def test_logit_bias_of_wrong_length_or_type_is_refused(
    make_bundle: MakeBundle, tmp_path: Path, bias: list[Any]
) -> None:
    folder = make_bundle(tmp_path / "odd", lambda card: card["heads"]["ferplus"].update(logit_bias=bias))
    with pytest.raises(ModelError, match=r"logit bias of 1 numbers|logit_bias.0. is "):
        open_model(folder)


def test_class_activation_needs_a_map_output(tiny_classifier: ExpressionClassifier) -> None:
    assert not tiny_classifier.has_cam()
    with pytest.raises(ModelError, match="has no map of what it looked at"):
        tiny_classifier.class_activation_map(CROPS[0], "happy")


def test_card_that_names_a_missing_map_is_refused(make_bundle: MakeBundle, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "odd", lambda card: card["heads"]["ferplus"].update(cam_output="ferplus_map"))
    with pytest.raises(ModelError, match="gives 8 labels to the output ferplus_map"):
        ExpressionClassifier(open_model(folder))


class FakeClassActivation:
    """A classifier whose activation for "happy" is the brightness."""

    def class_activation_map(self, crop: NDArray[np.uint8], label: str, head: str | None = None) -> NDArray[np.float32]:
        assert (label, head) == ("happy", "ferplus")
        return (crop.reshape(6, 8, 6, 8).mean((1, 3)) - 128).astype(np.float32)


def test_class_activation_is_drawn_bright_in_the_color_of_the_label() -> None:
    from emotion.recognition.saliency import overlay_class_activation

    crop = np.full((48, 48), 90, np.uint8)
    crop[:16, 32:] = 180
    overlay = overlay_class_activation(FakeClassActivation(), crop, "happy", "ferplus", 96).astype(int)  # pyright: ignore[reportArgumentType]
    assert overlay.shape == (96, 96, 3)
    red, green, blue = overlay[8, 88]
    assert red > green > blue + 40  # orange
    assert np.ptp(overlay[60, 20]) == 0  # negative activation is gray and dark
    assert overlay[60, 20, 0] == 36
