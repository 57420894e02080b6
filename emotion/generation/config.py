"""Configuration of a generator's training; importing it does not load Keras."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from emotion.errors import EmotionError
from emotion.field_types import check_types

GAN_NETWORKS: Final = ("residual", "dcgan-upsampling")  # `networks.GAN_BUILDERS` builds them

_FINAL_LR_FRACTION: Final = 0.05  # of the learning rate, in the last epoch
# Of the weights of gradient penalty and guidance loss, in the last epoch. Less than a third of the guidance lets the
# faces lose their expression, and the distance grow.
_FINAL_PENALTY_FRACTION: Final = 0.3
_FINAL_GUIDANCE_FRACTION: Final = 0.3
_EMA_GROWTH: Final = 0.05  # largest half-life of the averaged generator, in pictures seen before
# The baseline is trained as in 2016: without the methods that were published after it.
_DCGAN_OVERRIDES: Final[dict[str, Any]] = {
    "relativistic": False,
    "adam_beta1": 0.5,
    "constant_fraction": 1.0,
    "ema_half_life": 0,
    "r1_gamma": 0.0,
    "diffaugment_strength": 0.0,
    "guidance_weight": 0.0,
}


@dataclass(frozen=True)
class GanConfig:
    """Hyperparameters of a generator's training; saved as config.json before the first step."""

    network: str = "residual"
    epochs: int = 128
    # Real faces that an epoch shows, drawn with replacement: few enough that a checkpoint is written every few minutes,
    # many enough that the validation between two epochs costs little.
    epoch_images: int = 50_000
    batch_size: int = 64
    # Real and synthetic logits of a pair share one sigmoid (Jolicoeur-Martineau 2019, "The relativistic discriminator";
    # paired as in Huang et al. 2024), which penalizes dropped modes. False: the non-saturating loss of the first GANs.
    relativistic: bool = True
    learning_rate: float = 2e-4  # of Adam, for both networks
    # Share of the epochs before learning rate, gradient penalty and guidance decay by a cosine.
    constant_fraction: float = 0.4
    adam_beta1: float = 0.0  # beta2 is 0.99
    # Images after which a weight counts half in the averaged generator, which draws every face that is shown (0: no
    # averaging). It grows with the images seen, so that the first, bad weights are soon forgotten (Karras et al. 2020).
    ema_half_life: int = 200_000
    # Weight of the R1 + R2 gradient penalty (Mescheder et al. 2018, "Which training methods for GANs do actually
    # converge?"), applied every `gradient_penalty_interval` steps (Karras et al. 2020, "StyleGAN2").
    r1_gamma: float = 0.3
    gradient_penalty_interval: int = 8
    diffaugment_strength: float = 1.0  # factor of translation and tone (Zhao et al. 2020, "DiffAugment"); 0: none
    # A frozen classifier adds a cross-entropy loss to the generator's. Only part of each batch: its gradients cost as
    # much as the generator's own. The weight decays, since in the end a large one teaches what fools the classifier.
    guidance_weight: float = 0.1
    guidance_batch_size: int = 4  # faces of each batch
    guidance_classifier: str = ""  # sha256 of the classifier that guides the training and extracts the features
    seed: int = 1

    def __post_init__(self) -> None:
        check_types(self)
        if self.network not in GAN_NETWORKS:
            raise EmotionError(f"There is no network {self.network!r}; choose one of {', '.join(GAN_NETWORKS)}.")
        self._check_sizes()
        if not 0 <= self.constant_fraction <= 1 or self.ema_half_life < 0 or not 0 <= self.r1_gamma < math.inf:
            raise EmotionError(
                f"A constant share of {self.constant_fraction} of the epochs, a half-life of {self.ema_half_life} "
                f"images and a gradient penalty of {self.r1_gamma} were requested; expected 0 to 1, and 0 or more."
            )
        if not 0 <= self.guidance_weight < math.inf:
            raise EmotionError(f"The guidance weight is {self.guidance_weight}; expected 0 (no guidance) or more.")

    def _check_sizes(self) -> None:
        if self.epochs < 1 or self.batch_size < 1 or not self.learning_rate > 0 or self.seed < 0:
            raise EmotionError(
                f"{self.epochs} epochs of batches of {self.batch_size} at the learning rate {self.learning_rate} with "
                f"the seed {self.seed} cannot be trained; the first three must be above 0, the seed not below."
            )
        if self.epoch_images < self.batch_size or self.gradient_penalty_interval < 1:
            raise EmotionError(
                f"Epochs of {self.epoch_images} images with a gradient penalty every {self.gradient_penalty_interval} "
                f"steps were requested; expected at least a batch of {self.batch_size} images and every step."
            )

    def learning_rate_at(self, epoch: int) -> float:
        """Return the learning rate of `epoch` (from 0): constant, then a cosine decay to a twentieth."""
        return self.learning_rate * self._decay_at(epoch, _FINAL_LR_FRACTION)

    def penalty_weight_at(self, epoch: int) -> float:
        """Return the weight of the gradient penalty in `epoch` (from 0): constant, then a cosine decay to 0.3 of it."""
        return self.r1_gamma * self._decay_at(epoch, _FINAL_PENALTY_FRACTION)

    def guidance_weight_at(self, epoch: int) -> float:
        """Return the weight of the guidance loss in `epoch` (from 0): constant, then a cosine decay to 0.3 of it."""
        return self.guidance_weight * self._decay_at(epoch, _FINAL_GUIDANCE_FRACTION)

    def ema_decay_at(self, num_images: int) -> float:
        """Return what a step leaves of the averaged weights, after `num_images` images with those of the step."""
        half_life = min(self.ema_half_life, _EMA_GROWTH * num_images)
        return 0.5 ** (self.batch_size / half_life) if half_life > 0 else 0.0

    def _decay_at(self, epoch: int, final: float) -> float:
        constant_epochs = self.epochs * self.constant_fraction
        progress = max(0.0, epoch - constant_epochs) / max(1.0, self.epochs - constant_epochs)
        cosine = (1 + math.cos(math.pi * progress)) / 2
        return final + (1 - final) * cosine


def make_gan_config(network: str, **overrides: Any) -> GanConfig:
    """Return the configuration that suits `network`, with `overrides` of single fields."""
    defaults = _DCGAN_OVERRIDES if network == "dcgan-upsampling" else {}
    return GanConfig(network=network, **defaults | overrides)
