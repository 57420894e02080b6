"""Tables of a generator's evaluation."""

from __future__ import annotations

from typing import Final

import pandas as pd

from emotion.expressions import translate_label
from emotion.generation.reports import GeneratorEvaluation
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

# Description, key of the metric, key of what real faces reach in it.
_METRIC_ROWS: Final = (
    (gettext_noop("classified as requested"), "class_consistency", "real_class_consistency"),
    (gettext_noop("Fréchet distance, features of the classifier"), "frechet", "frechet_floor"),
    (gettext_noop("Fréchet distance, untrained features"), "frechet_untrained", "frechet_untrained_floor"),
    (gettext_noop("kernel distance, features of the classifier"), "kid", "kid_floor"),
    (gettext_noop("precision: synthetic faces among real ones"), "precision", "real_precision"),
    (gettext_noop("recall: real faces among synthetic ones"), "recall", "real_recall"),
    (gettext_noop("median distance to the nearest training face"), "nearest_distance", "nearest_distance_held_out"),
    (
        gettext_noop("accuracy on real faces of a small classifier trained on these"),
        "trained_on_synthetic",
        "trained_on_real",
    ),
)


def generator_table(evaluation: GeneratorEvaluation) -> pd.DataFrame:
    """Return columns `metric`, `synthetic`, `real`: metrics over all faces, then by expression."""
    rows = [
        (_(name), evaluation[key], evaluation[real_key]) for name, key, real_key in _METRIC_ROWS if key in evaluation
    ]
    real_shares = evaluation["real_class_consistency_per_class"]
    rows += [
        (_("classified as requested: {label}").format(label=translate_label(label)), share, real_shares.get(label))
        for label, share in evaluation["class_consistency_per_class"].items()
    ]
    rows += [
        (_("diversity: {label}").format(label=translate_label(label)), ratio, 1.0)
        for label, ratio in evaluation["diversity_per_class"].items()
    ]
    return pd.DataFrame(rows, columns=["metric", "synthetic", "real"])
