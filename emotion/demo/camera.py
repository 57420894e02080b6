"""A camera for those without one: faces that move, get company and lose the light."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.demo.synthetic_scene import hang, wall

SIZE: Final = (640, 480)  # width, height in pixels
LOOP: Final = 30.0  # seconds after which everything begins anew
_COMPANY: Final = (8.0, 20.0)  # from when until when a second face is there
_DUSK: Final = (22.0, 28.0)
_SECOND: Final = 1.0  # that somebody takes to come or to leave, and the light to change

Picture = NDArray[np.uint8]


class DemoCamera:
    """Frames made of one picture RGB uint8 (H, W, 3) with a face whose middle lies at `face` (x, y) and that is
    `side` pixels wide."""

    def __init__(self, picture: Picture, face: tuple[float, float], side: float) -> None:
        self._picture, self._face, self._side = picture, face, side

    def at(self, seconds: float) -> Picture:
        """The frame RGB uint8 (480, 640, 3) of that time; the same for the same time, again after `LOOP` seconds."""
        width, height = SIZE
        t = seconds % LOOP
        company = _there(t, *_COMPANY)
        seam = round(width * (1 - 0.5 * company))
        # Sines of whole turns in a loop, so that nothing jumps at its end.
        sway, nod = math.sin(2 * math.pi * t * 4 / LOOP), math.sin(2 * math.pi * t * 6 / LOOP)
        size = 150 + 40 * math.sin(2 * math.pi * t * 2 / LOOP)
        frame = self._view(width, height, (seam / 2 + 40 * sway, 210 + 24 * nod), size, 10 * sway, mirrored=False)
        if seam < width:
            place = (seam + width / 4 + 24 * nod, 215 - 20 * sway)
            other = self._view(width, height, place, 135 + 15 * nod, -8 * nod, mirrored=True)
            frame[:, seam:] = other[:, seam:]
        return _lit(frame, t)

    def _view(
        self, width: int, height: int, place: tuple[float, float], side: float, degrees: float, *, mirrored: bool
    ) -> Picture:
        """The picture with its face at `place`, `side` pixels wide, turned clockwise by `degrees`."""
        scale, angle = side / self._side, math.radians(degrees)
        linear = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        if mirrored:
            linear[:, 0] *= -1
        shift = np.array(place) - linear @ np.array(self._face)
        matrix = np.column_stack([linear, shift])
        return cv2.warpAffine(self._picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


class PeopleCamera:
    """Frames made of synthetic people: prints on a wall that sway, while their faces go through the expressions.

    `strips`: for each of two people grey faces uint8 (n, s, s) from the first of `expressions` to the last, in equal
    steps, as `Sampler.morph` draws them.
    """

    def __init__(self, strips: Sequence[NDArray[np.uint8]], expressions: int) -> None:
        self._first, self._second = strips
        self._expressions = expressions

    def at(self, seconds: float) -> Picture:
        """The frame RGB uint8 (480, 640, 3) of that time; the same for the same time, again after `LOOP` seconds."""
        width, height = SIZE
        t = seconds % LOOP
        company = _there(t, *_COMPANY)
        sway, nod = math.sin(2 * math.pi * t * 4 / LOOP), math.sin(2 * math.pi * t * 6 / LOOP)
        size = 230 + 40 * math.sin(2 * math.pi * t * 2 / LOOP) - 30 * company
        frame = wall(*SIZE).copy()
        middle = (width / 2 - 150 * company + 20 * sway, height / 2 + 14 * nod)
        hang(frame, self._face(self._first, t), middle, size, 5 * sway)
        if company > 0:
            place = (width * (1.25 - 0.5 * company) - 14 * nod, height / 2 - 12 * sway)
            hang(frame, self._face(self._second, t + LOOP / 3), place, 205 + 15 * nod, -4 * nod)
        return _lit(frame, t)

    def _face(self, strip: NDArray[np.uint8], t: float) -> NDArray[np.uint8]:
        """Through the expressions and back within a loop, with a rest at each."""
        turns = 2 * (self._expressions - 1)
        place = t % LOOP / LOOP * turns
        place = min(place, turns - place)
        rest, way = math.floor(place), min(max(2 * (place % 1) - 0.5, 0.0), 1.0)
        share = (rest + way * way * (3 - 2 * way)) / (self._expressions - 1)
        return strip[round(share * (len(strip) - 1))]


def _lit(frame: Picture, t: float) -> Picture:
    """The frame in the light of that time of the loop."""
    return cv2.convertScaleAbs(frame, alpha=1 - 0.8 * _there(t, *_DUSK))  # type: ignore[return-value]


def _there(t: float, start: float, end: float) -> float:
    """How much of something that comes at `start` and is gone at `end` is there, 0 to 1, without a jerk."""
    share = min(max(min(t - start, end - t) / _SECOND, 0.0), 1.0)
    return share * share * (3 - 2 * share)
