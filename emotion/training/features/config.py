"""The settings of a features network's training, without Keras."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from emotion.datasets.augmentation import Augmentation
from emotion.errors import EmotionError
from emotion.field_types import check_types

NETWORK_NAME: Final = "features"
_MIN_SIZE, _MAX_SIZE = 32, 160  # pixels
_SIZE_STEP: Final = 16  # the network halves its input four times
# Crops of a live camera are more tilted and less exact than those of FER-2013, and parts of faces are hidden.
FEATURES_AUGMENTATION: Final = Augmentation(
    rotation=25.0,
    min_scale=0.8,
    max_scale=1.25,
    erase_prob=0.25,
    blur_prob=0.1,
    noise_prob=0.1,
    jpeg_prob=0.08,
    low_resolution_prob=0.15,
)


@dataclass(frozen=True)
class FeaturesConfig:
    """The settings of a features network's training; saved as config.json before the first step."""

    input_size: int = 64  # pixels
    epochs: int = 80
    batch_size: int = 32
    learning_rate: float = 2e-3  # the peak, for AdamW
    warmup_ratio: float = 0.05  # share of the steps before the peak; then a cosine to 0
    weight_decay: float = 0.02
    # loss = points_weight x points + pose_weight x pose + movements + error_weight x expected errors + face
    points_weight: float = 4.0
    pose_weight: float = 1.0
    error_weight: float = 0.1
    face_weight: float = 0.1
    seed: int = 1
    augmentation: Augmentation = field(default=FEATURES_AUGMENTATION)

    def __post_init__(self) -> None:
        check_types(self)
        if self.epochs < 1 or self.batch_size < 1 or not self.learning_rate > 0 or self.seed < 0:
            raise EmotionError(
                f"{self.epochs} epochs of batches of {self.batch_size} at the learning rate {self.learning_rate} with "
                f"the seed {self.seed} cannot be trained; the first three must be above 0, the seed not below."
            )
        if not _MIN_SIZE <= self.input_size <= _MAX_SIZE or self.input_size % _SIZE_STEP:
            raise EmotionError(
                f"The input size is {self.input_size}; expected a multiple of {_SIZE_STEP} from {_MIN_SIZE} to "
                f"{_MAX_SIZE} pixels."
            )
