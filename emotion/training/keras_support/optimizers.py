"""The learning rates and the weight decay that several trainings share."""

from __future__ import annotations

from typing import Final, Protocol

import keras
import numpy as np

# Weight decay is for the weights of convolutions; biases and the factors of a batch normalization have none.
NOT_DECAYED: Final = ["bias", "gamma", "beta"]
_START_DIVISOR: Final = 20  # the first learning rate is this part of the peak


class WarmupConfig(Protocol):
    """The settings of `warmup_cosine`."""

    @property
    def learning_rate(self) -> float:
        """The peak."""
        ...

    @property
    def warmup_ratio(self) -> float:
        """The share of the steps before the peak."""
        ...


def warmup_cosine(config: WarmupConfig, num_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return a schedule of `num_steps` that rises linearly to the peak and falls by a cosine to 0."""
    warmup_steps = max(1, round(num_steps * config.warmup_ratio))
    return keras.optimizers.schedules.CosineDecay(
        config.learning_rate / _START_DIVISOR,
        max(1, num_steps - warmup_steps),
        alpha=0.0,
        warmup_target=config.learning_rate,
        warmup_steps=warmup_steps,
    )


def get_learning_rate(optimizer: keras.Optimizer) -> float:
    """Return the current learning rate of an optimizer, also where a schedule decides it."""
    return np.asarray(optimizer.learning_rate).item()
