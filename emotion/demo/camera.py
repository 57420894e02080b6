"""Simulated cameras for machines without one: moving faces, a second face for a while, and a dark phase."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.demo.synthetic_scene import background, paste_print
from emotion.media.image_array import ImageArray

FRAME_SIZE: Final = (640, 480)  # width, height in pixels
LOOP_SECONDS: Final = 30.0  # after which the frames repeat
_SECOND_FACE_SPAN: Final = (8.0, 20.0)  # seconds, start and end
_DIM_SPAN: Final = (22.0, 28.0)
_DIM_STRENGTH: Final = 0.8  # share of the light that is lost
_FADE_SECONDS: Final = 1.0  # of a face that enters or leaves, and of the light


class DemoCamera:
    """Frames made of one photo whose face moves and tilts.

    Args:
        image: RGB uint8 (H, W, 3) with one face.
        face_center: x, y of the face in pixels.
        face_px: Width of the face in pixels.
    """

    def __init__(self, image: ImageArray, face_center: tuple[float, float], face_px: float) -> None:
        self._image, self._face_center, self._face_px = image, face_center, face_px

    def frame_at(self, timestamp: float) -> ImageArray:
        """Return the frame RGB uint8 (480, 640, 3) at `timestamp` in seconds; periodic in `LOOP_SECONDS`."""
        width = FRAME_SIZE[0]
        t = timestamp % LOOP_SECONDS
        second_weight = _fade_weight(t, *_SECOND_FACE_SPAN)
        seam = round(width * (1 - 0.5 * second_weight))
        sway, nod = _wave(t, 4), _wave(t, 6)
        center = (seam / 2 + 40 * sway, 210 + 24 * nod)
        frame = self._render_view(center, 150 + 40 * _wave(t, 2), 10 * sway, is_mirrored=False)
        if seam < width:
            second_center = (seam + width / 4 + 24 * nod, 215 - 20 * sway)
            second_view = self._render_view(second_center, 135 + 15 * nod, -8 * nod, is_mirrored=True)
            frame[:, seam:] = second_view[:, seam:]
        return _apply_lighting(frame, t)

    def _render_view(
        self, center: tuple[float, float], face_px: float, degrees: float, *, is_mirrored: bool
    ) -> ImageArray:
        """Return a frame with the face at `center`, `face_px` pixels wide, rotated clockwise by `degrees`."""
        scale, angle = face_px / self._face_px, math.radians(degrees)
        linear = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        if is_mirrored:
            linear[:, 0] *= -1
        shift = np.array(center) - linear @ np.array(self._face_center)
        matrix = np.column_stack([linear, shift])
        return cv2.warpAffine(self._image, matrix, FRAME_SIZE, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


class SyntheticFacesCamera:
    """Frames of one or two swaying prints on a wall whose synthetic faces morph through the expressions.

    Args:
        strips: Two sequences of gray faces uint8 (n, s, s), as from `Sampler.morph`.
        num_expressions: Expressions of a strip, in equal steps from its first face to its last.
    """

    def __init__(self, strips: Sequence[NDArray[np.uint8]], num_expressions: int) -> None:
        self._first_strip, self._second_strip = strips
        self._num_expressions = num_expressions

    def frame_at(self, timestamp: float) -> ImageArray:
        """Return the frame RGB uint8 (480, 640, 3) at `timestamp` in seconds; periodic in `LOOP_SECONDS`."""
        width, height = FRAME_SIZE
        t = timestamp % LOOP_SECONDS
        second_weight = _fade_weight(t, *_SECOND_FACE_SPAN)
        sway, nod = _wave(t, 4), _wave(t, 6)
        frame = background(*FRAME_SIZE).copy()
        center = (width / 2 - 150 * second_weight + 20 * sway, height / 2 + 14 * nod)
        size = 230 + 40 * _wave(t, 2) - 30 * second_weight
        paste_print(frame, self._select_face(self._first_strip, t), center, size, 5 * sway)
        if second_weight > 0:
            second_center = (width * (1.25 - 0.5 * second_weight) - 14 * nod, height / 2 - 12 * sway)
            second_face = self._select_face(self._second_strip, t + LOOP_SECONDS / 3)
            paste_print(frame, second_face, second_center, 205 + 15 * nod, -4 * nod)
        return _apply_lighting(frame, t)

    def _select_face(self, strip: NDArray[np.uint8], timestamp: float) -> NDArray[np.uint8]:
        """Return the face at a time: through the expressions and back in a loop, with a pause at each."""
        num_transitions = 2 * (self._num_expressions - 1)
        position = timestamp % LOOP_SECONDS / LOOP_SECONDS * num_transitions
        position = min(position, num_transitions - position)
        # Half of a transition is the pause: a quarter at its start and a quarter at its end.
        progress = min(max(2 * (position % 1) - 0.5, 0.0), 1.0)
        fraction = (math.floor(position) + _smoothstep(progress)) / (self._num_expressions - 1)
        return strip[round(fraction * (len(strip) - 1))]


def _wave(timestamp: float, cycles: int) -> float:
    """Return a sine of whole cycles in a loop, -1 to 1, so that nothing jumps where the loop ends."""
    return math.sin(2 * math.pi * timestamp * cycles / LOOP_SECONDS)


def _smoothstep(x: float) -> float:
    return x * x * (3 - 2 * x)


def _apply_lighting(frame: ImageArray, timestamp: float) -> ImageArray:
    return cv2.convertScaleAbs(frame, alpha=1 - _DIM_STRENGTH * _fade_weight(timestamp, *_DIM_SPAN))  # type: ignore[return-value]


def _fade_weight(timestamp: float, start: float, end: float) -> float:
    """Return 0 outside `start` to `end`, 1 inside, with a smooth transition of `_FADE_SECONDS` within."""
    return _smoothstep(min(max(min(timestamp - start, end - timestamp) / _FADE_SECONDS, 0.0), 1.0))
