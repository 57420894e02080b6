"""The settings of a classifier's training, read and checked without Keras."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from emotion.datasets.augmentation import NONE, Augmentation
from emotion.datasets.label_sets import LABEL_SETS, label_set
from emotion.errors import EmotionError
from emotion.field_types import check_types
from emotion.training.classifier.zoo import card_of

OPTIMISERS: Final = ("adam", "sgd", "rmsprop")
SCHEDULES: Final = ("constant", "cosine", "plateau")
PLATEAU_FACTOR: Final = 0.2  # the rate times this after `PLATEAU_PATIENCE` epochs without a smaller loss
PLATEAU_PATIENCE: Final = 5
LEAST_RATE: Final = 1e-4


@dataclass(frozen=True)
class LessonPlan:
    """All settings of a training. `weights` is "random", "imagenet" or the path of a file of ImageNet weights.

    `patience`: epochs without a smaller validation loss before it ends by itself, 0 for never. `flip`: every face
    is seen from both sides in turn. Raises `EmotionError` where the settings make no sense.
    """

    network: str
    data: str = ""
    votes: str = ""  # fer2013new.csv; "" where the data set has them itself or none
    labels: str = "fer2013"
    epochs: int = 40
    batch: int = 64
    optimiser: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    patience: int = 0
    augmentation: Augmentation = field(default_factory=lambda: NONE)
    flip: bool = False
    weights: str = "random"
    seed: int = 1
    not_faces: str = ""  # photos without faces, for the project's own recogniser only
    tensorboard: bool = False
    teachers: tuple[str, ...] = ()  # folders of recognisers that teach it, the project's own recogniser only
    teaching: float = 0.5  # their share in the loss

    def __post_init__(self) -> None:
        check_types(self)
        card = card_of(self.network)
        if self.labels not in card.label_sets:
            label_set(self.labels)
            raise EmotionError(f"{card.name} cannot learn the labels {self.labels!r}; choose {_or(card.label_sets)}.")
        if self.optimiser not in OPTIMISERS:
            raise EmotionError(f"There is no optimiser {self.optimiser!r}; choose {_or(OPTIMISERS)}.")
        if self.schedule not in SCHEDULES:
            raise EmotionError(f"There is no schedule {self.schedule!r}; choose {_or(SCHEDULES)}.")
        _check_numbers(self)
        if self.weights != "random" and card.needs is None:
            raise EmotionError(f"{card.name} begins at random; weights are for the networks of ImageNet only.")
        if self.not_faces and not card.own:
            raise EmotionError(f"{card.name} cannot learn what is not a face; leave the photos without faces out.")
        if self.teachers and not card.own:
            raise EmotionError(f"{card.name} learns from labels alone; leave the teachers out.")
        changed = [name for name in card.fixed if getattr(self, name) != card.defaults[name]]
        if changed:
            raise EmotionError(f"{card.name} is trained by its own recipe: {', '.join(changed)} cannot be changed.")

    @classmethod
    def defaults(cls, network: str) -> LessonPlan:
        """What the network was made with; the data set is still to be named."""
        card = card_of(network)
        return cls(network=network, labels=card.label_set, **card.defaults)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> LessonPlan:
        """The plan of a run's config.json; what is not written there is as the network's defaults say.

        Raises `EmotionError` where it is no training of one of these networks, or a field has a wrong type.
        """
        network = config.get("network")
        if not isinstance(network, str):
            raise EmotionError(f"network is {network!r}; expected the name of a network.")
        plan, own = cls.defaults(network), card_of(network).own
        known = {f.name: config[f.name] for f in fields(cls) if f.name in config}
        # The project's own recogniser counts there what it was given, and says elsewhere where it lay.
        files = {"votes": "votes_file", "not_faces": "not_faces_folder", "teachers": "teacher_folders"}
        for name, file in files.items():
            if file in config:
                known[name] = config[file]
            elif own and isinstance(known.get(name), int):
                del known[name]
        if isinstance(known.get("teachers"), list):
            known["teachers"] = tuple(known["teachers"])
        if isinstance(known.get("augmentation"), Mapping):
            known["augmentation"] = _augmentation(known["augmentation"])
        return replace(plan, **known)

    def settings(self) -> dict[str, Any]:
        """What config.json holds of it."""
        return asdict(self) | {"label_names": list(LABEL_SETS[self.labels].labels), "size": card_of(self.network).size}

    def arguments(self, folder: Path) -> list[str]:
        """What follows `python -m emotion` to train this into `folder`."""
        words = ["train", "--network", self.network, "--data", self.data, "--out", str(folder), "--labels", self.labels]
        for name in ("epochs", "batch", "optimiser", "learning_rate", "schedule", "patience", "weights", "seed"):
            words += [f"--{name.replace('_', '-')}", str(getattr(self, name))]
        words += ["--votes", self.votes] if self.votes else []
        words += ["--not-faces", self.not_faces] if self.not_faces else []
        words += ["--teachers", *self.teachers] if self.teachers else []
        words += ["--teaching", str(self.teaching)]
        words += ["--flip" if self.flip else "--no-flip"]
        words += ["--tensorboard"] if self.tensorboard else []
        changes = asdict(self.augmentation).items()
        pairs = [f"{name}={value}" for name, value in changes if value != getattr(NONE, name)]
        return [*words, "--augmentation", *(pairs or ["none"])]


def _augmentation(amounts: Mapping[str, Any]) -> Augmentation:
    known = [f.name for f in fields(Augmentation)]
    for name in amounts:
        if name not in known:
            raise EmotionError(f"augmentation has the field {name!r}; expected {', '.join(known)}.")
    return Augmentation(**amounts)


def _or(words: Sequence[str]) -> str:
    return f"one of {', '.join(words)}"


def _check_numbers(plan: LessonPlan) -> None:
    bounds = {"epochs": (1, 10_000), "batch": (1, 4096), "patience": (0, 10_000), "seed": (0, 2**31 - 1)}
    for name, (least, most) in bounds.items():
        value = getattr(plan, name)
        if not least <= value <= most:
            raise EmotionError(f"{name} is {value}; expected a whole number from {least} to {most}.")
    if not 0 < plan.learning_rate <= 10:
        raise EmotionError(f"The learning rate is {plan.learning_rate}; expected a number above 0 and up to 10.")
    if not 0 <= plan.teaching <= 1:
        raise EmotionError(f"The teachers' share is {plan.teaching}; expected a number from 0 to 1.")
    change = plan.augmentation
    values = asdict(change)
    if not all(isinstance(v, int | float) and math.isfinite(v) and v >= 0 for v in values.values()):
        raise EmotionError("An amount of the augmentation is no number from 0; choose others.")
    over = [name for name, value in values.items() if name.startswith("p_") and value > 1]
    if over or change.shift > 1 or change.contrast > 1 or not 0.1 <= change.least_scale <= change.most_scale <= 10:
        raise EmotionError(
            "The augmentation cannot be done: probabilities, shift and contrast go from 0 to 1, scales from 0.1 to 10, "
            "the least not above the most."
        )


def read_changes(pairs: Sequence[str]) -> Augmentation:
    """The augmentation of words as "rotation=10"; what is not named is not done. "none" and "full" stand alone."""
    if list(pairs) in (["none"], []):
        return NONE
    if list(pairs) == ["full"]:
        return Augmentation()
    known = [f.name for f in fields(Augmentation)]
    values = asdict(NONE)
    for pair in pairs:
        name, _, text = pair.partition("=")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if name not in known or not math.isfinite(value):
            raise EmotionError(f"{pair!r} is no augmentation; give none, full or NAME=NUMBER of {', '.join(known)}.")
        values[name] = value
    return Augmentation(**values)


# ------------------------------------------------------------------ what it will cost


@dataclass(frozen=True)
class TrainingConfig:
    """What decides a training; saved as config.json before the first step."""

    network: str = "seresnet"
    epochs: int = 80
    batch: int = 128
    learning_rate: float = 0.1  # the peak, for SGD with Nesterov momentum 0.9
    warmup: float = 0.1  # share of the steps before the peak; then a cosine to 0
    weight_decay: float = 5e-3  # decoupled: with momentum 0.9 as much as an L2 penalty's usual 5e-4
    label_smoothing: float = 0.1  # a third of FER-2013's labels are not what most FER+ voters saw
    votes_smoothing: float = 0.05
    votes_weight: float = 1.0  # loss = FER-2013 + votes_weight x FER+ + face_weight x face
    face_weight: float = 0.3
    # A third of the epochs at each side in pixels costs 30 % less than all at the last
    # (Howard 2018, progressive resizing).
    sizes: tuple[int, ...] = (32, 40, 48)
    calm: float = 0.1  # share of the last epochs without erasing
    seed: int = 1
    augmentation: Augmentation = field(default_factory=Augmentation)
    teachers: tuple[str, ...] = ()  # the sha256 of the recognisers that teach this one
    teaching: float = 0.5  # their share in the loss

    def __post_init__(self) -> None:
        from emotion.training.classifier.networks import NETWORKS  # loads Keras

        check_types(self)
        if self.network not in NETWORKS:
            raise EmotionError(f"There is no network {self.network!r}; choose one of {', '.join(NETWORKS)}.")
        if self.epochs < 1 or self.batch < 1 or not self.learning_rate > 0 or self.seed < 0:
            raise EmotionError(
                f"{self.epochs} epochs of batches of {self.batch} at the learning rate {self.learning_rate} with the "
                f"seed {self.seed} cannot be trained; the first three must be above 0, the seed not below."
            )
        if not 0 <= self.teaching <= 1:
            raise EmotionError(f"The teachers' share is {self.teaching}; expected 0 to 1.")

    def size_at(self, epoch: int) -> int:
        """The side in pixels that `epoch` (from 0) learns at."""
        return self.sizes[min(len(self.sizes) - 1, epoch * len(self.sizes) // self.epochs)]
