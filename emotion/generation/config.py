"""The settings of a generator's training, without Keras."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from emotion.errors import EmotionError
from emotion.field_types import check_types

GAN_NETWORKS: Final = ("residual", "dcgan-upsampling")


@dataclass(frozen=True)
class GanConfig:
    """What decides a generator's training; saved as config.json before the first step."""

    network: str = "residual"
    epochs: int = 100
    batch_size: int = 64
    # Both faces of a pair in one sigmoid (Jolicoeur-Martineau 2019, "The relativistic discriminator"; pairs as in
    # Huang et al. 2024): no mode can be dropped without a loss. False: each face by itself, as in the first GANs.
    relativistic: bool = True
    learning_rate: float = 2e-4  # for Adam, of both networks
    constant_lr_fraction: float = 0.4  # share of the epochs before the rate falls, by a cosine, to a twentieth
    adam_beta1: float = 0.0  # Adam's first number; the second is 0.99
    ema_decay: float = 0.999  # of the generator's weights, for everything that is shown (0: none)
    # Gradients of the discriminator at real and at synthetic faces (Mescheder et al. 2018, "Which training methods
    # for GANs do actually converge?"), every `gradient_penalty_interval` steps (Karras et al. 2020, "StyleGAN2").
    r1_gamma: float = 0.3
    gradient_penalty_interval: int = 8
    diffaugment_strength: float = (
        1.0  # how much both kinds of faces are moved and toned (Zhao et al. 2020, "DiffAugment")
    )
    # A frozen classifier tells the generator what its faces look like: on a part of each batch, for it costs as much
    # as the generator itself, and so little that the discriminator would notice what only fools a classifier.
    guidance_weight: float = 0.005
    guidance_batch_size: int = 16  # faces of each batch
    guidance_classifier: str = ""  # sha256 of the classifier that teaches and measures
    seed: int = 1

    def __post_init__(self) -> None:
        check_types(self)
        if self.network not in GAN_NETWORKS:
            raise EmotionError(f"There is no network {self.network!r}; choose one of {', '.join(GAN_NETWORKS)}.")
        if self.epochs < 1 or self.batch_size < 1 or not self.learning_rate > 0 or self.seed < 0:
            raise EmotionError(
                f"{self.epochs} epochs of batches of {self.batch_size} at the learning rate {self.learning_rate} with the "
                f"seed {self.seed} cannot be trained; the first three must be above 0, the seed not below."
            )
        if not 0 <= self.guidance_weight < math.inf:
            raise EmotionError(f"The guidance weight is {self.guidance_weight}; expected 0 (no guidance) or more.")

    def learning_rate_at(self, epoch: int) -> float:
        """The learning rate of `epoch` (from 0)."""
        steady = self.epochs * self.constant_lr_fraction
        done = max(0.0, epoch - steady) / max(1.0, self.epochs - steady)
        return self.learning_rate * (0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2)


def make_gan_config(network: str, **overrides: Any) -> GanConfig:
    """The settings that suit a network; the plain one gets nothing that came after it."""
    plain = {
        "relativistic": False,
        "adam_beta1": 0.5,
        "constant_lr_fraction": 1.0,
        "ema_decay": 0.0,
        "r1_gamma": 0.0,
        "diffaugment_strength": 0.0,
        "guidance_weight": 0.0,
    }
    return GanConfig(network=network, **(plain if network == "dcgan-upsampling" else {}) | overrides)
