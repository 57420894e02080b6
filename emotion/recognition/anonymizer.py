"""Pixelate faces in the frames of a video, including faces that the detector misses in single frames."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.faces import Box
from emotion.media.image_reader import ImageSource, as_rgb
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.annotation import pixelate
from emotion.recognition.settings import AnalyzerSettings

_HOLD_SECONDS: Final = 1.0  # seconds for which the last box of an undetected face stays pixelated
_MARGIN_FACTOR: Final = 1.5  # enlarges the last box of an undetected face, since the face may have moved
_MIN_MATCH_IOU: Final = 0.3  # from this IoU on, two boxes belong to the same face


def pixelate_all(image: ImageSource) -> NDArray[np.uint8]:
    """Pixelate a whole image, so coarsely that a face that fills it is unrecognizable.

    Args:
        image: The image, in any form that `as_rgb` accepts.

    Returns:
        The pixelated copy, RGB uint8 (H, W, 3).
    """
    image = as_rgb(image)
    return pixelate(image, [Box(0, 0, image.shape[1], image.shape[0])])


class Anonymizer:
    """Pixelate more than the tracked faces of a video.

    The tracker confirms uncertain detections only in a later frame, searches for new faces only a few times per second
    and drops faces that turn away. Each of these delays could leave a face visible in some frames.
    """

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._recent_boxes: list[tuple[float, Box]] = []  # timestamp and box of the last detection
        self._image_shape: tuple[int, ...] = ()

    def apply(
        self, image: ImageSource, known_boxes: list[Box], timestamp: float, settings: AnalyzerSettings
    ) -> NDArray[np.uint8]:
        """Pixelate the `regions` of a frame.

        Args:
            image: The frame, in any form that `as_rgb` accepts.
            known_boxes: The boxes of the tracked faces in the frame.
            timestamp: The time of the frame in seconds.
            settings: The settings of the detection.

        Returns:
            The pixelated copy, RGB uint8 (H, W, 3).
        """
        image = as_rgb(image)
        current_boxes, previous_boxes = self.regions(image, known_boxes, timestamp, settings)
        return pixelate(image, [*current_boxes, *previous_boxes])

    def regions(
        self, image: ImageSource, known_boxes: list[Box], timestamp: float, settings: AnalyzerSettings
    ) -> tuple[list[Box], list[Box]]:
        """Return the boxes to pixelate in a frame, after a search of the whole image.

        Args:
            image: The frame, in any form that `as_rgb` accepts.
            known_boxes: The boxes of the tracked faces in the frame.
            timestamp: The time of the frame in seconds.
            settings: The settings of the detection.

        Returns:
            `known_boxes` with all candidate boxes of the detector, and the enlarged boxes of faces that were detected
            within the last second but not in this frame.
        """
        image = as_rgb(image)
        if image.shape != self._image_shape:
            self._recent_boxes, self._image_shape = [], image.shape
        current_boxes = [*known_boxes, *self._analyzer.candidate_boxes(image, settings)]
        undetected = [
            (last_detected, box)
            for last_detected, box in self._recent_boxes
            if abs(timestamp - last_detected) <= _HOLD_SECONDS and is_unmatched(box, current_boxes)
        ]
        self._recent_boxes = [*undetected, *((timestamp, box) for box in current_boxes)]
        return current_boxes, [with_margin(box) for _, box in undetected]


def is_unmatched(box: Box, boxes: list[Box]) -> bool:
    """Return whether none of `boxes`, of another frame, belongs to the face of `box`."""
    return all(box.iou(other) < _MIN_MATCH_IOU for other in boxes)


def with_margin(box: Box) -> Box:
    """Enlarge the box of a face to pixelate in a frame in which the face is not detected."""
    return box.expand(_MARGIN_FACTOR)
