"""Tables of a generator's evaluation."""

from __future__ import annotations

from typing import Final

import pandas as pd

from emotion.generation.reports import GeneratorEvaluation

# Description, key of the metric, key of what real faces reach in it.
_METRIC_ROWS: Final = (
    ("classified as requested", "class_consistency", "real_class_consistency"),
    ("Fréchet distance, features of the classifier", "frechet", "frechet_floor"),
    ("Fréchet distance, untrained features", "frechet_untrained", "frechet_untrained_floor"),
    ("kernel distance, features of the classifier", "kid", "kid_floor"),
    ("precision: synthetic faces among real ones", "precision", "real_precision"),
    ("recall: real faces among synthetic ones", "recall", "real_recall"),
    ("median distance to the nearest training face", "nearest_distance", "nearest_distance_held_out"),
    ("accuracy on real faces of a small classifier trained on these", "trained_on_synthetic", "trained_on_real"),
)


def generator_table(evaluation: GeneratorEvaluation) -> pd.DataFrame:
    """Return columns `metric`, `synthetic`, `real`: metrics over all faces, then by expression."""
    rows = [(name, evaluation[key], evaluation[real_key]) for name, key, real_key in _METRIC_ROWS if key in evaluation]
    real_shares = evaluation["real_class_consistency_per_class"]
    rows += [
        (f"classified as requested: {label}", share, real_shares.get(label))
        for label, share in evaluation["class_consistency_per_class"].items()
    ]
    rows += [(f"diversity: {label}", ratio, 1.0) for label, ratio in evaluation["diversity_per_class"].items()]
    return pd.DataFrame(rows, columns=["metric", "synthetic", "real"])
