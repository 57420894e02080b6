"""Each step of reading the detector's network against a loop that does the same one by one."""

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
from emotion.recognition.detection import FaceDetector, max_search_scale, search_scale
from emotion.recognition.detector_factory import find_yunet, make_detector
from emotion.recognition.onnx_detector import (
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


# --- cells -------------------------------------------------------------------------------------------------


@given(height=sides, width=sides)
def test_cells_go_row_by_row_from_the_finest_grid_to_the_coarsest(height: int, width: int) -> None:
    expected = [
        (column + stride / 2, row + stride / 2, stride)
        for stride in STRIDES
        for row in range(0, height, stride)
        for column in range(0, width, stride)
    ]
    places = anchor_points(height, width)
    assert places.dtype == np.float32
    np.testing.assert_array_equal(places, expected)


def test_cells_are_shared_and_so_cannot_be_changed() -> None:
    assert anchor_points(64, 32) is anchor_points(64, 32)
    with pytest.raises(ValueError, match="read-only"):
        anchor_points(64, 32)[0, 0] = 1


# --- padded ------------------------------------------------------------------------------------------------


@given(height=st.integers(1, 100), width=st.integers(1, 100))
def test_padding_is_black_below_and_on_the_right_and_as_little_as_needed(height: int, width: int) -> None:
    image = np.random.default_rng(height * 100 + width).integers(1, 256, (height, width, 3)).astype(np.uint8)
    got = pad_to_multiple(image)
    assert got.dtype == np.uint8
    assert got.shape == (
        math.ceil(height / SIZE_MULTIPLE) * SIZE_MULTIPLE,
        math.ceil(width / SIZE_MULTIPLE) * SIZE_MULTIPLE,
        3,
    )
    np.testing.assert_array_equal(got[:height, :width], image)
    assert not got[height:].any()
    assert not got[:, width:].any()


# --- decode ------------------------------------------------------------------------------------------------


def decoded_slowly(answers: NDArray, places: NDArray, least: float) -> list[list[float]]:
    rows = []
    for answer, (x, y, stride) in zip(answers.tolist(), places.tolist(), strict=True):
        if answer[0] < least:
            continue
        middle_x, middle_y = x + answer[1] * stride, y + answer[2] * stride
        width, height = (math.exp(min(5, max(-5, v))) * stride for v in answer[3:5])
        points = [(x, y)[i % 2] + value * stride for i, value in enumerate(answer[5:])]
        corners = [middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2]
        rows.append([answer[0], *corners, *points])
    return rows


@given(seed=st.integers(0, 999), spread=st.sampled_from([0.1, 1.0, 4.0]), least=st.floats(-3, 3))
def test_decode_against_a_loop(seed: int, spread: float, least: float) -> None:
    places = anchor_points(64, 96)
    answers = np.random.default_rng(seed).normal(0, spread, (len(places), VALUES_PER_CELL)).astype(np.float32)
    got, expected = decode_predictions(answers, places, least), decoded_slowly(answers, places, least)
    assert got.dtype == np.float32
    assert got.shape == (len(expected), VALUES_PER_CELL)
    np.testing.assert_allclose(got, np.reshape(expected, (-1, VALUES_PER_CELL)), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("value", [-1e30, 1e30])
def test_a_mad_answer_is_still_a_box(value: float) -> None:
    """Widths and heights are bounded before they are exponents, or one cell would give infinities."""
    places = anchor_points(32, 32)
    answers = np.zeros((len(places), VALUES_PER_CELL), np.float32)
    answers[:, 3:5] = value
    rows = decode_predictions(answers, places, -1)
    assert np.isfinite(rows).all()
    assert (rows[:, 3:5] > rows[:, 1:3]).all()


# --- without_doubles ---------------------------------------------------------------------------------------


def held(a: list[float], b: list[float]) -> float:
    """The share of the smaller one that both have."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return max(0.0, width) * max(0.0, height) / smaller


def kept_slowly(rows: NDArray, overlap: float, inside: float) -> list[int]:
    """The better of two is kept: sort, then ask each row whether a kept one overlaps or holds it too much."""
    kept: list[int] = []
    for i in sorted(range(len(rows)), key=lambda i: (-rows[i, 0], i)):
        pairs = [(rows[i, 1:5].tolist(), rows[j, 1:5].tolist()) for j in kept]
        shares = [(iou(*pair) - overlap, held(*pair) - inside) for pair in pairs]
        assume(all(abs(share) > 1e-4 for both in shares for share in both))  # rounding may decide those either way
        if all(share <= 0 for both in shares for share in both):
            kept.append(i)
    return kept


def steadied_slowly(rows: NDArray, i: int) -> NDArray:
    """The row with the mean of all boxes that are nearly its own."""
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
def test_doubles_against_a_loop(faces: list[tuple[float, int, int, int, int]], overlap: float, inside: float) -> None:
    rows = np.zeros((len(faces), VALUES_PER_CELL), np.float32)
    for i, (score, x, y, width, height) in enumerate(faces):
        rows[i, :6] = score, x - 10, y - 10, x - 10 + width, y - 10 + height, i
    expected = [steadied_slowly(rows, i) for i in kept_slowly(rows, overlap, inside)]
    got = suppress_and_vote(rows, overlap, inside)
    np.testing.assert_allclose(got, np.reshape(expected, (-1, VALUES_PER_CELL)), rtol=1e-5, atol=1e-5)


def test_nothing_has_no_doubles() -> None:
    assert decode_predictions(np.zeros((0, VALUES_PER_CELL), np.float32), np.zeros((0, 3), np.float32), 0).shape == (
        0,
        VALUES_PER_CELL,
    )
    assert suppress_and_vote(np.zeros((0, VALUES_PER_CELL), np.float32)).shape == (0, VALUES_PER_CELL)


def test_the_same_face_many_times_is_one_face() -> None:
    rows = np.tile(np.arange(VALUES_PER_CELL, dtype=np.float32), (50, 1))
    np.testing.assert_array_equal(suppress_and_vote(rows), rows[:1])
    assert len(suppress_and_vote(rows, iou_threshold=1.0, containment_threshold=1.0)) == 50


def test_a_chin_is_no_second_face() -> None:
    rows = np.zeros((3, VALUES_PER_CELL), np.float32)
    rows[:, :5] = [(5, 0, 0, 100, 130), (1, 30, 90, 70, 130), (1, 105, 0, 200, 130)]
    np.testing.assert_array_equal(suppress_and_vote(rows), rows[[0, 2]])


# --- the whole detector ------------------------------------------------------------------------------------


def test_a_model_of_another_kind(tiny: ModelBundle) -> None:
    with pytest.raises(ModelError, match="tiny is a classifier; expected a detector"):
        OnnxFaceDetector(tiny)


# --- scales and tiles --------------------------------------------------------------------------------------

lengths = st.integers(1, 16384)
searches = st.sampled_from([224, 320, 640, 1280, FULL_RESOLUTION_SIDE])


@given(height=lengths, width=lengths, side=searches)
def test_scales(height: int, width: int, side: int) -> None:
    """What one scale cannot find, the next one does; the cost is bounded."""
    long, short = max(height, width), min(height, width)
    levels = get_pyramid_levels(height, width, side)
    assert levels[0].scale == max_search_scale(height, width, side) <= 2
    assert levels[-1].scale * long <= 320
    assert all(fine.scale <= 4 * coarse.scale for fine, coarse in pairwise(levels))
    assert levels == get_pyramid_levels(width, height, side)
    assert long * short * search_scale(height, width, side) ** 2 <= 1.001 * side * max(side, long / 2)
    assert all(long * level.scale <= max(long, side) for level in levels)


@given(height=st.integers(1, 3000), width=st.integers(1, 9000), scale=st.sampled_from([2.0, 1.0, 0.7, 0.25]))
def test_tiles_cover_an_image_and_hold_each_small_face_whole(height: int, width: int, scale: float) -> None:
    parts = list(make_tiles(height, width, scale))
    for axis, length in ((0, height), (1, width)):
        stretches = sorted({(part[axis].start, part[axis].stop) for part in parts})
        assert (stretches[0][0], stretches[-1][1]) == (0, length)
        assert all((stop - start) * scale <= 1281 for start, stop in stretches)
        assert all((one[1] - other[0]) * scale >= 190 for one, other in pairwise(stretches))
    assert len(parts) == len({(part[0].start, part[1].start) for part in parts})


# --- the whole detector in images of all sizes ---------------------------------------------------------------

SIZES = (48, 64, 96, 160, 200, 239, 240, 320, 321, 400, 470, 480, 700, 1280, 1281, 2000)  # pixels, long side
SHARES = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)  # of a face's height in that of the image
LEAST_FACE = 28  # pixels of its height where it is searched: the root of its area is safely over the least, 20


@pytest.fixture(scope="module")
def shipped() -> Analyzer:
    return Analyzer(make_detector("glance"), ExpressionClassifier(get_default_model("classifier")))


@pytest.fixture(scope="module")
def portraits(sample: NDArray[np.uint8], sample_face: Box) -> list[tuple[NDArray[np.uint8], Box]]:
    """Portraits and the boxes of their faces."""
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
    """An image of `size` x `size` pixels with a face in its middle that takes `share` of its height."""
    factor = share * size / face.height
    x, y = face.center
    matrix = np.array([[factor, 0, size / 2 - factor * x], [0, factor, size / 2 - factor * y]])
    if factor < 1:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.4 / factor), np.uint8)
    pasted = cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_CONSTANT, borderValue=(150, 170, 190))
    return np.asarray(pasted, np.uint8), face.scale_and_translate(matrix[0, 2], matrix[1, 2], factor)


def share_found(analyzer: Analyzer, portraits: list[tuple[NDArray[np.uint8], Box]], size: int, share: float) -> float:
    """The share of portraits of that kind in which the face is found."""
    found = []
    for one in portraits:
        image, face = portrait(*one, size, share)
        found.append(any(seen.box.iou(face.clip(size, size)) > 0.4 for seen in analyzer.analyze(image)))
    return float(np.mean(found))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("which", ["portraits", "other_portraits"])
def test_no_size_finds_less_than_its_neighbors(
    request: pytest.FixtureRequest, shipped: Analyzer, which: str, share: float
) -> None:
    faces = request.getfixturevalue(which)
    sizes = [
        size
        for size in SIZES
        if size * share * min(1, search_scale(size, size, AnalyzerSettings.max_side)) >= LEAST_FACE
    ]
    found = {size: share_found(shipped, faces, size, share) for size in sizes}
    assert all(one >= 0.97 * max(found.values()) for one in found.values()), found
    assert max(found.values()) == 1, found


@pytest.mark.parametrize("size", [160, 200, 239])
def test_the_window_around_a_face_that_fills_a_small_frame(
    shipped: Analyzer, portraits: list[tuple[NDArray[np.uint8], Box]], size: int
) -> None:
    image, face = portrait(*portraits[0], size, 1.0)
    assert len(get_pyramid_levels(WINDOW_PX, WINDOW_PX, WINDOW_PX)) == 1, "a window costs one search"
    found = detect_near(shipped, image, [face], 0.6)
    assert any(one.box.iou(face.clip(size, size)) > 0.4 for one in found)


@pytest.mark.parametrize("name", ["glance", "haar"])
@pytest.mark.parametrize("tall", [False, True])
def test_faces_in_a_panorama(sample: NDArray[np.uint8], sample_face: Box, name: str, tall: bool) -> None:
    detector: FaceDetector = make_detector(name)
    length, factor = 8 * 1280, 80 / sample_face.height
    face = cv2.resize(sample, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)[:590, :590]
    image = np.full((length, 600, 3) if tall else (600, length, 3), (150, 170, 190), np.uint8)
    boxes = []
    middle = round(sample_face.center[1 if tall else 0] * factor)
    for place in (0, 1000, 2560 - middle, 5120 - middle, length - max(face.shape)):  # on the border of two parts, too
        y, x = (place, 0) if tall else (0, place)
        image[y : y + face.shape[0], x : x + face.shape[1]] = face
        boxes.append(sample_face.scale_and_translate(0, 0, factor).scale_and_translate(x, y))
    found = [one.box for one in detector.detect(image, 0.6, 1280)]
    assert all(any(one.iou(box) > 0.4 for one in found) for box in boxes)
    assert all(sum(one.iou(box) > 0.2 for one in found) == 1 for box in boxes), "a face is found twice"


@pytest.mark.parametrize("long", [720, 2600, 4000])
def test_find_all_finds_small_faces(shipped: Analyzer, sample: NDArray[np.uint8], sample_face: Box, long: int) -> None:
    factor = 15 / math.sqrt(sample_face.area)
    small = cv2.resize(sample, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    image = np.full((400, long, 3), (150, 170, 190), np.uint8)
    places = np.linspace(0, long - small.shape[1], 6).astype(int).tolist()
    for x in places:
        image[90 : 90 + small.shape[0], x : x + small.shape[1]] = small
    faces = shipped.analyze(image, AnalyzerSettings(max_side=FULL_RESOLUTION_SIDE))
    boxes = [sample_face.scale_and_translate(0, 0, factor).scale_and_translate(x, 90) for x in places]
    assert [any(face.box.iou(box) > 0.3 for face in faces) for box in boxes] == [True] * 6
    assert len(faces) == 6
