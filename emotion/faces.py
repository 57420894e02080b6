"""Faces as values: boxes, landmarks, scores, faces and the result of one frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emotion.expressions import UNCERTAIN


@dataclass(frozen=True, slots=True)
class Box:
    """An upright bounding box in pixels of the picture, half-open: x1 <= x < x2, y1 <= y < y2."""

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
        """The middle (x, y)."""
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
        """The part inside a picture of that size; empty at its border when wholly outside."""
        return Box(
            min(max(self.x1, 0.0), width),
            min(max(self.y1, 0.0), height),
            min(max(self.x2, 0.0), width),
            min(max(self.y2, 0.0), height),
        )

    def expand(self, factor: float) -> Box:
        """The same centre, both sides times `scale`."""
        (x, y), w, h = self.center, self.width * factor / 2, self.height * factor / 2
        return Box(x - w, y - h, x + w, y + h)

    def scale_and_translate(self, dx: float, dy: float, scale: float = 1.0) -> Box:
        """In a picture `scale` times as large, then moved by (x, y) pixels."""
        return Box(self.x1 * scale + dx, self.y1 * scale + dy, self.x2 * scale + dx, self.y2 * scale + dy)

    def to_int_xyxy(self) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 as whole pixels."""
        return round(self.x1), round(self.y1), round(self.x2), round(self.y2)


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Five points (x, y) in pixels; "right" and "left" are the person's own, as the detectors give them."""

    right_eye: tuple[float, float]
    left_eye: tuple[float, float]
    nose: tuple[float, float]
    mouth_right: tuple[float, float]
    mouth_left: tuple[float, float]

    def scale_and_translate(self, dx: float, dy: float, scale: float = 1.0) -> Landmarks:
        """In a picture `scale` times as large, then moved by (x, y) pixels."""
        points = (self.right_eye, self.left_eye, self.nose, self.mouth_right, self.mouth_left)
        return Landmarks(*((a * scale + dx, b * scale + dy) for a, b in points))

    @property
    def roll_degrees(self) -> float:
        """Degrees by which the line through the eyes is turned clockwise in the picture, -180 to 180."""
        return math.degrees(math.atan2(self.left_eye[1] - self.right_eye[1], self.left_eye[0] - self.right_eye[0]))

    @property
    def yaw_ratio(self) -> float:
        """How far the nose lies off the middle of the eyes, in eye distances: about 0 from the front, over
        0.35 for a head turned far to the side. Negative towards the person's right eye."""
        eye = np.subtract(self.left_eye, self.right_eye)
        distance = float(np.hypot(*eye))
        if distance < 1e-6:
            return 0.0
        middle = np.add(self.left_eye, self.right_eye) / 2
        return float(np.dot(np.subtract(self.nose, middle), eye) / distance**2)


class Scores(Mapping[str, float]):
    """Immutable label -> probability, in the order and with the labels of the model that spoke."""

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
        return hash(frozenset(self._values.items()))  # equal ones may differ in their order

    @property
    def label(self) -> str:
        """The most probable label, the first of equals."""
        return self._label

    @property
    def confidence(self) -> float:
        """The probability of `label`, 0 to 1."""
        return self._values[self._label]


@dataclass(frozen=True, slots=True)
class Face:
    """One face; each stage fills a field and returns a new value.

    `detection_score` is the detector's score, 0 to 1. `uncertainty_reason` is the reason why the label is not to be trusted, in
    words for a person ("small", "blurred", ...), or None. `track_id` is the identity in a stream. `smoothed_label` is the
    label that a stream displays while another one is more probable by little; None displays the most probable one.
    """

    box: Box
    detection_score: float
    landmarks: Landmarks | None = None
    scores: Scores | None = None
    uncertainty_reason: str | None = None
    track_id: int | None = None
    smoothed_label: str | None = None

    def __post_init__(self) -> None:
        if self.smoothed_label is not None and self.smoothed_label not in (self.scores or ()):
            raise ValueError(
                f"received the smoothed label {self.smoothed_label!r}, expected one of {', '.join(self.scores or ())}"
            )

    def with_scores(self, scores: Scores, uncertainty_reason: str | None, smoothed_label: str | None = None) -> Face:
        """The same face with what the classifier says."""
        return replace(self, scores=scores, uncertainty_reason=uncertainty_reason, smoothed_label=smoothed_label)

    def scale_and_translate(self, dx: float, dy: float, scale: float = 1.0) -> Face:
        """The same face in a picture `scale` times as large, then moved by (x, y) pixels."""
        points = self.landmarks and self.landmarks.scale_and_translate(dx, dy, scale)
        return replace(self, box=self.box.scale_and_translate(dx, dy, scale), landmarks=points)

    @property
    def is_uncertain(self) -> bool:
        """Whether there is a reason not to trust the label, or there is no label."""
        return self.uncertainty_reason is not None or self.label is None

    @property
    def display_label(self) -> str:
        """The word to show: the label, or "unsure"."""
        return UNCERTAIN.name if self.is_uncertain or self.label is None else self.label

    @property
    def label(self) -> str | None:
        """The label to display, also of an unsure face: `smoothed_label`, or the most probable one; None without
        scores."""
        return self.smoothed_label or (self.scores.label if self.scores else None)

    @property
    def confidence(self) -> float | None:
        """The probability of `label`, 0 to 1; None without scores."""
        return self.scores[self.label] if self.scores and self.label else None


@dataclass(frozen=True, slots=True)
class FrameResult:
    """The faces of one frame; `timestamp` comes from the time stamps of the film."""

    index: int
    timestamp: float
    faces: tuple[Face, ...] = ()
