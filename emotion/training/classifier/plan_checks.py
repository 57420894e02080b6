"""Check the numbers of a training plan, read without Keras."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from emotion.datasets.augmentation import Augmentation
from emotion.errors import EmotionError
from emotion.translation.messages import gettext as _

# Dropout rates are 0.5 at most, and one of 1 would drop everything.
FACTOR_BOUNDS: Final = {"width_factor": (0.1, 8.0), "dropout_factor": (0.0, 1.8)}
_WHOLE_BOUNDS: Final = {
    "epochs": (1, 10_000),
    "batch_size": (1, 4096),
    "early_stopping_patience": (0, 10_000),
    "seed": (0, 2**31 - 1),
}


def check_numbers(values: Mapping[str, Any]) -> None:
    """Raise `EmotionError` where a number is out of its range; `values` are the fields of a plan by name."""
    for name, (low, high) in _WHOLE_BOUNDS.items():
        if not low <= values[name] <= high:
            text = _("{name} is {value}; expected a whole number from {minimum} to {maximum}.")
            raise EmotionError(text.format(name=name, value=values[name], minimum=low, maximum=high))
    rate, weight = values["learning_rate"], values["distillation_weight"]
    if not 0 < rate <= 10:
        raise EmotionError(
            _("The learning rate is {value}; expected a number above 0 and up to 10.").format(value=rate)
        )
    if not 0 <= weight <= 1:
        raise EmotionError(_("The distillation weight is {value}; expected a number from 0 to 1.").format(value=weight))
    for name, (low, high) in FACTOR_BOUNDS.items():
        if not low <= values[name] <= high:
            text = _("{name} is {value}; expected a number from {minimum:g} to {maximum:g}.")
            raise EmotionError(text.format(name=name, value=values[name], minimum=low, maximum=high))


def check_augmentation(change: Augmentation) -> None:
    """Raise `EmotionError` where a value of an augmentation is no number or out of its range."""
    values = asdict(change)
    if not all(isinstance(v, int | float) and math.isfinite(v) and v >= 0 for v in values.values()):
        raise EmotionError(_("An augmentation value is not a number of at least 0; choose others."))
    over = [name for name, value in values.items() if name.endswith("_prob") and value > 1]
    if over or change.shift > 1 or change.contrast > 1 or not 0.1 <= change.min_scale <= change.max_scale <= 10:
        raise EmotionError(
            _(
                "The augmentation is not valid: probabilities, shift and contrast go from 0 to 1, scales from 0.1 to "
                "10, min_scale not above max_scale."
            )
        )
