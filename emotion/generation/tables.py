"""Tables of what a generator's evaluation measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

# What `evaluate-gan` tells, in words: the metric, its key, and the key of what real faces reach in it.
_METRIC_ROWS: Final = (
    ("recognised as asked", "class_consistency", "real_class_consistency"),
    ("Fréchet distance, features of the judge", "frechet", "frechet_floor"),
    ("Fréchet distance, untrained features", "frechet_untrained", "frechet_untrained_floor"),
    ("kernel distance, features of the judge", "kid", "kid_floor"),
    ("precision: synthetic faces among real ones", "precision", "real_precision"),
    ("recall: real faces among synthetic ones", "recall", "real_recall"),
    ("median distance to the nearest training face", "nearest_distance", "nearest_distance_held_out"),
    ("small classifier learned from these, right on real ones", "trained_on_synthetic", "trained_on_real"),
)


def generator_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """Columns `metric`, `synthetic`, `real`, of what `evaluate-gan` gives; first over all, then by expression."""
    lines = [(name, result[key], result[real]) for name, key, real in _METRIC_ROWS if key in result]
    asked, known = result["class_consistency_per_class"], result["real_class_consistency_per_class"]
    lines += [(f"recognised as asked: {name}", share, known.get(name)) for name, share in asked.items()]
    lines += [(f"diversity: {name}", ratio, 1.0) for name, ratio in result["diversity_per_class"].items()]
    return pd.DataFrame(lines, columns=["metric", "synthetic", "real"])
