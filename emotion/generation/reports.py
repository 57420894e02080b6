"""Typed contents of the reports of trainings and evaluations and of an augmentation study, as written to JSON."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from emotion.training.runs.folder import TrainingSummary


class GeneratorMetrics(TypedDict):
    """Metrics of an epoch on the validation split."""

    frechet: float
    class_consistency: float
    diversity: float


class GeneratorReport(TrainingSummary):
    """The report of a generator's training; `emotion generator evaluate` adds `evaluation` to the file."""

    validation: GeneratorMetrics
    export_difference: float


class Consistency(TypedDict):
    """Share of synthetic faces that the feature classifier labels as requested, with its 95% interval."""

    class_consistency: float
    class_consistency_interval: tuple[float, float]
    class_consistency_per_class: dict[str, float]


class RealConsistency(TypedDict):
    """Share of real faces that the feature classifier labels correctly, as the mean over the labels."""

    real_class_consistency: float
    real_class_consistency_per_class: dict[str, float]


class Distances(TypedDict):
    """Distances to a held-out split in the classifier's features; floors are those of the other held-out split."""

    frechet: float
    frechet_floor: float
    frechet_ratio: float
    kid: float
    kid_floor: float
    precision: float
    recall: float
    real_precision: float
    real_recall: float


class UntrainedDistances(TypedDict):
    """Fréchet distances in the features of random convolutions."""

    frechet_untrained: float
    frechet_untrained_floor: float


class Diversity(TypedDict):
    """Diversity relative to real faces, by label, and the labels that have collapsed."""

    diversity_per_class: dict[str, float]
    collapsed: list[str]


class Memorization(TypedDict):
    """Median distances to the nearest training face; a ratio far below 1 means that training faces are repeated."""

    nearest_distance: float
    nearest_distance_held_out: float
    nearest_ratio: float


class GeneratorEvaluation(Consistency, RealConsistency, Distances, UntrainedDistances, Diversity, Memorization):
    """All metrics of a generator, as in its report and its card."""

    split: str
    num_faces: int
    truncation: float
    feature_classifier: str
    feature_classifier_sha256: str
    is_guidance_relative: bool
    trained_on_synthetic: NotRequired[float]
    trained_on_real: NotRequired[float]


class StudyRun(TypedDict):
    """Metrics of one trained network: overall accuracy and recall by label."""

    condition: str
    seed: int
    accuracy: float
    recall: dict[str, float]


class Interval(TypedDict):
    """A mean and the ends of its 95% interval."""

    mean: float
    low: float
    high: float


class StudyRow(Interval):
    """A metric of one condition."""

    metric: str
    condition: str


class StudySummary(TypedDict):
    """Intervals of all conditions, and paired differences of the synthetic one: baseline -> metric -> interval."""

    conclusion: str
    rows: list[StudyRow]
    differences: dict[str, dict[str, Interval]]


class StudyResult(StudySummary):
    """An augmentation study, as in augmentation_study.json."""

    config: dict[str, Any]
    network: str
    num_held_out: int
    num_synthetic: int
    num_drawn: int
    generator: str
    filter_classifier: str
    filter_is_guidance_relative: bool
