"""The settings of a classifier's training, read and checked without Keras."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from emotion.datasets.augmentation import NO_AUGMENTATION, Augmentation
from emotion.datasets.dataset import IMAGE_SIZE
from emotion.datasets.label_sets import LABEL_SETS, get_label_set
from emotion.errors import EmotionError, ModelError
from emotion.field_types import check_types
from emotion.model_store.store import KERAS_FILE
from emotion.training.classifier.networks.zoo import ArchitectureInfo, get_architecture, list_architectures
from emotion.training.classifier.plan_checks import check_augmentation, check_numbers
from emotion.translation.messages import gettext as _

NATIVE_NETWORKS: Final = tuple(info.name for info in list_architectures() if info.is_native)
OPTIMIZERS: Final = ("adam", "adamw", "sgd", "rmsprop")
LR_SCHEDULES: Final = ("constant", "cosine", "plateau")
PLATEAU_FACTOR: Final = 0.2  # the rate times this after `PLATEAU_PATIENCE` epochs without a smaller loss
PLATEAU_PATIENCE: Final = 5
MIN_LEARNING_RATE: Final = 1e-4
# Decoupled: with momentum 0.9 the first is as much as an L2 penalty's usual 5e-4.
_WEIGHT_DECAY: Final = {"sgd": 5e-3, "adamw": 2e-2}


@dataclass(frozen=True)
class TrainingPlan:
    """All settings of a training that a person can choose.

    `weights` is "random", "imagenet" or the path of a file of ImageNet weights. `early_stopping_patience` is the number
    of epochs without a smaller validation loss before the training ends, 0 for never. With `horizontal_flip` every face
    is mirrored in every second epoch. Raises `EmotionError` where the settings are not valid.
    """

    network: str
    data: str = ""
    ferplus_csv: str = ""  # fer2013new.csv; "" where the data set has them itself or none
    label_set: str = "fer2013"
    epochs: int = 40
    batch_size: int = 64
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    lr_schedule: str = "constant"
    early_stopping_patience: int = 0
    augmentation: Augmentation = field(default_factory=lambda: NO_AUGMENTATION)
    horizontal_flip: bool = False
    weights: str = "random"
    seed: int = 1
    negatives_dir: str = ""  # photos without faces, for the project's own classifier only
    tensorboard: bool = False
    teachers: tuple[str, ...] = ()  # folders of classifiers that teach it, the project's own classifier only
    distillation_weight: float = 0.5  # their share in the loss
    init_from: str = ""  # a finished run, model folder or .keras file, for the project's own networks only
    trained_heads: tuple[str, ...] = ()  # heads that are trained on the frozen network of `init_from`; () for all of it
    width_factor: float = 1.0  # of the filters and units of the network
    dropout_factor: float = 1.0  # of its dropout rates

    def __post_init__(self) -> None:
        check_types(self)
        architecture = get_architecture(self.network)
        if self.label_set not in architecture.label_sets:
            get_label_set(self.label_set)
            raise EmotionError(
                _("{network} cannot learn the labels {label_set!r}; choose one of {names}.").format(
                    network=architecture.name, label_set=self.label_set, names=", ".join(architecture.label_sets)
                )
            )
        if self.optimizer not in OPTIMIZERS:
            raise EmotionError(
                _("There is no optimizer {name!r}; choose one of {names}.").format(
                    name=self.optimizer, names=", ".join(OPTIMIZERS)
                )
            )
        if self.lr_schedule not in LR_SCHEDULES:
            raise EmotionError(
                _("There is no learning rate schedule {name!r}; choose one of {names}.").format(
                    name=self.lr_schedule, names=", ".join(LR_SCHEDULES)
                )
            )
        check_numbers(vars(self))
        check_augmentation(self.augmentation)
        if conflict := self._find_conflict(architecture):
            raise EmotionError(conflict.format(network=architecture.name))
        defaults = architecture.defaults
        changed = [name for name in architecture.locked_fields if getattr(self, name) != defaults[name]]
        if changed:
            raise EmotionError(
                _("{network} has a fixed recipe: {names} cannot be changed.").format(
                    network=architecture.name, names=", ".join(changed)
                )
            )

    def _find_conflict(self, architecture: ArchitectureInfo) -> str:
        """Return what cannot be combined with the network, with a field for its name; "" where all can."""
        if self.weights != "random" and architecture.pretrained_note is None:
            return _("{network} begins at random; weights are for the networks of ImageNet only.")
        if self.negatives_dir and not architecture.is_native:
            return _("{network} has no face head; leave the photos without faces out.")
        if self.init_from and not architecture.is_native:
            return _("{network} begins at random or with ImageNet weights; leave init_from out.")
        if self.trained_heads and not self.init_from:
            return _("Without initial weights the whole network has to be trained; give init_from, too.")
        if self.teachers and not architecture.is_native:
            return _("{network} learns from labels alone; leave the teachers out.")
        return ""

    @classmethod
    def from_defaults(cls, network: str) -> TrainingPlan:
        """Return the defaults of a network, without a data set."""
        architecture = get_architecture(network)
        return cls(network=network, label_set=architecture.label_set, **architecture.defaults)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TrainingPlan:
        """Return the plan of a run's config.json, with the defaults of the network for missing fields.

        Raises `EmotionError` where the network is unknown or a field has a wrong type.
        """
        network = config.get("network")
        if not isinstance(network, str):
            raise EmotionError(_("network is {network!r}; expected the name of a network.").format(network=network))
        plan = cls.from_defaults(network)
        known = {f.name: config[f.name] for f in fields(cls) if f.name in config}
        if "teacher_folders" in config:  # `teachers` are the sha256 there
            known["teachers"] = config["teacher_folders"]
        if "init_from_path" in config:  # `init_from` is the sha256 there
            known["init_from"] = config["init_from_path"]
        for name in ("teachers", "trained_heads"):
            if isinstance(known.get(name), list):
                known[name] = tuple(known[name])
        if isinstance(known.get("augmentation"), Mapping):
            known["augmentation"] = _augmentation_from_dict(known["augmentation"])
        return replace(plan, **known)

    def to_config(self) -> dict[str, Any]:
        """Return the fields of config.json."""
        return asdict(self) | {
            "label_names": list(LABEL_SETS[self.label_set].labels),
            "size": get_architecture(self.network).input_size,
        }


def find_weights_file(path: Path, network: str) -> Path:
    """Return the file of the initial weights of a network.

    Args:
        path: A finished run or model folder, a .keras file, or one of the network's `init_format`.
        network: The network that is trained.

    Raises:
        ModelError: There is no such file, or the network cannot begin with it.
    """
    file, suffixes = path / KERAS_FILE if path.is_dir() else path, {".keras", get_architecture(network).init_format}
    if not file.is_file():
        text = _("There is no {file}; give a finished run, a model folder or a file of weights.")
        raise ModelError(text.format(file=file))
    if file.suffix not in suffixes:
        text = _("{network} cannot begin with {file}; expected a file that ends with .keras.")
        raise ModelError(text.format(network=network, file=file))
    return file


def _augmentation_from_dict(values: Mapping[str, Any]) -> Augmentation:
    known = [f.name for f in fields(Augmentation)]
    for name in values:
        if name not in known:
            raise EmotionError(
                _("augmentation has the field {name!r}; expected {names}.").format(name=name, names=", ".join(known))
            )
    return Augmentation(**values)


def parse_augmentation(pairs: Sequence[str]) -> Augmentation:
    """Return the augmentation of pairs as "rotation=10", without what is not named; "none" and "full" stand alone."""
    if list(pairs) in (["none"], []):
        return NO_AUGMENTATION
    if list(pairs) == ["full"]:
        return Augmentation()
    known = [f.name for f in fields(Augmentation)]
    values = asdict(NO_AUGMENTATION)
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


@dataclass(frozen=True)
class TrainingConfig:
    """The settings of a training of one of `NATIVE_NETWORKS`; saved in config.json before the first step."""

    network: str = "seresnet"
    epochs: int = 80
    batch_size: int = 128
    optimizer: str = "sgd"  # with Nesterov momentum 0.9, or "adamw"
    learning_rate: float = 0.1  # the peak
    warmup_ratio: float = 0.1  # share of the steps before the peak; then a cosine to 0
    weight_decay: float = _WEIGHT_DECAY["sgd"]
    label_smoothing: float = 0.1  # a third of FER-2013's labels differ from the majority of FER+ votes
    ferplus_label_smoothing: float = 0.05
    # The loss is that of FER-2013 plus those of the other heads, each times its weight.
    ferplus_loss_weight: float = 1.0
    expression_loss_weight: float = 1.0
    face_loss_weight: float = 0.3
    expression_label_weight: float = 0.3  # of the label beside all FER+ votes in the targets of the expression head
    # A third of the epochs at each side in pixels costs 30% less than all at the last
    # (Howard 2018, progressive resizing).
    progressive_sizes: tuple[int, ...] = (32, 40, 48)
    no_erasing_tail: float = 0.1  # share of the last epochs without erasing
    seed: int = 1
    augmentation: Augmentation = field(default_factory=Augmentation)
    teachers: tuple[str, ...] = ()  # the sha256 of the classifiers that teach this one
    distillation_weight: float = 0.5  # their share in the loss
    init_from: str = ""  # the sha256 of the file with the initial weights; "" for random ones
    trained_heads: tuple[str, ...] = ()  # () for the whole network
    kept_heads: tuple[str, ...] = ()  # heads of the initial weights that no face of the data can train

    def __post_init__(self) -> None:
        check_types(self)
        if self.network not in NATIVE_NETWORKS:
            raise EmotionError(f"There is no network {self.network!r}; choose one of {', '.join(NATIVE_NETWORKS)}.")
        if self.optimizer not in _WEIGHT_DECAY:
            raise EmotionError(f"{self.optimizer!r} cannot train it; choose one of {', '.join(_WEIGHT_DECAY)}.")
        if self.epochs < 1 or self.batch_size < 1 or not self.learning_rate > 0 or self.seed < 0:
            raise EmotionError(
                f"{self.epochs} epochs of batches of {self.batch_size} at the learning rate {self.learning_rate} "
                f"with the seed {self.seed} cannot be trained; the first three must be above 0, the seed not below."
            )
        if not 0 <= self.distillation_weight <= 1:
            raise EmotionError(f"The distillation weight is {self.distillation_weight}; expected a number from 0 to 1.")

    @classmethod
    def from_plan(
        cls,
        plan: TrainingPlan,
        teachers: tuple[str, ...] = (),
        init_from: str = "",
        kept_heads: tuple[str, ...] = (),
    ) -> TrainingConfig:
        """Return the settings of a plan for one of `NATIVE_NETWORKS`.

        `teachers` and `init_from` are the sha256 of those of the plan. What is trained already needs no small images.
        """
        names = ("network", "epochs", "batch_size", "learning_rate", "seed", "augmentation", "distillation_weight")
        size = get_architecture(plan.network).input_size
        return cls(
            **{name: getattr(plan, name) for name in names},
            optimizer=plan.optimizer,
            weight_decay=_WEIGHT_DECAY[plan.optimizer],
            progressive_sizes=(size,) if init_from or size != IMAGE_SIZE else cls.progressive_sizes,
            teachers=teachers,
            init_from=init_from,
            trained_heads=plan.trained_heads,
            kept_heads=kept_heads,
        )

    def image_size_at(self, epoch: int) -> int:
        """Return the side in pixels of the training faces in `epoch` (from 0)."""
        return self.progressive_sizes[
            min(len(self.progressive_sizes) - 1, epoch * len(self.progressive_sizes) // self.epochs)
        ]
