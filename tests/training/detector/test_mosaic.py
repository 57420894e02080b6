"""Mosaics: boxes, landmarks and ignored regions follow the pixels, for every photo and seed."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotion.datasets.readers.detection_dataset import AnnotatedImage
from emotion.training.detector.mosaic import MosaicConfig, TrainingImage, compose_mosaic
from tests.training.making import annotated_photo

PLAIN = MosaicConfig(
    image_size=160,
    mosaic_prob=0,
    rotation_prob=0,
    grayscale_prob=0,
    blur_prob=0,
    noise_prob=0,
    jpeg_prob=0,
    occlusion_prob=0,
)
MIRRORED = [1, 0, 2, 4, 3]  # right and left change places

seeds = st.integers(0, 2**32 - 1)
configs = st.builds(
    MosaicConfig,
    image_size=st.sampled_from([64, 96, 160]),
    mosaic_prob=st.sampled_from([0.0, 0.5, 1.0]),
    rotation_prob=st.sampled_from([0.0, 1.0]),
    occlusion_prob=st.sampled_from([0.0, 1.0]),
    grayscale_prob=st.sampled_from([0.0, 1.0]),
    blur_prob=st.sampled_from([0.0, 1.0]),
    noise_prob=st.sampled_from([0.0, 1.0]),
    jpeg_prob=st.sampled_from([0.0, 1.0]),
)


@st.composite
def photos(draw: st.DrawFn, least_faces: int = 0) -> AnnotatedImage:
    """Any photo: from one pixel to long strips, faces anywhere, also beyond its edges, some landmarks unknown."""
    rng = np.random.default_rng(draw(seeds))
    height, width = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    faces, ignored = draw(st.integers(least_faces, 4)), draw(st.integers(0, 2))
    middles = rng.uniform(0, 1, (faces + ignored, 2)) * [width, height]
    halves = np.exp(rng.uniform(np.log(2), np.log(80), (faces + ignored, 1))) * rng.uniform(0.7, 1.3, (1, 2))
    boxes = np.concatenate([middles - halves, middles + halves], axis=1).astype(np.float32)
    landmarks = (middles[:faces, None] + rng.uniform(-1, 1, (faces, 5, 2)) * halves[:faces, None]).astype(np.float32)
    landmarks[rng.random(faces) < draw(st.sampled_from([0, 0.5]))] = np.nan
    pixels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    pixels.flags.writeable = False
    return AnnotatedImage("a.png", "wider", True, pixels, boxes[:faces], landmarks, boxes[faces:])


def scene_of(photo: AnnotatedImage, config: MosaicConfig, seed: int) -> TrainingImage:
    cv2.setRNGSeed(seed % 2**31)  # of its noise
    return compose_mosaic(photo, [photo], config, np.random.default_rng(seed))


# --- of every scene ----------------------------------------------------------------------------------------


def check_scene(scene: TrainingImage, config: MosaicConfig) -> None:
    side, faces = config.image_size, len(scene.boxes)
    assert scene.image.shape == (side, side, 3)
    assert scene.image.dtype == np.uint8
    assert (scene.boxes.shape, scene.landmarks.shape) == ((faces, 4), (faces, 5, 2))
    assert scene.ignore.shape == (len(scene.ignore), 4)
    assert {scene.boxes.dtype, scene.landmarks.dtype, scene.ignore.dtype} == {np.dtype(np.float32)}
    for boxes in (scene.boxes, scene.ignore):
        assert (boxes >= 0).all()
        assert (boxes <= side).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
    for x1, y1, x2, y2 in scene.boxes.tolist():
        assert (x2 - x1) * (y2 - y1) >= config.min_face_px**2 * (1 - 1e-4)


@given(photo=photos(), others=st.lists(photos(), min_size=1, max_size=3), config=configs, seed=seeds)
def test_every_scene_is_whole(
    photo: AnnotatedImage, others: list[AnnotatedImage], config: MosaicConfig, seed: int
) -> None:
    check_scene(compose_mosaic(photo, others, config, np.random.default_rng(seed)), config)


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
@pytest.mark.parametrize("size_wh", [(1, 1), (448, 1), (1, 448), (2000, 1), (1, 2000), (3, 2), (600, 400)])
def test_photos_of_extreme_shapes(size_wh: tuple[int, int], mosaic: float) -> None:
    config = MosaicConfig(image_size=64, mosaic_prob=mosaic)
    photo = annotated_photo("a.png", faces=0, size_wh=size_wh)
    for seed in range(20):
        scene = scene_of(photo, config, seed)
        check_scene(scene, config)
        assert len(scene.boxes) == len(scene.ignore) == 0


@settings(max_examples=30)
@given(photo=photos(), config=configs, seed=seeds)
def test_the_same_seed_makes_the_same_scene(photo: AnnotatedImage, config: MosaicConfig, seed: int) -> None:
    for one, other in zip(scene_of(photo, config, seed), scene_of(photo, config, seed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_makes_another_scene() -> None:
    photo = annotated_photo("a.png")
    assert len({scene_of(photo, PLAIN, seed).image.tobytes() for seed in range(30)}) == 30


def test_light_and_degradation_do_not_move_the_faces() -> None:
    photo = annotated_photo("a.png", faces=3, size_wh=(200, 120))
    degraded = replace(PLAIN, grayscale_prob=1, blur_prob=1, noise_prob=1, jpeg_prob=1, occlusion_prob=1)
    for seed in range(20):
        plain, other = scene_of(photo, PLAIN, seed), scene_of(photo, degraded, seed)
        assert (plain.image != other.image).any()
        for one, two in zip(plain[1:], other[1:], strict=True):
            np.testing.assert_array_equal(one, two)


# --- where the faces go ------------------------------------------------------------------------------------


class Transform(NamedTuple):
    """From a photo to its scene: `xy @ linear + offset`, and whether it is mirrored."""

    linear: NDArray[np.floating]
    offset: NDArray[np.floating]
    mirrored: bool

    def box(self, box: NDArray) -> NDArray[np.float64]:
        """The upright box around the warped ellipse that fills `box`, by walking around it."""
        angle = np.linspace(0, 2 * np.pi, 2000)
        middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
        around = (middle + half * np.column_stack([np.cos(angle), np.sin(angle)])) @ self.linear + self.offset
        return np.concatenate([around.min(axis=0), around.max(axis=0)])


def transform_of(photo_points: NDArray, scene_points: NDArray) -> Transform | None:
    """The affine map between the five points of one face, in either order; None where they are no such face."""
    if np.isnan(photo_points).any() or np.isnan(scene_points).any():
        return None
    known = np.column_stack([photo_points, np.ones(5)])
    for mirrored in (False, True):
        aims = scene_points[MIRRORED] if mirrored else scene_points
        solved, *_ = np.linalg.lstsq(known, aims, rcond=None)
        if np.abs(known @ solved - aims).max() < 1e-2 and (np.linalg.det(solved[:2]) < 0) == mirrored:
            return Transform(solved[:2], solved[2], mirrored)
    return None


def transform_to(scene: TrainingImage, photo: AnnotatedImage) -> Transform | None:
    """Return the transform by a face that is in both; None without one."""
    transforms = (transform_of(points, others) for points in photo.landmarks for others in scene.landmarks)
    return next((transform for transform in transforms if transform is not None), None)


def area(box: NDArray) -> float:
    return float(np.prod((box[2:] - box[:2]).clip(0)))


@given(photo=photos(least_faces=1), seed=seeds, turning=st.sampled_from([0.0, 30.0]))
def test_boxes_and_ignored_regions_go_where_the_landmarks_go(photo: AnnotatedImage, seed: int, turning: float) -> None:
    """Everything follows the landmarks of one kept face; half hidden or too small faces are ignored."""
    config = replace(PLAIN, rotation_prob=1, max_rotation=turning)
    scene = scene_of(photo, config, seed)
    transform = transform_to(scene, photo)
    assume(transform is not None)
    assert transform is not None
    kept, ignored = [], []
    for i, box in enumerate(photo.boxes):
        whole = transform.box(box)
        inside = whole.clip(0, config.image_size)
        share = area(inside) / area(whole)
        assume(abs(share - 0.5) > 0.01)
        assume(abs(area(inside) / config.min_face_px**2 - 1) > 0.02)
        if share > 0.5 and area(inside) >= config.min_face_px**2:
            kept.append((inside, i))
        else:
            ignored.append(inside)
    ignored = [*(transform.box(box).clip(0, config.image_size) for box in photo.ignore_boxes), *ignored]
    np.testing.assert_allclose(scene.boxes, [box for box, _ in kept], atol=0.1)
    assert all(area(box) < 0.1 or min(np.abs(scene.ignore - box).max(axis=1)) < 0.1 for box in ignored)
    assert len(scene.ignore) <= len(ignored)
    for (_, i), got in zip(kept, scene.landmarks, strict=True):
        moved = photo.landmarks[i] @ transform.linear + transform.offset
        np.testing.assert_allclose(got, moved[MIRRORED] if transform.mirrored else moved, atol=0.1)


def test_every_augmentation_is_applied() -> None:
    """Faces of all sizes, mirrored and not, turned to both sides, kept, cut, and never turned where it is off."""
    photo = annotated_photo("a.png", faces=3, size_wh=(480, 320))
    # An even face looks the same in a mirror.
    uneven = photo.landmarks + np.random.default_rng(1).normal(0, 5, photo.landmarks.shape).astype(np.float32)
    photo = replace(photo, landmarks=uneven)
    for rotation in (0.0, 30.0):
        config = replace(PLAIN, rotation_prob=1, max_rotation=rotation)
        angles, mirrored, sizes, cut = [], [], [], 0
        for seed in range(150):
            scene = scene_of(photo, config, seed)
            sizes += np.sqrt(np.prod(scene.boxes[:, 2:] - scene.boxes[:, :2], axis=1)).tolist()
            cut += len(scene.ignore) > 0
            transform = transform_to(scene, photo)
            if transform is not None:
                x, y = transform.linear[0] * (-1 if transform.mirrored else 1)
                angles.append(np.degrees(np.arctan2(y, x)))
                mirrored.append(transform.mirrored)
        assert 0.35 < np.mean(mirrored) < 0.65
        assert cut > 5
        assert max(sizes) > 3 * min(sizes)
        assert np.abs(angles).max() <= rotation + 1e-3
        if rotation:
            assert min(angles) < -25
            assert max(angles) > 25


# --- where the pixels go -----------------------------------------------------------------------------------

COLORS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)], np.uint8)


def dotted_photo() -> AnnotatedImage:
    """Return a black photo with a colored dot on each landmark of one face, far from all edges.

    Coordinates count from the outer edge of the first pixel, as those of the network's cells do: the middle of a
    pixel is half a pixel behind its number.
    """
    pixels = np.zeros((300, 340, 3), np.uint8)
    centers = np.array([(130, 110), (190, 114), (164, 150), (136, 186), (188, 182)])
    for center, color in zip(centers.tolist(), COLORS.tolist(), strict=True):
        cv2.circle(pixels, center, 7, color, -1)
    points = (centers + 0.5).astype(np.float32)
    box = np.array([[110, 80, 212, 214]], np.float32)
    return AnnotatedImage("a.png", "wider", True, pixels, box, points[None], np.empty((0, 4), np.float32))


def color_at(scene: TrainingImage, point: NDArray) -> int | None:
    """Return which of `COLORS` is there: light changes every channel, but leaves the bright ones brighter."""
    x, y = point.astype(int)
    channels = scene.image[y, x].astype(int)
    if np.ptp(channels) < 8:
        return None
    bright = channels > (channels.max() + channels.min()) / 2
    return int(np.flatnonzero((bright == (COLORS > 0)).all(axis=1))[0])


def dot_center(scene: TrainingImage, point: NDArray, radius: int) -> NDArray[np.float64]:
    """Return the center of the color, weighted by its strength; black has none."""
    x, y = point.astype(int)
    window = scene.image[y - radius : y + radius + 1, x - radius : x + radius + 1].astype(float)
    strength = np.ptp(window, axis=2)
    strength = (strength - strength.min()).clip(0.3 * np.ptp(strength)) - 0.3 * np.ptp(strength)
    rows, columns = np.mgrid[y - radius : y + radius + 1, x - radius : x + radius + 1]
    return np.array([(columns * strength).sum(), (rows * strength).sum()]) / strength.sum() + 0.5


@pytest.mark.parametrize("rotation", [0.0, 30.0])
@pytest.mark.parametrize("max_face", [40.0, 150.0])
def test_landmarks_go_where_their_pixels_go(rotation: float, max_face: float) -> None:
    photo, seen = dotted_photo(), set()
    config = replace(
        PLAIN, image_size=240, rotation_prob=1, max_rotation=rotation, max_face_px=max_face, min_face_px=20
    )
    for seed in range(30):
        scene = scene_of(photo, config, seed)
        for box, points in zip(scene.boxes, scene.landmarks, strict=True):
            radius = round(0.16 * np.sqrt(area(box)))
            if (points < radius + 1).any() or (points > config.image_size - radius - 2).any():
                continue
            transform = transform_of(photo.landmarks[0], points)
            assert transform is not None
            # Mirrored, the eye that was the left one in the image is the right one of the face.
            assert [color_at(scene, point) for point in points] == (MIRRORED if transform.mirrored else list(range(5)))
            found = np.array([dot_center(scene, point, radius) for point in points])
            np.testing.assert_allclose(found, points, atol=1.5)
            seen.add(transform.mirrored)
    assert seen == {False, True}


@pytest.mark.parametrize("max_face", [40.0, 250.0])
def test_nothing_is_shifted_by_mirroring_or_scaling(max_face: float) -> None:
    """Not by a pixel, which is a tenth of the smallest face."""
    photo, shifts = dotted_photo(), {False: [], True: []}
    config = replace(PLAIN, image_size=320, max_face_px=max_face, min_face_px=max_face / 2)
    for seed in range(40):
        scene = scene_of(photo, config, seed)
        for box, points in zip(scene.boxes, scene.landmarks, strict=True):
            radius = round(0.16 * np.sqrt(area(box)))
            if (points < radius + 2).any() or (points > config.image_size - radius - 2).any():
                continue
            transform = transform_of(photo.landmarks[0], points)
            assert transform is not None
            found = np.array([dot_center(scene, point, radius) for point in points])
            shifts[transform.mirrored].append((found - points).mean(axis=0))
    for shift in shifts.values():
        np.testing.assert_allclose(np.mean(shift, axis=0), 0, atol=0.3)


def test_landmarks_go_where_their_pixels_go_in_mosaics_too() -> None:
    photo, config, seen = (
        dotted_photo(),
        replace(PLAIN, image_size=320, mosaic_prob=1, rotation_prob=1, min_face_px=30),
        0,
    )
    for seed in range(40):
        scene = scene_of(photo, config, seed)
        assert len(scene.boxes) <= 4
        for box, points in zip(scene.boxes, scene.landmarks, strict=True):
            if (points < box[:2] + 2).any() or (points > box[2:] - 2).any():
                continue  # cut off, and a neighbour's pixels are there
            colors = [color_at(scene, point) for point in points]
            assert colors in (list(range(5)), MIRRORED)
            seen += 1
    assert seen > 60


def test_boxes_go_where_their_pixels_go() -> None:
    """An ellipse that fills its box, pale on black, is found again by its outline; ignored regions likewise."""
    pixels = np.zeros((300, 400, 3), np.uint8)
    boxes = np.array([[90, 100, 170, 210], [230, 110, 320, 180]], np.float32)
    for x1, y1, x2, y2 in boxes.tolist():
        cv2.ellipse(pixels, (((x1 + x2) / 2, (y1 + y2) / 2), (x2 - x1, y2 - y1), 0.0), (255, 255, 255), -1)
    nan = np.full((1, 5, 2), np.nan, np.float32)
    photo = AnnotatedImage("a.png", "wider", True, pixels, boxes[:1], nan, boxes[1:])
    config, seen = replace(PLAIN, image_size=240, rotation_prob=1), 0
    for seed in range(60):
        scene = scene_of(photo, config, seed)
        assert np.isnan(scene.landmarks).all()
        gray = scene.image.astype(int).sum(axis=2)
        for box in [*scene.boxes, *scene.ignore]:
            if (box < 3).any() or (box > config.image_size - 3).any():
                continue
            x, y = ((box[:2] + box[2:]) / 2).round().astype(int)
            _, parts = cv2.connectedComponents((gray > gray[y, x] - 40).astype(np.uint8))
            rows, columns = np.nonzero(parts == parts[y, x])
            outline = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(outline, box, atol=2)
            seen += 1
    assert seen > 40


# --- what hides faces --------------------------------------------------------------------------------------


def test_faces_are_hidden_in_part_only() -> None:
    """On a photo of one color: what hides has another one, lies on a face or beside it, and never hides it all."""
    one_color = np.full((120, 200, 3), 120, np.uint8)
    photo = replace(annotated_photo("a.png", faces=2, size_wh=(200, 120)), image=one_color)
    hidden = faces = 0
    for seed in range(40):
        plain, scene = scene_of(photo, PLAIN, seed), scene_of(photo, replace(PLAIN, occlusion_prob=1), seed)
        if not len(scene.boxes):
            continue
        x, y = ((scene.boxes[0, :2] + scene.boxes[0, 2:]) / 2).astype(int)
        of_photo = (plain.image == plain.image[y, x]).all(axis=2)  # the rest is fill
        far = of_photo.copy()
        for x1, y1, x2, y2 in scene.boxes.tolist():
            w, h = x2 - x1, y2 - y1
            far[max(0, round(y1 - h / 3)) : round(y2 + h / 3), max(0, round(x1 - w / 3)) : round(x2 + w / 3)] = False
        if not far.any():
            continue
        colors = np.unique(scene.image[far], axis=0)
        assert len(colors) == 1
        covered = of_photo & (scene.image != colors[0]).any(axis=2)
        for x1, y1, x2, y2 in scene.boxes.round().astype(int).tolist():
            share = covered[y1:y2, x1:x2].mean()
            assert share < 0.8
            hidden, faces = hidden + (share > 0.02), faces + 1
    assert hidden > 0.8 * faces > 20
