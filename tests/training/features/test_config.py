"""Settings of a features training that cannot be used."""

from __future__ import annotations

from typing import Any

import pytest

from emotion.errors import EmotionError
from emotion.training.features.config import FeaturesConfig


@pytest.mark.parametrize("size", [0, 16, 50, 176])
def test_the_input_size_is_a_multiple_of_16(size: int) -> None:
    with pytest.raises(EmotionError, match=f"The input size is {size}; expected a multiple of 16 from 32 to 160"):
        FeaturesConfig(input_size=size)


@pytest.mark.parametrize("changes", [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"seed": -1}])
def test_numbers_out_of_range_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(EmotionError, match="cannot be trained"):
        FeaturesConfig(**changes)
