"""What detector and classifier say together, and for which pairs that is known."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.errors import ModelError
from emotion.faces import Box, Face
from emotion.model_store.store import BUILTIN_MODELS, get_default_model, open_model
from emotion.recognition.analyzer import FULL_RESOLUTION_SIDE, Analyzer, AnalyzerSettings, load_analyzer
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.onnx_detector import OnnxFaceDetector
from emotion.recognition.score_fusion import ScoreFusion, logit

Make = Callable[..., Any]
NOISE = np.random.default_rng(1).integers(0, 256, (120, 160, 3)).astype(np.uint8)
BOTH = ScoreFusion(0.85, 0.5, 1.7)
shares = st.floats(0, 1)


@given(detection=shares, face=shares)
def test_the_classifier_alone(detection: float, face: float) -> None:
    assert ScoreFusion().fuse(detection, face) == face


@given(one=shares, other=shares, fixed=shares)
def test_more_from_either_is_more(one: float, other: float, fixed: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= BOTH.fuse(low, fixed) <= BOTH.fuse(high, fixed) < 1
    assert 0 <= BOTH.fuse(fixed, low) <= BOTH.fuse(fixed, high) < 1


@pytest.mark.parametrize(
    ("detection", "face", "expected"),
    [(0.9, 0.9, 1.35 * math.log(9) + 1.7), (0.8, 0.8, 1.35 * math.log(4) + 1.7), (0.5, 1, 4.7), (1, 0.5, 5.99)],
)
def test_the_sum_of_the_logits(detection: float, face: float, expected: float) -> None:
    assert logit(BOTH.fuse(detection, face)) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(
    ("detection", "face", "shown"),
    [(1.0, 0.04, False), (1.0, 0.06, True), (0.78, 0.07, False), (0.5, 0.35, False), (0.3, 0.65, True)],
)
def test_a_sure_witness_does_not_overrule_one_that_says_no(detection: float, face: float, shown: bool) -> None:
    shipped = get_default_model("detector").detector_card.score_fusion
    assert shipped
    fusion = ScoreFusion(shipped.detector_weight, shipped.classifier_weight, shipped.bias)
    assert (fusion.fuse(detection, face) >= 0.6) == shown


@pytest.mark.parametrize("probability", [0.0, 1.0, 1e-300, -1.0])
def test_a_logit_has_an_end(probability: float) -> None:
    assert abs(logit(probability)) == pytest.approx(6)


@pytest.fixture
def pair(tmp_path: Path) -> Callable[..., Analyzer]:
    """`pair(score_fusion=...)`: the shipped models with that in the detector's card."""

    def make(**changes: Any) -> Analyzer:
        folder = Path(shutil.copytree(BUILTIN_MODELS / "glance", tmp_path / "glance", dirs_exist_ok=True))
        card = json.loads((folder / "card.json").read_text())
        card.pop("score_fusion", None)
        (folder / "card.json").write_text(json.dumps(card | changes))
        return Analyzer(OnnxFaceDetector(open_model(folder)), ExpressionClassifier(get_default_model("classifier")))

    return make


def test_only_a_pair_that_was_measured(pair: Callable[..., Analyzer]) -> None:
    ours = get_default_model("classifier").sha256
    facts = {"detector_weight": 0.85, "classifier_weight": 0.5, "bias": 1.7}
    assert pair().score_fusion is None
    assert pair(score_fusion={"classifier": "of another one", **facts}).score_fusion is None
    known = pair(score_fusion={"classifier": ours, **facts})
    assert known.score_fusion == BOTH
    assert (known.min_proposal_score(0.6), pair().min_proposal_score(0.6)) == (pytest.approx(0.2), 0.6)


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"classifier": "a", "detector_weight": 0.0, "classifier_weight": 1, "bias": 0},
        "no facts",
        [1, 2],
        {"classifier": "a", "detector_weight": 1, "classifier_weight": -1, "bias": 0},
        {"classifier": "a", "detector_weight": 1, "classifier_weight": math.inf, "bias": 0},
        {"classifier": "a", "detector_weight": None, "classifier_weight": 1, "bias": 0},
        {"detector_weight": 1, "classifier_weight": 1, "bias": 0},
    ],
)
def test_a_garbled_card(pair: Callable[..., Analyzer], facts: object) -> None:
    with pytest.raises(ModelError, match=r"card\.json"):
        pair(score_fusion=facts)


def test_what_both_say_decides(fake_detector: Make, fake_classifier: Make) -> None:
    boxes = [Face(Box(25 * i, 10, 25 * i + 22, 32), score) for i, score in enumerate((0.3, 0.3, 0.95, 0.95))]
    classifier = fake_classifier(*[("happy", 0.9, face) for face in (0.9, 0.1, 0.06, 0.0001)])
    analyzer = Analyzer(fake_detector(boxes), classifier)
    assert [face.detection_score for face in analyzer.analyze(NOISE, AnalyzerSettings(detection_threshold=0.3))] == [
        0.3,
        0.3,
        0.95,
        0.95,
    ]
    analyzer.score_fusion = replace(BOTH, classifier_weight=1.0)
    classified = analyzer.classify_all(NOISE, AnalyzerSettings(detection_threshold=0.6))  # without a second score
    scores = {face.box: face.detection_score for face, *_ in classified}
    assert scores == {boxes[0].box: both_of(0.3, 0.9), boxes[2].box: both_of(0.95, 0.06)}
    assert analyzer.detector.calls[-1][0] == pytest.approx(0.2)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("width", "height", "side", "face", "faces"),
    [
        (160, 120, 640, 22, 1),
        (640, 480, 640, 22, 1),
        (640, 480, 320, 22, 0),
        (1280, 960, 640, 22, 0),
        (5000, 320, 640, 22, 1),  # a panorama is not reduced by its length
        (640, 480, 640, 18, 0),
        (320, 240, 1280, 18, 0),
        (640, 480, FULL_RESOLUTION_SIDE, 13, 1),
        (4000, 3000, FULL_RESOLUTION_SIDE, 13, 1),
        (640, 480, FULL_RESOLUTION_SIDE, 11, 0),
        (80, 60, FULL_RESOLUTION_SIDE, 11, 0),
    ],
)
def test_what_is_tiny_where_it_is_searched_is_no_face(
    fake_detector: Make, fake_classifier: Make, width: int, height: int, side: int, face: int, faces: int
) -> None:
    found = Face(Box(20, 10, 20 + face, 10 + face), 0.9)
    analyzer = Analyzer(fake_detector([found]), fake_classifier(("happy", 0.9, 0.9)))
    picture = np.zeros((height, width, 3), np.uint8)
    assert len(analyzer.analyze(picture, AnalyzerSettings(max_side=side))) == 1, "the detector alone decides"
    analyzer.score_fusion = BOTH
    assert len(analyzer.analyze(picture, AnalyzerSettings(max_side=side))) == faces


def both_of(detection: float, face: float) -> float:
    return replace(BOTH, classifier_weight=1.0).fuse(detection, face)


# ------------------------------------------------------------------ a model that cannot tell


@pytest.mark.parametrize("name", ["glance", "haar"])
def test_an_own_model_takes_the_built_in_one_as_witness(
    make_bundle: Callable[..., Path], tmp_path: Path, sample: NDArray[np.uint8], sample_face: Box, name: str
) -> None:
    """The helmet beside the sample's face is none."""
    folder = make_bundle(tmp_path / "own", lambda card: card.update(face_head=None), face=False)
    analyzer = load_analyzer(name, folder)
    (face,) = analyzer.analyze(sample, AnalyzerSettings(detection_threshold=0.5))
    assert face.box.iou(sample_face) > 0.5
    shipped = load_analyzer(name).analyze(sample, AnalyzerSettings(detection_threshold=0.5))
    assert [one.detection_score for one in shipped] == pytest.approx([face.detection_score], abs=1e-6)
    assert face.scores != shipped[0].scores


def test_an_own_model_that_was_not_measured(make_bundle: Callable[..., Path], tmp_path: Path) -> None:
    """What its face score is worth beside the detector's nobody knows."""
    analyzer = load_analyzer("glance", make_bundle(tmp_path / "own"))
    assert analyzer.score_fusion is not None
    assert analyzer.score_fusion == load_analyzer("glance").score_fusion
