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

MakeBundle = Callable[..., Path]
CROPS = np.random.default_rng(6).integers(0, 256, (24, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def shipped() -> ExpressionClassifier:
    return ExpressionClassifier(get_default_model("classifier"), num_threads=1)


@pytest.fixture(scope="module", params=["tiny", "shipped"])
def classifier(request: pytest.FixtureRequest, tiny_classifier: ExpressionClassifier) -> ExpressionClassifier:
    return tiny_classifier if request.param == "tiny" else request.getfixturevalue("shipped")


def table(verdicts: tuple[Prediction, ...]) -> NDArray[np.float64]:
    """(n, labels + 1): all that was said."""
    return np.array([[*verdict.scores.values(), verdict.face_prob] for verdict in verdicts])


# ------------------------------------------------------------------ softmax


@given(
    arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(1, 8)), elements=st.floats(-1e4, 1e4, width=32)),
    st.floats(0.05, 20),
)
def test_softmax_as_scipy_has_it(logits: NDArray[np.float32], temperature: float) -> None:
    before = logits.copy()
    out = softmax(logits, temperature)
    np.testing.assert_allclose(out, scipy.special.softmax(logits.astype(float) / temperature, axis=1), atol=1e-12)
    np.testing.assert_allclose(out.sum(axis=1), 1)
    np.testing.assert_array_equal(logits, before)


def test_softmax_over_huge_logits() -> None:
    np.testing.assert_array_equal(softmax(np.array([[1e30, -1e30, 0]])), [[1, 0, 0]])


def test_a_higher_temperature_is_less_certain() -> None:
    logits = np.array([[2.0, 1.0, -1.0]])
    tops = [softmax(logits, t).max() for t in (0.5, 1.0, 2.0, 100.0)]
    assert tops == sorted(tops, reverse=True)
    assert softmax(logits, 2.0) == pytest.approx(scipy.special.softmax(logits / 2, axis=1))


# ------------------------------------------------------------------ crops -> verdicts


@pytest.mark.parametrize("n", [0, 1, 7])
@pytest.mark.parametrize(
    ("head", "labels"), [(None, FERPLUS_LABELS), ("ferplus", FERPLUS_LABELS), ("fer2013", FER2013_LABELS)]
)
def test_one_verdict_a_crop(
    classifier: ExpressionClassifier, n: int, head: str | None, labels: tuple[str, ...]
) -> None:
    verdicts = classifier.predict(CROPS[:n], head)
    assert isinstance(verdicts, tuple)
    assert len(verdicts) == n
    for verdict in verdicts:
        assert tuple(verdict.scores) == labels
        assert sum(verdict.scores.values()) == pytest.approx(1)
        assert 0 <= verdict.face_prob <= 1


def test_a_batch_is_as_good_as_one_by_one(classifier: ExpressionClassifier) -> None:
    together = table(classifier.predict(CROPS))
    alone = np.concatenate([table(classifier.predict(CROPS[i : i + 1])) for i in range(len(CROPS))])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_eight_threads_say_what_one_says(classifier: ExpressionClassifier) -> None:
    parts = [CROPS[i % 20 : i % 20 + 1 + i % 4] for i in range(64)]
    serial = [table(classifier.predict(part)) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(lambda part: table(classifier.predict(part)), parts))
    for one, other in zip(serial, parallel, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_it_is_what_the_network_says(tiny_classifier: ExpressionClassifier, tiny: ModelBundle) -> None:
    """Against the arithmetic of the tiny network, done here."""
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
    verdicts = tiny_classifier.predict(CROPS, "fer2013")
    expected = scipy.special.softmax(x @ weights["w_fer2013"], axis=1)
    np.testing.assert_allclose(table(verdicts)[:, :-1], expected, atol=1e-3)
    np.testing.assert_allclose(table(verdicts)[:, -1], scipy.special.expit(logits["face"][:, 0]), atol=1e-6)


def test_the_crops_are_left_as_they_are(classifier: ExpressionClassifier) -> None:
    crops = CROPS[:2].copy()
    classifier.predict(crops)
    np.testing.assert_array_equal(crops, CROPS[:2])


def test_crops_need_not_be_contiguous(tiny_classifier: ExpressionClassifier) -> None:
    view = CROPS[::-2, :, ::-1]
    assert tiny_classifier.predict(view) == tiny_classifier.predict(np.ascontiguousarray(view))


# ------------------------------------------------------------------ the card decides


def test_labels_come_from_the_card_in_its_order(
    make_bundle: MakeBundle, tmp_path: Path, tiny_classifier: ExpressionClassifier
) -> None:
    def turn_around(card: dict[str, Any]) -> None:
        card["heads"]["ferplus"]["labels"].reverse()

    other = ExpressionClassifier(open_model(make_bundle(tmp_path / "m", turn_around)))
    for one, turned in zip(tiny_classifier.predict(CROPS[:3]), other.predict(CROPS[:3]), strict=True):
        assert tuple(turned.scores) == FERPLUS_LABELS[::-1]
        assert list(turned.scores.values()) == pytest.approx(list(one.scores.values()), abs=1e-6)


def test_the_shown_head_comes_from_the_card(make_bundle: MakeBundle, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "m", lambda card: card.update(default_head="fer2013"))
    classifier = ExpressionClassifier(open_model(folder))
    assert classifier.head_names == ("ferplus", "fer2013")
    assert tuple(classifier.predict(CROPS[:1])[0].scores) == FER2013_LABELS


def test_the_temperature_comes_from_the_card(
    make_bundle: MakeBundle, tmp_path: Path, tiny_classifier: ExpressionClassifier
) -> None:
    def warm(card: dict[str, Any]) -> None:
        card["heads"]["fer2013"]["temperature"] = 2.5

    warmed = ExpressionClassifier(open_model(make_bundle(tmp_path / "m", warm)))
    logits = tiny_classifier.logits(CROPS)["fer2013"].astype(float)
    np.testing.assert_allclose(
        table(warmed.predict(CROPS, "fer2013"))[:, :-1], scipy.special.softmax(logits / 2.5, axis=1), atol=1e-6
    )
    np.testing.assert_allclose(table(warmed.predict(CROPS)), table(tiny_classifier.predict(CROPS)), atol=1e-6)


def test_without_a_face_answer_all_are_faces(make_bundle: MakeBundle, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "m", lambda card: card.pop("face_head"), face=False)
    classifier = ExpressionClassifier(open_model(folder))
    assert [verdict.face_prob for verdict in classifier.predict(np.zeros((3, 48, 48), np.uint8))] == [1.0] * 3


def test_sure_and_surely_not_a_face(tiny_classifier: ExpressionClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    crops = np.zeros((2, 48, 48), np.uint8)
    crops[0, 0, 0] = 255
    sure, not_at_all = tiny_classifier.predict(crops)
    assert sure.face_prob > 0.999
    assert not_at_all.face_prob < 0.001
    extreme = np.float32([[3000], [-3000], [0]])
    monkeypatch.setattr(
        tiny_classifier, "logits", lambda crops: {"ferplus": np.zeros((3, 8), np.float32), "face": extreme}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [verdict.face_prob for verdict in tiny_classifier.predict(np.zeros((3, 48, 48), np.uint8))] == [
            1,
            0,
            0.5,
        ]


def drop(card: dict[str, Any]) -> None:
    card["heads"]["ferplus"]["labels"].pop()


def rename(card: dict[str, Any]) -> None:
    card["heads"]["ferplus"]["output"] = "affectnet"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop, "gives 7 labels to the output ferplus; the network has 8"),
        (rename, "gives 8 labels to the output affectnet; the network has no such output"),
        (lambda card: card["face_head"].update(output="nose"), "gives 1 labels to the output nose; the network has no"),
        (lambda card: card["input"].update(size=64), "64 x 64 pixels; the network has 48 x 48 x 1"),
    ],
)
def test_a_card_that_does_not_fit_its_network(
    make_bundle: MakeBundle, tmp_path: Path, change: Callable, words: str
) -> None:
    bundle = open_model(make_bundle(tmp_path / "m", change))
    with pytest.raises(ModelError, match=f"The card of the model m .*{words}"):
        ExpressionClassifier(bundle)


@pytest.mark.parametrize("kind", ["detector", "generator"])
def test_a_model_of_another_kind(kind: str) -> None:
    with pytest.raises(ModelError, match=f"is a {kind}; expected a classifier"):
        ExpressionClassifier(get_default_model(kind))


@pytest.mark.parametrize("content", [b"", b"no network", bytes(100)])
def test_a_network_that_is_none(make_bundle: MakeBundle, tmp_path: Path, content: bytes) -> None:
    """Its sha256 may be right for all that."""
    folder = make_bundle(tmp_path / "m")
    (folder / "model.onnx").write_bytes(content)
    card = json.loads((folder / "card.json").read_text())
    card["files"]["model.onnx"]["sha256"] = compute_sha256(folder / "model.onnx")
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="The network of the model m cannot be loaded"):
        ExpressionClassifier(open_model(folder))


# ------------------------------------------------------------------ what any sane model says


@pytest.mark.parametrize("head", ["ferplus", "fer2013"])
def test_a_smile_is_happy(
    shipped: ExpressionClassifier, sample: NDArray[np.uint8], sample_face: Box, head: str
) -> None:
    for image in (sample, sample[:, ::-1]):
        box = sample_face if image is sample else replace(sample_face, x1=512 - sample_face.x2, x2=512 - sample_face.x1)
        crops = crop_faces(to_gray(np.ascontiguousarray(image)), (Face(box, 1.0),), CropGeometry(), shipped.input_size)
        (verdict,) = shipped.predict(crops, head)
        assert verdict.scores.label == "happy"
        assert verdict.face_prob > 0.5


def test_a_wall_is_no_face(shipped: ExpressionClassifier) -> None:
    flat = np.full((3, 48, 48), [[[0]], [[128]], [[255]]], np.uint8)
    assert max(verdict.face_prob for verdict in shipped.predict(flat)) < 0.5


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.999])
def test_the_face_score_is_one_half_at_the_threshold_of_the_card(
    make_bundle: Callable[..., Path], tmp_path: Path, threshold: float
) -> None:
    """The tiny network gives logits of 10 for contrast and -10 for none; one slider serves every classifier."""
    bundle = make_bundle(tmp_path / "model", lambda card: card["face_head"].update(threshold=threshold))
    crops = np.zeros((2, 48, 48), np.uint8)
    crops[0, :24] = 255
    face, none = (verdict.face_prob for verdict in ExpressionClassifier(open_model(bundle)).predict(crops))
    distance = math.log(threshold / (1 - threshold))
    assert face == pytest.approx(1 / (1 + math.exp(distance - 10)))
    assert none == pytest.approx(1 / (1 + math.exp(distance + 10)))


# ------------------------------------------------------------------ what rare labels get ahead, and why


def test_an_offset_is_added_after_the_temperature(make_bundle: MakeBundle, tmp_path: Path, tiny: ModelBundle) -> None:
    offset = [0.0, 0.5, 1.0, 0.0, 0.0, 2.0, 1.5, 2.5]
    folder = make_bundle(
        tmp_path / "ahead", lambda card: card["heads"]["ferplus"].update(logit_bias=offset, temperature=0.5)
    )
    logits = ExpressionClassifier(tiny, num_threads=1).logits(CROPS)["ferplus"]
    expected = scipy.special.softmax(logits / 0.5 + np.array(offset), axis=1)
    got = table(ExpressionClassifier(open_model(folder), num_threads=1).predict(CROPS))[:, :-1]
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("offset", [[1.0], [math.nan] * 8, ["a"] * 8])
def test_offsets_that_fit_no_labels_are_refused(make_bundle: MakeBundle, tmp_path: Path, offset: list[Any]) -> None:
    folder = make_bundle(tmp_path / "odd", lambda card: card["heads"]["ferplus"].update(logit_bias=offset))
    with pytest.raises(ModelError, match=r"logit bias of 1 numbers|logit_bias.0. is "):
        open_model(folder)


def test_without_a_map_it_cannot_say_why(tiny_classifier: ExpressionClassifier) -> None:
    assert not tiny_classifier.has_cam()
    with pytest.raises(ModelError, match="has no map of what it looked at"):
        tiny_classifier.class_activation_map(CROPS[0], "happy")


def test_a_card_that_names_a_map_which_is_not_there_is_refused(make_bundle: MakeBundle, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "odd", lambda card: card["heads"]["ferplus"].update(cam_output="ferplus_map"))
    with pytest.raises(ModelError, match="gives 8 labels to the output ferplus_map"):
        ExpressionClassifier(open_model(folder))


class Lit:
    """A classifier to which happiness is what is light."""

    def class_activation_map(self, crop: NDArray[np.uint8], label: str, head: str | None = None) -> NDArray[np.float32]:
        assert (label, head) == ("happy", "ferplus")
        return (crop.reshape(6, 8, 6, 8).mean((1, 3)) - 128).astype(np.float32)


def test_what_speaks_for_a_label_is_light_and_in_its_colour() -> None:
    from emotion.recognition.saliency import overlay_class_activation

    crop = np.full((48, 48), 90, np.uint8)
    crop[:16, 32:] = 180
    picture = overlay_class_activation(Lit(), crop, "happy", "ferplus", 96).astype(int)  # pyright: ignore[reportArgumentType]
    assert picture.shape == (96, 96, 3)
    red, green, blue = picture[8, 88]
    assert red > green > blue + 40  # orange
    assert np.ptp(picture[60, 20]) == 0  # what speaks against it stays grey, in the shade
    assert picture[60, 20, 0] == 36
