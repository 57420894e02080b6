from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from emotion.errors import ModelError
from emotion.faces import Box, Face, Landmarks
from emotion.media.image_reader import as_rgb, encode_png, read_image, rotate
from emotion.model_store.store import ModelBundle, get_default_model
from emotion.recognition.analyzer import Analyzer, load_analyzer
from emotion.recognition.classification import ExpressionClassifier, Prediction
from emotion.recognition.detectors.detector_factory import find_yunet, make_detector
from emotion.recognition.detectors.opencv_detectors import HaarCascade
from emotion.recognition.labeling import explain_uncertainty, measure_sharpness, sort_reading_order
from emotion.recognition.settings import FULL_RESOLUTION_SIDE, AnalyzerSettings

ImageArray = NDArray[np.uint8]
Make = Callable
needs_yunet = pytest.mark.skipif(find_yunet() is None, reason="YuNet is not on this machine")
NOISE = np.random.default_rng(8).integers(0, 256, (100, 300, 3), dtype=np.uint8)
A, B, C = Box(10, 10, 60, 60), Box(110, 10, 160, 60), Box(210, 10, 260, 60)


@pytest.fixture(scope="module")
def shipped() -> ExpressionClassifier:
    return ExpressionClassifier(get_default_model("classifier"), num_threads=1)


@pytest.fixture(scope="module")
def haar(shipped: ExpressionClassifier) -> Analyzer:
    return Analyzer(make_detector("haar"), shipped)


# ------------------------------------------------------------------ the flow


@pytest.mark.parametrize("needs_verification", [False, True])
def test_no_face_is_an_empty_tuple(
    fake_detector: Make, tiny_classifier: ExpressionClassifier, needs_verification: bool
) -> None:
    assert Analyzer(fake_detector((), needs_verification), tiny_classifier).analyze(NOISE) == ()


def test_each_face_has_its_own_label_in_reading_order(fake_detector: Make, fake_classifier: Make) -> None:
    """The detector orders faces by score, the analyzer in reading order."""
    faces = [Face(C, 0.9), Face(A, 0.8), Face(B, 0.7)]
    classifier = fake_classifier(("happy", 0.9, 0.9), ("sad", 0.8, 0.8), ("angry", 0.7, 0.7))
    found = Analyzer(fake_detector(faces), classifier).analyze(NOISE)
    assert [(face.box, face.detection_score, face.display_label) for face in found] == [
        (A, 0.8, "sad"),
        (B, 0.7, "angry"),
        (C, 0.9, "happy"),
    ]
    assert len(classifier.seen) == 1  # all faces in one call
    np.testing.assert_array_equal(classifier.seen[0].shape, (3, 48, 48))


def test_settings_reach_detector_and_classifier(fake_detector: Make, fake_classifier: Make) -> None:
    detector, classifier = fake_detector([A]), fake_classifier(("happy", 0.5, 1.0))
    analyzer = Analyzer(detector, classifier)
    analyzer.analyze(NOISE)
    (face,) = analyzer.analyze(
        NOISE, AnalyzerSettings(detection_threshold=0.3, min_confidence=0.6, max_side=77, head="fer2013")
    )
    assert detector.calls == [(0.6, 1280), (0.3, 77)]
    assert classifier.heads == [None, "fer2013"]
    assert face.display_label == "unsure"


def test_analysis_does_not_change_the_image(
    fake_detector: Make, tiny_classifier: ExpressionClassifier, sample: ImageArray
) -> None:
    before = sample.copy()
    for detector in (make_detector("haar"), fake_detector([A, Box(-20, -20, 5, 5)])):
        Analyzer(detector, tiny_classifier).analyze_any_orientation(sample)
    np.testing.assert_array_equal(sample, before)


# ------------------------------------------------------------------ candidates


@pytest.mark.parametrize(
    ("needs_verification", "threshold", "expected"),
    [
        (False, 0.6, [(A, 0.9), (B, 0.9), (C, 0.9)]),  # the detector alone decides
        (True, 0.6, [(A, 0.95), (C, 0.6)]),
        (True, 0.61, [(A, 0.95)]),
        (True, 0.96, []),
        (True, 0.0, [(A, 0.95), (B, 0.1), (C, 0.6)]),
    ],
)
def test_candidates_below_the_threshold_are_rejected_by_the_classifier(
    fake_detector: Make,
    fake_classifier: Make,
    needs_verification: bool,
    threshold: float,
    expected: list[tuple[Box, float]],
) -> None:
    classifier = fake_classifier(("happy", 0.9, 0.95), ("sad", 0.9, 0.1), ("fear", 0.9, 0.6))
    found = Analyzer(fake_detector([A, B, C], needs_verification), classifier).analyze(
        NOISE, AnalyzerSettings(detection_threshold=threshold)
    )
    assert [(face.box, face.detection_score) for face in found] == expected
    labels = {A: "happy", B: "sad", C: "fear"}
    assert [face.display_label for face in found] == [labels[box] for box, _ in expected]


@pytest.mark.parametrize(
    ("shift", "faces"), [(0, 1), (10, 1), (25, 1), (30, 2), (50, 2)]
)  # shares of both boxes: 1, 0.67, 0.33, 0.25, 0
@pytest.mark.parametrize("better", [0, 1])
def test_better_of_two_overlapping_candidates_is_kept(
    fake_detector: Make, fake_classifier: Make, shift: int, faces: int, better: int
) -> None:
    boxes = [A, Box(A.x1 + shift, A.y1, A.x2 + shift, A.y2)]
    predictions = [("sad", 0.9, 0.7), ("sad", 0.9, 0.7)]
    predictions[better] = ("happy", 0.9, 0.8)
    found = Analyzer(fake_detector(boxes, True), fake_classifier(*predictions)).analyze(NOISE)
    assert len(found) == faces
    assert [face.display_label for face in found if face.box == boxes[better]][:1] == ["happy"]


def test_rejected_candidate_does_not_suppress_others(fake_detector: Make, fake_classifier: Make) -> None:
    classifier = fake_classifier(("sad", 0.9, 0.3), ("happy", 0.9, 0.7), ("fear", 0.9, 0.65))
    boxes = [Box(12, 12, 62, 62), A, Box(14, 14, 64, 64)]
    found = Analyzer(fake_detector(boxes, True), classifier).analyze(NOISE)
    assert [(face.box, face.display_label) for face in found] == [(A, "happy")]


def test_uncertainty_reason_is_that_of_the_kept_face(fake_detector: Make, fake_classifier: Make) -> None:
    """The reason comes from the crop of the face itself, also after rejected candidates."""
    image = NOISE.copy()
    image[:, 100:170] //= 16
    classifier = fake_classifier(("happy", 0.4, 0.7), ("happy", 0.4, 0.1), ("happy", 0.4, 0.9))
    found = Analyzer(fake_detector([B, C, A], True), classifier).analyze(image)
    assert [(face.box, face.uncertainty_reason) for face in found] == [(A, "between happy and sad"), (B, "dark")]


# ------------------------------------------------------------------ why a face is unsure

LIGHT = np.random.default_rng(9).integers(0, 256, (48, 48), dtype=np.uint8)
DARK = (LIGHT // 8).astype(np.uint8)
SMOOTH = np.asarray(np.outer(np.linspace(60, 200, 48), np.linspace(0.5, 1, 48)), np.uint8)
FRONT = Landmarks((30, 40), (70, 40), (50, 60), (35, 80), (65, 80))
SIDE = Landmarks((30, 40), (70, 40), (66, 60), (35, 80), (65, 80))
BIG, SMALL, NARROW = Box(0, 0, 24, 24), Box(0, 0, 23.4, 40), Box(0, 0, 40, 10)


@pytest.mark.parametrize(
    ("box", "landmarks", "crop", "reason"),
    [
        (BIG, None, LIGHT, "between happy and sad"),
        (BIG, FRONT, LIGHT, "between happy and sad"),
        (SMALL, SIDE, DARK, "small: 23 pixels wide"),  # the first reason that applies
        (NARROW, FRONT, LIGHT, "small: 10 pixels wide"),
        (BIG, SIDE, DARK, "turned to the side"),
        (BIG, FRONT, DARK, "dark"),
        (BIG, FRONT, np.zeros((48, 48), np.uint8), "dark"),
        (BIG, FRONT, SMOOTH, "blurred"),
        (BIG, FRONT, np.full((48, 48), 128, np.uint8), "blurred"),
    ],
)
def test_first_applicable_uncertainty_reason_is_given(
    make_scores: Make, box: Box, landmarks: Landmarks | None, crop: ImageArray, reason: str
) -> None:
    face, prediction = Face(box, 0.9, landmarks), Prediction(make_scores("happy", 0.4), 1.0)
    assert explain_uncertainty(face, crop, prediction, 0.45) == reason
    assert explain_uncertainty(face, crop, prediction, 0.4) is None  # confident enough: no reason
    mirrored = Landmarks((30, 40), (70, 40), (34, 60), (35, 80), (65, 80)) if landmarks is SIDE else landmarks
    assert explain_uncertainty(Face(box, 0.9, mirrored), crop, prediction, 0.45) == reason


@pytest.mark.parametrize(("face_prob", "reason"), [(0.09, "hardly a face"), (0.11, None)])
def test_face_with_a_low_face_probability_is_unsure(
    fake_detector: Make, fake_classifier: Make, face_prob: float, reason: str | None
) -> None:
    (face,) = Analyzer(fake_detector([A]), fake_classifier(("happy", 0.99, face_prob))).analyze(NOISE)
    assert (face.uncertainty_reason, face.display_label) == (reason, "unsure" if reason else "happy")


def test_sharpness_decreases_with_blur_but_not_with_contrast(sample: ImageArray, sample_face: Box) -> None:
    x1, y1, x2, y2 = sample_face.to_int_xyxy()
    crop = cv2.resize(cv2.cvtColor(sample[y1:y2, x1:x2], cv2.COLOR_RGB2GRAY), (48, 48), interpolation=cv2.INTER_AREA)
    levels = [measure_sharpness(np.asarray(cv2.GaussianBlur(crop, (0, 0), s), np.uint8)) for s in (0.5, 1, 2, 4)]
    assert levels == sorted(levels, reverse=True)
    assert measure_sharpness(np.asarray(crop, np.uint8)) > 0.1 > 0.02 > levels[-1]
    pale = np.asarray(crop // 4 + 100, np.uint8)
    assert measure_sharpness(pale) == pytest.approx(measure_sharpness(np.asarray(crop, np.uint8)), rel=0.3)
    assert measure_sharpness(np.full((48, 48), 9, np.uint8)) == 0


# ------------------------------------------------------------------ reading order


def face_at(x: float, y: float, side: float = 20.0) -> Face:
    return Face(Box(x, y, x + side, y + side), 1.0)


@pytest.mark.parametrize(
    ("faces", "order"),
    [
        ([], []),
        ([(5, 5)], [0]),
        ([(50, 0), (0, 0)], [1, 0]),
        ([(50, 0), (0, 9)], [1, 0]),  # a little lower: still the same row
        ([(50, 0), (0, 40)], [0, 1]),
        ([(0, 40), (50, 45), (90, 0), (0, 5)], [3, 2, 0, 1]),
    ],
)
def test_faces_are_sorted_in_reading_order(faces: list[tuple[float, float]], order: list[int]) -> None:
    unsorted_faces = tuple(face_at(*position) for position in faces)
    assert sort_reading_order(unsorted_faces) == tuple(unsorted_faces[i] for i in order)


@given(
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    jitter=st.lists(st.tuples(st.floats(-7, 7), st.floats(-4, 4)), min_size=16, max_size=16),
    seed=st.randoms(),
)
def test_faces_of_a_group_are_sorted_row_by_row(rows: int, columns: int, jitter: list, seed) -> None:
    faces = [
        face_at(40 * column + jitter[4 * row + column][0], 40 * row + jitter[4 * row + column][1])
        for row in range(rows)
        for column in range(columns)
    ]
    mixed = faces.copy()
    seed.shuffle(mixed)
    assert sort_reading_order(tuple(mixed)) == tuple(faces)


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500), st.floats(1, 90)), max_size=12), st.floats(5, 50))
def test_sorting_keeps_every_face_and_puts_lower_faces_later(positions: list, side: float) -> None:
    mixed = tuple(face_at(*position) for position in positions)
    ordered = sort_reading_order(mixed)
    assert sorted(map(id, ordered)) == sorted(map(id, mixed))
    equal = sort_reading_order(tuple(face_at(x, y, side) for x, y, _ in positions))
    for first, second in itertools.combinations(equal, 2):
        assert second.box.y2 >= first.box.y1  # never entirely above an earlier face


# ------------------------------------------------------------------ rotation


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_haar_corrects_every_rotation(haar: Analyzer, sample: ImageArray, sample_face: Box, degrees: int) -> None:
    rotated = rotate(sample, degrees)  # type: ignore[arg-type]
    image, faces, rotation, _ = haar.analyze_any_orientation(rotated, AnalyzerSettings(max_side=320))
    assert rotation == (360 - degrees) % 360
    np.testing.assert_array_equal(image, sample)
    assert len(faces) == 1
    assert faces[0].box.iou(sample_face) > 0.5
    assert faces == haar.analyze(sample, AnalyzerSettings(max_side=320))


@pytest.mark.parametrize("name", ["glance", pytest.param("yunet", marks=needs_yunet)])
def test_network_detectors_correct_every_rotation(shipped: ExpressionClassifier, sample: ImageArray, name: str) -> None:
    """YuNet also finds rotated faces; the classifier, trained on upright ones, rejects them."""
    analyzer = Analyzer(make_detector(name), shipped)
    settings = AnalyzerSettings(max_side=320)
    upright = [face.display_label for face in analyzer.analyze(sample, settings)]
    for degrees in (0, 90, 180, 270):
        rotated = rotate(sample, degrees)  # type: ignore[arg-type]
        image, faces, rotation, _ = analyzer.analyze_any_orientation(rotated, settings)
        assert rotation == (360 - degrees) % 360
        np.testing.assert_array_equal(image, sample)
        assert [face.display_label for face in faces] == upright


def test_rotation_with_the_best_detection_scores_is_chosen(fake_detector: Make, fake_classifier: Make) -> None:
    """A bright corner marks the orientation of the image for the fake detector."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[:5, :5] = 255
    face_prob: list[int] = []

    def found(candidate: ImageArray) -> list[Face]:
        corners = [candidate[0, 0, 0], candidate[0, -1, 0], candidate[-1, -1, 0], candidate[-1, 0, 0]]
        degrees = 90 * int(np.argmax(corners))
        face_prob.append(degrees)
        # Two low scores at 90 degrees count less than the high score at 270.
        return {0: [], 90: [Face(A, 0.3), Face(B, 0.3)], 180: [], 270: [Face(A, 0.8)]}[degrees]

    analyzer = Analyzer(fake_detector(found), fake_classifier())
    rotated, faces, rotation, _ = analyzer.analyze_any_orientation(image, AnalyzerSettings(detection_threshold=0.2))
    assert (rotation, [face.detection_score for face in faces]) == (270, [0.8])
    np.testing.assert_array_equal(rotated, rotate(image, 270))
    assert sorted(face_prob) == [0, 90, 180, 270]


def test_upright_face_with_a_high_score_ends_the_rotation_search(fake_detector: Make, fake_classifier: Make) -> None:
    detector = fake_detector([Face(A, 0.9)])
    image, faces, rotation, _ = Analyzer(detector, fake_classifier()).analyze_any_orientation(NOISE)
    assert (image is NOISE, len(faces), rotation, len(detector.calls)) == (True, 1, 0, 1)


@pytest.mark.parametrize(("rotated_score", "expected"), [(0.55, 0), (0.65, 90)])
def test_rotation_needs_a_clearly_better_score_than_the_upright_image(
    fake_detector: Make, fake_classifier: Make, rotated_score: float, expected: int
) -> None:
    """The unrotated image is wider than high."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[:5, :5] = 255
    detector = fake_detector(
        lambda candidate: (
            [Face(A, 0.4)] if candidate.shape[1] == 60 else [Face(A, rotated_score)] if candidate[0, -1, 0] else []
        )
    )
    assert (
        Analyzer(detector, fake_classifier())
        .analyze_any_orientation(image, AnalyzerSettings(detection_threshold=0.2))
        .rotation
        == expected
    )


@pytest.mark.parametrize(("score", "rotation"), [(0.45, 0), (0.55, 90)])
def test_low_scores_do_not_rotate_the_image(
    fake_detector: Make, fake_classifier: Make, score: float, rotation: int
) -> None:
    detector = fake_detector(lambda candidate: [Face(A, score)] * 5 if candidate.shape[0] == 60 else [])
    image = np.zeros((40, 60, 3), np.uint8)
    assert (
        Analyzer(detector, fake_classifier())
        .analyze_any_orientation(image, AnalyzerSettings(detection_threshold=0.2))
        .rotation
        == rotation
    )


def test_other_rotations_are_searched_at_reduced_size_until_one_is_chosen(
    fake_detector: Make, fake_classifier: Make
) -> None:
    detector = fake_detector(lambda candidate: [Face(A, 0.9)] if candidate.shape[0] == 60 else [])
    settings = AnalyzerSettings(max_side=FULL_RESOLUTION_SIDE)
    Analyzer(detector, fake_classifier()).analyze_any_orientation(np.zeros((40, 60, 3), np.uint8), settings)
    assert [side for _, side in detector.calls] == [FULL_RESOLUTION_SIDE, 1280, 1280, 1280, FULL_RESOLUTION_SIDE]


def test_detector_that_needs_verification_does_not_choose_the_rotation(
    fake_detector: Make, fake_classifier: Make
) -> None:
    """Its scores come from the classifier, which counts once."""
    detector = fake_detector([Face(A, 1.0)], needs_verification=True)
    assert Analyzer(detector, fake_classifier(("happy", 0.9, 0.85))).analyze_any_orientation(NOISE).rotation == 0
    assert len(detector.calls) == 1


@pytest.mark.parametrize("needs_verification", [False, True])
def test_one_detection_gives_faces_and_candidate_boxes(
    fake_detector: Make, fake_classifier: Make, needs_verification: bool
) -> None:
    detector = fake_detector([Face(A, 0.9), Face(B, 0.4)], needs_verification=needs_verification)
    analyzer, settings = Analyzer(detector, fake_classifier()), AnalyzerSettings(detection_threshold=0.6)
    upright = analyzer.analyze_any_orientation(NOISE, settings)
    assert len(detector.calls) == 1
    assert upright.candidate_boxes == (A, B) == analyzer.candidate_boxes(NOISE, settings)
    assert upright.faces == analyzer.analyze(NOISE, settings)


def test_image_without_faces_is_not_rotated(fake_detector: Make, fake_classifier: Make) -> None:
    image, faces, rotation, _ = Analyzer(fake_detector(), fake_classifier()).analyze_any_orientation(NOISE)
    assert (image is NOISE, faces, rotation) == (True, (), 0)


# ------------------------------------------------------------------ real detectors and classifiers

NAMES = ["haar", pytest.param("yunet", marks=needs_yunet)]


@pytest.fixture(scope="module", params=NAMES)
def analyzer(request: pytest.FixtureRequest, shipped: ExpressionClassifier) -> Analyzer:
    return Analyzer(make_detector(request.param), shipped)


def test_sample_has_one_happy_face(analyzer: Analyzer, sample: ImageArray, sample_face: Box) -> None:
    (face,) = analyzer.analyze(sample)
    assert face.box.iou(sample_face) > 0.5
    assert (face.display_label, face.uncertainty_reason) == ("happy", None)
    assert 0.6 <= face.detection_score <= 1


def test_images_without_content_have_no_faces(analyzer: Analyzer) -> None:
    rng = np.random.default_rng(1)
    for image in (
        np.zeros((240, 320, 3), np.uint8),
        np.full((240, 320, 3), 255, np.uint8),
        rng.integers(0, 256, (240, 320, 3), dtype=np.uint8),
        cv2.GaussianBlur(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8), (0, 0), 4),
    ):
        assert analyzer.analyze(np.asarray(image, np.uint8)) == ()


def test_photos_without_faces_have_no_detections(analyzer: Analyzer, media: Path) -> None:
    for path in sorted((media / "noface").iterdir()):
        assert analyzer.analyze(read_image(path), AnalyzerSettings(max_side=640)) == ()


def test_all_image_sources_give_the_same_scores(
    fake_detector: Make, tiny_classifier: ExpressionClassifier, sample_face: Box, sample: ImageArray, tmp_path: Path
) -> None:
    """The sources are a file, bytes, arrays, Pillow images and a BGR frame of a camera."""
    colored = sample.copy()
    colored[..., 2] //= 3  # exchanged red and blue channels change the scores
    Image.fromarray(colored).save(tmp_path / "photo.png")
    frame = np.ascontiguousarray(colored[..., ::-1])  # the channel order of OpenCV and PyAV
    sources = {
        "file": read_image(tmp_path / "photo.png"),
        "bytes": read_image(encode_png(colored)),
        "array": as_rgb(colored),
        "Pillow": as_rgb(Image.fromarray(colored)),
        "RGBA": as_rgb(Image.fromarray(colored).convert("RGBA")),
        "frame": as_rgb(frame, order="bgr"),
        "float": as_rgb(colored / 255),
    }
    analyzer = Analyzer(fake_detector([sample_face]), tiny_classifier)
    scores_by_source = {name: analyzer.analyze(image)[0].scores for name, image in sources.items()}
    assert len(set(scores_by_source.values())) == 1, scores_by_source
    assert analyzer.analyze(frame)[0].scores not in scores_by_source.values()  # exchanged channels are detected


@pytest.mark.slow
def test_threads_sharing_an_analyzer_get_the_same_results(sample: ImageArray, tiny: ModelBundle) -> None:
    analyzer = Analyzer(make_detector("haar"), ExpressionClassifier(tiny, num_threads=1))
    images = [sample, sample[:, ::-1].copy(), sample[40:200, 150:300].copy(), NOISE]
    settings = AnalyzerSettings(detection_threshold=0.5, max_side=256)
    serial = [analyzer.analyze(image, settings) for image in images]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(lambda i: analyzer.analyze(images[i % 4], settings), range(32)))
    for i, faces in enumerate(parallel):
        assert [face.box for face in faces] == [face.box for face in serial[i % 4]]
        for actual, expected in zip(faces, serial[i % 4], strict=True):
            assert actual.scores
            assert expected.scores
            np.testing.assert_allclose(list(actual.scores.values()), list(expected.scores.values()), atol=1e-6)


def test_detector_is_called_by_one_thread_at_a_time(fake_detector: Make, fake_classifier: Make) -> None:
    """The fake detector fails if two threads enter it, and waits long enough for that to happen."""
    arrived = threading.Barrier(4)
    pause = threading.Event()
    detector = fake_detector(lambda image: (pause.wait(0.01), [Face(A, 0.9)])[1])
    analyzer = Analyzer(detector, fake_classifier())

    def analyze(_: int) -> int:
        arrived.wait(5)
        return len(analyzer.analyze(NOISE))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(analyze, range(4))) == [1] * 4
    assert len(detector.calls) == 4


# ------------------------------------------------------------------ loading


def test_load_analyzer_opens_detector_and_classifier(tiny: ModelBundle, tmp_path: Path) -> None:
    analyzer = load_analyzer("haar", tiny.folder)
    assert isinstance(analyzer.detector, HaarCascade)
    assert analyzer.classifier.bundle == tiny
    assert load_analyzer("haar").classifier.bundle == get_default_model("classifier")
    for detector, model in (("dlib", tiny.folder), ("haar", tmp_path)):
        with pytest.raises(ModelError):
            load_analyzer(detector, model)
