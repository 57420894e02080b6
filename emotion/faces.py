"""Immutable values: boxes, landmarks, scores, faces and the result of one frame."""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.expressions import UNCERTAIN

_MIN_EYE_DISTANCE_PX: Final = 1e-6  # eyes closer than this define no direction


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned bounding box in pixels of the image, half-open: x1 <= x < x2, y1 <= y < y2."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        """Pixels, never negative."""
        return max(0.0, self.x2 - self.x1)

    @property
    def height(self) -> float:
        """Pixels, never negative."""
        return max(0.0, self.y2 - self.y1)

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        """The center (x, y)."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def intersection_area(self, other: Box) -> float:
        """Square pixels that both boxes cover."""
        return Box(max(self.x1, other.x1), max(self.y1, other.y1), min(self.x2, other.x2), min(self.y2, other.y2)).area

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1; 0 where both are empty."""
        shared = self.intersection_area(other)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0

    def clip(self, width: float, height: float) -> Box:
        """Return the part inside an image of that size; an empty box at its border for a box outside."""
        return Box(
            min(max(self.x1, 0.0), width),
            min(max(self.y1, 0.0), height),
            min(max(self.x2, 0.0), width),
            min(max(self.y2, 0.0), height),
        )

    def expand(self, factor: float) -> Box:
        """Return a box with the same center and both sides times `factor`."""
        (x, y), w, h = self.center, self.width * factor / 2, self.height * factor / 2
        return Box(x - w, y - h, x + w, y + h)

    def scale_and_translate(self, dx: float, dy: float, scale: float = 1.0) -> Box:
        """Multiply the coordinates by `scale`, then add (dx, dy) pixels."""
        return Box(self.x1 * scale + dx, self.y1 * scale + dy, self.x2 * scale + dx, self.y2 * scale + dy)

    def to_int_xyxy(self) -> tuple[int, int, int, int]:
        """Round x1, y1, x2, y2 to whole pixels."""
        return round(self.x1), round(self.y1), round(self.x2), round(self.y2)


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Five points (x, y) in pixels of the image; "right" and "left" are the sides of the person."""

    right_eye: tuple[float, float]
    left_eye: tuple[float, float]
    nose: tuple[float, float]
    mouth_right: tuple[float, float]
    mouth_left: tuple[float, float]

    def scale_and_translate(self, dx: float, dy: float, scale: float = 1.0) -> Landmarks:
        """Multiply the coordinates by `scale`, then add (dx, dy) pixels."""
        points = (self.right_eye, self.left_eye, self.nose, self.mouth_right, self.mouth_left)
        return Landmarks(*((x * scale + dx, y * scale + dy) for x, y in points))

    def rotate(self, degrees: float, center: tuple[float, float]) -> Landmarks:
        """Rotate clockwise in the image around `center` (x, y)."""
        turn, origin = cmath.rect(1.0, math.radians(degrees)), complex(*center)
        points = (self.right_eye, self.left_eye, self.nose, self.mouth_right, self.mouth_left)
        rotated = [(complex(*point) - origin) * turn + origin for point in points]
        return Landmarks(*((point.real, point.imag) for point in rotated))

    @property
    def roll_degrees(self) -> float:
        """Clockwise rotation of the line through the eyes in degrees, -180 to 180."""
        return math.degrees(math.atan2(self.left_eye[1] - self.right_eye[1], self.left_eye[0] - self.right_eye[0]))

    @property
    def yaw_ratio(self) -> float:
        """Offset of the nose from the middle of the eyes along their line, in eye distances.

        About 0 for a frontal face, over 0.35 for a head turned far to the side; negative toward the right eye.
        """
        eye_vector = np.subtract(self.left_eye, self.right_eye)
        distance = float(np.hypot(*eye_vector))
        if distance < _MIN_EYE_DISTANCE_PX:
            return 0.0
        middle = np.add(self.left_eye, self.right_eye) / 2
        return float(np.dot(np.subtract(self.nose, middle), eye_vector) / distance**2)


class Scores(Mapping[str, float]):
    """Immutable mapping of labels to probabilities, in the order of the model's labels."""

    __slots__ = ("_label", "_values")

    def __init__(self, labels: Sequence[str], probabilities: Sequence[float] | NDArray[np.floating]) -> None:
        if len(labels) == 0 or len(labels) != len(probabilities):
            raise ValueError(f"received {len(labels)} labels and {len(probabilities)} probabilities")
        self._values = {label: float(p) for label, p in zip(labels, probabilities, strict=True)}
        if len(self._values) < len(labels):
            raise ValueError(f"received labels that are not all different: {', '.join(labels)}")
        self._label = max(self._values, key=self._values.__getitem__)

    def __getitem__(self, label: str) -> float:
        return self._values[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Scores({', '.join(f'{k} {v:.2f}' for k, v in self.items())})"

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))  # equal mappings may differ in their order

    @property
    def label(self) -> str:
        """The most probable label; the first one of equally probable ones."""
        return self._label

    @property
    def confidence(self) -> float:
        """The probability of `label`, 0 to 1."""
        return self._values[self._label]


@dataclass(frozen=True, slots=True)
class HeadPose:
    """The direction of a head in degrees.

    Attributes:
        yaw: Positive toward the left side of the person.
        pitch: Positive downward.
        roll: Positive clockwise in the image.
    """

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True)
class FaceFeatures:
    """The shape of a face and what moves in it, as a small network estimates them.

    Attributes:
        points: The 68 points (x, y) in pixels of the image, in the order of `movements.OUTLINES`; () where they are
            hidden.
        point_errors: The expected error of each point in distances of the eyes.
        pose: The direction of the head; None where the network does not know it well.
        movements: From 0 to 1 by the names of `MOVEMENTS`; {} where the network does not know them well.
        certainty: From 0 to 1; below 0.5 pose and movements are withheld.
    """

    points: tuple[tuple[float, float], ...]
    point_errors: tuple[float, ...]
    pose: HeadPose | None
    movements: Mapping[str, float] = field(hash=False)
    certainty: float

    def scale_and_translate(self, dx: float, dy: float, scale: float = 1.0) -> FaceFeatures:
        """Multiply the coordinates by `scale`, then add (dx, dy) pixels."""
        return replace(self, points=tuple((x * scale + dx, y * scale + dy) for x, y in self.points))

    def move(self, start: Box, end: Box) -> FaceFeatures:
        """Return a copy whose points lie in the box `end` as they do in `start`; aspect ratios are ignored."""
        scale = math.sqrt(end.area / start.area) if start.area else 1.0
        (x0, y0), (x1, y1) = start.center, end.center
        return self.scale_and_translate(x1 - x0 * scale, y1 - y0 * scale, scale)

    def without_points(self) -> FaceFeatures:
        """Return a copy for an anonymized image: the points would show what its pixels hide."""
        return replace(self, points=(), point_errors=())


@dataclass(frozen=True, slots=True)
class Face:
    """One face; each stage of the analysis fills fields of a copy.

    Attributes:
        box: The bounding box.
        detection_score: The score of the detector, 0 to 1.
        landmarks: Eyes, nose and mouth; None from a detector without landmarks.
        scores: The probabilities of the expressions; None before the classification.
        uncertainty_reason: Why the label is not reliable ("blurred", "dark", ...); None where it is.
        track_id: The identity in a stream or a video.
        smoothed_label: The label that a stream displays although another one is slightly more probable; None where the
            most probable one is displayed.
        features: Points, head pose and movements; None where they were not asked for.
    """

    box: Box
    detection_score: float
    landmarks: Landmarks | None = None
    scores: Scores | None = None
    uncertainty_reason: str | None = None
    track_id: int | None = None
    smoothed_label: str | None = None
    features: FaceFeatures | None = None

    def __post_init__(self) -> None:
        if self.smoothed_label is not None and self.smoothed_label not in (self.scores or ()):
            raise ValueError(
                f"received the smoothed label {self.smoothed_label!r}, expected one of {', '.join(self.scores or ())}"
            )

    def with_scores(self, scores: Scores, uncertainty_reason: str | None, smoothed_label: str | None = None) -> Face:
        """Return a copy with the result of the classifier."""
        return replace(self, scores=scores, uncertainty_reason=uncertainty_reason, smoothed_label=smoothed_label)

    def scale_and_translate(self, dx: float, dy: float, scale: float = 1.0) -> Face:
        """Multiply the coordinates by `scale`, then add (dx, dy) pixels."""
        landmarks = self.landmarks and self.landmarks.scale_and_translate(dx, dy, scale)
        features = self.features and self.features.scale_and_translate(dx, dy, scale)
        return replace(self, box=self.box.scale_and_translate(dx, dy, scale), landmarks=landmarks, features=features)

    @property
    def is_uncertain(self) -> bool:
        """Whether there is a reason not to trust the label, or there is no label."""
        return self.uncertainty_reason is not None or self.label is None

    @property
    def display_label(self) -> str:
        """The label to display: `label`, or "unsure" for an uncertain face."""
        return UNCERTAIN.name if self.is_uncertain or self.label is None else self.label

    @property
    def label(self) -> str | None:
        """The label, also of an uncertain face: `smoothed_label`, or the most probable one; None without scores."""
        return self.smoothed_label or (self.scores.label if self.scores else None)

    @property
    def confidence(self) -> float | None:
        """The probability of `label`, 0 to 1; None without scores."""
        return self.scores[self.label] if self.scores and self.label else None


@dataclass(frozen=True, slots=True)
class FrameResult:
    """The faces of one frame; `timestamp` is in seconds from the beginning of the video or of the camera session."""

    index: int
    timestamp: float
    faces: tuple[Face, ...] = ()
