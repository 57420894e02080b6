"""One expression in several videos over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import pandas as pd

from emotion.expressions import legend_order
from emotion.video.analysis import VideoAnalysis

COMPARISON_COLUMNS: Final = ("name", "start", "probability")


def list_common_labels(analyses: Iterable[VideoAnalysis]) -> list[str]:
    """Return the labels that the models of all videos have, in the order of legends; [] where there is none."""
    sets = [set(analysis.labels) for analysis in analyses]
    return legend_order(set.intersection(*sets)) if sets else []


def compare_scores(analyses: Mapping[str, VideoAnalysis], expression: str) -> pd.DataFrame:
    """Compute the mean score of an expression of everyone in several videos over time.

    Args:
        analyses: The videos by unique name.
        expression: One of `list_common_labels`.

    Returns:
        `COMPARISON_COLUMNS`: `start` in seconds of the own video, `probability` from 0 to 1, NaN where no face is seen.
    """
    parts = []
    for name, analysis in analyses.items():
        curves = analysis.score_curves()
        parts.append(curves[curves["expression"] == expression].assign(name=name))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({name: [] for name in COMPARISON_COLUMNS})
    return table.loc[:, [*COMPARISON_COLUMNS]]
