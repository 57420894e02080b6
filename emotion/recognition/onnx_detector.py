"""The face detector of this project: an exported single-shot network on the CPU.

The layout of the network's output is defined here; `training.detector.network` makes it.
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
from emotion.recognition.detection import max_search_scale, resize_long_side, search_scale
from emotion.recognition.onnx_session import load_session

STRIDES: Final = (8, 16, 32)  # pixels from cell to cell of the three grids
VALUES_PER_CELL: Final = 15  # of each cell: score, middle x and y, log width and height, five points x and y
SIZE_MULTIPLE: Final = STRIDES[-1]  # of which the sides of what the network reads are
_MAX_CANDIDATES: Final = 1000  # more than the faces of any crowd; what a threshold near 0 lets in has no end
_MAX_LOGIT: Final = 30.0  # a score beyond is 1, and its exponential stays finite
_MIN_VOTE: Final = 1e-12
_VOTING_IOU: Final = 0.7  # overlap (IoU) of boxes of one face
# Long side in pixels up to which a face that fills the image is found: of 40 such portraits all with 320, 36 with 352
# and 5 with 448 pixels; the network has learned faces of at most 290.
_MAX_PORTRAIT_SIDE: Final = 320
# Pixels of the scaled image, the root of a face's area: the largest that counts in an enlarged image, and the smallest
# that counts at a quarter of a scale.
_MAX_UPSCALED_FACE_PX: Final = 128.0
_MIN_DOWNSCALED_FACE_PX: Final = 32.0
_MAX_TILE_SIDE: Final = (
    1280  # pixels, the longest side that the network reads at once: its memory does not grow with the image
)
_TILE_OVERLAP_PX: Final = (
    192  # pixels that neighboring tiles have in common; a larger face is found at a quarter of the scale
)


@lru_cache(maxsize=32)
def anchor_points(height: int, width: int) -> NDArray[np.float32]:
    """The cells of a picture whose sides are multiples of `SIZE_MULTIPLE`, in the order of the network's answers:
    float32 (cells, 3) with the centre x, y and the stride in pixels."""
    grids = []
    for stride in STRIDES:
        y, x = np.mgrid[: height // stride, : width // stride].reshape(2, -1)
        grids.append(np.column_stack([(x + 0.5) * stride, (y + 0.5) * stride, np.full(x.size, stride)]))
    places = np.concatenate(grids).astype(np.float32)
    places.setflags(write=False)
    return places


def pad_to_multiple(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) with black at its right and lower side, up to multiples of `SIZE_MULTIPLE`."""
    height, width = image.shape[:2]
    down, right = -height % SIZE_MULTIPLE, -width % SIZE_MULTIPLE
    if not down and not right:
        return image
    padded = cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    return np.asarray(padded, np.uint8)


def decode_predictions(
    outputs: NDArray[np.float32], anchors: NDArray[np.float32], min_logit: float
) -> NDArray[np.float32]:
    """The answers (cells, 15) with a score logit of at least `min_logit` as rows (n, 15) in pixels: score logit, x1,
    y1, x2, y2 and five points x, y."""
    keep = np.flatnonzero(outputs[:, 0] >= min_logit)
    rows, centre, stride = outputs[keep], anchors[keep, :2], anchors[keep, 2:]
    middle = centre + rows[:, 1:3] * stride
    half = np.exp(rows[:, 3:5].clip(-5, 5)) * (stride / 2)
    points = np.tile(centre, 5) + rows[:, 5:] * stride
    return np.concatenate([rows[:, :1], middle - half, middle + half, points], axis=1, dtype=np.float32)


def suppress_and_vote(
    rows: NDArray[np.float32], iou_threshold: float = 0.5, containment_threshold: float = 0.8
) -> NDArray[np.float32]:
    """Suppress overlapping detections, and average each remaining box with those that overlap it most.

    Args:
        rows: Detections (n, 15) of `decode_predictions`.
        iou_threshold: See `boxes.non_max_suppression`.
        containment_threshold: See `boxes.non_max_suppression`; a box of the chin alone is suppressed.

    Returns:
        The remaining rows (m, 15), the highest score first.
    """
    rows = rows[np.argsort(-rows[:, 0], kind="stable")][:_MAX_CANDIDATES]
    selected = non_max_suppression(
        rows[:, 1:5], rows[:, 0], max_iou=iou_threshold, max_containment=containment_threshold
    )
    return _vote_boxes(rows, selected)


def _vote_boxes(rows: NDArray[np.float32], selected: list[int]) -> NDArray[np.float32]:
    """Replace the box of each selected row by the mean of those that overlap it, weighted by IoU and squared score.

    "Box voting" of Gidaris and Komodakis 2015, "Object detection via a multi-region model".
    """
    iou = pairwise_iou(rows[selected, 1:5], rows[:, 1:5])
    scores = 1 / (1 + np.exp(-rows[:, 0].clip(-_MAX_LOGIT, _MAX_LOGIT).astype(float)))
    weights = np.where(iou >= _VOTING_IOU, iou, 0.0) * np.square(scores)
    own = np.arange(len(selected)), selected
    weights[own] = np.maximum(weights[own], _MIN_VOTE)  # a box without an area has no IoU with itself
    voted = rows[selected]
    voted[:, 1:5] = weights @ rows[:, 1:5] / weights.sum(1, keepdims=True)
    return voted


class PyramidLevel(NamedTuple):
    """One of the scales at which an image is searched, and the faces that count there, by the root of their area in
    pixels of the scaled image."""

    scale: float
    min_face_px: float = 0.0
    max_face_px: float = math.inf


def get_pyramid_levels(height: int, width: int, max_side: int) -> list[PyramidLevel]:
    """The scales at which an image is searched, the finest first; `max_side` as in `search_scale`.

    A face that fills a large image is larger than any that the network has learned; at a quarter of the scale, which
    costs a sixteenth of the time, it is not. What is no face looks like one more often at the wrong scale.
    """
    scale, finest = search_scale(height, width, max_side), max_search_scale(height, width, max_side)
    levels = [PyramidLevel(finest, max_face_px=_MAX_UPSCALED_FACE_PX)] if finest > scale else []
    levels.append(PyramidLevel(scale))
    while levels[-1].scale * max(height, width) > _MAX_PORTRAIT_SIDE:
        levels.append(PyramidLevel(levels[-1].scale / 4, min_face_px=_MIN_DOWNSCALED_FACE_PX))
    return levels


def make_tiles(height: int, width: int, scale: float) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the overlapping parts in which an image is searched at `scale`; one part if it is small."""
    columns = _split_axis(width, scale)
    return ((tall, wide) for tall in _split_axis(height, scale) for wide in columns)


def _split_axis(length: int, scale: float) -> list[slice]:
    most = round(_MAX_TILE_SIDE / scale)
    if length <= most:
        return [slice(0, length)]
    count = math.ceil((length - _TILE_OVERLAP_PX / scale) / (most - _TILE_OVERLAP_PX / scale))
    return [slice(start, start + most) for start in np.linspace(0, length - most, count).round().astype(int).tolist()]


class OnnxFaceDetector:
    """A verified detector of our own on ONNX Runtime; `num_threads` as in `load_session`.

    Its scores are probabilities: of the boxes with a score of 0.6, about 60 in 100 were faces on the photos that
    its card names.
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
                f"The network of the model {bundle.name} reads {shape} and answers {output}; expected pictures with 3 "
                f"colors and {VALUES_PER_CELL} values for each cell."
            )

    def detect(self, image: NDArray[np.uint8], threshold: float, max_side: int) -> tuple[Face, ...]:
        """See `FaceDetector.detect`; an image is searched at all of its `get_pyramid_levels`, tile by tile."""
        height, width = image.shape[:2]
        least = (_logit(threshold) - self._offset) / self._slope
        rows = np.concatenate(
            [
                self._detect_tile(image, tile, level, least)
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

        Faces at a border inside the image are left out, since the neighboring tile shows all of them.
        """
        part = image[tile]
        small, sx, sy = resize_long_side(part, max(1, round(max(part.shape[:2]) * level.scale)))
        tall, wide = small.shape[:2]
        small = pad_to_multiple(small)
        answers = self._session.run(None, {self._input_name: small[None].astype(np.float32)})[0]
        rows = decode_predictions(np.asarray(answers)[0], anchor_points(*small.shape[:2]), min_logit)
        x1, y1, x2, y2 = rows[:, 1:5].T
        areas = (x2 - x1) * (y2 - y1)
        keep = (areas >= level.min_face_px**2) & (areas <= level.max_face_px**2)
        keep &= ((x1 > 1) | (tile[1].start == 0)) & ((x2 < wide - 1) | (tile[1].stop == image.shape[1]))
        keep &= ((y1 > 1) | (tile[0].start == 0)) & ((y2 < tall - 1) | (tile[0].stop == image.shape[0]))
        rows = rows[keep]
        rows[:, 1:] = rows[:, 1:] * np.tile([sx, sy], 7) + np.tile([tile[1].start, tile[0].start], 7)
        return rows


def _logit(probability: float) -> float:
    probability = min(0.999, max(0.001, probability))
    return math.log(probability / (1 - probability))
