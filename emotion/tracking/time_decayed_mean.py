"""An exponential moving average over values at any times."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

MIN_CALIBRATION_SAMPLES: Final = 5  # fewer predictions do not represent a neutral face


class TimeDecayedMean:
    """Exponential moving average in which the weight of a value halves every `half_life` seconds.

    It is the weighted sum over the sum of the weights, so that the first value does not weigh more than the others.
    """

    def __init__(self) -> None:
        self.weight = 0.0
        self._total: NDArray[np.float64] = np.zeros(0)
        self._timestamp = 0.0

    def update(self, value: NDArray[np.float64], timestamp: float, half_life: float) -> None:
        """Add a value.

        Args:
            value: The value, float (n,).
            timestamp: Its time in seconds, not before that of the last value.
            half_life: Seconds; 0 discards all earlier values, infinity gives the plain mean.
        """
        decay = 0.5 ** ((timestamp - self._timestamp) / half_life) if half_life > 0 else 0.0
        self._total = value + self._total * decay if self.weight else value
        self.weight = 1 + self.weight * decay
        self._timestamp = timestamp

    @property
    def mean(self) -> NDArray[np.float64]:
        """The average; undefined before the first `update`."""
        return self._total / self.weight
