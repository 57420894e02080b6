"""A camera for those without one: faces that move, get company and lose the light."""

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
LOOP_SECONDS: Final = 30.0  # seconds after which everything begins anew
_SECOND_FACE_SPAN: Final = (8.0, 20.0)  # from when until when a second face is there
_DIM_SPAN: Final = (22.0, 28.0)
_FADE_SECONDS: Final = 1.0  # that somebody takes to come or to leave, and the light to change


class DemoCamera:
    """Frames made of one picture RGB uint8 (H, W, 3) with a face whose middle lies at `face_center` (x, y) and that is
    `face_px` pixels wide."""

    def __init__(self, image: ImageArray, face_center: tuple[float, float], face_px: float) -> None:
        self._image, self._face_center, self._face_px = image, face_center, face_px

    def frame_at(self, timestamp: float) -> ImageArray:
        """The frame RGB uint8 (480, 640, 3) of that time; the same for the same time, again after `LOOP_SECONDS` seconds."""
        width, height = FRAME_SIZE
        t = timestamp % LOOP_SECONDS
        company = _fade_weight(t, *_SECOND_FACE_SPAN)
        seam = round(width * (1 - 0.5 * company))
        # Sines of whole turns in a loop, so that nothing jumps at its end.
        sway, nod = math.sin(2 * math.pi * t * 4 / LOOP_SECONDS), math.sin(2 * math.pi * t * 6 / LOOP_SECONDS)
        size = 150 + 40 * math.sin(2 * math.pi * t * 2 / LOOP_SECONDS)
        frame = self._render_view(
            width, height, (seam / 2 + 40 * sway, 210 + 24 * nod), size, 10 * sway, mirrored=False
        )
        if seam < width:
            place = (seam + width / 4 + 24 * nod, 215 - 20 * sway)
            other = self._render_view(width, height, place, 135 + 15 * nod, -8 * nod, mirrored=True)
            frame[:, seam:] = other[:, seam:]
        return _apply_lighting(frame, t)

    def _render_view(
        self, width: int, height: int, center: tuple[float, float], face_px: float, degrees: float, *, mirrored: bool
    ) -> ImageArray:
        """The picture with its face at `center`, `face_px` pixels wide, turned clockwise by `degrees`."""
        scale, angle = face_px / self._face_px, math.radians(degrees)
        linear = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        if mirrored:
            linear[:, 0] *= -1
        shift = np.array(center) - linear @ np.array(self._face_center)
        matrix = np.column_stack([linear, shift])
        return cv2.warpAffine(self._image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


class SyntheticFacesCamera:
    """Frames made of synthetic people: prints on a wall that sway, while their faces go through the expressions.

    `strips`: for each of two people grey faces uint8 (n, s, s) from the first of `num_expressions` to the last, in equal
    steps, as `Sampler.morph` draws them.
    """

    def __init__(self, strips: Sequence[NDArray[np.uint8]], num_expressions: int) -> None:
        self._first_strip, self._second_strip = strips
        self._num_expressions = num_expressions

    def frame_at(self, timestamp: float) -> ImageArray:
        """The frame RGB uint8 (480, 640, 3) of that time; the same for the same time, again after `LOOP_SECONDS` seconds."""
        width, height = FRAME_SIZE
        t = timestamp % LOOP_SECONDS
        company = _fade_weight(t, *_SECOND_FACE_SPAN)
        sway, nod = math.sin(2 * math.pi * t * 4 / LOOP_SECONDS), math.sin(2 * math.pi * t * 6 / LOOP_SECONDS)
        size = 230 + 40 * math.sin(2 * math.pi * t * 2 / LOOP_SECONDS) - 30 * company
        frame = background(*FRAME_SIZE).copy()
        middle = (width / 2 - 150 * company + 20 * sway, height / 2 + 14 * nod)
        paste_print(frame, self._select_face(self._first_strip, t), middle, size, 5 * sway)
        if company > 0:
            place = (width * (1.25 - 0.5 * company) - 14 * nod, height / 2 - 12 * sway)
            paste_print(
                frame, self._select_face(self._second_strip, t + LOOP_SECONDS / 3), place, 205 + 15 * nod, -4 * nod
            )
        return _apply_lighting(frame, t)

    def _select_face(self, strip: NDArray[np.uint8], timestamp: float) -> NDArray[np.uint8]:
        """Through the expressions and back within a loop, with a rest at each."""
        turns = 2 * (self._num_expressions - 1)
        place = timestamp % LOOP_SECONDS / LOOP_SECONDS * turns
        place = min(place, turns - place)
        rest, way = math.floor(place), min(max(2 * (place % 1) - 0.5, 0.0), 1.0)
        share = (rest + way * way * (3 - 2 * way)) / (self._num_expressions - 1)
        return strip[round(share * (len(strip) - 1))]


def _apply_lighting(frame: ImageArray, timestamp: float) -> ImageArray:
    """The frame in the light of that time of the loop."""
    return cv2.convertScaleAbs(frame, alpha=1 - 0.8 * _fade_weight(timestamp, *_DIM_SPAN))  # type: ignore[return-value]


def _fade_weight(timestamp: float, start: float, end: float) -> float:
    """How much of something that comes at `start` and is gone at `end` is there, 0 to 1, without a jerk."""
    share = min(max(min(timestamp - start, end - timestamp) / _FADE_SECONDS, 0.0), 1.0)
    return share * share * (3 - 2 * share)
