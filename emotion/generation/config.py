"""Configuration of a generator's training; importing it does not load Keras."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from emotion.errors import EmotionError
from emotion.field_types import check_types

GAN_NETWORKS: Final = ("residual", "dcgan-upsampling")  # `networks.GAN_BUILDERS` builds them

_FINAL_LR_FRACTION: Final = 0.05  # of the learning rate, in the last epoch
# The baseline is trained as in 2016: without the methods that were published after it.
_DCGAN_OVERRIDES: Final[dict[str, Any]] = {
    "relativistic": False,
    "adam_beta1": 0.5,
    "constant_lr_fraction": 1.0,
    "ema_decay": 0.0,
    "r1_gamma": 0.0,
    "diffaugment_strength": 0.0,
    "guidance_weight": 0.0,
}


@dataclass(frozen=True)
class GanConfig:
    """Hyperparameters of a generator's training; saved as config.json before the first step."""

    network: str = "residual"
    epochs: int = 100
    batch_size: int = 64
    # Real and synthetic logits of a pair share one sigmoid (Jolicoeur-Martineau 2019, "The relativistic discriminator";
    # paired as in Huang et al. 2024), which penalizes dropped modes. False: the non-saturating loss of the first GANs.
    relativistic: bool = True
    learning_rate: float = 2e-4  # of Adam, for both networks
    constant_lr_fraction: float = 0.4  # share of the epochs before the cosine decay
    adam_beta1: float = 0.0  # beta2 is 0.99
    ema_decay: float = 0.999  # of the averaged generator, which draws every face that is shown (0: no averaging)
    # Weight of the R1 + R2 gradient penalty (Mescheder et al. 2018, "Which training methods for GANs do actually
    # converge?"), applied every `gradient_penalty_interval` steps (Karras et al. 2020, "StyleGAN2").
    r1_gamma: float = 0.3
    gradient_penalty_interval: int = 8
    diffaugment_strength: float = 1.0  # factor of translation and tone (Zhao et al. 2020, "DiffAugment"); 0: none
    # A frozen classifier adds a cross-entropy loss to the generator's. Only part of each batch: its gradients cost as
    # much as the generator's own. A small weight: with a large one the generator learns what fools the classifier.
    guidance_weight: float = 0.005
    guidance_batch_size: int = 16  # faces of each batch
    guidance_classifier: str = ""  # sha256 of the classifier that guides the training and extracts the features
    seed: int = 1

    def __post_init__(self) -> None:
        check_types(self)
        if self.network not in GAN_NETWORKS:
            raise EmotionError(f"There is no network {self.network!r}; choose one of {', '.join(GAN_NETWORKS)}.")
        if self.epochs < 1 or self.batch_size < 1 or not self.learning_rate > 0 or self.seed < 0:
            raise EmotionError(
                f"{self.epochs} epochs of batches of {self.batch_size} at the learning rate {self.learning_rate} with "
                f"the seed {self.seed} cannot be trained; the first three must be above 0, the seed not below."
            )
        if not 0 <= self.guidance_weight < math.inf:
            raise EmotionError(f"The guidance weight is {self.guidance_weight}; expected 0 (no guidance) or more.")

    def learning_rate_at(self, epoch: int) -> float:
        """Return the learning rate of `epoch` (from 0): constant, then a cosine decay to a twentieth."""
        constant_epochs = self.epochs * self.constant_lr_fraction
        progress = max(0.0, epoch - constant_epochs) / max(1.0, self.epochs - constant_epochs)
        cosine = (1 + math.cos(math.pi * progress)) / 2
        return self.learning_rate * (_FINAL_LR_FRACTION + (1 - _FINAL_LR_FRACTION) * cosine)


def make_gan_config(network: str, **overrides: Any) -> GanConfig:
    """Return the configuration that suits `network`, with `overrides` of single fields."""
    defaults = _DCGAN_OVERRIDES if network == "dcgan-upsampling" else {}
    return GanConfig(network=network, **defaults | overrides)
