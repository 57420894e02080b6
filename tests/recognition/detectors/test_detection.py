from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.benchmarks.steps import make_frame
from emotion.errors import ModelError
from emotion.faces import Box, Face
from emotion.media.image_reader import read_image, rotate
from emotion.recognition.detectors.detection import FaceDetector
from emotion.recognition.detectors.detector_factory import find_yunet, make_detector
from emotion.recognition.detectors.opencv_detectors import HaarCascade, YuNet

ImageArray = NDArray[np.uint8]
needs_yunet = pytest.mark.skipif(find_yunet() is None, reason="YuNet is not on this machine")
YUNET = pytest.param("yunet", marks=needs_yunet)
NAMES = ["glance", "haar", YUNET]
RNG = np.random.default_rng(4)


@pytest.fixture(scope="module", params=NAMES)
def detector(request: pytest.FixtureRequest) -> FaceDetector:
    return make_detector(request.param)


@pytest.fixture(scope="module", params=["glance", YUNET])
def network(request: pytest.FixtureRequest) -> FaceDetector:
    """Return a detector with scores and landmarks."""
    return make_detector(request.param)


@pytest.fixture(scope="module")
def yunet() -> FaceDetector:
    return make_detector("yunet")


def check_faces(faces: tuple[Face, ...], image: ImageArray) -> None:
    """Check what holds for the faces of every detector."""
    height, width = image.shape[:2]
    assert isinstance(faces, tuple)
    for face in faces:
        box = face.box
        assert 0 <= box.x1 < box.x2 <= width
        assert 0 <= box.y1 < box.y2 <= height
        assert 0 <= face.detection_score <= 1
        assert (face.scores, face.uncertainty_reason, face.track_id) == (None, None, None)
    scores = [face.detection_score for face in faces]
    assert scores == sorted(scores, reverse=True)


def best_iou(faces: tuple[Face, ...], expected: Box) -> float:
    """Return the IoU of the best matching face, 0 without faces."""
    return max((face.box.iou(expected) for face in faces), default=0.0)


SURE = 0.8  # below this score a classifier verifies a box: the helmet reflects something like a face


def scaled(box: Box, x: float, y: float | None = None) -> Box:
    y = x if y is None else y
    return Box(box.x1 * x, box.y1 * y, box.x2 * x, box.y2 * y)


# ------------------------------------------------------------------ images without a face


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 2), (19, 19), (20, 20), (64, 64), (480, 640)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_uniform_image_has_no_faces(detector: FaceDetector, shape: tuple[int, int], level: int) -> None:
    assert detector.detect(np.full((*shape, 3), level, np.uint8), 0.5, 1280) == ()


@pytest.mark.parametrize("shape", [(1, 5000), (37, 53), (480, 640), (3, 4000)])
def test_noise_and_gradients_have_no_certain_faces(detector: FaceDetector, shape: tuple[int, int]) -> None:
    noise = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 255, shape[1]).astype(np.uint8)[None, :, None], (*shape, 3)).copy()
    for image in (noise, ramp):
        check_faces(detector.detect(image, 0.6, 1280), image)
    if not detector.needs_verification:
        assert detector.detect(noise, 0.6, 1280) == ()


@settings(max_examples=12)
@given(width=st.integers(1, 120), height=st.integers(1, 120), side=st.sampled_from([1, 16, 64, 1280]), data=st.data())
def test_boxes_are_inside_any_image(
    detector: FaceDetector, sample: ImageArray, width: int, height: int, side: int, data: st.DataObject
) -> None:
    """The image is a part of the sample, so that faces cross its edges."""
    x, y = data.draw(st.integers(0, 511 - width)), data.draw(st.integers(0, 511 - height))
    image = np.ascontiguousarray(sample[y : y + height, x : x + width])
    check_faces(detector.detect(image, 0.05, side), image)


# ------------------------------------------------------------------ the face of the sample


def test_face_of_the_sample_is_found(detector: FaceDetector, sample: ImageArray, sample_face: Box) -> None:
    before = sample.copy()
    faces = detector.detect(sample, 0.6, 1280)
    check_faces(faces, sample)
    assert best_iou(faces, sample_face) > 0.5
    np.testing.assert_array_equal(sample, before)


@pytest.mark.parametrize(("x", "y"), [(0.5, 0.5), (1.5, 1.5), (2, 2), (0.75, 0.9)])
def test_face_is_found_at_every_scale(
    detector: FaceDetector, sample: ImageArray, sample_face: Box, x: float, y: float
) -> None:
    part = sample[: round(sample_face.y2) + 60, : round(sample_face.x2) + 60]
    image = cv2.resize(part, None, fx=x, fy=y, interpolation=cv2.INTER_AREA if x < 1 else cv2.INTER_CUBIC)
    faces = detector.detect(image, 0.5, 1280)
    check_faces(faces, image)
    assert best_iou(faces, scaled(sample_face, x, y)) > 0.5


@pytest.mark.parametrize("side", [300, 400, 512, 5000])
def test_boxes_are_in_pixels_of_the_original_image(
    detector: FaceDetector, sample: ImageArray, sample_face: Box, side: int
) -> None:
    assert best_iou(detector.detect(sample, 0.5, side), sample_face) > 0.5


def test_boxes_of_a_wide_image_are_scaled_correctly(
    detector: FaceDetector, sample: ImageArray, sample_face: Box
) -> None:
    """The face is at the right end, where a wrong factor causes the largest error."""
    wide = np.zeros((512, 3000, 3), np.uint8)
    wide[:, -512:] = sample
    expected_box = Box(sample_face.x1 + 2488, sample_face.y1, sample_face.x2 + 2488, sample_face.y2)
    assert best_iou(detector.detect(wide, 0.5, 1500), expected_box) > 0.5


def test_face_is_found_in_the_mirrored_image(detector: FaceDetector, sample: ImageArray, sample_face: Box) -> None:
    mirrored = np.ascontiguousarray(sample[:, ::-1])
    expected_box = Box(512 - sample_face.x2, sample_face.y1, 512 - sample_face.x1, sample_face.y2)
    assert best_iou(detector.detect(mirrored, 0.5, 1280), expected_box) > 0.5


def test_face_is_found_in_a_gray_image(detector: FaceDetector, sample: ImageArray, sample_face: Box) -> None:
    gray = np.repeat(cv2.cvtColor(sample, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    assert best_iou(detector.detect(gray, 0.5, 1280), sample_face) > 0.5


def test_detection_does_not_depend_on_earlier_images(detector: FaceDetector, sample: ImageArray) -> None:
    first = detector.detect(sample, 0.5, 1280)
    detector.detect(rotate(sample[:100], 90), 0.9, 64)
    assert detector.detect(sample, 0.5, 1280) == first


@pytest.mark.parametrize(("copies", "faces"), [(1, 1), (8, 8)])
def test_several_faces_are_found(detector: FaceDetector, copies: int, faces: int) -> None:
    found = detector.detect(make_frame(copies), SURE, 640)
    check_faces(found, make_frame(copies))
    assert len(found) >= faces if detector.needs_verification else len(found) == faces


# ------------------------------------------------------------------ single detectors


def test_haar_gives_unverified_candidates(sample: ImageArray) -> None:
    haar = HaarCascade()
    assert haar.needs_verification
    faces = haar.detect(sample, 0.0, 1280)
    assert faces
    assert faces == haar.detect(sample, 1.0, 1280)  # the threshold applies to the classifier
    assert {face.detection_score for face in faces} == {1.0}
    assert {face.landmarks for face in faces} == {None}


def test_missing_cascade_file_is_an_error(sample: ImageArray) -> None:
    with pytest.raises(ModelError, match=r"came without no-such\.xml; install"):
        HaarCascade("no-such.xml").detect(sample, 0.5, 1280)


@pytest.mark.parametrize("content", [b"", b"no network", bytes(1000)])
def test_invalid_yunet_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "yunet.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=re.escape(f"The YuNet file {path} cannot be read")):
        YuNet(path)


@pytest.mark.parametrize("edge", ["left", "top", "right", "bottom"])
def test_box_of_a_face_over_the_edge_ends_at_the_edge(
    network: FaceDetector, sample: ImageArray, sample_face: Box, edge: str
) -> None:
    """The networks predict boxes that continue outside the image."""
    x, y = (round(n) for n in sample_face.center)
    windows = {
        "left": np.s_[:, x - 15 :],
        "top": np.s_[y - 15 :],
        "right": np.s_[:, : x + 15],
        "bottom": np.s_[: y + 15],
    }
    image = np.ascontiguousarray(sample[windows[edge]])
    faces = network.detect(image, 0.2, 1280)
    check_faces(faces, image)
    height, width = image.shape[:2]
    sides = {
        "left": lambda b: b.x1 < 2,
        "top": lambda b: b.y1 < 2,
        "right": lambda b: b.x2 > width - 2,
        "bottom": lambda b: b.y2 > height - 2,
    }
    assert any(sides[edge](face.box) for face in faces)


def test_higher_threshold_finds_fewer_faces(network: FaceDetector, sample: ImageArray) -> None:
    counts = [len(network.detect(sample, threshold, 1280)) for threshold in (0.05, 0.3, SURE, 0.99)]
    assert counts == sorted(counts, reverse=True)
    assert counts[2] == 1
    assert counts[0] > counts[3]


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_landmarks_are_in_pixels_of_the_original_image(
    network: FaceDetector, sample: ImageArray, sample_face: Box, factor: float
) -> None:
    """The right eye of the person is on the left of the image."""
    (face,) = network.detect(sample, SURE, round(512 * factor))
    points = face.landmarks
    assert points is not None
    assert points.right_eye[0] < points.nose[0] < points.left_eye[0]
    assert points.mouth_right[0] < points.mouth_left[0]
    assert max(points.right_eye[1], points.left_eye[1]) < points.nose[1] < points.mouth_left[1]
    for x, y in (points.right_eye, points.left_eye, points.nose, points.mouth_right, points.mouth_left):
        assert sample_face.x1 < x < sample_face.x2
        assert sample_face.y1 < y < sample_face.y2
    assert abs(points.roll_degrees) < 15
    assert abs(points.yaw_ratio) < 0.35


def test_landmarks_have_the_direction_of_the_roll(network: FaceDetector, sample: ImageArray, sample_face: Box) -> None:
    """Only the direction: the points of YuNet follow a roll of 40 degrees by at most a quarter."""
    rolls = []
    for degrees in (-40, 40):
        rotation = cv2.getRotationMatrix2D(sample_face.center, -degrees, 1.0)  # OpenCV rotates counterclockwise
        (face,) = network.detect(np.asarray(cv2.warpAffine(sample, rotation, (512, 512)), np.uint8), 0.6, 1280)
        assert face.landmarks is not None
        rolls.append(face.landmarks.roll_degrees)
    assert rolls[1] - rolls[0] > 5


def test_face_in_a_thumbnail_is_found(network: FaceDetector, sample: ImageArray, sample_face: Box) -> None:
    x1, y1, x2, y2 = sample_face.expand(1.3).to_int_xyxy()
    thumbnail = cv2.resize(sample[y1:y2, x1:x2], (30, 30), interpolation=cv2.INTER_AREA)
    faces = network.detect(np.asarray(thumbnail, np.uint8), 0.3, 1280)
    check_faces(faces, np.asarray(thumbnail))
    assert len(faces) == 1


# ------------------------------------------------------------------ real photos, if available


def test_photos_without_faces_have_no_certain_faces(detector: FaceDetector, media: Path) -> None:
    for path in sorted((media / "noface").iterdir()):
        image = read_image(path)
        faces = detector.detect(image, 0.6, 640)
        check_faces(faces, image)
        assert faces == () or detector.needs_verification


@needs_yunet
def test_faces_of_photos_match_the_reference_boxes(yunet: FaceDetector, media: Path) -> None:
    """The reference boxes come from the same network."""
    entries = json.loads((media / "media.json").read_text(encoding="utf-8"))
    photos = {name: row for name, row in entries.items() if name.startswith("photo/azure_d")}
    assert photos
    for name, row in photos.items():
        image = read_image(media / name)
        faces = yunet.detect(image, 0.7, 1280)
        check_faces(faces, image)
        boxes = [Box(x, y, x + w, y + h) for x, y, w, h, _ in row["boxes_yunet"]]
        assert len(faces) == len(boxes)
        assert all(best_iou(faces, box) > 0.8 for box in boxes)
