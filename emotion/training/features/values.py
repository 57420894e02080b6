"""The numbers that a features network learns for a face, and their spread over the training faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_MIN_DEVIATION: Final = 1e-3  # of a value that is the same for all faces


@dataclass(frozen=True)
class ValueStatistics:
    """Mean and standard deviation, float32 (values,), of the targets, by which a network scales its values."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    @classmethod
    def from_values(cls, values: NDArray[np.float32]) -> ValueStatistics:
        """Measure values (n, values)."""
        return cls(values.mean(0), values.std(0).clip(_MIN_DEVIATION))


def encode_values(
    points: NDArray[np.floating], pose: NDArray[np.floating], movements: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Return the values (n, values) in the order of `outputs`."""
    return np.concatenate([points.reshape(len(points), -1), pose, movements], axis=1).astype(np.float32)
