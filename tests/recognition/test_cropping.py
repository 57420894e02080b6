"""Face crops compared with block means, linear gradients and Pillow's rotation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from emotion.faces import Box, Face, Landmarks
from emotion.recognition.cropping import (
    MIN_ROLL_DEGREES,
    CropGeometry,
    crop_faces,
    crop_square,
    crop_to_image,
    get_roll_correction,
    to_gray,
)

RNG = np.random.default_rng(11)
FULL_BOX = Box(0, 0, 48, 48)


def noise(*shape: int) -> NDArray[np.uint8]:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def eyes(roll: float) -> Landmarks:
    """Return landmarks whose eyes are rolled clockwise by `roll` degrees."""
    x, y = 20 * math.cos(math.radians(roll)), 20 * math.sin(math.radians(roll))
    return Landmarks((50 - x, 50 - y), (50 + x, 50 + y), (50, 60), (45, 70), (55, 70))


# ------------------------------------------------------------------ comparison with other methods


@pytest.mark.parametrize(
    "image",
    [np.zeros((48, 48), np.uint8), np.full((48, 48), 255, np.uint8), noise(48, 48), noise(48, 48, 3)],
    ids=["black", "white", "noise", "color"],
)
def test_crop_of_the_target_size_is_unchanged(image: NDArray[np.uint8]) -> None:
    """The classifier sees the same pixels as in its training images."""
    np.testing.assert_array_equal(crop_square(image, FULL_BOX, 48), image)
    if image.ndim == 2:
        crops = crop_faces(image, (Face(FULL_BOX, 1.0),), CropGeometry(), 48)
        np.testing.assert_array_equal(crops[0], image)


@pytest.mark.parametrize("factor", range(1, 13))
def test_integer_reduction_is_the_mean_of_blocks(factor: int) -> None:
    side = 48 * factor
    image = noise(side + 20, side + 30)
    crop = crop_square(image, Box(13, 7, 13 + side, 7 + side), 48)
    blocks = image[7 : 7 + side, 13 : 13 + side].reshape(48, factor, 48, factor)
    assert np.abs(crop - blocks.mean(axis=(1, 3))).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("size", [16, 47, 48, 64])
@pytest.mark.parametrize("side", [20.0, 30.0, 47.0, 48.0, 55.5, 96.0, 100.7, 140.0])
@pytest.mark.parametrize("roll", [0.0, 17.0, -45.0, 90.0, 180.0])
def test_linear_gradient_is_sampled_at_the_exact_positions(size: int, side: float, roll: float) -> None:
    """An offset of half a pixel or a wrong direction of rotation changes every level."""
    x, y, half = 118.3, 121.8, side / 2
    v, u = (np.mgrid[:size, :size] + 0.5) / size * side - half
    cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    # The level of a pixel is the coordinate of its center; floats, since integers would be rounded.
    rows, columns = np.mgrid[:240, :240].astype(np.float32) + np.float32(0.5)
    for levels, expected in ((columns, x + cos * u - sin * v), (rows, y + sin * u + cos * v)):
        crop = crop_square(levels, Box(x - half, y - half, x + half, y + half), size, roll)
        assert np.abs(crop - expected).max() < 1 / 32


def test_roll_is_corrected(sample: NDArray[np.uint8], sample_face: Box) -> None:
    center = sample_face.center
    expected = crop_square(to_gray(sample), CropGeometry().to_square(sample_face), 48).astype(float)
    for degrees in (-30, 30):
        turned = Image.fromarray(sample).rotate(-degrees, Image.Resampling.BICUBIC, center=center)  # clockwise
        gray = to_gray(np.asarray(turned))
        upright_again = crop_square(gray, CropGeometry().to_square(sample_face), 48, roll_degrees=degrees)
        uncorrected = crop_square(gray, CropGeometry().to_square(sample_face), 48)
        assert np.abs(upright_again - expected).mean() < 3
        assert np.abs(uncorrected - expected).mean() > 20


# ------------------------------------------------------------------ positions of the box

coordinates = st.floats(-3000, 3000, allow_nan=False)


@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    x=coordinates,
    y=coordinates,
    side=st.floats(0.01, 4000),
    roll=st.floats(-180, 180),
    is_color=st.booleans(),
)
def test_crop_of_any_box_contains_only_levels_of_the_image(
    shape: tuple[int, int], x: float, y: float, side: float, roll: float, is_color: bool
) -> None:
    image = np.random.default_rng(shape[0]).integers(50, 200, (*shape, *[3] * is_color), dtype=np.uint8)
    crop = crop_square(image, Box(x, y, x + side, y + side), 48, roll)
    assert (crop.shape, crop.dtype) == ((48, 48, *[3] * is_color), np.uint8)
    assert image.min() <= crop.min() <= crop.max() <= image.max()


@given(
    x=coordinates,
    y=coordinates,
    width=st.floats(0, 2000),
    height=st.floats(0, 2000),
    roll=st.floats(-180, 180),
    scale=st.floats(0.5, 2),
    down=st.floats(-0.5, 0.5),
)
def test_faces_at_any_position_form_a_batch(
    x: float, y: float, width: float, height: float, roll: float, scale: float, down: float
) -> None:
    gray = np.full((40, 30), 90, np.uint8)
    face = Face(Box(x, y, x + width, y + height), 1.0, eyes(roll))
    crops = crop_faces(gray, (face, face), CropGeometry(scale, down), 48)
    assert (crops.shape, crops.dtype) == ((2, 48, 48), np.uint8)
    assert np.all(crops == 90)


@pytest.mark.parametrize(
    ("box", "level"),
    [
        (Box(-100, 5, -50, 55), 10),  # left of the image
        (Box(100, 5, 150, 55), 20),
        (Box(-60, -60, -10, -10), 10),
    ],
)
def test_border_is_repeated_outside_the_image(box: Box, level: int) -> None:
    image = np.repeat(np.uint8([[10, 20]]), 20, axis=1).repeat(60, axis=0)  # (60, 40), left half 10, right half 20
    assert np.all(crop_square(image, box, 48) == level)


def test_box_over_the_edge_is_not_shifted() -> None:
    image = noise(100, 100)
    crop = crop_square(image, Box(-20, 60, 28, 108), 48)
    np.testing.assert_array_equal(crop[:40, 20:], image[60:, :28])
    np.testing.assert_array_equal(crop[:40, :20], np.repeat(image[60:, :1], 20, axis=1))
    np.testing.assert_array_equal(crop[40:], np.repeat(crop[39:40], 8, axis=0))


def test_box_of_one_pixel_is_cropped() -> None:
    image = noise(9, 9)
    crop = crop_square(image, Box(4, 4, 5, 5), 48)
    assert abs(int(crop[24, 24]) - int(image[4, 4])) <= 4
    square = CropGeometry().to_square(Box(4, 4, 4, 4))  # an empty box has a minimum size
    assert (square.width, square.height) == (1, 1)


@given(st.integers(-40, 40), st.integers(-40, 40), st.floats(5, 90))
def test_crop_does_not_depend_on_the_position(dx: int, dy: int, side: float) -> None:
    image = np.random.default_rng(2).integers(0, 256, (260, 260), dtype=np.uint8)
    box = Box(90, 80, 90 + side, 80 + side)
    moved = np.roll(image, (dy, dx), (0, 1))
    moved_box = Box(box.x1 + dx, box.y1 + dy, box.x2 + dx, box.y2 + dy)
    difference = crop_square(moved, moved_box, 48).astype(float) - crop_square(image, box, 48)
    assert np.abs(difference).mean() < 0.2  # float rounding may change single pixels of noise


def test_fine_patterns_do_not_alias() -> None:
    """Stripes of one pixel become gray when they are reduced."""
    stripes = np.tile(np.uint8([0, 255]), (1000, 500))
    for side in (200, 333, 480, 571):
        crop = crop_square(stripes, Box(100.5, 100, 100.5 + side, 100 + side), 48).astype(float)
        assert np.abs(crop - 127.5).max() < 40


# ------------------------------------------------------------------ geometry and roll


@pytest.mark.parametrize(
    ("geometry", "box", "square"),
    [
        (CropGeometry(), Box(0, 0, 0, 0), Box(-0.5, -0.5, 0.5, 0.5)),
        (CropGeometry(), Box(10, 10, 30, 30), Box(10, 10, 30, 30)),
        (CropGeometry(), Box(10, 10, 50, 20), Box(20, 5, 40, 25)),  # the same area around the same center
        (CropGeometry(1.5), Box(10, 10, 30, 30), Box(5, 5, 35, 35)),
        (CropGeometry(1.0, 0.1), Box(10, 10, 30, 30), Box(10, 12, 30, 32)),  # a positive shift moves down
        (CropGeometry(2.0, -0.25), Box(10, 10, 30, 30), Box(0, -10, 40, 30)),
    ],
)
def test_square_has_the_geometry_of_the_training(geometry: CropGeometry, box: Box, square: Box) -> None:
    actual = geometry.to_square(box)
    assert (actual.x1, actual.y1, actual.x2, actual.y2) == pytest.approx((square.x1, square.y1, square.x2, square.y2))


@pytest.mark.parametrize(
    ("landmarks", "roll"),
    [
        (None, 0),
        (eyes(0), 0),
        (eyes(MIN_ROLL_DEGREES - 0.1), 0),
        (eyes(-MIN_ROLL_DEGREES + 0.1), 0),
        (eyes(MIN_ROLL_DEGREES + 0.1), MIN_ROLL_DEGREES + 0.1),
        (eyes(-40), -40),
        (eyes(170), 170),
    ],
)
def test_roll_correction_ignores_small_angles(landmarks: Landmarks | None, roll: float) -> None:
    assert get_roll_correction(landmarks) == pytest.approx(roll)


def test_no_faces_give_an_empty_batch() -> None:
    crops = crop_faces(noise(20, 20), (), CropGeometry(), 48)
    assert (crops.shape, crops.dtype) == ((0, 48, 48), np.uint8)


def test_batch_consists_of_single_crops() -> None:
    gray, geometry = noise(120, 160), CropGeometry(1.2, 0.05)
    faces = tuple(
        Face(Box(x, y, x + w, y + w), 1.0, landmarks)
        for x, y, w, landmarks in ((0, 0, 30, None), (50, 40, 60, eyes(5)), (90, 10, 25, eyes(40)))
    )
    crops = crop_faces(gray, faces, geometry, 32)
    for crop, face, roll in zip(crops, faces, (0, 0, 40), strict=True):
        np.testing.assert_array_equal(crop, crop_square(gray, geometry.to_square(face.box), 32, roll))


# ------------------------------------------------------------------ gray levels


def test_gray_has_the_standard_weights_of_rgb() -> None:
    image = noise(20, 30, 3)
    expected = image @ np.array([0.299, 0.587, 0.114])
    assert np.abs(to_gray(image) - expected).max() <= 0.5 + 0.01
    gray = noise(20, 30)
    assert to_gray(gray) is gray
    np.testing.assert_array_equal(to_gray(np.repeat(gray[..., None], 3, axis=2)), gray)


def test_cropping_does_not_change_the_image(sample: NDArray[np.uint8], sample_face: Box) -> None:
    before = sample.copy()
    crop_faces(to_gray(sample), (Face(sample_face, 1.0),), CropGeometry(), 48)
    crop_square(sample, sample_face, 48)
    np.testing.assert_array_equal(sample, before)


@pytest.mark.parametrize("roll", [0.0, 30.0, -75.0, 180.0])
def test_points_of_a_crop_are_mapped_to_where_their_pixels_came_from(roll: float) -> None:
    image = np.zeros((200, 300), np.uint8)
    image[80:89, 150:159] = 255
    square = Box(110, 50, 190, 130)
    y, x = np.argwhere(crop_square(image, square, 80, roll) > 128).mean(0) + 0.5
    mapped = crop_to_image(np.array([[x / 80, y / 80]]), square, roll)
    np.testing.assert_allclose(mapped, [[154.5, 84.5]], atol=0.3)
