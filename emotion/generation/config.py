"""The settings of a generator's training, without Keras."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from emotion.errors import EmotionError
from emotion.field_types import check_types


@dataclass(frozen=True)
class GanConfig:
    """What decides a generator's training; saved as config.json before the first step."""

    network: str = "residual"
    epochs: int = 100
    batch: int = 64
    # Both faces of a pair in one sigmoid (Jolicoeur-Martineau 2019, "The relativistic discriminator"; pairs as in
    # Huang et al. 2024): no mode can be dropped without a loss. False: each face by itself, as in the first GANs.
    relativistic: bool = True
    learning_rate: float = 2e-4  # for Adam, of both networks
    steady: float = 0.4  # share of the epochs before the rate falls, by a cosine, to a twentieth
    momentum: float = 0.0  # Adam's first number; the second is 0.99
    average: float = 0.999  # of the generator's weights, for everything that is shown (0: none)
    # Gradients of the discriminator at real and at synthetic faces (Mescheder et al. 2018, "Which training methods
    # for GANs do actually converge?"), every `lazy` steps (Karras et al. 2020, "StyleGAN2").
    penalty: float = 0.3
    lazy: int = 8
    changes: float = 1.0  # how much both kinds of faces are moved and toned (Zhao et al. 2020, "DiffAugment")
    # A frozen recogniser tells the generator what its faces look like: on a part of each batch, for it costs as much
    # as the generator itself, and so little that the discriminator would notice what only fools a recogniser.
    teacher_weight: float = 0.005
    taught: int = 16  # faces of each batch
    teacher: str = ""  # sha256 of the recogniser that teaches and measures
    seed: int = 1

    def __post_init__(self) -> None:
        from emotion.generation.networks import NETWORKS  # loads Keras

        check_types(self)
        if self.network not in NETWORKS:
            raise EmotionError(f"There is no network {self.network!r}; choose one of {', '.join(NETWORKS)}.")
        if self.epochs < 1 or self.batch < 1 or not self.learning_rate > 0 or self.seed < 0:
            raise EmotionError(
                f"{self.epochs} epochs of batches of {self.batch} at the learning rate {self.learning_rate} with the "
                f"seed {self.seed} cannot be trained; the first three must be above 0, the seed not below."
            )
        if not 0 <= self.teacher_weight < math.inf:
            raise EmotionError(f"The teacher's weight is {self.teacher_weight}; expected 0 (no teaching) or more.")

    def rate_at(self, epoch: int) -> float:
        """The learning rate of `epoch` (from 0)."""
        steady = self.epochs * self.steady
        done = max(0.0, epoch - steady) / max(1.0, self.epochs - steady)
        return self.learning_rate * (0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2)


def gan_config(network: str, **changes: Any) -> GanConfig:
    """The settings that suit a network; the plain one gets nothing that came after it."""
    plain = {
        "relativistic": False, "momentum": 0.5, "steady": 1.0, "average": 0.0, "penalty": 0.0, "changes": 0.0,
        "teacher_weight": 0.0,
    }  # fmt: skip
    return GanConfig(network=network, **(plain if network == "dcgan-upsampling" else {}) | changes)
