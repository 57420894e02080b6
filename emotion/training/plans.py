"""What decides a training of one network, and what it will cost, without loading Keras."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from emotion.errors import EmotionError
from emotion.field_types import check_types
from emotion.training.augmentation import NONE, Augmentation
from emotion.training.labels import LABEL_SETS, label_set
from emotion.training.runs import CONFIG, read_history
from emotion.training.zoo import NetworkCard, card_of

OPTIMISERS: Final = ("adam", "sgd", "rmsprop")
SCHEDULES: Final = ("constant", "cosine", "plateau")
PLATEAU_FACTOR: Final = 0.2  # the rate times this after `PLATEAU_PATIENCE` epochs without a smaller loss
PLATEAU_PATIENCE: Final = 5
LEAST_RATE: Final = 1e-4
_PROGRAM: Final = 900_000_000  # bytes that TensorFlow takes before it learns anything
_WHOLE: Final = 3  # times as long as to look only: to learn in all layers
_REFERENCE: Final = 108.0  # GFLOPS of one core of the machine that `NetworkCard.milliseconds` was measured on


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
class Estimate:
    """What a training will most likely cost; `bytes` of memory. `measured`: told by an earlier run on this machine."""

    parameters: int
    seconds_an_epoch: float
    bytes: int
    measured: bool = False


def estimate(plan: LessonPlan, rows: int, *, classes: int | None = None, runs: Path | None = None) -> Estimate:
    """For `rows` faces that have one of the labels, about eight of ten of which teach.

    `classes`: how many labels it has, for the label set "own". `runs`: a folder whose finished epochs of the same
    network tell the time better than the table does.
    """
    card = card_of(plan.network)
    width = len(LABEL_SETS[plan.labels].labels) or classes or len(LABEL_SETS[card.label_set].labels)
    parameters = card.parameters_for(width)
    frozen = plan.weights != "random"  # then only what stands on top learns, and what lies below need not be kept
    trainable = 65 * 1536 if frozen else parameters
    size = parameters * 4 + trainable * 16 + rows * 48 * 48 * 2 + plan.batch * card.activations // (4 if frozen else 1)
    seconds = _earlier_seconds(card, runs) if runs is not None else None
    if seconds is not None:
        return Estimate(parameters, seconds * rows, _PROGRAM + size, measured=True)
    each = card.milliseconds * (_WHOLE if card.needs and not frozen else 1) * _REFERENCE / speed()
    seconds = rows * each / 1000 / (os.cpu_count() or 1)
    return Estimate(parameters, seconds, _PROGRAM + size)


def _earlier_seconds(card: NetworkCard, parent: Path) -> float | None:
    """Seconds a row of an epoch in the newest run of the network with two whole epochs; None where there is none."""
    from emotion.files import read_json

    folders = sorted(parent.iterdir(), key=os.path.getmtime, reverse=True) if parent.is_dir() else []
    for folder in folders:
        try:
            config = read_json(folder / CONFIG) or {}
            rows = config.get("rows")
            seconds = [float(row.get("seconds") or 0) for row in read_history(folder)][1:]  # the first one traces, too
        except (EmotionError, OSError):
            continue
        if config.get("network") == card.name and isinstance(rows, int) and rows > 0 and seconds:
            return float(np.median(seconds)) / rows
    return None


@lru_cache(maxsize=1)
def speed() -> float:
    """GFLOPS of one core of this machine in the product of two matrices, measured in a twentieth of a second.

    Matrices so small that one core does it alone: what else is at work now hardly counts in the best of many.
    """
    side = 96
    one = np.random.default_rng(0).random((side, side)).astype(np.float32)
    best, until = math.inf, time.perf_counter() + 0.05
    while time.perf_counter() < until:
        started = time.perf_counter()
        np.matmul(one, one)
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best / 1e9
