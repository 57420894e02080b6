"""Protocol of the face detectors, and the scales at which they search an image."""

from __future__ import annotations

from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.faces import Face
from emotion.recognition.cropping import CropGeometry
from emotion.recognition.settings import FULL_RESOLUTION_SIDE

_MAX_ASPECT_RATIO: Final = 2  # in short sides; a longer image, such as a panorama, does not have smaller faces
_MIN_SEARCHED_PX: Final = 20.0  # pixels of the searched image
_MIN_FACE_PX: Final = 12.0  # pixels of the original image, with `FULL_RESOLUTION_SIDE`


class FaceDetector(Protocol):
    """Interface of the face detectors; no implementation is thread-safe."""

    @property
    def name(self) -> str:
        """The name by which a user selects the detector."""
        ...

    @property
    def crop_geometry(self) -> CropGeometry:
        """The relation of its boxes to the crops on which the classifiers are trained."""
        ...

    @property
    def needs_verification(self) -> bool:
        """Whether the boxes are only proposals to confirm by the face probability of the classifier."""
        ...

    def detect(self, image: NDArray[np.uint8], threshold: float, max_side: int) -> tuple[Face, ...]:
        """Detect the faces in an image.

        Args:
            image: RGB uint8 (H, W, 3).
            threshold: The minimum score, 0 to 1.
            max_side: Long side in pixels to which a larger image is reduced, see `search_scale`; a smaller image may
                be enlarged, see `max_search_scale`.

        Returns:
            The faces by descending score, with boxes inside the image.
        """
        ...


def search_scale(height: int, width: int, max_side: int) -> float:
    """Return the scale, at most 1, at which an image is searched for faces.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        max_side: Long side in pixels to which a larger image is reduced. The long side counts as at most twice the
            short side, since the faces in a panorama are as large as those in one part of it.
    """
    return min(1.0, max_side / min(max(height, width), _MAX_ASPECT_RATIO * min(height, width)))


def max_search_scale(height: int, width: int, max_side: int) -> float:
    """Return the largest scale at which an image may be searched, which serves to detect its smallest faces.

    It is at most 2 and above 1 for an image with a long side of less than half of `max_side`, and at least
    `search_scale`, whose arguments it takes.
    """
    return max(search_scale(height, width, max_side), min(2.0, max_side / (2 * max(height, width))))


def min_face_size(shape: tuple[int, ...], max_side: int) -> float:
    """Return the smallest size in pixels of a face in an image (H, W, ...) that is searched with `max_side`.

    A smaller crop has no detail for the classifier, and detectors take the dot of an i for a head.
    """
    height, width = shape[:2]
    if max_side >= FULL_RESOLUTION_SIDE:
        return max(_MIN_FACE_PX, _MIN_SEARCHED_PX / max_search_scale(height, width, max_side))
    return _MIN_SEARCHED_PX / search_scale(height, width, max_side)


def resize_long_side(image: NDArray[np.uint8], long_side: int) -> tuple[NDArray[np.uint8], float, float]:
    """Resize an image to a long side in pixels.

    Returns:
        The resized image, and the width and height of its pixels in pixels of the original image.
    """
    height, width = image.shape[:2]
    factor = long_side / max(height, width)
    if factor == 1:
        return image, 1.0, 1.0
    w, h = max(1, round(width * factor)), max(1, round(height * factor))
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (w, h), interpolation=interpolation), np.uint8), width / w, height / h
