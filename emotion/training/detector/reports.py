"""Typed contents of a detector's report, of its evaluation and of its calibrations, as written to JSON."""

from __future__ import annotations

from typing import TypedDict

from emotion.training.runs.folder import TrainingSummary


class DetectorMetrics(TypedDict):
    """Average precision, and precision and recall at the default threshold, on `n` validation images."""

    n: int
    ap: float
    precision: float
    recall: float


class DetectorReport(TrainingSummary):
    """The report of a detector's training; `emotion detector evaluate --save` adds the rows `detectors` to the file."""

    validation: DetectorMetrics
    export_difference: float


class EvaluationRow(TypedDict, total=False):
    """A row of `evaluate_detectors`, which describes the groups of keys."""

    detector: str
    source: str
    ap50: float | None
    ap30: float | None
    ap50_find_all: float | None
    num_faces: int
    face_size: str
    rotation: str
    blur: str
    recall: float | None
    precision: float | None
    roll: float | None
    negatives: int
    false_positives: int
    frame_size: str
    latency_ms: float


class CropGeometryMeasurement(TypedDict):
    """Relation of a detector's boxes to FER-2013 crops, over the `num_detected` of `n` crops with a detection.

    `scale` (side of the crop over the root of the area of the box) and `y_offset` (how far the center of the crop lies
    below that of the box, in sides of the crop) are medians; the spreads are median absolute deviations.
    """

    detector: str
    n: int
    num_detected: int
    scale: float
    scale_spread: float
    y_offset: float
    y_offset_spread: float


class DetectionCounts(TypedDict):
    """Detections at the default threshold."""

    true_positives: int
    false_positives: int


class ScoreFusionMeasurement(TypedDict):
    """A fitted `ScoreFusion` with `classifier` (its sha256), and the counts over `n` boxes without and with it."""

    classifier: str
    detector_weight: float
    classifier_weight: float
    bias: float
    n: int
    before: DetectionCounts
    after: DetectionCounts
