"""The project's own face detector: an exported single-shot network, read on the CPU.

The network's answers are described here, where they are read; `training.detector_network` makes them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.bundles import Bundle
from emotion.errors import ModelError
from emotion.faces import Box, Face, Landmarks
from emotion.recognition.crops import CropGeometry
from emotion.recognition.detection import resized
from emotion.recognition.engine import load_session

STRIDES: Final = (8, 16, 32)  # pixels from cell to cell of the three grids
VALUES: Final = 15  # of each cell: score, middle x and y, log width and height, five points x and y
MULTIPLE: Final = STRIDES[-1]  # of which the sides of what the network reads are
_MOST_ROWS: Final = 1000  # more than the faces of any crowd; what a threshold near 0 lets in has no end
_SAME: Final = 0.7  # overlap (IoU) of boxes of one face
_TWICE: Final = 480  # pictures with this long side are searched in a quarter of their size, too


@lru_cache(maxsize=32)
def cells(height: int, width: int) -> NDArray[np.float32]:
    """The cells of a picture whose sides are multiples of `MULTIPLE`, in the order of the network's answers:
    float32 (cells, 3) with the centre x, y and the stride in pixels."""
    grids = []
    for stride in STRIDES:
        y, x = np.mgrid[: height // stride, : width // stride].reshape(2, -1)
        grids.append(np.column_stack([(x + 0.5) * stride, (y + 0.5) * stride, np.full(x.size, stride)]))
    places = np.concatenate(grids).astype(np.float32)
    places.setflags(write=False)
    return places


def padded(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) with black at its right and lower side, up to multiples of `MULTIPLE`."""
    height, width = image.shape[:2]
    down, right = -height % MULTIPLE, -width % MULTIPLE
    if not down and not right:
        return image
    return cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_CONSTANT, value=(0, 0, 0))  # type: ignore[return-value]


def decode(answers: NDArray[np.float32], places: NDArray[np.float32], least: float) -> NDArray[np.float32]:
    """The answers (cells, 15) with a score logit of at least `least` as rows (n, 15) in pixels: score logit, x1,
    y1, x2, y2 and five points x, y."""
    keep = np.flatnonzero(answers[:, 0] >= least)
    rows, centre, stride = answers[keep], places[keep, :2], places[keep, 2:]
    middle = centre + rows[:, 1:3] * stride
    half = np.exp(rows[:, 3:5].clip(-5, 5)) * (stride / 2)
    points = np.tile(centre, 5) + rows[:, 5:] * stride
    return np.concatenate([rows[:, :1], middle - half, middle + half, points], axis=1, dtype=np.float32)


def without_doubles(rows: NDArray[np.float32], overlap: float = 0.5, inside: float = 0.8) -> NDArray[np.float32]:
    """Of rows of `decode`, best first, those that no better one overlaps by more than `overlap` (IoU) or holds by
    more than `inside` of the smaller one's area: a chin is no second face. Their boxes are steadied by those that
    overlap them most."""
    rows = rows[np.argsort(-rows[:, 0], kind="stable")][:_MOST_ROWS]
    iou, inner, areas = _overlaps(rows)
    clash = (iou > overlap) | (inner > inside * np.minimum(areas[:, None], areas))
    free, kept = np.ones(len(rows), bool), []
    for i in range(len(rows)):
        if free[i]:
            kept.append(i)
            free &= ~clash[i]
    return _steadied(rows, iou, kept)


def _overlaps(rows: NDArray[np.float32]) -> tuple[NDArray, NDArray, NDArray]:
    """IoU and shared area (n, n) of the boxes of rows with each other, and their areas (n,)."""
    x1, y1, x2, y2 = rows[:, 1:5].T
    areas = (x2 - x1) * (y2 - y1)
    wide = np.minimum(x2[:, None], x2) - np.maximum(x1[:, None], x1)
    tall = np.minimum(y2[:, None], y2) - np.maximum(y1[:, None], y1)
    inner = wide.clip(0) * tall.clip(0)
    return inner / np.maximum(areas[:, None] + areas - inner, 1e-9), inner, areas


def _steadied(rows: NDArray[np.float32], iou: NDArray, kept: list[int]) -> NDArray[np.float32]:
    """The rows `kept` of all, with each box as the mean of those that overlap it by at least `_SAME`, the certain
    ones counting more: "box voting" (Gidaris and Komodakis 2015, "Object detection via a multi-region model")."""
    near = iou[kept]
    weights = np.where(near >= _SAME, near, 0.0) * np.square(1 / (1 + np.exp(-rows[:, 0].clip(-30, 30).astype(float))))
    own = np.arange(len(kept)), kept
    weights[own] = np.maximum(weights[own], 1e-12)  # a box without an area has no IoU with itself
    steadied = rows[kept]
    steadied[:, 1:5] = weights @ rows[:, 1:5] / weights.sum(1, keepdims=True)
    return steadied


class Glance:
    """A verified detector of our own on ONNX Runtime; `threads` as in `load_session`.

    Its scores are probabilities: of the boxes with a score of 0.6, about 60 in 100 were faces on the photos that
    its card names.
    """

    proposes: bool = False

    def __init__(self, bundle: Bundle, threads: int = 0) -> None:
        if bundle.kind != "detector":
            raise ModelError(f"{bundle.folder} is a {bundle.kind}; faces are found by a detector.")
        self.bundle = bundle
        self.name = bundle.name
        self.geometry = CropGeometry(**bundle.card["crops"])
        self._slope, self._offset = (float(bundle.card["score"][key]) for key in ("slope", "offset"))
        self._session = load_session(bundle, threads)
        self._input, shape = self._session.get_inputs()[0].name, self._session.get_inputs()[0].shape
        output = self._session.get_outputs()[0].shape
        if len(shape) != 4 or shape[-1] != 3 or len(output) != 3 or output[-1] != VALUES:
            raise ModelError(
                f"The network of the model {bundle.name} reads {shape} and answers {output}; expected pictures with 3 "
                f"colours and {VALUES} values for each cell."
            )

    def detect(self, image: NDArray[np.uint8], threshold: float, side: int) -> tuple[Face, ...]:
        """See `Detector.detect`; a picture of at most a quarter of the size that may be searched is doubled, to
        find its smallest faces."""
        height, width = image.shape[:2]
        least = (_logit(threshold) - self._offset) / self._slope
        long = max(height, width)
        side = 2 * long if side >= 4 * long else min(side, long)
        rows = self._rows(image, side, least)
        if side >= _TWICE:
            # Faces that fill a large picture are larger than any that the network has learned; in a picture of a
            # quarter of the size, which costs a sixteenth of the time, they are not.
            rows = np.concatenate([rows, self._rows(image, side // 4, least)])
        faces = []
        for row in without_doubles(rows):
            box = Box(*map(float, row[1:5])).clip(width, height)
            if box.area > 0:
                score = 1 / (1 + math.exp(-(self._slope * float(row[0]) + self._offset)))
                faces.append(Face(box, score, Landmarks(*((float(x), float(y)) for x, y in row[5:].reshape(5, 2)))))
        return tuple(faces)

    def _rows(self, image: NDArray[np.uint8], side: int, least: float) -> NDArray[np.float32]:
        """Rows of `decode` in pixels of `image`, which is searched with the long side `side`."""
        small, sx, sy = resized(image, side)
        small = padded(small)
        answers = self._session.run(None, {self._input: small[None].astype(np.float32)})[0]
        rows = decode(np.asarray(answers)[0], cells(*small.shape[:2]), least)
        rows[:, 1:] *= np.tile(np.array([sx, sy], np.float32), 7)
        return rows


def _logit(probability: float) -> float:
    probability = min(0.999, max(0.001, probability))
    return math.log(probability / (1 - probability))
