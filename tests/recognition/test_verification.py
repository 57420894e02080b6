"""The second scores of uncertain faces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.faces import Box, Face
from emotion.recognition import analyzer as analyzer_module
from emotion.recognition.analyzer import Analyzer, load_analyzer
from emotion.recognition.score_fusion import ScoreFusion
from emotion.recognition.settings import FULL_RESOLUTION_SIDE, AnalyzerSettings
from emotion.recognition.verification import combine_scores, is_certain, is_possible, make_mirrored_patch

Make = Callable[..., Any]
FUSION = ScoreFusion(1.0, 0.5, 1.4)


@pytest.mark.parametrize(
    ("box", "shape"),
    [
        (Box(150, 100, 170, 126), (256, 256)),
        (Box(250, 180, 340, 300), (256, 256)),
        (Box(2, 3, 22, 29), (165, 155)),
        (Box(610, 445, 640, 480), (163, 158)),
    ],
)
def test_patch_shows_the_face_mirrored_in_a_standard_size(box: Box, shape: tuple[int, int]) -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    x1, y1, x2, y2 = box.to_int_xyxy()
    image[y1:y2, x1 : (x1 + x2) // 2] = (255, 0, 0)
    image[y1:y2, (x1 + x2) // 2 : x2] = (0, 0, 255)
    patch, mirrored = make_mirrored_patch(image, box)
    assert patch.shape[:2] == pytest.approx(shape, abs=12)
    assert mirrored.area == pytest.approx(64**2, rel=0.01)
    left, top, right, bottom = mirrored.to_int_xyxy()
    middle = (left + right) // 2
    assert patch[top + 4 : bottom - 4, left + 4 : middle - 4].mean(axis=(0, 1)) == pytest.approx([0, 0, 255], abs=12)
    assert patch[top + 4 : bottom - 4, middle + 4 : right - 4].mean(axis=(0, 1)) == pytest.approx([255, 0, 0], abs=12)


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (400, 2)])
def test_patch_of_a_tiny_image_is_not_empty(size: tuple[int, int]) -> None:
    patch, _ = make_mirrored_patch(np.zeros((size[1], size[0], 3), np.uint8), Box(0, 0, *size))
    assert patch.size > 0


def test_scores_are_combined_by_the_best_detection_at_the_box() -> None:
    box, elsewhere = Box(0, 0, 10, 10), Box(30, 30, 40, 40)
    detections = [Face(box, 0.8), Face(Box(0, 0, 10, 9), 0.2), Face(elsewhere, 0.99)]
    assert combine_scores(0.8, box, detections) == pytest.approx(0.8)
    assert combine_scores(0.5, box, detections) == pytest.approx(2 / 3)
    assert combine_scores(0.9, box, [Face(elsewhere, 0.99)]) < 0.15


def test_only_an_uncertain_face_is_scored_again() -> None:
    scores = (0.1, 0.4, 0.9, 0.99)
    assert [is_possible(score) and not is_certain(score) for score in scores] == [False, True, True, False]


@pytest.mark.parametrize(("second_score", "count"), [(0.9, 1), (0.02, 0)])
def test_second_detection_decides_about_an_uncertain_face(
    fake_detector: Make, fake_classifier: Make, monkeypatch: pytest.MonkeyPatch, second_score: float, count: int
) -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    face = Face(Box(180, 120, 212, 152), 0.7)
    patch, box = make_mirrored_patch(image, face.box)
    classifier = fake_classifier(("happy", 0.9, 0.3))
    classifier.predict_face_probs = lambda crops: np.full(len(crops), 0.3)
    analyzer = Analyzer(fake_detector([face]), classifier)
    analyzer.score_fusion = FUSION
    monkeypatch.setattr(
        analyzer,
        "detect",
        lambda pixels, *settings: (Face(box, second_score),) if pixels.shape == patch.shape else (face,),
    )
    assert len(analyzer.analyze(image, AnalyzerSettings())) == count


def draw_buttons(seed: int) -> NDArray[np.uint8]:
    """Draw disks with four holes, some of which both networks take for a face."""
    rng = np.random.default_rng(seed)
    image = np.full((240, 320, 3), rng.integers(20, 230, 3), np.uint8)
    for _ in range(12):
        x, y, radius = int(rng.integers(20, 300)), int(rng.integers(20, 220)), int(rng.integers(8, 26))
        color, edge = rng.integers(0, 255, 3).tolist(), rng.integers(0, 255, 3).tolist()
        cv2.circle(image, (x, y), radius, color, -1, cv2.LINE_AA)
        cv2.circle(image, (x, y), radius, edge, max(1, radius // 6), cv2.LINE_AA)
        for dx in (-1, 1):
            for dy in (-1, 1):
                hole = x + dx * radius // 3, y + dy * radius // 3
                cv2.circle(image, hole, max(1, radius // 6), edge, -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), np.uint8)


@pytest.mark.slow
def test_fewer_buttons_are_taken_for_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    analyzer, settings = load_analyzer("glance"), AnalyzerSettings(max_side=FULL_RESOLUTION_SIDE)
    images = [draw_buttons(seed) for seed in range(20, 40)]
    verified = sum(len(analyzer.analyze(image, settings)) for image in images)
    monkeypatch.setattr(analyzer_module, "is_certain", lambda score: True)
    unverified = sum(len(analyzer.analyze(image, settings)) for image in images)
    assert unverified > 15
    assert verified <= 0.9 * unverified


@pytest.mark.parametrize("width", [64, 100, 160, 300])
def test_face_of_the_sample_stays_in_every_size(sample: NDArray[np.uint8], sample_face: Box, width: int) -> None:
    scale = width / sample.shape[1]
    small = np.asarray(cv2.resize(sample, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    analyzer = load_analyzer("glance")
    faces = analyzer.analyze(small, AnalyzerSettings(max_side=FULL_RESOLUTION_SIDE))
    expected = Box(*(value * scale for value in (sample_face.x1, sample_face.y1, sample_face.x2, sample_face.y2)))
    assert max((face.box.iou(expected) for face in faces), default=0) > 0.4
