"""Augment training images for a face detector: crop, scale, rotate, mosaic, occlude and degrade annotated images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.boxes import box_areas, box_sizes, clip_boxes
from emotion.datasets.readers.detection_dataset import AnnotatedImage


@dataclass(frozen=True)
class MosaicConfig:
    """Hold the augmentation settings of a training image; every `…_prob` is a probability."""

    image_size: int = 320  # side of the square training image in pixels
    min_face_px: float = 10.0  # sqrt(width * height) in pixels; smaller faces become ignored regions
    max_face_px: float = 300.0
    max_upscale: float = 2.2
    mosaic_prob: float = 0.45  # four images in one (Bochkovskiy et al. 2020, "YOLOv4")
    max_rotation: float = 30.0  # degrees, in either direction
    rotation_prob: float = 0.5
    grayscale_prob: float = 0.15
    blur_prob: float = 0.15
    noise_prob: float = 0.12
    jpeg_prob: float = 0.12
    occlusion_prob: float = 0.2  # for each face


class TrainingImage(NamedTuple):
    """Hold an RGB uint8 image (height, width, 3) and its annotations, as in `AnnotatedImage`."""

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    ignore: NDArray[np.float32]


def compose_mosaic(
    first: AnnotatedImage, others: Sequence[AnnotatedImage], config: MosaicConfig, rng: np.random.Generator
) -> TrainingImage:
    """Compose a training image from `first` alone, or a mosaic of `first` and three images drawn from `others`.

    The result is reproducible for the same state of `rng` and the same `cv2.setRNGSeed`, which seeds the noise.

    Args:
        first: The image that the result always contains.
        others: The images from which a mosaic is completed.
        config: The augmentation settings.
        rng: The source of all random choices except the noise.

    Returns:
        A square image with side `config.image_size` and its annotations in pixels.
    """
    side = config.image_size
    if rng.random() >= config.mosaic_prob:
        scene = _warp_randomly(first, side, side, config, rng)
    else:
        x, y = (round(side * fraction) for fraction in rng.uniform(0.35, 0.65, 2))
        regions = [(0, 0, x, y), (x, 0, side - x, y), (0, y, x, side - y), (x, y, side - x, side - y)]
        tiles = [first, *(others[i] for i in rng.integers(0, len(others), 3))]
        rng.shuffle(regions)
        views = [
            (_warp_randomly(sample, w, h, config, rng), x, y)
            for sample, (x, y, w, h) in zip(tiles, regions, strict=True)
        ]
        scene = _stitch_views(views, side)
    occluded = _occlude_faces(scene, config, rng)
    return scene._replace(image=_degrade(occluded, config, rng))


def _warp_randomly(
    sample: AnnotatedImage, width: int, height: int, config: MosaicConfig, rng: np.random.Generator
) -> TrainingImage:
    """Crop a random region in which one face, if there is any, gets a log-uniformly distributed size."""
    source_height, source_width = sample.image.shape[:2]
    focus, scale = np.array([source_width, source_height]) * rng.uniform(0.2, 0.8, 2), None
    fit_scale = np.sqrt(width * height / (source_width * source_height))
    face_sizes = box_sizes(sample.boxes)
    candidates = np.flatnonzero(face_sizes > 5)
    if candidates.size:
        index = rng.choice(candidates)
        max_size = min(config.max_face_px, 0.9 * min(width, height))
        scale = np.exp(rng.uniform(np.log(config.min_face_px + 2), np.log(max_size))) / face_sizes[index]
        focus = sample.boxes[index].reshape(2, 2).mean(0)
    else:
        scale = fit_scale * np.exp(rng.uniform(np.log(0.7), np.log(2.5)))
    # An image scaled far below the region's size would leave most of the region empty.
    scale = float(np.clip(scale, 0.7 * fit_scale, max(config.max_upscale, 0.7 * fit_scale)))
    rotation = rng.uniform(-config.max_rotation, config.max_rotation) if rng.random() < config.rotation_prob else 0.0
    flip = rng.random() < 0.5
    stretch = np.exp(rng.uniform(-0.08, 0.08))
    matrix = _affine_matrix(source_width, source_height, scale, stretch, rotation, flip)
    matrix[:, 2] += _random_shift(matrix, source_width, source_height, focus, (width, height), rng)
    pixels = sample.image
    warp_matrix = matrix
    if scale < 0.7:  # linear interpolation at a strong reduction would skip source pixels
        reduced_width, reduced_height = max(1, round(source_width * scale)), max(1, round(source_height * scale))
        pixels = np.asarray(cv2.resize(pixels, (reduced_width, reduced_height), interpolation=cv2.INTER_AREA), np.uint8)
        warp_matrix = matrix @ np.diag([source_width / reduced_width, source_height / reduced_height, 1.0])
    fill = [float(level) for level in rng.integers(0, 256, 3)] if rng.random() < 0.5 else [0.0, 0.0, 0.0]
    warped_image = warp_affine(pixels, warp_matrix, (width, height), fill)
    boxes, ignore = transform_boxes(sample.boxes, matrix), transform_boxes(sample.ignore_boxes, matrix)
    landmarks = transform_points(sample.landmarks, matrix)
    if flip:
        landmarks = landmarks[:, [1, 0, 2, 4, 3]]
    return _filter_faces(TrainingImage(warped_image, boxes, landmarks, ignore), width, height, config.min_face_px)


def _affine_matrix(
    width: int, height: int, scale: float, stretch: float, rotation_degrees: float, flip: bool
) -> NDArray[np.float64]:
    """Return the (2, 3) matrix that scales, stretches, rotates and mirrors pixels around the image center."""
    angle = np.deg2rad(rotation_degrees)
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = linear @ np.diag([scale * stretch * (-1 if flip else 1), scale / stretch])
    return np.column_stack([linear, -linear @ np.array([width / 2, height / 2])])


def _random_shift(
    matrix: NDArray, width: int, height: int, focus: NDArray, region: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw a shift (2,) that puts `focus` at a random position in the region with as little empty space as possible."""
    low, high = transform_boxes(np.array([[0, 0, width, height]], np.float32), matrix, is_elliptical=False)[0].reshape(
        2, 2
    )
    x, y = matrix[:, :2] @ focus + matrix[:, 2]
    shift = np.empty(2)
    for axis, (focus_position, length) in enumerate(zip((x, y), region, strict=True)):
        slack = length - (high[axis] - low[axis])
        if slack >= 0:
            shift[axis] = rng.uniform(0, slack) - low[axis]
        else:
            shift[axis] = np.clip(rng.uniform(0, length) - focus_position, length - high[axis], -low[axis])
    return shift


def warp_affine(
    image: NDArray[np.uint8], matrix: NDArray, size_wh: tuple[int, int], fill: Sequence[float] = (0, 0, 0)
) -> NDArray[np.uint8]:
    """Warp an RGB image by a matrix in box coordinates.

    Args:
        image: RGB uint8 (height, width, 3).
        matrix: A (2, 3) matrix for coordinates that start at the edge of the first pixel, as those of boxes do.
        size_wh: Width and height of the result in pixels.
        fill: The RGB color outside of the image, 0 to 255.

    Returns:
        The warped image, RGB uint8.
    """
    # OpenCV coordinates start at the center of the first pixel.
    pixel_center_matrix = matrix.copy()
    pixel_center_matrix[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    return np.asarray(cv2.warpAffine(image, pixel_center_matrix, size_wh, borderValue=tuple(fill)), np.uint8)


def transform_boxes(boxes: NDArray[np.float32], matrix: NDArray, *, is_elliptical: bool = True) -> NDArray[np.float32]:
    """Return the axis-aligned bounding boxes (n, 4) of boxes warped by a (2, 3) matrix.

    Args:
        boxes: Boxes (n, 4) as x1, y1, x2, y2 in pixels.
        matrix: A (2, 3) affine matrix.
        is_elliptical: Whether to bound the warped ellipse that fills each box instead of the warped corners. A face
            fills its box about like an ellipse, so boxes around the corners would be too large after a rotation.

    Returns:
        Boxes float32 (n, 4).
    """
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    half_sizes = (boxes[:, 2:] - boxes[:, :2]) / 2
    centers = centers @ matrix[:, :2].T + matrix[:, 2]
    if is_elliptical:
        half_sizes = np.sqrt(np.square(half_sizes) @ np.square(matrix[:, :2]).T)
    else:
        half_sizes = half_sizes @ np.abs(matrix[:, :2]).T
    return np.concatenate([centers - half_sizes, centers + half_sizes], axis=1).astype(np.float32)


def transform_points(points: NDArray[np.float32], matrix: NDArray) -> NDArray[np.float32]:
    """Warp points (..., 2) by a (2, 3) matrix."""
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def _filter_faces(training_image: TrainingImage, width: int, height: int, min_face_px: float) -> TrainingImage:
    """Keep faces that are large enough and more than half visible; mark the visible parts of the others as ignored."""
    inside, ignore = (clip_boxes(boxes, width, height) for boxes in (training_image.boxes, training_image.ignore))
    visible_ratio = box_areas(inside) / box_areas(training_image.boxes).clip(1e-6)
    kept = (visible_ratio > 0.5) & (box_areas(inside) >= min_face_px * min_face_px)
    ignore = np.concatenate([ignore, inside[~kept]])
    return TrainingImage(
        training_image.image, inside[kept], training_image.landmarks[kept], ignore[box_areas(ignore) > 0]
    )


def _stitch_views(views: Sequence[tuple[TrainingImage, int, int]], image_size: int) -> TrainingImage:
    pixels = np.zeros((image_size, image_size, 3), np.uint8)
    for scene, x, y in views:
        h, w = scene.image.shape[:2]
        pixels[y : y + h, x : x + w] = scene.image
    corners = [np.array([x, y, x, y], np.float32) for _, x, y in views]
    return TrainingImage(
        pixels,
        np.concatenate([s.boxes + c for (s, *_), c in zip(views, corners, strict=True)]),
        np.concatenate([s.landmarks + c[:2] for (s, *_), c in zip(views, corners, strict=True)]),
        np.concatenate([s.ignore + c for (s, *_), c in zip(views, corners, strict=True)]),
    )


def _occlude_faces(training_image: TrainingImage, config: MosaicConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cover a part of some faces in place: the lower half, as a mask or a scarf does, or a random rectangle."""
    pixels = training_image.image
    for x1, y1, x2, y2 in training_image.boxes:
        if rng.random() >= config.occlusion_prob:
            continue
        w, h = x2 - x1, y2 - y1
        if rng.random() < 0.5:
            left, right = x1 + w * rng.uniform(-0.1, 0.15), x2 - w * rng.uniform(-0.1, 0.15)
            top, bottom = y1 + h * rng.uniform(0.5, 0.65), y2 - h * rng.uniform(-0.1, 0.1)
        else:
            left, top = x1 + w * rng.uniform(-0.2, 0.8), y1 + h * rng.uniform(-0.2, 0.8)
            right, bottom = left + w * rng.uniform(0.2, 0.5), top + h * rng.uniform(0.2, 0.5)
        row_start, row_end, column_start, column_end = (
            max(0, round(float(edge))) for edge in (top, bottom, left, right)
        )
        pixels[row_start:row_end, column_start:column_end] = rng.integers(0, 256, 3)
    return pixels


def _degrade(image: NDArray[np.uint8], config: MosaicConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Change brightness and color; with small probabilities also convert to gray, blur, add noise or compress."""
    levels = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.uniform(-0.4, 0.4))
    gains = np.exp(rng.uniform(-0.12, 0.12, 3))  # per channel, as the color of the light changes them
    contrast, brightness = 1 + rng.uniform(-0.35, 0.35), rng.uniform(-30, 30)
    table = ((levels * gains * 255 - 128) * contrast + 128 + brightness).clip(0, 255).astype(np.uint8)
    image = cv2.LUT(image, table[None])  # type: ignore[assignment]
    gray, blur, noise, jpeg = rng.random(4) < (
        config.grayscale_prob,
        config.blur_prob,
        config.noise_prob,
        config.jpeg_prob,
    )
    if gray:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)  # type: ignore[assignment]
    elif rng.random() < 0.3:
        gray_image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        gray_weight = rng.uniform(-0.4, 0.8)
        image = cv2.addWeighted(image, 1 - gray_weight, gray_image, gray_weight, 0)  # type: ignore[assignment]
    if blur:
        image = _blur(image, rng)
    if noise:
        sigma = np.full(3, rng.uniform(3, 20))
        noise_values = cv2.randn(np.empty(image.shape, np.int16), np.zeros(3), sigma)
        image = cv2.add(image, noise_values, dtype=cv2.CV_8U)  # type: ignore[assignment]
    if jpeg:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 75))])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image


def _blur(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Apply defocus blur (Gaussian) or motion blur (along a line)."""
    if rng.random() < 0.6:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.5))  # type: ignore[return-value]
    length = int(rng.integers(3, 12))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    center = ((length - 1) / 2, (length - 1) / 2)
    kernel = cv2.warpAffine(kernel, cv2.getRotationMatrix2D(center, rng.uniform(0, 180), 1), (length, length))
    return cv2.filter2D(image, -1, kernel / max(1e-6, float(kernel.sum())))  # type: ignore[return-value]
