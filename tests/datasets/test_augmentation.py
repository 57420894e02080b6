"""Augmented images: shape and type, ranges of every change, and reproducibility."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.datasets.augmentation import (
    NO_AUGMENTATION,
    Augmentation,
    augment,
    augment_with_transforms,
    scale_augmentation,
)
from tests.training.making import UNCHANGED, random_images

COUNT = 300
SHARE = st.floats(0, 1)
AMOUNTS = st.builds(
    Augmentation,
    shift=st.floats(0, 0.5),
    min_scale=st.floats(0.5, 1),
    max_scale=st.floats(1, 2),
    rotation=st.floats(0, 180),
    brightness=st.floats(0, 255),
    contrast=SHARE,
    gamma=st.floats(0, 2),
    erase_prob=SHARE,
    blur_prob=SHARE,
    noise_prob=SHARE,
    jpeg_prob=SHARE,
    low_resolution_prob=SHARE,
)


def change(images: NDArray[np.uint8], amount: Augmentation, size: int = 48, seed: int = 0) -> NDArray[np.uint8]:
    return augment(images, size, np.zeros(len(images), bool), amount, np.random.default_rng(seed))


def draw_dots(*centers: tuple[int, int]) -> NDArray[np.uint8]:
    """`COUNT` equal black images with a soft white dot at each (x, y)."""
    y, x = np.mgrid[:48, :48]
    near = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8) for px, py in centers)
    return np.repeat((255 * near).astype(np.uint8)[None], COUNT, axis=0)


def locate_dot(image: NDArray[np.uint8], left: int = 0, right: int = 48) -> NDArray[np.float64]:
    """The center (x, y) of the white in the columns `left` to `right`."""
    y, x = np.mgrid[:48, left:right]
    weights = image[:, left:right].astype(float)
    return np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()


@given(
    count=st.integers(0, 5), size=st.integers(8, 64), amount=AMOUNTS, seed=st.integers(0, 2**63), flips=st.integers(0)
)
def test_output_has_shape_and_type_and_depends_only_on_the_seed(
    count: int, size: int, amount: Augmentation, seed: int, flips: int
) -> None:
    images = random_images(count)
    flip = np.array([flips >> i & 1 for i in range(count)], bool)
    out = augment(images, size, flip, amount, np.random.default_rng(seed))
    assert out.dtype == np.uint8
    assert out.shape == (count, size, size)
    np.testing.assert_array_equal(images, random_images(count))
    assert augment(images, size, flip, amount, np.random.default_rng(seed)).tobytes() == out.tobytes()


def test_every_seed_and_every_image_of_a_batch_changes_differently() -> None:
    same = np.repeat(random_images(1), 20, axis=0)
    out = change(same, Augmentation())
    assert len({image.tobytes() for image in (*out, *change(same, Augmentation(), seed=1), same[0])}) == 41


@given(flips=st.lists(st.booleans(), min_size=1, max_size=6))
def test_without_amounts_images_are_only_mirrored(flips: list[bool]) -> None:
    images = random_images(len(flips))
    out = augment(images, 48, np.array(flips), UNCHANGED, np.random.default_rng(0))
    for before, after, flip in zip(images, out, flips, strict=True):
        np.testing.assert_array_equal(after, before[:, ::-1] if flip else before)


@pytest.mark.parametrize("size", [32, 40, 64])
def test_resampling_keeps_the_edges_of_the_image(size: int) -> None:
    ramp = np.tile(np.arange(48, dtype=np.uint8) * 5, (48, 1))
    out = change(np.stack([ramp, ramp.T]), UNCHANGED, size)
    expected = ((np.arange(size) + 0.5) * 48 / size - 0.5) * 5  # edges of pixels, not their centers, coincide
    for row in (*out[0], *out[1].T):
        np.testing.assert_allclose(row[1:-1], expected[1:-1], atol=1)


def test_shift_reaches_its_limit_in_both_directions() -> None:
    out = change(draw_dots((24, 24)), replace(UNCHANGED, shift=0.1))
    moves = np.array([locate_dot(image) for image in out]) - 24
    assert np.abs(moves).max() <= 4.8 + 0.2
    assert (moves.max(0) > 4).all()
    assert (moves.min(0) < -4).all()


def test_scale_stays_in_its_range() -> None:
    out = change(draw_dots((16, 24), (31, 24)), replace(UNCHANGED, min_scale=0.8, max_scale=1.5))
    gaps = np.array([locate_dot(image, 24)[0] - locate_dot(image, 0, 24)[0] for image in out]) / 15
    assert 0.78 < gaps.min() < 0.84
    assert 1.42 < gaps.max() < 1.53
    assert np.median(gaps) == pytest.approx(np.sqrt(0.8 * 1.5), abs=0.05)  # uniform in the logarithm


@pytest.mark.parametrize("limit", [5, 30])
def test_rotation_reaches_its_limit_in_both_directions_around_the_center(limit: float) -> None:
    out = change(draw_dots((12, 24), (35, 24)), replace(UNCHANGED, rotation=limit))
    gaps = np.array([locate_dot(image, 24) - locate_dot(image, 0, 24) for image in out])
    angles = np.degrees(np.arctan2(gaps[:, 1], gaps[:, 0]))
    assert limit * 0.9 < angles.max() < limit + 0.5
    assert -limit - 0.5 < angles.min() < -limit * 0.9
    np.testing.assert_allclose(np.hypot(*gaps.T), 23, atol=0.5)


def test_brightness_is_added_to_every_pixel() -> None:
    gray = np.clip(random_images(1), 60, 190).repeat(COUNT, axis=0)
    difference = change(gray, replace(UNCHANGED, brightness=30)).astype(int) - gray
    assert (np.ptp(difference, axis=(1, 2)) == 0).all()
    assert difference.min() in (-30, -29)
    assert difference.max() in (28, 29, 30)


def test_contrast_and_gamma_keep_the_order_of_gray_levels() -> None:
    ramp = np.repeat(np.arange(2304).reshape(1, 48, 48) // 9, COUNT, axis=0).astype(np.uint8)
    contrast = change(ramp, replace(UNCHANGED, contrast=0.3))
    gamma = change(ramp, replace(UNCHANGED, gamma=0.5))
    for out in (contrast, gamma):
        assert (np.diff(out.reshape(COUNT, -1).astype(int), axis=1) >= 0).all()
    middle = np.abs(ramp[0].astype(int) - 128) < 1
    assert set(contrast[:, middle].ravel()) == {128}
    quarter = contrast[:, ramp[0] == 28][:, 0].astype(int) - 128  # 100 below the center
    assert -130 <= quarter.min() < -126
    assert -74 < quarter.max() <= -70
    np.testing.assert_array_equal(gamma[:, ramp[0] == 255], 255)
    np.testing.assert_array_equal(gamma[:, ramp[0] == 0], 0)
    half = np.log(gamma[:, ramp[0] == 128][:, 0] / 255) / np.log(128 / 255)  # the exponents
    assert np.exp(-0.52) < half.min() < 0.65
    assert 1.55 < half.max() < np.exp(0.52)


def test_erasing_fills_one_box_with_one_gray() -> None:
    image = random_images(1)
    out = change(image.repeat(COUNT, axis=0), replace(UNCHANGED, erase_prob=1))
    shares, grays = [], set()
    for after in out:
        y, x = np.nonzero(after != image[0])
        box = after[y.min() : y.max() + 1, x.min() : x.max() + 1]
        assert np.ptp(box) == 0
        shares.append(box.size / after.size)
        grays.add(int(box[0, 0]))
    assert 0.015 < min(shares) < 0.05
    assert 0.2 < max(shares) < 0.27
    assert len(grays) > 100


@pytest.mark.parametrize("name", ["erase_prob", "blur_prob", "noise_prob", "jpeg_prob", "low_resolution_prob"])
def test_probability_is_the_share_of_changed_images(name: str) -> None:
    images = random_images(COUNT)
    for share in (0.0, 0.3, 1.0):
        out = change(images, replace(UNCHANGED, **{name: share}))
        changed_share = (out != images).any(axis=(1, 2)).mean()
        assert abs(changed_share - share) < (0.1 if share == 0.3 else 1e-9)


def test_blur_and_low_resolution_remove_detail_and_noise_adds_it() -> None:
    def detail(images: NDArray[np.uint8]) -> float:
        return float(np.abs(np.diff(images.astype(float), axis=2)).mean())

    images = random_images(50)
    assert detail(change(images, replace(UNCHANGED, blur_prob=1))) < detail(images) * 0.8
    assert detail(change(images, replace(UNCHANGED, low_resolution_prob=1))) < detail(images) * 0.8
    flat = np.full((50, 48, 48), 128, np.uint8)
    noisy = change(flat, replace(UNCHANGED, noise_prob=1)).astype(float)
    assert 3 <= noisy.std(axis=(1, 2)).min() < 5 < 13 < noisy.std(axis=(1, 2)).max() <= 16
    assert abs(noisy.mean() - 128) < 1


def test_transforms_lead_back_to_the_pixels_of_the_image() -> None:
    amount = replace(UNCHANGED, shift=0.1, min_scale=0.8, max_scale=1.2, rotation=60)
    images = draw_dots((24, 30))[:20]
    flip = np.arange(20) % 2 == 0
    changed, transforms = augment_with_transforms(list(images), 48, flip, amount, np.random.default_rng(1))
    y, x = np.mgrid[:48, :48]
    weights = changed.astype(float) / changed.sum((1, 2), keepdims=True, dtype=float)
    centers = np.stack([(weights * x).sum((1, 2)), (weights * y).sum((1, 2)), np.ones(20)], axis=1)
    sources = np.einsum("nij,nj->ni", transforms, centers)
    np.testing.assert_allclose(sources, np.tile([24, 30], (20, 1)), atol=0.5)


def test_changes_do_not_depend_on_whether_transforms_are_asked_for() -> None:
    images, flip = random_images(5), np.zeros(5, bool)
    plain = augment(images, 48, flip, Augmentation(), np.random.default_rng(2))
    changed, _ = augment_with_transforms(images, 48, flip, Augmentation(), np.random.default_rng(2))
    np.testing.assert_array_equal(plain, changed)


def test_the_strength_scales_all_amounts() -> None:
    full = Augmentation()
    assert scale_augmentation(full, 0) == NO_AUGMENTATION
    assert scale_augmentation(full, 1) == full
    half = scale_augmentation(full, 0.5)
    assert (half.rotation, half.erase_prob) == (full.rotation / 2, full.erase_prob / 2)
    assert full.min_scale < half.min_scale < 1 < half.max_scale < full.max_scale


def test_a_probability_ends_at_one() -> None:
    assert scale_augmentation(Augmentation(), 5).erase_prob == 1
