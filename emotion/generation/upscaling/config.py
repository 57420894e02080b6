"""Configuration of an upscaler's training; importing it does not load Keras."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from emotion.errors import EmotionError
from emotion.field_types import check_types

NETWORK_NAME: Final = "upscaler"
SMALL_SIDE: Final = 48  # pixels of a face that is enlarged
SCALE: Final = 4
LARGE_SIDE: Final = SMALL_SIDE * SCALE


@dataclass(frozen=True)
class UpscalerConfig:
    """Hyperparameters of an upscaler's training; saved as config.json before the first step."""

    epochs: int = 30
    batch_size: int = 16
    learning_rate: float = 1e-3  # the peak, of Adam
    warmup_ratio: float = 0.05  # share of the steps before the peak; a cosine decay to 0 follows
    # Weight of the difference in early features of a classifier, beside the mean absolute difference of the pixels,
    # which alone would leave edges blurred (Johnson et al. 2016, "Perceptual losses for real-time style transfer and
    # super-resolution").
    feature_weight: float = 0.1
    feature_classifier: str = ""  # sha256 of this classifier
    min_side: int = 144  # pixels of the smallest face in a photo that teaches detail
    seed: int = 1

    def __post_init__(self) -> None:
        check_types(self)
        if self.epochs < 1 or self.batch_size < 1 or not self.learning_rate > 0 or self.seed < 0:
            raise EmotionError(
                f"{self.epochs} epochs of batches of {self.batch_size} at the learning rate {self.learning_rate} with "
                f"the seed {self.seed} cannot be trained; the first three must be above 0, the seed not below."
            )
        if self.min_side < SMALL_SIDE or not 0 <= self.feature_weight < math.inf or not 0 <= self.warmup_ratio < 1:
            raise EmotionError(
                f"Faces of at least {self.min_side} pixels, a feature weight of {self.feature_weight} and a warm-up of "
                f"{self.warmup_ratio} were requested; expected {SMALL_SIDE} pixels or more, 0 or more, and 0 to 1."
            )
