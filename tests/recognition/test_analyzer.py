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
from emotion.recognition.detector_factory import find_yunet, make_detector
from emotion.recognition.labeling import explain_uncertainty, measure_sharpness, sort_reading_order
from emotion.recognition.opencv_detectors import HaarCascade
from emotion.recognition.settings import FULL_RESOLUTION_SIDE, AnalyzerSettings

Picture = NDArray[np.uint8]
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


def test_each_face_gets_its_own_verdict(fake_detector: Make, fake_classifier: Make) -> None:
    """The detector gives the best first, the analyzer returns them in reading order."""
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


def test_what_is_chosen_arrives(fake_detector: Make, fake_classifier: Make) -> None:
    detector, classifier = fake_detector([A]), fake_classifier(("happy", 0.5, 1.0))
    analyzer = Analyzer(detector, classifier)
    analyzer.analyze(NOISE)
    (face,) = analyzer.analyze(
        NOISE, AnalyzerSettings(detection_threshold=0.3, min_confidence=0.6, max_side=77, head="fer2013")
    )
    assert detector.calls == [(0.6, 1280), (0.3, 77)]
    assert classifier.heads == [None, "fer2013"]
    assert face.display_label == "unsure"


def test_the_picture_is_left_as_it_is(
    fake_detector: Make, tiny_classifier: ExpressionClassifier, sample: Picture
) -> None:
    before = sample.copy()
    for detector in (make_detector("haar"), fake_detector([A, Box(-20, -20, 5, 5)])):
        Analyzer(detector, tiny_classifier).analyze_any_orientation(sample)
    np.testing.assert_array_equal(sample, before)


# ------------------------------------------------------------------ proposals


@pytest.mark.parametrize(
    ("needs_verification", "threshold", "expected"),
    [
        (False, 0.6, [(A, 0.9), (B, 0.9), (C, 0.9)]),  # the detector's word is enough
        (True, 0.6, [(A, 0.95), (C, 0.6)]),
        (True, 0.61, [(A, 0.95)]),
        (True, 0.96, []),
        (True, 0.0, [(A, 0.95), (B, 0.1), (C, 0.6)]),
    ],
)
def test_proposals_are_confirmed(
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
    words = {A: "happy", B: "sad", C: "fear"}
    assert [face.display_label for face in found] == [words[box] for box, _ in expected]


@pytest.mark.parametrize(
    ("shift", "faces"), [(0, 1), (10, 1), (25, 1), (30, 2), (50, 2)]
)  # shares of both boxes: 1, 0.67, 0.33, 0.25, 0
@pytest.mark.parametrize("better", [0, 1])
def test_of_overlapping_proposals_the_better_stays(
    fake_detector: Make, fake_classifier: Make, shift: int, faces: int, better: int
) -> None:
    boxes = [A, Box(A.x1 + shift, A.y1, A.x2 + shift, A.y2)]
    verdicts = [("sad", 0.9, 0.7), ("sad", 0.9, 0.7)]
    verdicts[better] = ("happy", 0.9, 0.8)
    found = Analyzer(fake_detector(boxes, True), fake_classifier(*verdicts)).analyze(NOISE)
    assert len(found) == faces
    assert [face.display_label for face in found if face.box == boxes[better]][:1] == ["happy"]


def test_a_refused_proposal_hides_no_other(fake_detector: Make, fake_classifier: Make) -> None:
    classifier = fake_classifier(("sad", 0.9, 0.3), ("happy", 0.9, 0.7), ("fear", 0.9, 0.65))
    boxes = [Box(12, 12, 62, 62), A, Box(14, 14, 64, 64)]
    found = Analyzer(fake_detector(boxes, True), classifier).analyze(NOISE)
    assert [(face.box, face.display_label) for face in found] == [(A, "happy")]


def test_the_reason_is_of_the_face_that_stays(fake_detector: Make, fake_classifier: Make) -> None:
    """Its own crop is looked at, also where proposals before it were refused."""
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
        (SMALL, SIDE, DARK, "small: 23 pixels wide"),  # the first cause that holds
        (NARROW, FRONT, LIGHT, "small: 10 pixels wide"),
        (BIG, SIDE, DARK, "turned to the side"),
        (BIG, FRONT, DARK, "dark"),
        (BIG, FRONT, np.zeros((48, 48), np.uint8), "dark"),
        (BIG, FRONT, SMOOTH, "blurred"),
        (BIG, FRONT, np.full((48, 48), 128, np.uint8), "blurred"),
    ],
)
def test_reasons(make_scores: Make, box: Box, landmarks: Landmarks | None, crop: Picture, reason: str) -> None:
    face, verdict = Face(box, 0.9, landmarks), Prediction(make_scores("happy", 0.4), 1.0)
    assert explain_uncertainty(face, crop, verdict, 0.45) == reason
    assert explain_uncertainty(face, crop, verdict, 0.4) is None  # as sure as asked for: no cause is looked for
    mirrored = Landmarks((30, 40), (70, 40), (34, 60), (35, 80), (65, 80)) if landmarks is SIDE else landmarks
    assert explain_uncertainty(Face(box, 0.9, mirrored), crop, verdict, 0.45) == reason


@pytest.mark.parametrize(("seen", "reason"), [(0.09, "hardly a face"), (0.11, None)])
def test_what_is_hardly_a_face_is_not_named(
    fake_detector: Make, fake_classifier: Make, seen: float, reason: str | None
) -> None:
    (face,) = Analyzer(fake_detector([A]), fake_classifier(("happy", 0.99, seen))).analyze(NOISE)
    assert (face.uncertainty_reason, face.display_label) == (reason, "unsure" if reason else "happy")


def test_sharpness_falls_with_blur_but_not_with_contrast(sample: Picture, sample_face: Box) -> None:
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
def test_reading_order(faces: list[tuple[float, float]], order: list[int]) -> None:
    made = tuple(face_at(*place) for place in faces)
    assert sort_reading_order(made) == tuple(made[i] for i in order)


@given(
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    jitter=st.lists(st.tuples(st.floats(-7, 7), st.floats(-4, 4)), min_size=16, max_size=16),
    seed=st.randoms(),
)
def test_rows_of_a_group_are_read_as_a_page(rows: int, columns: int, jitter: list, seed) -> None:
    faces = [
        face_at(40 * column + jitter[4 * row + column][0], 40 * row + jitter[4 * row + column][1])
        for row in range(rows)
        for column in range(columns)
    ]
    mixed = faces.copy()
    seed.shuffle(mixed)
    assert sort_reading_order(tuple(mixed)) == tuple(faces)


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500), st.floats(1, 90)), max_size=12), st.floats(5, 50))
def test_no_face_is_lost_and_those_below_come_later(places: list, side: float) -> None:
    mixed = tuple(face_at(*place) for place in places)
    ordered = sort_reading_order(mixed)
    assert sorted(map(id, ordered)) == sorted(map(id, mixed))
    equal = sort_reading_order(tuple(face_at(x, y, side) for x, y, _ in places))
    for first, second in itertools.combinations(equal, 2):
        assert second.box.y2 >= first.box.y1  # never wholly above one that comes earlier


# ------------------------------------------------------------------ upright


@pytest.mark.parametrize("quarter", [0, 90, 180, 270])
def test_the_astronaut_whichever_way_up(haar: Analyzer, sample: Picture, sample_face: Box, quarter: int) -> None:
    on_its_side = rotate(sample, quarter)  # type: ignore[arg-type]
    image, faces, turned, _ = haar.analyze_any_orientation(on_its_side, AnalyzerSettings(max_side=320))
    assert turned == (360 - quarter) % 360
    np.testing.assert_array_equal(image, sample)
    assert len(faces) == 1
    assert faces[0].box.iou(sample_face) > 0.5
    assert faces == haar.analyze(sample, AnalyzerSettings(max_side=320))


@needs_yunet
def test_yunet_reads_it_whichever_way_up(shipped: ExpressionClassifier, sample: Picture) -> None:
    """It also finds faces that lie on their side: the classifier, which knows upright ones only, tells them."""
    whichever_way_up(Analyzer(make_detector("yunet"), shipped), sample)


def test_the_shipped_detector_reads_it_whichever_way_up(shipped: ExpressionClassifier, sample: Picture) -> None:
    whichever_way_up(Analyzer(make_detector("glance"), shipped), sample)


def whichever_way_up(analyzer: Analyzer, sample: Picture) -> None:
    upright = [face.display_label for face in analyzer.analyze(sample)]
    for quarter in (0, 90, 180, 270):
        image, faces, turned, _ = analyzer.analyze_any_orientation(rotate(sample, quarter))  # type: ignore[arg-type]
        assert turned == (360 - quarter) % 360
        np.testing.assert_array_equal(image, sample)
        assert [face.display_label for face in faces] == upright


def test_the_turn_with_the_surest_faces_is_taken(fake_detector: Make, fake_classifier: Make) -> None:
    """Marked by a bright corner, so that the fake knows which way up the picture is."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[:5, :5] = 255
    seen: list[int] = []

    def found(picture: Picture) -> list[Face]:
        corners = [picture[0, 0, 0], picture[0, -1, 0], picture[-1, -1, 0], picture[-1, 0, 0]]
        quarter = 90 * int(np.argmax(corners))
        seen.append(quarter)
        # 90: two doubtful ones together are less than the one at 270
        return {0: [], 90: [Face(A, 0.3), Face(B, 0.3)], 180: [], 270: [Face(A, 0.8)]}[quarter]

    analyzer = Analyzer(fake_detector(found), fake_classifier())
    turned_image, faces, turned, _ = analyzer.analyze_any_orientation(image, AnalyzerSettings(detection_threshold=0.2))
    assert (turned, [face.detection_score for face in faces]) == (270, [0.8])
    np.testing.assert_array_equal(turned_image, rotate(image, 270))
    assert sorted(seen) == [0, 90, 180, 270]


def test_a_plain_face_is_enough(fake_detector: Make, fake_classifier: Make) -> None:
    detector = fake_detector([Face(A, 0.9)])
    image, faces, turned, _ = Analyzer(detector, fake_classifier()).analyze_any_orientation(NOISE)
    assert (image is NOISE, len(faces), turned, len(detector.calls)) == (True, 1, 0, 1)


@pytest.mark.parametrize(("other", "wanted"), [(0.55, 0), (0.65, 90)])
def test_doubtful_faces_give_way_to_much_plainer_ones_only(
    fake_detector: Make, fake_classifier: Make, other: float, wanted: int
) -> None:
    """As it lies the picture is wider than high."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[:5, :5] = 255
    detector = fake_detector(
        lambda picture: [Face(A, 0.4)] if picture.shape[1] == 60 else [Face(A, other)] if picture[0, -1, 0] else []
    )
    assert (
        Analyzer(detector, fake_classifier())
        .analyze_any_orientation(image, AnalyzerSettings(detection_threshold=0.2))
        .rotation
        == wanted
    )


@pytest.mark.parametrize(("sure", "turned"), [(0.45, 0), (0.55, 90)])
def test_weak_finds_turn_no_image(fake_detector: Make, fake_classifier: Make, sure: float, turned: int) -> None:
    detector = fake_detector(lambda picture: [Face(A, sure)] * 5 if picture.shape[0] == 60 else [])
    image = np.zeros((40, 60, 3), np.uint8)
    assert (
        Analyzer(detector, fake_classifier())
        .analyze_any_orientation(image, AnalyzerSettings(detection_threshold=0.2))
        .rotation
        == turned
    )


def test_other_turns_are_searched_at_normal_cost_until_one_is_taken(fake_detector: Make, fake_classifier: Make) -> None:
    detector = fake_detector(lambda picture: [Face(A, 0.9)] if picture.shape[0] == 60 else [])
    settings = AnalyzerSettings(max_side=FULL_RESOLUTION_SIDE)
    Analyzer(detector, fake_classifier()).analyze_any_orientation(np.zeros((40, 60, 3), np.uint8), settings)
    assert [side for _, side in detector.calls] == [FULL_RESOLUTION_SIDE, 1280, 1280, 1280, FULL_RESOLUTION_SIDE]


def test_a_detector_that_only_proposes_does_not_weigh(fake_detector: Make, fake_classifier: Make) -> None:
    """Its score is the classifier's word, which counts once."""
    detector = fake_detector([Face(A, 1.0)], needs_verification=True)
    assert Analyzer(detector, fake_classifier(("happy", 0.9, 0.85))).analyze_any_orientation(NOISE).rotation == 0
    assert len(detector.calls) == 1


@pytest.mark.parametrize("needs_verification", [False, True])
def test_one_search_gives_faces_and_suspects(
    fake_detector: Make, fake_classifier: Make, needs_verification: bool
) -> None:
    detector = fake_detector([Face(A, 0.9), Face(B, 0.4)], needs_verification=needs_verification)
    analyzer, settings = Analyzer(detector, fake_classifier()), AnalyzerSettings(detection_threshold=0.6)
    upright = analyzer.analyze_any_orientation(NOISE, settings)
    assert len(detector.calls) == 1
    assert upright.candidate_boxes == (A, B) == analyzer.candidate_boxes(NOISE, settings)
    assert upright.faces == analyzer.analyze(NOISE, settings)


def test_where_no_turn_helps_the_picture_stays(fake_detector: Make, fake_classifier: Make) -> None:
    image, faces, turned, _ = Analyzer(fake_detector(), fake_classifier()).analyze_any_orientation(NOISE)
    assert (image is NOISE, faces, turned) == (True, (), 0)


# ------------------------------------------------------------------ real detectors and classifiers

NAMES = ["haar", pytest.param("yunet", marks=needs_yunet)]


@pytest.fixture(scope="module", params=NAMES)
def analyzer(request: pytest.FixtureRequest, shipped: ExpressionClassifier) -> Analyzer:
    return Analyzer(make_detector(request.param), shipped)


def test_one_astronaut_one_happy_face(analyzer: Analyzer, sample: Picture, sample_face: Box) -> None:
    (face,) = analyzer.analyze(sample)
    assert face.box.iou(sample_face) > 0.5
    assert (face.display_label, face.uncertainty_reason) == ("happy", None)
    assert 0.6 <= face.detection_score <= 1


def test_an_empty_frame_gets_no_label(analyzer: Analyzer) -> None:
    rng = np.random.default_rng(1)
    for image in (
        np.zeros((240, 320, 3), np.uint8),
        np.full((240, 320, 3), 255, np.uint8),
        rng.integers(0, 256, (240, 320, 3), dtype=np.uint8),
        cv2.GaussianBlur(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8), (0, 0), 4),
    ):
        assert analyzer.analyze(np.asarray(image, np.uint8)) == ()


def test_photos_without_faces(analyzer: Analyzer, media: Path) -> None:
    for path in sorted((media / "noface").iterdir()):
        assert analyzer.analyze(read_image(path), AnalyzerSettings(max_side=640)) == ()


def test_every_source_gives_equal_scores(
    fake_detector: Make, tiny_classifier: ExpressionClassifier, sample_face: Box, sample: Picture, tmp_path: Path
) -> None:
    """The same pixels as a file, bytes, an array, a Pillow image and a camera's BGR frame."""
    colourful = sample.copy()
    colourful[..., 2] //= 3  # so that red and blue cannot be mixed up unseen
    Image.fromarray(colourful).save(tmp_path / "photo.png")
    frame = np.ascontiguousarray(colourful[..., ::-1])  # as OpenCV and PyAV give it
    sources = {
        "file": read_image(tmp_path / "photo.png"),
        "bytes": read_image(encode_png(colourful)),
        "array": as_rgb(colourful),
        "Pillow": as_rgb(Image.fromarray(colourful)),
        "RGBA": as_rgb(Image.fromarray(colourful).convert("RGBA")),
        "frame": as_rgb(frame, order="bgr"),
        "float": as_rgb(colourful / 255),
    }
    analyzer = Analyzer(fake_detector([sample_face]), tiny_classifier)
    said = {name: analyzer.analyze(image)[0].scores for name, image in sources.items()}
    assert len(set(said.values())) == 1, said
    assert analyzer.analyze(frame)[0].scores not in said.values()  # mixed up, it would be seen


def test_many_threads_share_one_analyzer(sample: Picture, tiny: ModelBundle) -> None:
    analyzer = Analyzer(make_detector("haar"), ExpressionClassifier(tiny, num_threads=1))
    images = [sample, sample[:, ::-1].copy(), sample[40:200, 150:300].copy(), NOISE]
    settings = AnalyzerSettings(detection_threshold=0.5, max_side=256)
    serial = [analyzer.analyze(image, settings) for image in images]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(lambda i: analyzer.analyze(images[i % 4], settings), range(32)))
    for i, faces in enumerate(parallel):
        assert [face.box for face in faces] == [face.box for face in serial[i % 4]]
        for one, other in zip(faces, serial[i % 4], strict=True):
            assert one.scores
            assert other.scores
            np.testing.assert_allclose(list(one.scores.values()), list(other.scores.values()), atol=1e-6)


def test_detectors_are_asked_one_at_a_time(fake_detector: Make, fake_classifier: Make) -> None:
    """The fake fails when two threads are in it; it waits, so that they would be."""
    arrived = threading.Barrier(4)
    pause = threading.Event()
    detector = fake_detector(lambda image: (pause.wait(0.01), [Face(A, 0.9)])[1])
    analyzer = Analyzer(detector, fake_classifier())

    def go(_: int) -> int:
        arrived.wait(5)
        return len(analyzer.analyze(NOISE))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(go, range(4))) == [1] * 4
    assert len(detector.calls) == 4


# ------------------------------------------------------------------ loading


def test_load_analyzer(tiny: ModelBundle, tmp_path: Path) -> None:
    analyzer = load_analyzer("haar", tiny.folder)
    assert isinstance(analyzer.detector, HaarCascade)
    assert analyzer.classifier.bundle == tiny
    assert load_analyzer("haar").classifier.bundle == get_default_model("classifier")
    for detector, model in (("dlib", tiny.folder), ("haar", tmp_path)):
        with pytest.raises(ModelError):
            load_analyzer(detector, model)
