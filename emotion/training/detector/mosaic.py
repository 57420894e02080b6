"""Training pictures for a face detector: photos cropped, scaled, turned, joined and spoiled. NumPy and OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.boxes import box_areas, box_sizes, clip_boxes
from emotion.datasets.detection_dataset import AnnotatedImage


@dataclass(frozen=True)
class MosaicConfig:
    """How a training image is made; every `…_prob` is a probability."""

    image_size: int = 320  # of the square picture in pixels
    min_face_px: float = 10.0  # sqrt(width * height) in pixels; smaller faces neither teach nor count
    max_face_px: float = 300.0
    max_upscale: float = 2.2
    mosaic_prob: float = 0.45  # four photos in one (Bochkovskiy et al. 2020, "YOLOv4")
    max_rotation: float = 30.0  # degrees, both ways
    rotation_prob: float = 0.5
    grayscale_prob: float = 0.15
    blur_prob: float = 0.15
    noise_prob: float = 0.12
    jpeg_prob: float = 0.12
    occlusion_prob: float = 0.2  # of each face


class TrainingImage(NamedTuple):
    """A training picture RGB uint8 (side, side, 3) and its faces, as in `AnnotatedImage`."""

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    ignore: NDArray[np.float32]


def compose_mosaic(
    first: AnnotatedImage, others: Sequence[AnnotatedImage], config: MosaicConfig, rng: np.random.Generator
) -> TrainingImage:
    """A scene of `first` alone, or a mosaic of it with three drawn from `others`.

    The same `rng` gives the same scene after the same `cv2.setRNGSeed`, of which the noise is made.
    """
    side = config.image_size
    if rng.random() >= config.mosaic_prob:
        scene = _warp_randomly(first, side, side, config, rng)
    else:
        x, y = (round(side * share) for share in rng.uniform(0.35, 0.65, 2))
        places = [(0, 0, x, y), (x, 0, side - x, y), (0, y, x, side - y), (x, y, side - x, side - y)]
        chosen = [first, *(others[i] for i in rng.integers(0, len(others), 3))]
        rng.shuffle(places)
        views = [
            (_warp_randomly(photo, w, h, config, rng), x, y) for photo, (x, y, w, h) in zip(chosen, places, strict=True)
        ]
        scene = _stitch_views(views, side)
    pixels = _occlude_faces(scene, config, rng)
    return scene._replace(image=_degrade(pixels, config, rng))


def _warp_randomly(
    sample: AnnotatedImage, width: int, height: int, config: MosaicConfig, rng: np.random.Generator
) -> TrainingImage:
    """A part of a photo, so that one of its faces, if it has any, gets a size drawn evenly by its logarithm."""
    tall, wide = sample.image.shape[:2]
    focus, scale = np.array([wide, tall]) * rng.uniform(0.2, 0.8, 2), None
    fit = np.sqrt(width * height / (wide * tall))
    sizes = box_sizes(sample.boxes)
    big_enough = np.flatnonzero(sizes > 5)
    if big_enough.size:
        i = rng.choice(big_enough)
        most = min(config.max_face_px, 0.9 * min(width, height))
        scale = np.exp(rng.uniform(np.log(config.min_face_px + 2), np.log(most))) / sizes[i]
        focus = sample.boxes[i].reshape(2, 2).mean(0)
    else:
        scale = fit * np.exp(rng.uniform(np.log(0.7), np.log(2.5)))
    # Far below its fit a photo is a stamp on an empty sheet.
    scale = float(np.clip(scale, 0.7 * fit, max(config.max_upscale, 0.7 * fit)))
    turn = rng.uniform(-config.max_rotation, config.max_rotation) if rng.random() < config.rotation_prob else 0.0
    flip = rng.random() < 0.5
    stretch = np.exp(rng.uniform(-0.08, 0.08))
    matrix = _affine_matrix(wide, tall, scale, stretch, turn, flip)
    matrix[:, 2] += _random_shift(matrix, wide, tall, focus, (width, height), rng)
    pixels = sample.image
    small = matrix
    if scale < 0.7:  # linear interpolation of a much smaller picture would skip pixels
        w, h = max(1, round(wide * scale)), max(1, round(tall * scale))
        pixels = np.asarray(cv2.resize(pixels, (w, h), interpolation=cv2.INTER_AREA), np.uint8)
        small = matrix @ np.diag([wide / w, tall / h, 1.0])
    fill = [float(v) for v in rng.integers(0, 256, 3)] if rng.random() < 0.5 else [0.0, 0.0, 0.0]
    warped = warp_affine(pixels, small, (width, height), fill)
    boxes, ignore = transform_boxes(sample.boxes, matrix), transform_boxes(sample.ignore_boxes, matrix)
    points = transform_points(sample.landmarks, matrix)
    if flip:
        points = points[:, [1, 0, 2, 4, 3]]
    return _filter_faces(TrainingImage(warped, boxes, points, ignore), width, height, config.min_face_px)


def _affine_matrix(
    width: int, height: int, scale: float, stretch: float, rotation_degrees: float, flip: bool
) -> NDArray[np.float64]:
    """Photo pixels -> scaled, stretched, turned and mirrored ones around the photo's middle, (2, 3)."""
    angle = np.deg2rad(rotation_degrees)
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = linear @ np.diag([scale * stretch * (-1 if flip else 1), scale / stretch])
    return np.column_stack([linear, -linear @ np.array([width / 2, height / 2])])


def _random_shift(
    matrix: NDArray, width: int, height: int, focus: NDArray, region: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Where the warped photo goes: `focus` anywhere in the region, without more empty space than needed."""
    low, high = transform_boxes(np.array([[0, 0, width, height]], np.float32), matrix, is_elliptical=False)[0].reshape(
        2, 2
    )
    x, y = matrix[:, :2] @ focus + matrix[:, 2]
    shift = np.empty(2)
    for axis, (at, length) in enumerate(zip((x, y), region, strict=True)):
        free = length - (high[axis] - low[axis])
        if free >= 0:
            shift[axis] = rng.uniform(0, free) - low[axis]
        else:
            shift[axis] = np.clip(rng.uniform(0, length) - at, length - high[axis], -low[axis])
    return shift


def warp_affine(
    image: NDArray[np.uint8], matrix: NDArray, size_wh: tuple[int, int], fill: Sequence[float] = (0, 0, 0)
) -> NDArray[np.uint8]:
    """RGB pixels warped by a (2, 3) matrix of coordinates that count from the edge of the first pixel, as those of
    boxes do."""
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5  # OpenCV counts from the pixel's middle
    return np.asarray(cv2.warpAffine(image, centred, size_wh, borderValue=tuple(fill)), np.uint8)


def transform_boxes(boxes: NDArray[np.float32], matrix: NDArray, *, is_elliptical: bool = True) -> NDArray[np.float32]:
    """Upright boxes (n, 4) around boxes warped by a (2, 3) matrix. A face fills its box like an ellipse: a turned
    one gets a box around the turned ellipse, not around the turned corners."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    halves = (boxes[:, 2:] - boxes[:, :2]) / 2
    middles = middles @ matrix[:, :2].T + matrix[:, 2]
    if is_elliptical:
        halves = np.sqrt(np.square(halves) @ np.square(matrix[:, :2]).T)
    else:
        halves = halves @ np.abs(matrix[:, :2]).T
    return np.concatenate([middles - halves, middles + halves], axis=1).astype(np.float32)


def transform_points(points: NDArray[np.float32], matrix: NDArray) -> NDArray[np.float32]:
    """Points (..., 2) warped by a (2, 3) matrix."""
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def _filter_faces(training_image: TrainingImage, width: int, height: int, min_face_px: float) -> TrainingImage:
    """The faces of which half is inside and that are large enough; of the others what is inside is ignored."""
    inside, ignore = (clip_boxes(boxes, width, height) for boxes in (training_image.boxes, training_image.ignore))
    visible = box_areas(inside) / box_areas(training_image.boxes).clip(1e-6)
    good = (visible > 0.5) & (box_areas(inside) >= min_face_px * min_face_px)
    ignore = np.concatenate([ignore, inside[~good]])
    return TrainingImage(
        training_image.image, inside[good], training_image.landmarks[good], ignore[box_areas(ignore) > 0]
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
    """Hide a part of some faces: the lower half, as a mask or a scarf does, or any rectangle."""
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
        a, b, c, d = (max(0, round(float(v))) for v in (top, bottom, left, right))
        pixels[a:b, c:d] = rng.integers(0, 256, 3)
    return pixels


def _degrade(image: NDArray[np.uint8], config: MosaicConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Light and color, then rarely gray, blur, noise and JPEG."""
    levels = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.uniform(-0.4, 0.4))
    gains = np.exp(rng.uniform(-0.12, 0.12, 3))  # by channel: the color of the light
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
        washed = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        share = rng.uniform(-0.4, 0.8)
        image = cv2.addWeighted(image, 1 - share, washed, share, 0)  # type: ignore[assignment]
    if blur:
        image = _blur(image, rng)
    if noise:
        deviation = np.full(3, rng.uniform(3, 20))
        grain = cv2.randn(np.empty(image.shape, np.int16), np.zeros(3), deviation)
        image = cv2.add(image, grain, dtype=cv2.CV_8U)  # type: ignore[assignment]
    if jpeg:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 75))])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image


def _blur(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Out of focus, or moved along a line."""
    if rng.random() < 0.6:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.5))  # type: ignore[return-value]
    length = int(rng.integers(3, 12))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    middle = ((length - 1) / 2, (length - 1) / 2)
    kernel = cv2.warpAffine(kernel, cv2.getRotationMatrix2D(middle, rng.uniform(0, 180), 1), (length, length))
    return cv2.filter2D(image, -1, kernel / max(1e-6, float(kernel.sum())))  # type: ignore[return-value]
