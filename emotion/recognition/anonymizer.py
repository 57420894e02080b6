"""Hide faces in frame after frame, also those that one frame misses."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.faces import Box
from emotion.media.image_reader import ImageSource, as_rgb
from emotion.recognition.analyzer import Analyzer, AnalyzerSettings
from emotion.recognition.annotation import pixelate

_HOLD_SECONDS: Final = 1.0  # seconds for which the place of a face that is not found any more stays hidden
_MARGIN_FACTOR: Final = 1.5  # a lost face has moved: its place is hidden by that factor larger
_MIN_MATCH_IOU: Final = 0.3  # overlap (IoU) from which a find is the face that was there


def pixelate_all(image: ImageSource) -> NDArray[np.uint8]:
    """A mosaic of the whole of an image, RGB uint8 (H, W, 3), too coarse for a face that fills it."""
    image = as_rgb(image)
    return pixelate(image, [Box(0, 0, image.shape[1], image.shape[0])])


class Anonymizer:
    """Hides more than is shown as a face: a stream waits for a second look at what is uncertain, looks for new faces
    a few times a second and lets go of one that turned away. None of that may show a face for a moment."""

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._recent_boxes: list[tuple[float, Box]] = []  # when it was seen last, and where
        self._image_shape: tuple[int, ...] = ()

    def apply(
        self, image: ImageSource, known_boxes: list[Box], timestamp: float, settings: AnalyzerSettings
    ) -> NDArray[np.uint8]:
        """A copy of an image, RGB uint8 (H, W, 3), without a recognisable face: see `regions`."""
        image = as_rgb(image)
        now, before = self.regions(image, known_boxes, timestamp, settings)
        return pixelate(image, [*now, *before])

    def regions(
        self, image: ImageSource, known_boxes: list[Box], timestamp: float, settings: AnalyzerSettings
    ) -> tuple[list[Box], list[Box]]:
        """Where to hide faces in an image: the boxes `known_boxes` of this frame and all that the detector
        suspects in it; and, with some room, where faces were in the last second. Searches the whole picture and
        raises what the detector raises."""
        image = as_rgb(image)
        if image.shape != self._image_shape:
            self._recent_boxes, self._image_shape = [], image.shape
        now = [*known_boxes, *self._analyzer.candidate_boxes(image, settings)]
        lost = [
            (seen, box)
            for seen, box in self._recent_boxes
            if abs(timestamp - seen) <= _HOLD_SECONDS and is_unmatched(box, now)
        ]
        self._recent_boxes = [*lost, *((timestamp, box) for box in now)]
        return now, [with_margin(box) for _, box in lost]


def is_unmatched(box: Box, boxes: list[Box]) -> bool:
    """Whether none of the finds is the face that was, or will be, at `box`."""
    return all(box.iou(other) < _MIN_MATCH_IOU for other in boxes)


def with_margin(box: Box) -> Box:
    """What to hide of a frame where the face of `box` is not found, but may be."""
    return box.expand(_MARGIN_FACTOR)
