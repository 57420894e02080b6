"""Detect faces by the trained single-shot network, exported to ONNX, on the CPU.

This module defines the layout of the network's output; `training.detector.network` produces it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.boxes import non_max_suppression, pairwise_iou
from emotion.errors import ModelError
from emotion.faces import Box, Face, Landmarks
from emotion.model_store.store import ModelBundle
from emotion.recognition.cropping import CropGeometry
from emotion.recognition.detectors.detection import max_search_scale, resize_long_side, search_scale
from emotion.recognition.onnx_session import load_session
from emotion.translation.messages import gettext as _

STRIDES: Final = (8, 16, 32)  # pixels between the cells of each of the three grids
VALUES_PER_CELL: Final = 15  # per cell: score logit, center x and y, log width and height, x and y of five landmarks
SIZE_MULTIPLE: Final = STRIDES[-1]  # the sides of the network's input are multiples of this
_MAX_CANDIDATES: Final = 1000  # above the faces of a crowd; bounds the cost of suppression at thresholds near 0
_MAX_LOGIT: Final = 30.0  # the score of a larger logit rounds to 1; prevents overflow of the exponential
_MIN_VOTE: Final = 1e-12  # weight of a box in its own mean; prevents a division by 0
_VOTING_IOU: Final = 0.7  # minimum IoU of boxes that are averaged
# Long side in pixels up to which a face that fills the image is detected: of 40 such portraits all at 320, 36 at 352
# and 5 at 448 pixels; the network is trained on faces of at most 290 pixels.
_MAX_PORTRAIT_SIDE: Final = 320
# Square root of a face's area in pixels of the scaled image: the maximum in an enlarged image, and the minimum at a
# quarter of a scale.
_MAX_UPSCALED_FACE_PX: Final = 128.0
_MIN_DOWNSCALED_FACE_PX: Final = 32.0
_MAX_TILE_SIDE: Final = 1280  # pixels of the scaled image; bounds the memory that a large image needs
_TILE_OVERLAP_PX: Final = 192  # pixels of the scaled image; larger faces are detected at a quarter of the scale


@lru_cache(maxsize=32)
def anchor_points(height: int, width: int) -> NDArray[np.float32]:
    """Return the cells of an image in the order of the network's output.

    Args:
        height: Height of the image in pixels, a multiple of `SIZE_MULTIPLE`.
        width: Width of the image in pixels, a multiple of `SIZE_MULTIPLE`.

    Returns:
        Read-only float32 (cells, 3): center x, center y and stride in pixels.
    """
    grids = []
    for stride in STRIDES:
        y, x = np.mgrid[: height // stride, : width // stride].reshape(2, -1)
        grids.append(np.column_stack([(x + 0.5) * stride, (y + 0.5) * stride, np.full(x.size, stride)]))
    anchors = np.concatenate(grids).astype(np.float32)
    anchors.setflags(write=False)
    return anchors


def pad_to_multiple(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pad RGB uint8 (H, W, 3) with black at the right and at the bottom to multiples of `SIZE_MULTIPLE`."""
    height, width = image.shape[:2]
    bottom, right = -height % SIZE_MULTIPLE, -width % SIZE_MULTIPLE
    if not bottom and not right:
        return image
    padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    return np.asarray(padded, np.uint8)


def decode_predictions(
    outputs: NDArray[np.float32], anchors: NDArray[np.float32], min_logit: float
) -> NDArray[np.float32]:
    """Decode the network's output to detections in pixels.

    Args:
        outputs: Output of the network (cells, 15), see `VALUES_PER_CELL`.
        anchors: The cells (cells, 3) of `anchor_points`.
        min_logit: The minimum score logit.

    Returns:
        Detections, float32 (n, 15): score logit, x1, y1, x2, y2, and x and y of five landmarks.
    """
    keep = np.flatnonzero(outputs[:, 0] >= min_logit)
    rows, cell_center, stride = outputs[keep], anchors[keep, :2], anchors[keep, 2:]
    center = cell_center + rows[:, 1:3] * stride
    half_size = np.exp(rows[:, 3:5].clip(-5, 5)) * (stride / 2)
    points = np.tile(cell_center, 5) + rows[:, 5:] * stride
    return np.concatenate([rows[:, :1], center - half_size, center + half_size, points], axis=1, dtype=np.float32)


def suppress_and_vote(
    rows: NDArray[np.float32], iou_threshold: float = 0.5, containment_threshold: float = 0.8
) -> NDArray[np.float32]:
    """Suppress overlapping detections, and average each remaining box with the boxes that overlap it most.

    Args:
        rows: Detections (n, 15) of `decode_predictions`.
        iou_threshold: See `boxes.non_max_suppression`.
        containment_threshold: See `boxes.non_max_suppression`; it suppresses, for example, the box of a chin.

    Returns:
        The remaining rows (m, 15), the highest score first.
    """
    rows = rows[np.argsort(-rows[:, 0], kind="stable")][:_MAX_CANDIDATES]
    selected = non_max_suppression(
        rows[:, 1:5], rows[:, 0], max_iou=iou_threshold, max_containment=containment_threshold
    )
    return _vote_boxes(rows, selected)


def _vote_boxes(rows: NDArray[np.float32], selected: list[int]) -> NDArray[np.float32]:
    """Replace each selected box by the mean of the boxes that overlap it, weighted by IoU and squared score.

    Source: "box voting" of Gidaris and Komodakis 2015, "Object detection via a multi-region model".
    """
    iou = pairwise_iou(rows[selected, 1:5], rows[:, 1:5])
    scores = 1 / (1 + np.exp(-rows[:, 0].clip(-_MAX_LOGIT, _MAX_LOGIT).astype(float)))
    weights = np.where(iou >= _VOTING_IOU, iou, 0.0) * np.square(scores)
    diagonal = np.arange(len(selected)), selected
    weights[diagonal] = np.maximum(weights[diagonal], _MIN_VOTE)  # a box without area has an IoU of 0 with itself
    voted = rows[selected]
    voted[:, 1:5] = weights @ rows[:, 1:5] / weights.sum(1, keepdims=True)
    return voted


class PyramidLevel(NamedTuple):
    """One of the scales at which an image is searched, and the size of the faces that are kept at it.

    Attributes:
        scale: Pixels of the scaled image per pixel of the original image.
        min_face_px: Minimum square root of a face's area in pixels of the scaled image.
        max_face_px: Maximum square root of a face's area in pixels of the scaled image.
    """

    scale: float
    min_face_px: float = 0.0
    max_face_px: float = math.inf


def get_pyramid_levels(height: int, width: int, max_side: int) -> list[PyramidLevel]:
    """Return the scales at which an image is searched, the finest first.

    A face that fills a large image is larger than the faces of the training data; at a quarter of the scale, which
    costs a sixteenth of the time, it is not. Each additional scale is limited to faces of matching size, since false
    detections are more frequent at other sizes.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        max_side: See `search_scale`.
    """
    scale, finest = search_scale(height, width, max_side), max_search_scale(height, width, max_side)
    levels = [PyramidLevel(finest, max_face_px=_MAX_UPSCALED_FACE_PX)] if finest > scale else []
    levels.append(PyramidLevel(scale))
    while levels[-1].scale * max(height, width) > _MAX_PORTRAIT_SIDE:
        levels.append(PyramidLevel(levels[-1].scale / 4, min_face_px=_MIN_DOWNSCALED_FACE_PX))
    return levels


def make_tiles(height: int, width: int, scale: float) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and columns of the overlapping tiles of an image at `scale`; a small image is one tile."""
    columns = _split_axis(width, scale)
    return ((row_slice, column_slice) for row_slice in _split_axis(height, scale) for column_slice in columns)


def _split_axis(length: int, scale: float) -> list[slice]:
    side = round(_MAX_TILE_SIDE / scale)
    if length <= side:
        return [slice(0, length)]
    count = math.ceil((length - _TILE_OVERLAP_PX / scale) / (side - _TILE_OVERLAP_PX / scale))
    return [slice(start, start + side) for start in np.linspace(0, length - side, count).round().astype(int).tolist()]


class OnnxFaceDetector:
    """Detect faces by a verified trained model on ONNX Runtime.

    The scores are calibrated probabilities: about 60% of the boxes with a score of 0.6 are faces on the calibration
    photos named in the model card.

    Args:
        bundle: The verified model.
        num_threads: See `load_session`.

    Raises:
        ModelError: The network cannot be loaded, or its input or output has an unexpected shape.
    """

    needs_verification: bool = False

    def __init__(self, bundle: ModelBundle, num_threads: int = 0) -> None:
        card = bundle.detector_card
        self.bundle = bundle
        self.name = bundle.name
        self.crop_geometry = CropGeometry(card.crop_geometry.scale, card.crop_geometry.y_offset)
        self.score_fusion = card.score_fusion
        self._slope, self._offset = card.score_calibration.slope, card.score_calibration.offset
        self._session = load_session(bundle, num_threads)
        self._input_name, shape = self._session.get_inputs()[0].name, self._session.get_inputs()[0].shape
        output = self._session.get_outputs()[0].shape
        if len(shape) != 4 or shape[-1] != 3 or len(output) != 3 or output[-1] != VALUES_PER_CELL:
            raise ModelError(
                _(
                    "The network of the model {model} has inputs of shape {shape} and outputs of shape {output}; "
                    "expected images with 3 colors and {count} values for each cell."
                ).format(model=bundle.name, shape=shape, output=output, count=VALUES_PER_CELL)
            )

    def detect(self, image: NDArray[np.uint8], threshold: float, max_side: int) -> tuple[Face, ...]:
        """See `FaceDetector.detect`; the image is searched tile by tile at all of its `get_pyramid_levels`."""
        height, width = image.shape[:2]
        min_logit = (_logit(threshold) - self._offset) / self._slope
        rows = np.concatenate(
            [
                self._detect_tile(image, tile, level, min_logit)
                for level in get_pyramid_levels(height, width, max_side)
                for tile in make_tiles(height, width, level.scale)
            ]
        )
        faces = []
        for row in suppress_and_vote(rows):
            box = Box(*map(float, row[1:5])).clip(width, height)
            if box.area > 0:
                score = 1 / (1 + math.exp(-(self._slope * float(row[0]) + self._offset)))
                faces.append(Face(box, score, Landmarks(*((float(x), float(y)) for x, y in row[5:].reshape(5, 2)))))
        return tuple(faces)

    def _detect_tile(
        self, image: NDArray[np.uint8], tile: tuple[slice, slice], level: PyramidLevel, min_logit: float
    ) -> NDArray[np.float32]:
        """Search one tile; return rows of `decode_predictions` in pixels of `image`.

        Faces at a border between tiles are excluded, since the neighboring tile contains them completely.
        """
        tile_image = image[tile]
        scaled, sx, sy = resize_long_side(tile_image, max(1, round(max(tile_image.shape[:2]) * level.scale)))
        height, width = scaled.shape[:2]
        padded = pad_to_multiple(scaled)
        outputs = self._session.run(None, {self._input_name: padded[None].astype(np.float32)})[0]
        rows = decode_predictions(np.asarray(outputs)[0], anchor_points(*padded.shape[:2]), min_logit)
        x1, y1, x2, y2 = rows[:, 1:5].T
        areas = (x2 - x1) * (y2 - y1)
        keep = (areas >= level.min_face_px**2) & (areas <= level.max_face_px**2)
        keep &= ((x1 > 1) | (tile[1].start == 0)) & ((x2 < width - 1) | (tile[1].stop == image.shape[1]))
        keep &= ((y1 > 1) | (tile[0].start == 0)) & ((y2 < height - 1) | (tile[0].stop == image.shape[0]))
        rows = rows[keep]
        rows[:, 1:] = rows[:, 1:] * np.tile([sx, sy], 7) + np.tile([tile[1].start, tile[0].start], 7)
        return rows


def _logit(probability: float) -> float:
    probability = min(0.999, max(0.001, probability))
    return math.log(probability / (1 - probability))
