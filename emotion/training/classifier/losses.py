"""The loss of the expression head, which is trained as if all expressions were equally frequent."""

from __future__ import annotations

from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from emotion.training.keras_support.keras_types import Tensor

_MIN_PRIOR: Final = 1e-4  # of an expression without a training face


class BalancedCrossentropy(keras.losses.Loss):
    """The cross-entropy of logits to which the logarithm of the class prior is added.

    The network learns what speaks for a class apart from its frequency in the training split, so rare classes are
    predicted as readily as frequent ones (Ren et al. 2020, "Balanced meta-softmax for long-tailed visual recognition").

    Args:
        prior: The share (classes,) of each class in the targets of the training split.
    """

    def __init__(self, prior: NDArray[np.floating], **options: Any) -> None:
        super().__init__(**options)
        self._log_prior = np.log(np.maximum(prior, _MIN_PRIOR)).astype(np.float32)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss (n,) of logits (n, classes) for target probabilities (n, classes)."""
        return keras.losses.categorical_crossentropy(y_true, y_pred + self._log_prior, from_logits=True)
