"""The settings of a detector's training, without Keras."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from emotion.errors import EmotionError
from emotion.field_types import check_types
from emotion.training.detector.mosaic import MosaicConfig

NETWORK_NAME: Final = "glance"
# sqrt(width * height) of the smallest face whose landmarks are measured; those of smaller faces are guesses.
MIN_LANDMARK_FACE_PX: Final = 32.0
# The tilt of a face is learned from single images, all of them rotated, with faces large enough to show it.
LANDMARK_AUGMENTATION: Final = MosaicConfig(min_face_px=MIN_LANDMARK_FACE_PX, mosaic_prob=0.0, rotation_prob=1.0)


@dataclass(frozen=True)
class DetectorConfig:
    """The settings of a detector's training; saved as config.json before the first step."""

    epochs: int = 48
    batch_size: int = 16
    learning_rate: float = 2e-3  # the peak, for AdamW
    warmup_ratio: float = 0.02  # share of the steps before the peak; then a cosine to 0
    weight_decay: float = 0.02
    box_loss_weight: float = 4.0  # loss = score + box_loss_weight x box + landmark_loss_weight x landmarks
    landmark_loss_weight: float = 1.0
    # Train nothing but the landmarks of `init_from`; its boxes and scores stay as they are.
    landmarks_only: bool = False
    # How much more often an image of a crowd is drawn than an image of one face, at most.
    max_crowd_sampling_weight: float = 4.0
    close_mosaic: float = 0.1  # share of the last epochs without mosaics, which no camera sees
    seed: int = 1
    init_from: str = ""  # sha256 of the finished detector whose weights the training starts from
    mosaic: MosaicConfig = field(default_factory=MosaicConfig)

    def __post_init__(self) -> None:
        check_types(self)
        if self.epochs < 1 or self.batch_size < 1 or not self.learning_rate > 0 or self.seed < 0:
            raise EmotionError(
                f"{self.epochs} epochs of batches of {self.batch_size} at the learning rate {self.learning_rate} with "
                f"the "
                f"seed {self.seed} cannot be trained; the first three must be above 0, the seed not below."
            )
