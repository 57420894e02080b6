"""Who is who from frame to frame: faces matched by place and time, never by looks.

As SORT (Bewley et al. 2016, "Simple Online and Realtime Tracking") predicts boxes and assigns finds to them by
the Hungarian method, with two changes: the cost also counts the distance, since boxes of fast heads do not
overlap between two frames of a slow camera; and a known face is believed at a lower score than a new one, as in
ByteTrack (Zhang et al. 2022).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from emotion.faces import Box, Face

SURE: Final = 0.8  # a find with this score is shown at once, others when they are found a second time
_GAP: Final = 3.0  # seconds without a frame, after which nobody can tell who is who
_REACH: Final = (0.5, 2.0, 1.5)  # in face sizes: how far a face may be off at once, more with each second, at most
_GROWTH: Final = math.log(1.8)  # how much larger or smaller a face may have become
_SETTLE: Final = 0.1  # seconds over which the speed is averaged: a jitter of the boxes is no movement
_HORIZON: Final = 0.25  # seconds after which a moving head is expected to have stopped
_SAME: Final = 0.5  # share of the smaller of two boxes that they have in common when both are of one face
_NEVER: Final = 1e6  # cost of a pair that may not be


@dataclass(eq=False)
class Track:
    """One person's face over time: as it was `found` last (seconds), at what speed it moved (pixels a second).

    `number` is given when it is shown for the first time. `lost`: it was looked for and not found.
    """

    face: Face
    found: float
    number: int | None = None
    speed: tuple[float, float] = (0.0, 0.0)
    lost: bool = False

    def at(self, seconds: float) -> Face:
        """The face where it should be at that time, with its number."""
        ahead = _HORIZON * (1 - math.exp(-max(0.0, seconds - self.found) / _HORIZON))
        face = self.face.moved(self.speed[0] * ahead, self.speed[1] * ahead) if ahead else self.face
        return replace(face, track=self.number)

    def meet(self, face: Face, seconds: float) -> None:
        """Take over what was found of it at that time."""
        passed = seconds - self.found
        if passed > 0:
            weight = passed / (passed + _SETTLE)
            (x, y), (x0, y0) = face.box.centre, self.face.box.centre
            vx, vy = self.speed
            self.speed = vx + weight * ((x - x0) / passed - vx), vy + weight * ((y - y0) / passed - vy)
        self.face, self.found, self.lost = face, seconds, False


class Tracker:
    """Gives faces numbers that stay with them and are never used again; knows no pictures, only boxes and time."""

    def __init__(self, keep: float = 1.0) -> None:
        """`keep`: seconds for which a lost face is waited for under its number."""
        self.keep = keep
        self.tracks: tuple[Track, ...] = ()
        self._numbers = itertools.count(1)
        self._seconds = -math.inf

    @property
    def present(self) -> tuple[Track, ...]:
        """Tracks that are not lost, also those that wait to be found a second time."""
        return tuple(track for track in self.tracks if not track.lost)

    def update(
        self,
        faces: Sequence[Face],
        seconds: float,
        sought: Collection[Track] | None = None,
        least: float = 0.0,
    ) -> tuple[Face, ...]:
        """Those of the found faces that are to be shown, with their numbers, by number; who comes at once with
        others is numbered from left to right.

        `sought`: the tracks that would have been found if they were there, None after a search of the whole
        picture. `least`: the score from which a find may be a new face. Where the time goes backwards or stands
        out for over three seconds, all tracks are forgotten first.
        """
        self._go_to(seconds)
        faces = _without_doubles(faces)
        self.tracks = tuple(track for track in self.tracks if not self._over(track, seconds))
        pairs = _assign(self.tracks, faces, seconds)
        for track in self.tracks:
            if track in pairs:
                track.meet(pairs[track], seconds)
            elif sought is None or track in sought:
                track.lost = True
        kept = [track for track in self.tracks if track.number or not track.lost]  # a ghost is not waited for
        matched = set(map(id, pairs.values()))
        others = [face for face in faces if id(face) not in matched and face.detection >= least]
        known = [track.face.box for track in kept if not track.lost]
        born = [Track(face, seconds) for face in others if not any(_same(face.box, box) for box in known)]
        self.tracks = (*kept, *born)
        sure = [track for track in born if track.face.detection >= SURE]
        for track in sorted((*pairs, *sure), key=lambda track: track.face.box.x1):
            track.number = track.number or next(self._numbers)
        return tuple(sorted((track.at(seconds) for track in (*pairs, *sure)), key=lambda face: face.track or 0))

    def predict(self, seconds: float) -> tuple[Face, ...]:
        """The faces to show at that time where they should be, by number: none that was looked for in vain, and
        none that was found longer than `keep` ago."""
        self._go_to(seconds)
        shown = [track for track in self.present if track.number and seconds - track.found <= self.keep]
        return tuple(sorted((track.at(seconds) for track in shown), key=lambda face: face.track or 0))

    def drop(self, number: int | None) -> None:
        """Forget one track."""
        self.tracks = tuple(track for track in self.tracks if track.number != number)

    def clear(self) -> None:
        """Forget all tracks; their numbers stay used."""
        self.tracks = ()

    def scale(self, factor: float) -> None:
        """Go on in pictures that are `factor` times as large."""
        for track in self.tracks:
            track.face = track.face.moved(0, 0, factor)
            track.speed = track.speed[0] * factor, track.speed[1] * factor

    def _go_to(self, seconds: float) -> None:
        if not 0 <= seconds - self._seconds <= _GAP:
            self.clear()
        self._seconds = seconds

    def _over(self, track: Track, seconds: float) -> bool:
        """Whether nobody waits for it any more."""
        return seconds - track.found > (self.keep if track.lost else _GAP)


def _same(one: Box, other: Box) -> bool:
    """Whether two boxes are of one face; one may be only its eyes or its chin, as detectors sometimes give them."""
    shared = Box(max(one.x1, other.x1), max(one.y1, other.y1), min(one.x2, other.x2), min(one.y2, other.y2))
    return shared.area > _SAME * min(one.area, other.area)


def _without_doubles(faces: Sequence[Face]) -> list[Face]:
    """The surest find of each face, the surest first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.detection):
        if not any(_same(face.box, other.box) for other in kept):
            kept.append(face)
    return kept


def _assign(tracks: Sequence[Track], faces: Sequence[Face], seconds: float) -> dict[Track, Face]:
    """The finds that continue tracks, so that the sum of all costs is least."""
    if not tracks or not faces:
        return {}
    age = np.array([seconds - track.found for track in tracks])
    costs = _costs(_corners([track.at(seconds).box for track in tracks]), _corners([f.box for f in faces]), age)
    rows, columns = linear_sum_assignment(costs)
    return {tracks[i]: faces[j] for i, j in zip(rows, columns, strict=True) if costs[i, j] < _NEVER}


def _corners(boxes: Sequence[Box]) -> NDArray[np.float64]:
    return np.array([(box.x1, box.y1, box.x2, box.y2) for box in boxes])


def _costs(places: NDArray[np.float64], finds: NDArray[np.float64], age: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of every pair of expected places (n, 4) and finds (m, 4) as (n, m): distance in face sizes, what is
    missing of the overlap, and the seconds since the face was seen, so that who is here goes before who is lost."""
    one, other = places[:, None], finds[None]
    sides = np.maximum(one[..., 2:] - one[..., :2], 1e-3), np.maximum(other[..., 2:] - other[..., :2], 1e-3)
    areas = sides[0].prod(axis=-1), sides[1].prod(axis=-1)
    shared = (np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])).clip(0).prod(axis=-1)
    overlap = shared / (areas[0] + areas[1] - shared)
    between = (one[..., :2] + one[..., 2:] - other[..., :2] - other[..., 2:]) / 2
    distance = np.hypot(between[..., 0], between[..., 1]) / (areas[0] * areas[1]) ** 0.25
    at_once, each_second, most = _REACH
    reach = np.minimum(at_once + each_second * age, most)[:, None]
    growth = np.abs(np.log(areas[0] / areas[1])) / 2
    costs = distance + (1 - overlap) + age[:, None]
    return np.where((distance > reach) | (growth > _GROWTH), _NEVER, costs)
