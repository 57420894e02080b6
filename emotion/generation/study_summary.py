"""Summary of an augmentation study: confidence intervals, paired differences and the conclusion in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from scipy.stats import t as student_t

from emotion.generation.reports import Interval, StudyRow, StudyRun, StudySummary

CONDITIONS: Final = {
    "real": "real faces as they are",
    "augmented": "real faces, mirrored, shifted and rotated",
    "oversampled": "the same, the rare ones repeated",
    "synthetic": "the same, with synthetic rare ones",
}
_BASELINES: Final = ("augmented", "oversampled")  # the synthetic condition is compared with
_ALL_FACES: Final = "all faces"  # the metric accuracy; the others are the recall of a label
_UPPER_QUANTILE: Final = 0.975  # of a 95% interval


def summarize_runs(runs: Sequence[StudyRun], target_class: str) -> StudySummary:
    """Return means and 95% intervals over the seeds, paired differences of the same seeds, and the conclusion."""
    rows: list[StudyRow] = []
    for metric in (_ALL_FACES, *runs[0]["recall"]):
        for condition, description in CONDITIONS.items():
            mean, low, high = confidence_interval(
                [_get_metric(run, metric) for run in runs if run["condition"] == condition]
            )
            rows.append(
                {
                    "metric": metric,
                    "condition": description,
                    "mean": mean,
                    "low": max(0.0, low),
                    "high": min(1.0, high),
                }
            )
    differences = {
        baseline: {metric: _difference(runs, baseline, metric) for metric in (_ALL_FACES, target_class)}
        for baseline in _BASELINES
    }
    return {"conclusion": _format_conclusion(differences, target_class), "rows": rows, "differences": differences}


def confidence_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of two or more values and the ends of its 95% interval by Student's t distribution."""
    mean, n = float(np.mean(values)), len(values)
    half_width = float(student_t.ppf(_UPPER_QUANTILE, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return mean, mean - half_width, mean + half_width


def _get_metric(run: StudyRun, metric: str) -> float:
    return run["accuracy"] if metric == _ALL_FACES else run["recall"][metric]


def _difference(runs: Sequence[StudyRun], baseline: str, metric: str) -> Interval:
    values = {(run["condition"], run["seed"]): _get_metric(run, metric) for run in runs}
    mean, low, high = confidence_interval(
        [values["synthetic", seed] - values[baseline, seed] for condition, seed in values if condition == baseline]
    )
    return {"mean": mean, "low": low, "high": high}


def _format_conclusion(differences: Mapping[str, Mapping[str, Interval]], target_class: str) -> str:
    augmented, oversampled = differences["augmented"], differences["oversampled"]
    return (
        f"To find {target_class}, synthetic faces {_format_effect(augmented[target_class])}, compared with real faces "
        f"alone: {_format_points(augmented[target_class])}; compared with the same real ones repeated as often, they "
        f"{_format_effect(oversampled[target_class])}: {_format_points(oversampled[target_class])}. "
        f"Over all faces they {_format_effect(augmented[_ALL_FACES])}: {_format_points(augmented[_ALL_FACES])}."
    )


def _format_points(difference: Interval) -> str:
    mean, low, high = 100 * difference["mean"], 100 * difference["low"], 100 * difference["high"]
    return f"{mean:+.1f} points ({low:+.1f} to {high:+.1f})"


def _format_effect(difference: Interval) -> str:
    if difference["low"] > 0:
        return "help"
    return "harm" if difference["high"] < 0 else "make no difference that can be told from chance"
