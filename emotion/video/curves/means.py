"""Means of the faces of a video over equal steps of time: what curves are made of."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.results.tables import score_columns
from emotion.video.tables import BinnedSpans, deduplicate_per_frame, get_column, split_into_bins

SCORE_CURVE_COLUMNS: Final = ("expression", "start", "probability")
_MAX_POINTS: Final = 600  # of a curve, about one for each pixel
_MAX_SCORE_POINTS: Final = 300  # of each of seven curves, so that a chart stays small
_MIN_STEP_SECONDS: Final = 1 / 12  # faces are classified 12 times a second
_MIN_WEIGHT: Final = 1e-9  # seconds, of a frame without a duration


def make_steps(duration: float, max_points: int = _MAX_POINTS) -> NDArray[np.float64]:
    """Return the starts, in seconds, of equal steps of a video of this duration."""
    return np.arange(0.0, max(duration, _MIN_STEP_SECONDS), max(_MIN_STEP_SECONDS, duration / max_points))


def compute_means(values: NDArray[np.float64], spans: BinnedSpans, num_steps: int) -> NDArray[np.float64]:
    """Return the means over time of the known values of the spans in each step, NaN where there is none."""
    by_part = values[spans.span_indices]
    weights = np.where(np.isnan(by_part), 0.0, np.maximum(spans.durations, _MIN_WEIGHT))
    totals = np.bincount(spans.bin_indices, weights, num_steps)
    sums = np.bincount(spans.bin_indices, weights * np.nan_to_num(by_part), num_steps)
    return np.where(totals > 0, sums / np.where(totals > 0, totals, 1), np.nan)


def compute_score_curves(faces: pd.DataFrame, duration: float, labels: tuple[str, ...]) -> pd.DataFrame:
    """Compute the mean probability of each expression of all faces of a table over time.

    Args:
        faces: A table of `apply_identities`, of one face or of many.
        duration: Of the video, in seconds.
        labels: The labels of the model.

    Returns:
        `SCORE_CURVE_COLUMNS`: `start` in seconds, at equal steps from the first to the last one with a face, and the
        mean `probability` (0 to 1) from there to the next step, NaN where no face is seen.
    """
    faces = deduplicate_per_frame(faces)
    starts = make_steps(duration, _MAX_SCORE_POINTS)
    # A frame counts for as long as it is shown: few frames are analyzed where that is to be fast.
    spans = split_into_bins(get_column(faces, "timestamp"), get_column(faces, "duration"), starts)
    if not len(spans.bin_indices):
        return pd.DataFrame({name: [] for name in SCORE_CURVE_COLUMNS})
    seen = slice(int(spans.bin_indices.min()), int(spans.bin_indices.max()) + 1)
    parts = [
        pd.DataFrame(
            {
                "expression": label,
                "start": starts[seen],
                "probability": compute_means(get_column(faces, column), spans, len(starts))[seen],
            }
        )
        for label, column in zip(labels, score_columns(labels), strict=True)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({name: [] for name in SCORE_CURVE_COLUMNS})
