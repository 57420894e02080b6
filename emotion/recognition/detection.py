"""Find faces in an image: what all detectors have in common."""

from __future__ import annotations

from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.faces import Face
from emotion.recognition.cropping import CropGeometry

_MAX_ASPECT_RATIO: Final = 2  # short sides: what an image is longer than that does not make its faces smaller


class FaceDetector(Protocol):
    """What every detector offers. None of them is safe to use from two threads at once."""

    @property
    def name(self) -> str:
        """By which people choose it."""
        ...

    @property
    def crop_geometry(self) -> CropGeometry:
        """How its boxes relate to the crops that a classifier learned on."""
        ...

    @property
    def needs_verification(self) -> bool:
        """True where the boxes are only proposals that the classifier's own "is this a face" must confirm."""
        ...

    def detect(self, image: NDArray[np.uint8], threshold: float, max_side: int) -> tuple[Face, ...]:
        """Faces in RGB uint8 (H, W, 3), most certain first, boxes inside the picture.

        `threshold`: the least score, 0 to 1. `side`: a larger image is searched reduced to this long side in pixels,
        see `search_scale`; a smaller one may be enlarged, see `max_search_scale`.
        """
        ...


def search_scale(height: int, width: int, max_side: int) -> float:
    """The factor, at most 1, at which an image is searched for faces.

    Args:
        height: Of the image in pixels.
        width: Of the image in pixels.
        side: Long side in pixels to which a larger image is reduced. Of an image that is longer than twice its short
            side only that much counts: the faces in a panorama are as large as those in one part of it.
    """
    return min(1.0, max_side / min(max(height, width), _MAX_ASPECT_RATIO * min(height, width)))


def max_search_scale(height: int, width: int, max_side: int) -> float:
    """The largest factor at which an image may be searched, for its smallest faces: up to 2 for an image of less than
    half of `side`, `search_scale` for all others."""
    return max(search_scale(height, width, max_side), min(2.0, max_side / (2 * max(height, width))))


def resize_long_side(image: NDArray[np.uint8], long_side: int) -> tuple[NDArray[np.uint8], float, float]:
    """The picture with the long side `side`, and its pixels' width and height in the original's."""
    height, width = image.shape[:2]
    factor = long_side / max(height, width)
    if factor == 1:
        return image, 1.0, 1.0
    w, h = max(1, round(width * factor)), max(1, round(height * factor))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (w, h), interpolation=way), np.uint8), width / w, height / h
