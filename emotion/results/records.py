"""Types of the results as plain JSON values."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class FeaturesRecord(TypedDict):
    """Features of a face, see `FaceFeatures`.

    `points`: x, y of 68 points in pixels, [] where they are hidden. `point_errors`: expected errors in eye distances.
    `pose`: degrees by "yaw", "pitch" and "roll"; None where it is withheld, and `movements` is {} then.
    """

    points: list[list[float]]
    point_errors: list[float]
    pose: dict[str, float] | None
    movements: dict[str, float]
    certainty: float


class FaceRecord(TypedDict):
    """A face.

    `box`: x1, y1, x2, y2 in pixels, half-open. `scores`: empty where the face was not classified. `features`: left out
    where they were not asked for.
    """

    box: list[int]
    detection_score: float
    label: str | None
    confidence: float | None
    scores: dict[str, float]
    uncertainty_reason: str | None
    features: NotRequired[FeaturesRecord]


class TrackedFaceRecord(FaceRecord):
    """A face of a stream."""

    track_id: int | None
    display_label: str


class PhotoRecord(TypedDict):
    """A photo and its faces.

    `width`, `height` and the boxes are in pixels of the rotated, reduced photo. `rotation`: degrees clockwise by which
    the photo was rotated to find the faces, left out for 0. `reduction`: the factor by which width and height of the
    file were divided, left out for 1.
    """

    file: str
    width: int
    height: int
    faces: list[FaceRecord]
    rotation: NotRequired[int]
    reduction: NotRequired[int]


class FrameRecord(TypedDict):
    """A frame of a stream; `timestamp` in seconds."""

    timestamp: float
    faces: list[TrackedFaceRecord]


class ModelReference(TypedDict):
    """The name of a model and the sha256 of its network, None for a detector that has none."""

    name: str
    sha256: str | None


class Provenance(TypedDict):
    """The program and the classifier that made a result."""

    program: str
    model: ModelReference
