"""The settings of an upscaler's training."""

from __future__ import annotations

import math
from typing import Any

import pytest

from emotion.errors import EmotionError
from emotion.generation.upscaling.config import UpscalerConfig


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "0 epochs"),
        ({"batch_size": 0}, "batches of 0"),
        ({"learning_rate": math.nan}, "rate nan"),
        ({"seed": -1}, "seed -1"),
        ({"min_side": 47}, "at least 47 pixels"),
        ({"feature_weight": -1.0}, "feature weight of -1.0"),
        ({"warmup_ratio": 1.0}, "warm-up of 1.0"),
    ],
)
def test_invalid_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EmotionError, match=message):
        UpscalerConfig(**changes)
