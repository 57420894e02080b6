"""Summary of an augmentation study: confidence intervals and paired differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.stats import t as student_t

from emotion.generation.reports import Interval, StudyRow, StudyRun, StudySummary
from emotion.generation.study.wording import ALL_FACES, CONDITIONS, format_conclusion

_BASELINES: Final = ("augmented", "oversampled")  # the synthetic condition is compared with
_UPPER_QUANTILE: Final = 0.975  # of a 95% interval


def summarize_runs(runs: Sequence[StudyRun], target_class: str) -> StudySummary:
    """Return means and 95% intervals over the seeds, paired differences of the same seeds, and the conclusion."""
    rows: list[StudyRow] = []
    for metric in (ALL_FACES, *runs[0]["recall"]):
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
        baseline: {metric: _difference(runs, baseline, metric) for metric in (ALL_FACES, target_class)}
        for baseline in _BASELINES
    }
    return {"conclusion": format_conclusion(differences, target_class), "rows": rows, "differences": differences}


def confidence_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of two or more values and the ends of its 95% interval by Student's t distribution."""
    mean, n = float(np.mean(values)), len(values)
    half_width = float(student_t.ppf(_UPPER_QUANTILE, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return mean, mean - half_width, mean + half_width


def _get_metric(run: StudyRun, metric: str) -> float:
    return run["accuracy"] if metric == ALL_FACES else run["recall"][metric]


def _difference(runs: Sequence[StudyRun], baseline: str, metric: str) -> Interval:
    values = {(run["condition"], run["seed"]): _get_metric(run, metric) for run in runs}
    mean, low, high = confidence_interval(
        [values["synthetic", seed] - values[baseline, seed] for condition, seed in values if condition == baseline]
    )
    return {"mean": mean, "low": low, "high": high}
