"""The settings of a detector's training, without Keras."""

from __future__ import annotations

from dataclasses import dataclass, field

from emotion.errors import EmotionError
from emotion.field_types import check_types
from emotion.training.detector.mosaic import SceneConfig

_TILT = 25.0  # degrees


_READABLE = 32.0  # sqrt(width * height) in pixels from which on landmarks count; those of smaller faces are guesses


# Which way a face is tilted is learned from single photos, all of them turned, and from faces that show it.
TILTED = SceneConfig(least_face=_READABLE, p_mosaic=0.0, p_rotation=1.0)


@dataclass(frozen=True)
class DetectorConfig:
    """What decides a detector's training; saved as config.json before the first step."""

    epochs: int = 48
    batch: int = 16
    learning_rate: float = 2e-3  # the peak, for AdamW
    warmup: float = 0.02  # share of the steps before the peak; then a cosine to 0
    weight_decay: float = 0.02
    box_weight: float = 4.0  # loss = score + box_weight x box + points_weight x points
    points_weight: float = 1.0
    landmarks: bool = False  # teach nothing but the landmarks of `start`; its boxes and scores stay what they are
    crowds: float = 4.0  # at most so many times as often as a photo of one face a photo of many is drawn
    calm: float = 0.1  # share of the last epochs without mosaics, which no camera sees
    seed: int = 1
    start: str = ""  # sha256 of the finished detector that is taught further
    scenes: SceneConfig = field(default_factory=SceneConfig)

    def __post_init__(self) -> None:
        check_types(self)
        if self.epochs < 1 or self.batch < 1 or not self.learning_rate > 0 or self.seed < 0:
            raise EmotionError(
                f"{self.epochs} epochs of batches of {self.batch} at the learning rate {self.learning_rate} with the "
                f"seed {self.seed} cannot be trained; the first three must be above 0, the seed not below."
            )
