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

from emotion.boxes import box_sizes, non_max_suppression, pairwise_iou, to_xyxy
from emotion.faces import Box, Face

ACTIVATION_THRESHOLD: Final = 0.8  # a find with this score is shown at once, others when they are found a second time
_MAX_GAP_SECONDS: Final = 3.0  # seconds without a frame, after which nobody can tell who is who
# In face sizes: how far a face may lie from its predicted position: from one frame to the next, more with each second
# since it was seen, and at most.
_BASE_DISTANCE: Final = 0.5
_DISTANCE_PER_SECOND: Final = 2.0
_MAX_DISTANCE: Final = 1.5
_MIN_SIZE_PX: Final = 1e-3  # an empty box has a logarithm, too
_MAX_LOG_GROWTH: Final = math.log(1.8)  # how much larger or smaller a face may have become
_SMOOTHING_SECONDS: Final = 0.1  # seconds over which the speed is averaged: a jitter of the boxes is no movement
_PREDICTION_SECONDS: Final = 0.25  # seconds after which a moving head is expected to have stopped
_DUPLICATE_OVERLAP: Final = 0.5  # share of the smaller of two boxes that they have in common when both are of one face
_FORBIDDEN_COST: Final = 1e6  # cost of a pair that may not be


@dataclass(eq=False)
class Track:
    """One person's face over time: as it was `last_seen` last (seconds), at what speed it moved (pixels a second).

    `track_id` is given when it is shown for the first time. `is_lost`: it was looked for and not found.
    """

    face: Face
    last_seen: float
    track_id: int | None = None
    velocity: tuple[float, float] = (0.0, 0.0)
    is_lost: bool = False

    def predict(self, timestamp: float) -> Face:
        """The face where it should be at that time, with its number."""
        ahead = _PREDICTION_SECONDS * (1 - math.exp(-max(0.0, timestamp - self.last_seen) / _PREDICTION_SECONDS))
        face = self.face.scale_and_translate(self.velocity[0] * ahead, self.velocity[1] * ahead) if ahead else self.face
        return replace(face, track_id=self.track_id)

    def update(self, face: Face, timestamp: float) -> None:
        """Take over what was found of it at that time."""
        passed = timestamp - self.last_seen
        if passed > 0:
            weight = passed / (passed + _SMOOTHING_SECONDS)
            (x, y), (x0, y0) = face.box.center, self.face.box.center
            vx, vy = self.velocity
            self.velocity = vx + weight * ((x - x0) / passed - vx), vy + weight * ((y - y0) / passed - vy)
        self.face, self.last_seen, self.is_lost = face, timestamp, False


class Tracker:
    """Gives faces numbers that stay with them and are never used again; knows no pictures, only boxes and time."""

    def __init__(self, max_lost_seconds: float = 1.0) -> None:
        """`max_lost_seconds`: seconds for which a lost face is waited for under its number."""
        self.max_lost_seconds = max_lost_seconds
        self.tracks: tuple[Track, ...] = ()
        self._track_ids = itertools.count(1)
        self._timestamp = -math.inf

    @property
    def active(self) -> tuple[Track, ...]:
        """Tracks that are not lost, also those that wait to be found a second time."""
        return tuple(track for track in self.tracks if not track.is_lost)

    def update(
        self,
        faces: Sequence[Face],
        timestamp: float,
        searched: Collection[Track] | None = None,
        min_score: float = 0.0,
    ) -> tuple[Face, ...]:
        """Those of the found faces that are to be shown, with their numbers, by number; who comes at once with
        others is numbered from left to right.

        `searched`: the tracks that would have been found if they were there, None after a search of the whole
        picture. `min_score`: the score from which a find may be a new face. Where the time goes backwards or stands
        out for over three seconds, all tracks are forgotten first.
        """
        self._advance_to(timestamp)
        faces = _remove_duplicates(faces)
        self.tracks = tuple(track for track in self.tracks if not self._is_expired(track, timestamp))
        pairs = _assign_faces(self.tracks, faces, timestamp)
        for track in self.tracks:
            if track in pairs:
                track.update(pairs[track], timestamp)
            elif searched is None or track in searched:
                track.is_lost = True
        kept = [track for track in self.tracks if track.track_id or not track.is_lost]  # a ghost is not waited for
        matched = set(map(id, pairs.values()))
        others = [face for face in faces if id(face) not in matched and face.detection_score >= min_score]
        known = [track.face.box for track in kept if not track.is_lost]
        born = [Track(face, timestamp) for face in others if not any(_is_same_face(face.box, box) for box in known)]
        self.tracks = (*kept, *born)
        sure = [track for track in born if track.face.detection_score >= ACTIVATION_THRESHOLD]
        for track in sorted((*pairs, *sure), key=lambda track: track.face.box.x1):
            track.track_id = track.track_id or next(self._track_ids)
        return tuple(
            sorted((track.predict(timestamp) for track in (*pairs, *sure)), key=lambda face: face.track_id or 0)
        )

    def predict(self, timestamp: float) -> tuple[Face, ...]:
        """The faces to show at that time where they should be, by number: none that was looked for in vain, and
        none that was found longer than `max_lost_seconds` ago."""
        self._advance_to(timestamp)
        shown = [
            track for track in self.active if track.track_id and timestamp - track.last_seen <= self.max_lost_seconds
        ]
        return tuple(sorted((track.predict(timestamp) for track in shown), key=lambda face: face.track_id or 0))

    def remove(self, track_id: int | None) -> None:
        """Forget one track."""
        self.tracks = tuple(track for track in self.tracks if track.track_id != track_id)

    def clear(self) -> None:
        """Forget all tracks; their numbers stay used."""
        self.tracks = ()

    def rescale(self, factor: float) -> None:
        """Go on in pictures that are `factor` times as large."""
        for track in self.tracks:
            track.face = track.face.scale_and_translate(0, 0, factor)
            track.velocity = track.velocity[0] * factor, track.velocity[1] * factor

    def _advance_to(self, timestamp: float) -> None:
        if not 0 <= timestamp - self._timestamp <= _MAX_GAP_SECONDS:
            self.clear()
        self._timestamp = timestamp

    def _is_expired(self, track: Track, timestamp: float) -> bool:
        """Whether nobody waits for it any more."""
        return timestamp - track.last_seen > (self.max_lost_seconds if track.is_lost else _MAX_GAP_SECONDS)


def _is_same_face(box: Box, other: Box) -> bool:
    """Whether two boxes are of one face; one may be only its eyes or its chin, as detectors sometimes give them."""
    return box.intersection_area(other) > _DUPLICATE_OVERLAP * min(box.area, other.area)


def _remove_duplicates(faces: Sequence[Face]) -> list[Face]:
    """Select the most certain detection of each face, the highest score first."""
    scores = np.array([face.detection_score for face in faces])
    boxes = to_xyxy(face.box for face in faces)
    return [faces[index] for index in non_max_suppression(boxes, scores, max_containment=_DUPLICATE_OVERLAP)]


def _assign_faces(tracks: Sequence[Track], faces: Sequence[Face], timestamp: float) -> dict[Track, Face]:
    """The finds that continue tracks, so that the sum of all costs is least."""
    if not tracks or not faces:
        return {}
    age = np.array([timestamp - track.last_seen for track in tracks])
    costs = _compute_costs(
        to_xyxy(track.predict(timestamp).box for track in tracks), to_xyxy(face.box for face in faces), age
    )
    rows, columns = linear_sum_assignment(costs)
    return {tracks[i]: faces[j] for i, j in zip(rows, columns, strict=True) if costs[i, j] < _FORBIDDEN_COST}


def _compute_costs(
    predicted_boxes: NDArray[np.float64], detected_boxes: NDArray[np.float64], age: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of every pair of expected places (n, 4) and finds (m, 4) as (n, m): distance in face sizes, what is
    missing of the overlap, and the seconds since the face was seen, so that who is here goes before who is lost."""
    predicted_sizes = np.maximum(box_sizes(predicted_boxes), _MIN_SIZE_PX)[:, None]
    detected_sizes = np.maximum(box_sizes(detected_boxes), _MIN_SIZE_PX)
    predicted_centers, detected_centers = (
        (boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (predicted_boxes, detected_boxes)
    )
    offsets = predicted_centers[:, None] - detected_centers
    distances = np.hypot(offsets[..., 0], offsets[..., 1]) / np.sqrt(predicted_sizes * detected_sizes)
    max_distances = np.minimum(_BASE_DISTANCE + _DISTANCE_PER_SECOND * age, _MAX_DISTANCE)[:, None]
    growth = np.abs(np.log(predicted_sizes / detected_sizes))
    costs = distances + (1 - pairwise_iou(predicted_boxes, detected_boxes)) + age[:, None]
    return np.where((distances > max_distances) | (growth > _MAX_LOG_GROWTH), _FORBIDDEN_COST, costs)
