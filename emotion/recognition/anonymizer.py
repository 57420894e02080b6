"""Hide faces in frame after frame, also those that one frame misses."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.faces import Box
from emotion.media.image_reader import ImageSource, as_rgb
from emotion.recognition.analyzer import Analyzer, Settings
from emotion.recognition.annotation import pixelate

_KEEP: Final = 1.0  # seconds for which the place of a face that is not found any more stays hidden
_ROOM: Final = 1.5  # a lost face has moved: its place is hidden by that factor larger
_STILL: Final = 0.3  # overlap (IoU) from which a find is the face that was there


def hidden(image: ImageSource) -> NDArray[np.uint8]:
    """A mosaic of the whole of an image, RGB uint8 (H, W, 3), too coarse for a face that fills it."""
    image = as_rgb(image)
    return pixelate(image, [Box(0, 0, image.shape[1], image.shape[0])])


class Veil:
    """Hides more than is shown as a face: a stream waits for a second look at what is uncertain, looks for new faces
    a few times a second and lets go of one that turned away. None of that may show a face for a moment."""

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._places: list[tuple[float, Box]] = []  # when it was seen last, and where
        self._shape: tuple[int, ...] = ()

    def over(self, image: ImageSource, known: list[Box], seconds: float, settings: Settings) -> NDArray[np.uint8]:
        """A copy of an image, RGB uint8 (H, W, 3), without a recognisable face: see `places`."""
        image = as_rgb(image)
        now, before = self.places(image, known, seconds, settings)
        return pixelate(image, [*now, *before])

    def places(
        self, image: ImageSource, known: list[Box], seconds: float, settings: Settings
    ) -> tuple[list[Box], list[Box]]:
        """Where to hide faces in an image: the boxes `known` of this frame and all that the detector
        suspects in it; and, with some room, where faces were in the last second. Searches the whole picture and
        raises what the detector raises."""
        image = as_rgb(image)
        if image.shape != self._shape:
            self._places, self._shape = [], image.shape
        now = [*known, *self._analyzer.suspected(image, settings)]
        lost = [(seen, box) for seen, box in self._places if abs(seconds - seen) <= _KEEP and without_find(box, now)]
        self._places = [*lost, *((seconds, box) for box in now)]
        return now, [roomy(box) for _, box in lost]


def without_find(box: Box, found: list[Box]) -> bool:
    """Whether none of the finds is the face that was, or will be, at `box`."""
    return all(box.iou(other) < _STILL for other in found)


def roomy(box: Box) -> Box:
    """What to hide of a frame where the face of `box` is not found, but may be."""
    return box.expand(_ROOM)
