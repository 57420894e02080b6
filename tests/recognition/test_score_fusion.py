"""Fused scores of detector and classifier, and the pairs of models that have them."""

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
from emotion.recognition.analyzer import Analyzer, load_analyzer
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.detectors.onnx_detector import OnnxFaceDetector
from emotion.recognition.score_fusion import ScoreFusion, logit
from emotion.recognition.settings import FULL_RESOLUTION_SIDE, AnalyzerSettings

Make = Callable[..., Any]
NOISE = np.random.default_rng(1).integers(0, 256, (120, 160, 3)).astype(np.uint8)
FUSION = ScoreFusion(0.85, 0.5, 1.7)
shares = st.floats(0, 1)


@given(detection=shares, face=shares)
def test_default_fusion_uses_the_classifier_only(detection: float, face: float) -> None:
    assert ScoreFusion().fuse(detection, face) == face


@given(first=shares, second=shares, fixed=shares)
def test_fused_score_increases_with_both_scores(first: float, second: float, fixed: float) -> None:
    low, high = sorted((first, second))
    assert 0 <= FUSION.fuse(low, fixed) <= FUSION.fuse(high, fixed) < 1
    assert 0 <= FUSION.fuse(fixed, low) <= FUSION.fuse(fixed, high) < 1


@pytest.mark.parametrize(
    ("detection", "face", "expected"),
    [(0.9, 0.9, 1.35 * math.log(9) + 1.7), (0.8, 0.8, 1.35 * math.log(4) + 1.7), (0.5, 1, 4.7), (1, 0.5, 5.99)],
)
def test_fused_logit_is_the_weighted_sum_of_logits(detection: float, face: float, expected: float) -> None:
    assert logit(FUSION.fuse(detection, face)) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(
    ("detection", "face", "accepted"),
    [(1.0, 0.04, False), (1.0, 0.06, True), (0.78, 0.07, False), (0.5, 0.35, False), (0.3, 0.65, True)],
)
def test_high_score_does_not_override_a_very_low_one(detection: float, face: float, accepted: bool) -> None:
    shipped = get_default_model("detector").detector_card.score_fusion
    assert shipped
    fusion = ScoreFusion(shipped.detector_weight, shipped.classifier_weight, shipped.bias)
    assert (fusion.fuse(detection, face) >= 0.6) == accepted


@pytest.mark.parametrize("probability", [0.0, 1.0, 1e-300, -1.0])
def test_logit_is_clipped(probability: float) -> None:
    assert abs(logit(probability)) == pytest.approx(6)


@pytest.fixture
def pair(tmp_path: Path) -> Callable[..., Analyzer]:
    """`pair(score_fusion=...)`: the default models with these changes of the detector card."""

    def make(**changes: Any) -> Analyzer:
        folder = Path(shutil.copytree(BUILTIN_MODELS / "glance", tmp_path / "glance", dirs_exist_ok=True))
        card = json.loads((folder / "card.json").read_text())
        card.pop("score_fusion", None)
        (folder / "card.json").write_text(json.dumps(card | changes))
        return Analyzer(OnnxFaceDetector(open_model(folder)), ExpressionClassifier(get_default_model("classifier")))

    return make


def test_fusion_applies_only_to_the_measured_pair(pair: Callable[..., Analyzer]) -> None:
    ours = get_default_model("classifier").sha256
    values = {"detector_weight": 0.85, "classifier_weight": 0.5, "bias": 1.7}
    assert pair().score_fusion is None
    assert pair(score_fusion={"classifier": "another", **values}).score_fusion is None
    measured = pair(score_fusion={"classifier": ours, **values})
    assert measured.score_fusion == FUSION
    assert (measured.min_proposal_score(0.6), pair().min_proposal_score(0.6)) == (pytest.approx(0.2), 0.6)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"classifier": "a", "detector_weight": 0.0, "classifier_weight": 1, "bias": 0},
        "text",
        [1, 2],
        {"classifier": "a", "detector_weight": 1, "classifier_weight": -1, "bias": 0},
        {"classifier": "a", "detector_weight": 1, "classifier_weight": math.inf, "bias": 0},
        {"classifier": "a", "detector_weight": None, "classifier_weight": 1, "bias": 0},
        {"detector_weight": 1, "classifier_weight": 1, "bias": 0},
    ],
)
def test_invalid_fusion_in_a_card_is_refused(pair: Callable[..., Analyzer], values: object) -> None:
    with pytest.raises(ModelError, match=r"card\.json"):
        pair(score_fusion=values)


def test_fused_score_decides(fake_detector: Make, fake_classifier: Make) -> None:
    boxes = [Face(Box(25 * i, 10, 25 * i + 22, 32), score) for i, score in enumerate((0.3, 0.3, 0.95, 0.95))]
    classifier = fake_classifier(*[("happy", 0.9, face) for face in (0.9, 0.1, 0.06, 0.0001)])
    analyzer = Analyzer(fake_detector(boxes), classifier)
    assert [face.detection_score for face in analyzer.analyze(NOISE, AnalyzerSettings(detection_threshold=0.3))] == [
        0.3,
        0.3,
        0.95,
        0.95,
    ]
    analyzer.score_fusion = replace(FUSION, classifier_weight=1.0)
    classified = analyzer.classify_all(NOISE, AnalyzerSettings(detection_threshold=0.6))  # without a second score
    scores = {face.box: face.detection_score for face, *_ in classified}
    assert scores == {boxes[0].box: fuse_scores(0.3, 0.9), boxes[2].box: fuse_scores(0.95, 0.06)}
    assert analyzer.detector.calls[-1][0] == pytest.approx(0.2)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("width", "height", "side", "face", "faces"),
    [
        (160, 120, 640, 22, 1),
        (640, 480, 640, 22, 1),
        (640, 480, 320, 22, 0),
        (1280, 960, 640, 22, 0),
        (5000, 320, 640, 22, 1),  # a panorama is not reduced to its length
        (640, 480, 640, 18, 0),
        (320, 240, 1280, 18, 0),
        (640, 480, FULL_RESOLUTION_SIDE, 13, 1),
        (4000, 3000, FULL_RESOLUTION_SIDE, 13, 1),
        (640, 480, FULL_RESOLUTION_SIDE, 11, 0),
        (80, 60, FULL_RESOLUTION_SIDE, 11, 0),
    ],
)
def test_too_small_face_at_the_search_scale_is_dropped(
    fake_detector: Make, fake_classifier: Make, width: int, height: int, side: int, face: int, faces: int
) -> None:
    found = Face(Box(20, 10, 20 + face, 10 + face), 0.9)
    analyzer = Analyzer(fake_detector([found]), fake_classifier(("happy", 0.9, 0.9)))
    image = np.zeros((height, width, 3), np.uint8)
    assert len(analyzer.analyze(image, AnalyzerSettings(max_side=side))) == 1, "the detector alone decides"
    analyzer.score_fusion = FUSION
    assert len(analyzer.analyze(image, AnalyzerSettings(max_side=side))) == faces


def fuse_scores(detection: float, face: float) -> float:
    return replace(FUSION, classifier_weight=1.0).fuse(detection, face)


# ------------------------------------------------------------------ classifiers without a face head


@pytest.mark.parametrize("name", ["glance", pytest.param("haar", marks=pytest.mark.slow)])
def test_default_classifier_verifies_faces_for_a_model_without_a_face_head(
    make_bundle: Callable[..., Path], tmp_path: Path, sample: NDArray[np.uint8], sample_face: Box, name: str
) -> None:
    """The helmet beside the face of the sample is rejected."""
    folder = make_bundle(tmp_path / "own", lambda card: card.update(face_head=None), face=False)
    analyzer = load_analyzer(name, folder)
    (face,) = analyzer.analyze(sample, AnalyzerSettings(detection_threshold=0.5))
    assert face.box.iou(sample_face) > 0.5
    shipped = load_analyzer(name).analyze(sample, AnalyzerSettings(detection_threshold=0.5))
    assert [second.detection_score for second in shipped] == pytest.approx([face.detection_score], abs=1e-6)
    assert face.scores != shipped[0].scores


def test_unmeasured_model_uses_the_fusion_of_the_default_classifier(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    analyzer = load_analyzer("glance", make_bundle(tmp_path / "own"))
    assert analyzer.score_fusion is not None
    assert analyzer.score_fusion == load_analyzer("glance").score_fusion
