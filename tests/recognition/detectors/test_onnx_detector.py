"""Decoding and suppression of the ONNX detector compared with plain loops, and its search at many image sizes."""

from __future__ import annotations

import math
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage import data

from emotion.errors import ModelError
from emotion.faces import Box
from emotion.media.image_reader import read_image
from emotion.model_store.store import ModelBundle, get_default_model
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.detectors.detection import FaceDetector, max_search_scale, search_scale
from emotion.recognition.detectors.detector_factory import find_yunet, make_detector
from emotion.recognition.detectors.onnx_detector import (
    SIZE_MULTIPLE,
    STRIDES,
    VALUES_PER_CELL,
    OnnxFaceDetector,
    anchor_points,
    decode_predictions,
    get_pyramid_levels,
    make_tiles,
    pad_to_multiple,
    suppress_and_vote,
)
from emotion.recognition.settings import FULL_RESOLUTION_SIDE, AnalyzerSettings
from emotion.tracking.region_search import WINDOW_PX, detect_near
from tests.conftest import ROOT

sides = st.integers(1, 5).map(lambda n: n * SIZE_MULTIPLE)


def iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    inner = max(0.0, width) * max(0.0, height)
    return inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner)


# --- anchors -------------------------------------------------------------------------------------------------


@given(height=sides, width=sides)
def test_anchors_are_ordered_by_stride_row_and_column(height: int, width: int) -> None:
    expected = [
        (column + stride / 2, row + stride / 2, stride)
        for stride in STRIDES
        for row in range(0, height, stride)
        for column in range(0, width, stride)
    ]
    anchors = anchor_points(height, width)
    assert anchors.dtype == np.float32
    np.testing.assert_array_equal(anchors, expected)


def test_cached_anchors_are_read_only() -> None:
    assert anchor_points(64, 32) is anchor_points(64, 32)
    with pytest.raises(ValueError, match="read-only"):
        anchor_points(64, 32)[0, 0] = 1


# --- padding ------------------------------------------------------------------------------------------------


@given(height=st.integers(1, 100), width=st.integers(1, 100))
def test_padding_is_minimal_and_black_at_the_bottom_and_right(height: int, width: int) -> None:
    image = np.random.default_rng(height * 100 + width).integers(1, 256, (height, width, 3)).astype(np.uint8)
    actual = pad_to_multiple(image)
    assert actual.dtype == np.uint8
    assert actual.shape == (
        math.ceil(height / SIZE_MULTIPLE) * SIZE_MULTIPLE,
        math.ceil(width / SIZE_MULTIPLE) * SIZE_MULTIPLE,
        3,
    )
    np.testing.assert_array_equal(actual[:height, :width], image)
    assert not actual[height:].any()
    assert not actual[:, width:].any()


# --- decode ------------------------------------------------------------------------------------------------


def decode_in_a_loop(outputs: NDArray, anchors: NDArray, min_logit: float) -> list[list[float]]:
    rows = []
    for output, (x, y, stride) in zip(outputs.tolist(), anchors.tolist(), strict=True):
        if output[0] < min_logit:
            continue
        middle_x, middle_y = x + output[1] * stride, y + output[2] * stride
        width, height = (math.exp(min(5, max(-5, v))) * stride for v in output[3:5])
        points = [(x, y)[i % 2] + value * stride for i, value in enumerate(output[5:])]
        corners = [middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2]
        rows.append([output[0], *corners, *points])
    return rows


@given(seed=st.integers(0, 999), std=st.sampled_from([0.1, 1.0, 4.0]), min_logit=st.floats(-3, 3))
def test_decoding_matches_a_loop(seed: int, std: float, min_logit: float) -> None:
    anchors = anchor_points(64, 96)
    outputs = np.random.default_rng(seed).normal(0, std, (len(anchors), VALUES_PER_CELL)).astype(np.float32)
    actual, expected = decode_predictions(outputs, anchors, min_logit), decode_in_a_loop(outputs, anchors, min_logit)
    assert actual.dtype == np.float32
    assert actual.shape == (len(expected), VALUES_PER_CELL)
    np.testing.assert_allclose(actual, np.reshape(expected, (-1, VALUES_PER_CELL)), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("value", [-1e30, 1e30])
def test_extreme_outputs_give_finite_boxes(value: float) -> None:
    """Sizes are clipped before the exponential function, which would overflow."""
    anchors = anchor_points(32, 32)
    outputs = np.zeros((len(anchors), VALUES_PER_CELL), np.float32)
    outputs[:, 3:5] = value
    rows = decode_predictions(outputs, anchors, -1)
    assert np.isfinite(rows).all()
    assert (rows[:, 3:5] > rows[:, 1:3]).all()


# --- suppression ---------------------------------------------------------------------------------------


def get_containment(a: list[float], b: list[float]) -> float:
    """Return the intersection as a share of the smaller box."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return max(0.0, width) * max(0.0, height) / smaller


def suppress_in_a_loop(rows: NDArray, overlap: float, inside: float) -> list[int]:
    """Return the rows that overlap no better row, found in a loop in order of their scores."""
    kept: list[int] = []
    for i in sorted(range(len(rows)), key=lambda i: (-rows[i, 0], i)):
        pairs = [(rows[i, 1:5].tolist(), rows[j, 1:5].tolist()) for j in kept]
        shares = [(iou(*pair) - overlap, get_containment(*pair) - inside) for pair in pairs]
        assume(all(abs(share) > 1e-4 for both in shares for share in both))  # rounding decides such cases
        if all(share <= 0 for both in shares for share in both):
            kept.append(i)
    return kept


def vote_in_a_loop(rows: NDArray, i: int) -> NDArray:
    """Return the row with the weighted mean of all boxes that nearly coincide with its own."""
    total, box = 0.0, np.zeros(4)
    for other in rows:
        share = iou(rows[i, 1:5].tolist(), other[1:5].tolist())
        assume(abs(share - 0.7) > 1e-4)
        if share >= 0.7:
            weight = share / (1 + math.exp(-other[0])) ** 2
            total, box = total + weight, box + weight * other[1:5]
    row = rows[i].copy()
    row[1:5] = box / total
    return row


scores = st.integers(-40, 40).map(lambda n: n / 8)
found = st.tuples(scores, *[st.integers(0, 40)] * 2, *[st.integers(1, 40)] * 2)


@given(
    faces=st.lists(found, max_size=25, unique_by=lambda face: face[0]),
    overlap=st.sampled_from([0.1, 0.31, 0.4, 0.77]),
    inside=st.sampled_from([0.31, 0.7, 1.01]),
)
def test_suppression_matches_a_loop(
    faces: list[tuple[float, int, int, int, int]], overlap: float, inside: float
) -> None:
    rows = np.zeros((len(faces), VALUES_PER_CELL), np.float32)
    for i, (score, x, y, width, height) in enumerate(faces):
        rows[i, :6] = score, x - 10, y - 10, x - 10 + width, y - 10 + height, i
    expected = [vote_in_a_loop(rows, i) for i in suppress_in_a_loop(rows, overlap, inside)]
    actual = suppress_and_vote(rows, overlap, inside)
    np.testing.assert_allclose(actual, np.reshape(expected, (-1, VALUES_PER_CELL)), rtol=1e-5, atol=1e-5)


def test_empty_input_gives_empty_output() -> None:
    assert decode_predictions(np.zeros((0, VALUES_PER_CELL), np.float32), np.zeros((0, 3), np.float32), 0).shape == (
        0,
        VALUES_PER_CELL,
    )
    assert suppress_and_vote(np.zeros((0, VALUES_PER_CELL), np.float32)).shape == (0, VALUES_PER_CELL)


def test_equal_boxes_are_merged() -> None:
    rows = np.tile(np.arange(VALUES_PER_CELL, dtype=np.float32), (50, 1))
    np.testing.assert_array_equal(suppress_and_vote(rows), rows[:1])
    assert len(suppress_and_vote(rows, iou_threshold=1.0, containment_threshold=1.0)) == 50


def test_box_inside_a_better_one_is_suppressed() -> None:
    rows = np.zeros((3, VALUES_PER_CELL), np.float32)
    rows[:, :5] = [(5, 0, 0, 100, 130), (1, 30, 90, 70, 130), (1, 105, 0, 200, 130)]
    np.testing.assert_array_equal(suppress_and_vote(rows), rows[[0, 2]])


# --- model kinds -------------------------------------------------------------------------------------------


def test_model_of_another_kind_is_refused(tiny: ModelBundle) -> None:
    with pytest.raises(ModelError, match="tiny is a classifier; expected a detector"):
        OnnxFaceDetector(tiny)


# --- scales and tiles --------------------------------------------------------------------------------------

lengths = st.integers(1, 16384)
max_sides = st.sampled_from([224, 320, 640, 1280, FULL_RESOLUTION_SIDE])


@given(height=lengths, width=lengths, side=max_sides)
def test_pyramid_levels_cover_all_face_sizes_at_bounded_cost(height: int, width: int, side: int) -> None:
    """The range of each level adjoins that of the next."""
    long, short = max(height, width), min(height, width)
    levels = get_pyramid_levels(height, width, side)
    assert levels[0].scale == max_search_scale(height, width, side) <= 2
    assert levels[-1].scale * long <= 320
    assert all(fine.scale <= 4 * coarse.scale for fine, coarse in pairwise(levels))
    assert levels == get_pyramid_levels(width, height, side)
    assert long * short * search_scale(height, width, side) ** 2 <= 1.001 * side * max(side, long / 2)
    assert all(long * level.scale <= max(long, side) for level in levels)


@given(height=st.integers(1, 3000), width=st.integers(1, 9000), scale=st.sampled_from([2.0, 1.0, 0.7, 0.25]))
def test_tiles_cover_the_image_and_overlap_by_a_small_face(height: int, width: int, scale: float) -> None:
    tiles = list(make_tiles(height, width, scale))
    for axis, length in ((0, height), (1, width)):
        intervals = sorted({(tile[axis].start, tile[axis].stop) for tile in tiles})
        assert (intervals[0][0], intervals[-1][1]) == (0, length)
        assert all((stop - start) * scale <= 1281 for start, stop in intervals)
        assert all((first[1] - second[0]) * scale >= 190 for first, second in pairwise(intervals))
    assert len(tiles) == len({(tile[0].start, tile[1].start) for tile in tiles})


# --- the detector at all image sizes ---------------------------------------------------------------

SIZES = (48, 64, 96, 160, 200, 239, 240, 320, 321, 400, 470, 480, 700, 1280, 1281, 2000)  # pixels
SHARES = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)  # of the height of a face in that of the image
MIN_FACE_HEIGHT = 28  # pixels at the search scale, so that the root of the area is above the minimum of 20


@pytest.fixture(scope="module")
def shipped() -> Analyzer:
    return Analyzer(make_detector("glance"), ExpressionClassifier(get_default_model("classifier")))


@pytest.fixture(scope="module")
def portraits(sample: NDArray[np.uint8], sample_face: Box) -> list[tuple[NDArray[np.uint8], Box]]:
    """Return portraits with the boxes of their faces."""
    return [(sample, sample_face), (data.astronaut(), Box(175, 62, 272, 188))]


@pytest.fixture(scope="module")
def other_portraits() -> list[tuple[NDArray[np.uint8], Box]]:
    folder = ROOT.parent / "shared" / "dev_faces" / "cfee"
    if not folder.is_dir() or find_yunet() is None:
        pytest.skip("there are no portraits or no second detector here")
    detector = make_detector("yunet")
    images = [read_image(path) for path in sorted(folder.iterdir())[::60]]
    return [(image, detector.detect(image, 0.5, 320)[0].box) for image in images]


def portrait(image: NDArray[np.uint8], face: Box, size: int, share: float) -> tuple[NDArray[np.uint8], Box]:
    """Return a square image with a centered face that has `share` of its height, and the box of the face."""
    factor = share * size / face.height
    x, y = face.center
    matrix = np.array([[factor, 0, size / 2 - factor * x], [0, factor, size / 2 - factor * y]])
    if factor < 1:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.4 / factor), np.uint8)
    pasted = cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_CONSTANT, borderValue=(150, 170, 190))
    return np.asarray(pasted, np.uint8), face.scale_and_translate(matrix[0, 2], matrix[1, 2], factor)


def share_found(analyzer: Analyzer, portraits: list[tuple[NDArray[np.uint8], Box]], size: int, share: float) -> float:
    """Return the share of portraits in which the face is found."""
    found = []
    for original in portraits:
        image, face = portrait(*original, size, share)
        found.append(any(detected.box.iou(face.clip(size, size)) > 0.4 for detected in analyzer.analyze(image)))
    return float(np.mean(found))


@pytest.mark.slow
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("fixture_name", ["portraits", "other_portraits"])
def test_detection_rate_does_not_depend_on_the_image_size(
    request: pytest.FixtureRequest, shipped: Analyzer, fixture_name: str, share: float
) -> None:
    faces = request.getfixturevalue(fixture_name)
    sizes = [
        size
        for size in SIZES
        if size * share * min(1, search_scale(size, size, AnalyzerSettings.max_side)) >= MIN_FACE_HEIGHT
    ]
    found = {size: share_found(shipped, faces, size, share) for size in sizes}
    assert all(rate >= 0.97 * max(found.values()) for rate in found.values()), found
    assert max(found.values()) == 1, found


@pytest.mark.parametrize("size", [160, 200, 239])
def test_region_search_finds_a_face_that_fills_a_small_frame(
    shipped: Analyzer, portraits: list[tuple[NDArray[np.uint8], Box]], size: int
) -> None:
    image, face = portrait(*portraits[0], size, 1.0)
    assert len(get_pyramid_levels(WINDOW_PX, WINDOW_PX, WINDOW_PX)) == 1, "a window needs one search"
    found = detect_near(shipped, image, [face], 0.6)
    assert any(detected.box.iou(face.clip(size, size)) > 0.4 for detected in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["glance", "haar"])
@pytest.mark.parametrize("tall", [False, True])
def test_faces_in_a_panorama_are_found_once(sample: NDArray[np.uint8], sample_face: Box, name: str, tall: bool) -> None:
    detector: FaceDetector = make_detector(name)
    length, factor = 8 * 1280, 80 / sample_face.height
    face = cv2.resize(sample, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)[:590, :590]
    image = np.full((length, 600, 3) if tall else (600, length, 3), (150, 170, 190), np.uint8)
    boxes = []
    middle = round(sample_face.center[1 if tall else 0] * factor)
    for offset in (0, 1000, 2560 - middle, 5120 - middle, length - max(face.shape)):  # also between two tiles
        y, x = (offset, 0) if tall else (0, offset)
        image[y : y + face.shape[0], x : x + face.shape[1]] = face
        boxes.append(sample_face.scale_and_translate(0, 0, factor).scale_and_translate(x, y))
    found = [face.box for face in detector.detect(image, 0.6, 1280)]
    assert all(any(other.iou(box) > 0.4 for other in found) for box in boxes)
    assert all(sum(other.iou(box) > 0.2 for other in found) == 1 for box in boxes), "a face is found twice"


@pytest.mark.slow
@pytest.mark.parametrize("long", [720, 2600, 4000])
def test_find_all_finds_small_faces(shipped: Analyzer, sample: NDArray[np.uint8], sample_face: Box, long: int) -> None:
    factor = 15 / math.sqrt(sample_face.area)
    small = cv2.resize(sample, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    image = np.full((400, long, 3), (150, 170, 190), np.uint8)
    offsets = np.linspace(0, long - small.shape[1], 6).astype(int).tolist()
    for x in offsets:
        image[90 : 90 + small.shape[0], x : x + small.shape[1]] = small
    faces = shipped.analyze(image, AnalyzerSettings(max_side=FULL_RESOLUTION_SIDE))
    boxes = [sample_face.scale_and_translate(0, 0, factor).scale_and_translate(x, 90) for x in offsets]
    assert [any(face.box.iou(box) > 0.3 for face in faces) for box in boxes] == [True] * 6
    assert len(faces) == 6
