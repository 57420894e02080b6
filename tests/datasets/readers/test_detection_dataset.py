"""Annotated photos: reading them, damaged annotations, the validation split, and the common style of boxes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from emotion.datasets.readers.detection_dataset import (
    LOOSE_BOX_SOURCES,
    VALIDATION_STRIDE,
    AnnotatedImage,
    load_annotated_images,
    normalize_box_style,
)
from emotion.errors import DataError, EmotionError, ImageError
from tests.training.making import annotated_photo, write_annotated, write_image

TEN = [11, 12, 21, 12, 16, 17, 12, 22, 20, 22]


def entry(**changes: Any) -> dict[str, Any]:
    """The annotation of a photo with one face and its landmarks."""
    face = {"source": "wider", "state": "gt", "boxes": [[8, 6, 16, 20]], "landmarks": [TEN], "ignore": []}
    return face | changes


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in entry().items() if name not in names}


def get_error(folder: Path, text: str | bytes) -> str:
    """The message of the error for `train.json` with that content, beside a valid photo."""
    write_image(folder / "train" / "a.png", np.zeros((40, 50, 3), np.uint8))
    (folder / "train.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as caught:
        load_annotated_images(folder, "train")
    return str(caught.value)


def test_photos_and_annotations_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    images = {name: rng.integers(0, 256, (30 + i, 40, 3)).astype(np.uint8) for i, name in enumerate(("b", "a", "c"))}
    entries = {
        "b.png": entry(boxes=[[1, 2, 3, 4.5], [10, 20, 30, 40]], landmarks=[None, TEN], ignore=[[0, 1, 5, 6]]),
        "a.png": entry(state="pseudo", source="karan", score=[0.9], width=40),
        "c.png": entry(state="negative", source="houses", boxes=[], landmarks=[]),
    }
    for name, image in images.items():
        write_image(tmp_path / "eval" / f"{name}.png", image[..., ::-1])  # OpenCV writes BGR
    (tmp_path / "eval.json").write_text(json.dumps(entries))
    photos = load_annotated_images(tmp_path, "eval")
    assert [(photo.name, photo.source, photo.is_hand_labeled) for photo in photos] == [
        ("a.png", "karan", False),
        ("b.png", "wider", True),
        ("c.png", "houses", False),
    ]
    for photo in photos:
        np.testing.assert_array_equal(photo.image, images[photo.name[0]])
        assert {photo.boxes.dtype, photo.landmarks.dtype, photo.ignore_boxes.dtype} == {np.dtype(np.float32)}
    _, two, none = photos
    np.testing.assert_array_equal(two.boxes, [[1, 2, 4, 6.5], [10, 20, 40, 60]])
    np.testing.assert_array_equal(two.ignore_boxes, [[0, 1, 5, 7]])
    assert np.isnan(two.landmarks[0]).all()
    np.testing.assert_array_equal(two.landmarks[1], np.reshape(TEN, (5, 2)))
    assert (none.boxes.shape, none.landmarks.shape, none.ignore_boxes.shape) == ((0, 4), (0, 5, 2), (0, 4))


def test_annotations_written_by_the_test_helper_are_read_back(tmp_path: Path) -> None:
    photos = [annotated_photo(f"{i}.png", faces=i % 3, seed=i) for i in range(4)]
    write_annotated(tmp_path, "train", photos)
    for loaded, photo in zip(load_annotated_images(tmp_path, "train"), photos, strict=True):
        np.testing.assert_array_equal(loaded.image, photo.image)
        np.testing.assert_allclose(loaded.boxes, photo.boxes, atol=1e-4)
        np.testing.assert_allclose(loaded.landmarks, photo.landmarks, atol=1e-4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[1, 2]",
        '"a.png"',
        b"\xff\xfe{}",
        '{"a.png": null}',
        '{"a.png": []}',
        '{"a.png": "wider"}',
    ],
)
def test_damaged_json_is_refused_in_one_line(tmp_path: Path, text: str | bytes) -> None:
    message = get_error(tmp_path, text)
    assert "train.json is damaged (" in message
    assert message.endswith("expected boxes and landmarks by file name.")
    assert "\n" not in message


@pytest.mark.parametrize(
    "annotation",
    [
        without("boxes"),
        without("landmarks"),
        without("ignore"),
        without("source"),
        without("state"),
        entry(boxes=None),
        entry(boxes={}),
        entry(boxes=[[1, 2, 3]]),
        entry(boxes=[[1, 2, 3, 4, 5]]),
        entry(boxes=[[1, 2, 3, 4], [1, 2, 3]]),
        entry(boxes=[[1, 2], [3, 4]]),
        entry(boxes=[[1, 2, None, 4]]),
        entry(boxes=[[1, 2, "wide", 4]]),
        entry(boxes=[[1, 2, 10**400, 4]]),
        entry(landmarks=None),
        entry(landmarks=[]),
        entry(landmarks=[None, None]),
        entry(landmarks=[TEN[:9]]),
        entry(landmarks=[[*TEN, 1]]),
        entry(landmarks=[TEN[:5], TEN[5:]]),
        entry(landmarks=[["here"] * 10]),
        entry(ignore=None),
        entry(ignore=[[1, 2, 3]]),
    ],
    ids=lambda annotation: str({k: v for k, v in annotation.items() if v != entry()[k]} or sorted(annotation))[:60],
)
def test_invalid_annotation_is_refused_in_one_line(tmp_path: Path, annotation: dict) -> None:
    message = get_error(tmp_path, json.dumps({"a.png": annotation}))
    assert "train.json is damaged (" in message
    assert "\n" not in message


def test_missing_or_empty_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^There is no train\.json in .*; give a folder of annotated photos\.$"):
        load_annotated_images(tmp_path, "train")
    assert get_error(tmp_path, "{}").endswith("train.json names no photo; expected at least one.")


def test_error_names_the_missing_or_damaged_photo(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train.json").write_text(json.dumps({"gone.png": entry()}))
    for content, message in ((None, "was not found"), (b"\x89PNG\r\n\x1a\n", "damaged|not a complete image")):
        if content is not None:
            (tmp_path / "train" / "gone.png").write_bytes(content)
        with pytest.raises(EmotionError, match=rf'^"gone\.png" .*({message})[^\n]*\.$'):
            load_annotated_images(tmp_path, "train")


def empty_photo(name: str, source: str = "wider") -> AnnotatedImage:
    return annotated_photo(name, source=source, faces=0, size_wh=(1, 1))


def crc32(text: bytes) -> int:
    """Bit by bit, after the definition."""
    crc = 0xFFFFFFFF
    for byte in text:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_validation_split_depends_only_on_source_and_name() -> None:
    """A hash of the process or of the Python version would move training photos into the validation split."""
    validation = [n for n in range(200) if empty_photo(f"{n}.png").is_validation]
    assert validation == [n for n in range(200) if crc32(f"wider/{n}.png".encode()) % VALIDATION_STRIDE == 0]
    assert validation != [n for n in range(200) if empty_photo(f"{n}.png", "macwin").is_validation]


@pytest.mark.parametrize("source", ["wider", "fddb_sy32", "houses"])
def test_about_a_sixteenth_is_in_the_validation_split(source: str) -> None:
    count = sum(empty_photo(f"{i:05d}.webp", source).is_validation for i in range(4000))
    # Four standard deviations of a random choice.
    assert abs(count - 4000 / VALIDATION_STRIDE) < 4 * math.sqrt(4000 / VALIDATION_STRIDE)


def random_landmarks(count: int, seed: int) -> NDArray[np.float32]:
    """Landmarks (count, 5, 2) of faces of many sizes, positions and rotations."""
    rng = np.random.default_rng(seed)
    shape = np.array([[-1, -1], [1, -1], [0, 0], [-0.8, 1], [0.8, 1]]) + rng.normal(0, 0.15, (count, 5, 2))
    angle = rng.uniform(-0.5, 0.5, count)
    rotation = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1).reshape(-1, 2, 2)
    placed = shape @ rotation * rng.uniform(3, 60, (count, 1, 1)) + rng.uniform(0, 300, (count, 1, 2))
    return placed.astype(np.float32)


def box_by_rule(points: NDArray, rule: NDArray) -> NDArray[np.float32]:
    """Boxes whose corners are weighted sums of the landmarks; the weights sum to 1, so that a box moves and scales
    with the face."""
    return np.concatenate([np.einsum("p,npc->nc", rule[corner], points) for corner in (0, 1)], axis=1)


rules = st.lists(st.floats(-2, 2), min_size=8, max_size=8).map(
    lambda w: np.array([[*w[:4], 1 - sum(w[:4])], [*w[4:], 1 - sum(w[4:])]])
)


def photo_of(source: str, truth: bool, boxes: NDArray, landmarks: NDArray) -> AnnotatedImage:
    ignore = np.array([[1, 2, 3, 4]], np.float32)
    return AnnotatedImage("a.png", source, truth, np.zeros((4, 4, 3), np.uint8), boxes, landmarks, ignore)


@given(rule=rules, seed=st.integers(0, 999), source=st.sampled_from(LOOSE_BOX_SOURCES))
def test_loose_boxes_are_redrawn_by_the_rule_of_the_reference_boxes(rule: NDArray, seed: int, source: str) -> None:
    points = random_landmarks(80, seed)
    reference = [
        photo_of("karan", False, box_by_rule(points[i : i + 4], rule), points[i : i + 4]) for i in range(0, 60, 4)
    ]
    loose = photo_of(source, True, np.zeros((20, 4), np.float32), points[60:])
    *before, redrawn = normalize_box_style([*reference, loose])
    size = np.abs(points[60:]).max() * (1 + np.abs(rule).sum())
    np.testing.assert_allclose(redrawn.boxes, box_by_rule(points[60:], rule), atol=1e-4 * size)
    assert redrawn.boxes.dtype == np.float32
    np.testing.assert_array_equal(loose.boxes, 0)  # the argument is not changed
    assert all(photo is other for photo, other in zip(before, reference, strict=True))


def test_only_loose_hand_drawn_boxes_with_landmarks_are_redrawn() -> None:
    points = random_landmarks(30, 3)
    rule = np.array([[0.9, -0.2, 0.1, 0.1, 0.1], [-0.5, 0.5, 0.2, 0.2, 0.6]])
    reference = photo_of("karan", False, box_by_rule(points, rule), points)
    half_known = points[:4].copy()
    half_known[1] = np.nan
    half_known[2, 4, 1] = np.nan  # incomplete landmarks count as unknown
    boxes = np.full((4, 4), 7, np.float32)
    photos = [
        reference,
        photo_of("wider", True, boxes, points[:4]),  # not a loose source
        photo_of("macwin", False, box_by_rule(points[:4], rule), points[:4]),  # drawn by a detector
        photo_of("macwin", True, boxes, np.full((4, 5, 2), np.nan, np.float32)),
        photo_of("macwin", True, boxes[:0], points[:0]),
        photo_of("macwin", True, boxes, half_known),
    ]
    result = normalize_box_style(photos)
    for photo, other in zip(result[:5], photos[:5], strict=True):
        assert photo is other
    np.testing.assert_array_equal(result[5].boxes[[1, 2]], boxes[[1, 2]])
    np.testing.assert_allclose(result[5].boxes[[0, 3]], box_by_rule(points[[0, 3]], rule), atol=0.05)
    assert (result[5].name, result[5].source, result[5].is_hand_labeled) == ("a.png", "macwin", True)
    assert result[5].ignore_boxes is photos[5].ignore_boxes
    assert result[5].landmarks is photos[5].landmarks


def test_boxes_stay_without_reference_boxes() -> None:
    points = random_landmarks(3, 1)
    loose = photo_of("macwin", True, np.array([[1, 2, 30, 40]] * 3, np.float32), points)
    unknown = photo_of("karan", False, loose.boxes, np.full_like(points, np.nan))
    empty = photo_of("houses", False, loose.boxes[:0], points[:0])
    assert normalize_box_style([]) == []
    for others in ([], [empty], [unknown]):
        result = normalize_box_style([*others, loose])
        np.testing.assert_array_equal(result[-1].boxes, loose.boxes)


def test_unreadable_json_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "train.json").mkdir()
    with pytest.raises(DataError, match=r"train\.json cannot be read \(.+\); check the file and its permissions"):
        load_annotated_images(tmp_path, "train")


def test_photo_too_large_for_its_boxes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    Image.new("L", (8160, 6144), 99).save(tmp_path / "train" / "a.jpg")
    (tmp_path / "train.json").write_text(json.dumps({"a.jpg": entry()}))
    with pytest.raises(ImageError, match="at most 40 million pixels"):
        load_annotated_images(tmp_path, "train")
