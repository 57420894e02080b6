"""Track faces from frame to frame by position and time, never by appearance.

Boxes are predicted and assigned to detections by the Hungarian method, as in SORT (Bewley et al. 2016, "Simple Online
and Realtime Tracking"), with two changes: the cost includes the distance, since the boxes of fast heads do not overlap
between two frames of a slow camera; and a tracked face needs a lower score than a new one, as in ByteTrack (Zhang et
al. 2022).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from emotion.boxes import box_sizes, non_max_suppression, pairwise_iou, to_xyxy
from emotion.faces import Box, Face

ACTIVATION_THRESHOLD: Final = 0.8  # a detection with this score is shown immediately, others at the second one
_MAX_GAP_SECONDS: Final = 3.0  # seconds without a frame after which positions say nothing about identity
# In face sizes: how far a face may lie from its predicted position: from one frame to the next, more with each second
# since it was seen, and at most.
_BASE_DISTANCE: Final = 0.5
_DISTANCE_PER_SECOND: Final = 2.0
_MAX_DISTANCE: Final = 1.5
_MIN_SIZE_PX: Final = 1e-3  # an empty box has a logarithm, too
_MAX_LOG_GROWTH: Final = math.log(1.8)  # the natural logarithm of the largest change of size
_SMOOTHING_SECONDS: Final = 0.1  # seconds over which the velocity is averaged, since boxes jitter
_PREDICTION_SECONDS: Final = 0.25  # the time constant in seconds with which a predicted movement ends
_DUPLICATE_OVERLAP: Final = 0.5  # share of the smaller of two boxes of one face that lies in the other
_FORBIDDEN_COST: Final = 1e6  # of a pair that is not allowed


@dataclass(eq=False)
class Track:
    """The face of one person over time.

    Attributes:
        face: The face at its last detection.
        last_seen: The timestamp of the last detection in seconds.
        track_id: The identity, given when the face is shown for the first time.
        velocity: Pixels per second in x and y.
        is_lost: Whether the last search for the face failed.
    """

    face: Face
    last_seen: float
    track_id: int | None = None
    velocity: tuple[float, float] = (0.0, 0.0)
    is_lost: bool = False

    def predict(self, timestamp: float) -> Face:
        """Return the face with its track ID, moved to the predicted position."""
        ahead = _PREDICTION_SECONDS * (1 - math.exp(-max(0.0, timestamp - self.last_seen) / _PREDICTION_SECONDS))
        face = self.face.scale_and_translate(self.velocity[0] * ahead, self.velocity[1] * ahead) if ahead else self.face
        return replace(face, track_id=self.track_id)

    def update(self, face: Face, timestamp: float) -> None:
        """Take over the detection of a frame."""
        elapsed = timestamp - self.last_seen
        if elapsed > 0:
            weight = elapsed / (elapsed + _SMOOTHING_SECONDS)
            (x, y), (x0, y0) = face.box.center, self.face.box.center
            vx, vy = self.velocity
            self.velocity = vx + weight * ((x - x0) / elapsed - vx), vy + weight * ((y - y0) / elapsed - vy)
        self.face, self.last_seen, self.is_lost = face, timestamp, False


class Tracker:
    """Assign track IDs to the faces of a stream from their boxes and timestamps; an ID is never reused.

    Args:
        max_lost_seconds: How long the track of a lost face is kept.
    """

    def __init__(self, max_lost_seconds: float = 1.0) -> None:
        self.max_lost_seconds = max_lost_seconds
        self.tracks: tuple[Track, ...] = ()
        self._track_ids = itertools.count(1)
        self._timestamp = -math.inf

    @property
    def active(self) -> tuple[Track, ...]:
        """The tracks that are not lost, including those that are not confirmed by a second detection."""
        return tuple(track for track in self.tracks if not track.is_lost)

    def update(
        self,
        faces: Sequence[Face],
        timestamp: float,
        searched: Collection[Track] | None = None,
        min_score: float = 0.0,
    ) -> tuple[Face, ...]:
        """Match the detections of a frame to the tracks.

        All tracks are removed first where the time goes backwards or jumps by over three seconds.

        Args:
            faces: The detections of the frame.
            timestamp: The time of the frame in seconds.
            searched: The tracks that would be detected if they were there; all of them for None.
            min_score: The score of a detection that starts a track.

        Returns:
            The faces to show, ordered by track ID; new ones are numbered from left to right.
        """
        self._advance_to(timestamp)
        detections = _remove_duplicates(faces)
        self.tracks = tuple(track for track in self.tracks if not self._is_expired(track, timestamp))
        pairs = assign_faces(self.tracks, detections, timestamp)
        self._update_matched(pairs, searched, timestamp)
        matched = set(map(id, pairs.values()))
        started = self._start_tracks(
            [face for face in detections if id(face) not in matched and face.detection_score >= min_score], timestamp
        )
        shown = (*pairs, *(track for track in started if track.face.detection_score >= ACTIVATION_THRESHOLD))
        for track in sorted(shown, key=lambda track: track.face.box.x1):
            track.track_id = track.track_id or next(self._track_ids)
        return _predict_faces(shown, timestamp)

    def _update_matched(
        self, pairs: Mapping[Track, Face], searched: Collection[Track] | None, timestamp: float
    ) -> None:
        """Update the matched tracks, mark the others as lost, and drop those that never were confirmed."""
        for track in self.tracks:
            if track in pairs:
                track.update(pairs[track], timestamp)
            elif searched is None or track in searched:
                track.is_lost = True
        self.tracks = tuple(track for track in self.tracks if track.track_id or not track.is_lost)

    def _start_tracks(self, detections: Sequence[Face], timestamp: float) -> list[Track]:
        """Start a track for each detection that is not a second box of a tracked face."""
        active = [track.face.box for track in self.active]
        started = [
            Track(face, timestamp) for face in detections if not any(_is_same_face(face.box, box) for box in active)
        ]
        self.tracks = (*self.tracks, *started)
        return started

    def predict(self, timestamp: float) -> tuple[Face, ...]:
        """Return the faces to show at a time between two searches, at their predicted positions, ordered by track ID.

        Faces that are lost, or were detected longer than `max_lost_seconds` ago, are left out.
        """
        self._advance_to(timestamp)
        recent = (track for track in self.active if timestamp - track.last_seen <= self.max_lost_seconds)
        return _predict_faces([track for track in recent if track.track_id], timestamp)

    def remove(self, track_id: int | None) -> None:
        """Remove one track."""
        self.tracks = tuple(track for track in self.tracks if track.track_id != track_id)

    def clear(self) -> None:
        """Remove all tracks; their IDs are not reused."""
        self.tracks = ()

    def rescale(self, factor: float) -> None:
        """Continue in frames that are `factor` times as large."""
        for track in self.tracks:
            track.face = track.face.scale_and_translate(0, 0, factor)
            track.velocity = track.velocity[0] * factor, track.velocity[1] * factor

    def _advance_to(self, timestamp: float) -> None:
        if not 0 <= timestamp - self._timestamp <= _MAX_GAP_SECONDS:
            self.clear()
        self._timestamp = timestamp

    def _is_expired(self, track: Track, timestamp: float) -> bool:
        return timestamp - track.last_seen > (self.max_lost_seconds if track.is_lost else _MAX_GAP_SECONDS)


def _predict_faces(tracks: Iterable[Track], timestamp: float) -> tuple[Face, ...]:
    return tuple(sorted((track.predict(timestamp) for track in tracks), key=lambda face: face.track_id or 0))


def _is_same_face(box: Box, other: Box) -> bool:
    """Whether two boxes are of one face; detectors sometimes give a second box of the eyes or the chin alone."""
    return box.intersection_area(other) > _DUPLICATE_OVERLAP * min(box.area, other.area)


def _remove_duplicates(faces: Sequence[Face]) -> list[Face]:
    """Select the most certain detection of each face, the highest score first."""
    scores = np.array([face.detection_score for face in faces])
    boxes = to_xyxy(face.box for face in faces)
    return [faces[index] for index in non_max_suppression(boxes, scores, max_containment=_DUPLICATE_OVERLAP)]


def assign_faces(tracks: Sequence[Track], faces: Sequence[Face], timestamp: float) -> dict[Track, Face]:
    """Assign detections to tracks with the least total cost."""
    if not tracks or not faces:
        return {}
    age = np.array([timestamp - track.last_seen for track in tracks])
    costs = compute_costs(
        to_xyxy(track.predict(timestamp).box for track in tracks), to_xyxy(face.box for face in faces), age
    )
    rows, columns = linear_sum_assignment(costs)
    return {tracks[i]: faces[j] for i, j in zip(rows, columns, strict=True) if costs[i, j] < _FORBIDDEN_COST}


def compute_costs(
    predicted_boxes: NDArray[np.float64], detected_boxes: NDArray[np.float64], age: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute the costs (n, m) of assigning detected boxes (m, 4) to predicted ones (n, 4).

    The cost is the distance in face sizes, plus 1 - IoU, plus the seconds since the last detection (`age`, (n,)), by
    which present faces precede lost ones.
    """
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
