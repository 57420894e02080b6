"""The networks of classifiers and their properties, without Keras; a test compares them with the built networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from emotion.datasets.augmentation import NO_AUGMENTATION, Augmentation
from emotion.datasets.label_sets import LABEL_SETS
from emotion.errors import EmotionError
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

_COURSE_PROJECT: Final = gettext_noop("A course project on facial expressions, as its notebook has it")
_TRANSFER_PROJECT: Final = gettext_noop(
    "A course project on facial expressions, as its notebook has it, on ImageNet weights that stay as they are"
)
_IMAGENET_NOTE: Final = gettext_noop(
    "ImageNet weights: downloaded once by Keras, or from a file; without either it starts at random."
)
_GRAYSCALE: Final = gettext_noop("grayscale")
_NO_FIGURE: Final = gettext_noop("no figure")
_SIZE_FIELDS: Final = ("width_factor", "dropout_factor")
_SINGLE_HEAD_SETS: Final = ("fer2013", "ferplus", "four", "four-normal", "own")


@dataclass(frozen=True)
class ArchitectureInfo:
    """A network. `num_parameters` is for its own `label_set`, `num_features` the width before the last layer.

    The texts for people are English and translated where a page shows them.
    """

    name: str
    title: str
    origin: str
    reported_accuracy: str  # by its authors, or measured here
    num_parameters: int
    input_size: int  # side in pixels
    color_mode: str
    label_set: str  # the labels that it was designed for
    defaults: Mapping[str, Any]  # fields of `TrainingPlan`
    num_features: int
    train_ms_per_image: float  # on one core, see `estimate_cost`
    activation_bytes: int  # memory of one face while training
    pretrained_note: str | None = None
    label_sets: tuple[str, ...] = _SINGLE_HEAD_SETS
    locked_fields: tuple[str, ...] = field(default=())  # fields of `TrainingPlan` that cannot be changed
    is_native: bool = False  # whether it has all heads, and the recipe, of this project
    init_format: str = ""  # the ending of a file, besides .keras, whose weights it can begin with

    def count_parameters(self, num_classes: int) -> int:
        """Return the number of parameters for a number of classes."""
        return self.num_parameters + (self.num_features + 1) * (num_classes - len(LABEL_SETS[self.label_set].labels))


def _make_defaults(**overrides: Any) -> Mapping[str, Any]:
    plain = {
        "epochs": 40,
        "batch_size": 64,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "lr_schedule": "constant",
        "early_stopping_patience": 0,
        "augmentation": NO_AUGMENTATION,
        "horizontal_flip": False,
        "weights": "random",
        "width_factor": 1.0,
        "dropout_factor": 1.0,
    }
    return MappingProxyType(plain | overrides)


def _make_augmentation(**overrides: float) -> Augmentation:
    return Augmentation(**asdict(NO_AUGMENTATION) | overrides)


def _make_transfer_info(
    name: str, title: str, num_parameters: int, train_ms_per_image: float, activation_bytes: int
) -> ArchitectureInfo:
    return ArchitectureInfo(
        name,
        title,
        _TRANSFER_PROJECT,
        gettext_noop("81.25% of 240 own photos, 4 labels"),
        num_parameters,
        80,
        gettext_noop("grayscale, repeated as RGB"),
        "four-normal",
        _make_defaults(epochs=50, lr_schedule="plateau", early_stopping_patience=10, weights="imagenet"),
        64,
        train_ms_per_image,
        activation_bytes,
        pretrained_note=_IMAGENET_NOTE,
        locked_fields=_SIZE_FIELDS,
    )


def _make_native_info(
    name: str,
    title: str,
    reported_accuracy: str,
    num_parameters: int,
    num_features: int,
    epochs: int,
    train_ms_per_image: float,
    activation_bytes: int,
    **changes: Any,
) -> ArchitectureInfo:
    info = ArchitectureInfo(
        name,
        title,
        gettext_noop("This project"),
        reported_accuracy,
        num_parameters,
        48,
        _GRAYSCALE,
        "fer2013",
        _make_defaults(
            epochs=epochs,
            batch_size=128,
            optimizer="sgd",
            learning_rate=0.1,
            lr_schedule="cosine",
            augmentation=Augmentation(),
            horizontal_flip=True,
        ),
        num_features,
        train_ms_per_image,
        activation_bytes,
        label_sets=("fer2013", "own"),
        locked_fields=(
            "optimizer",
            "lr_schedule",
            "early_stopping_patience",
            "horizontal_flip",
            "weights",
            *_SIZE_FIELDS,
        ),
        is_native=True,
    )
    return replace(info, **changes)


_ARCHITECTURES: Final = (
    ArchitectureInfo(
        "mlp",
        gettext_noop("Dense network"),
        _COURSE_PROJECT,
        gettext_noop("24% after 5 epochs, 7 labels"),
        1_313_287,
        48,
        _GRAYSCALE,
        "fer2013",
        _make_defaults(epochs=20),
        256,
        0.16,
        60_000,
        locked_fields=("dropout_factor",),  # it has none
    ),
    ArchitectureInfo(
        "cnn-3conv-250",
        gettext_noop("Three convolutions on 250 pixels"),
        _COURSE_PROJECT,
        _NO_FIGURE,
        6_926_375,
        250,
        _GRAYSCALE,
        "fer2013",
        _make_defaults(epochs=10, batch_size=32),
        64,
        20.0,
        28_000_000,
    ),
    ArchitectureInfo(
        "cnn-4conv",
        gettext_noop("Four convolutions"),
        _COURSE_PROJECT,
        gettext_noop("over 70%, 4 labels"),
        388_356,
        48,
        _GRAYSCALE,
        "four",
        _make_defaults(),
        128,
        2.1,
        1_650_000,
    ),
    ArchitectureInfo(
        "cnn-augmented",
        gettext_noop("Growing filters on changed faces"),
        _COURSE_PROJECT,
        _NO_FIGURE,
        685_223,
        48,
        _GRAYSCALE,
        "fer2013",
        _make_defaults(
            epochs=50,
            lr_schedule="plateau",
            early_stopping_patience=10,
            horizontal_flip=True,
            augmentation=_make_augmentation(rotation=10.0, shift=0.1),
        ),
        128,
        3.1,
        3_900_000,
    ),
    _make_transfer_info("inception-resnet-v2", "Inception-ResNet-v2", 54_435_364, 11.0, 25_000_000),
    _make_transfer_info("vgg16", "VGG16", 14_747_780, 33.0, 16_000_000),
    _make_transfer_info("resnet50", "ResNet-50", 23_719_108, 11.0, 39_000_000),
    _make_transfer_info("resnet101", "ResNet-101", 42_789_572, 20.0, 58_000_000),
    _make_native_info(
        "seresnet",
        gettext_noop("The classifier of this program"),
        gettext_noop("70.6% of the test split, 7 labels; 86.7% of FER+, 8 labels"),
        1_380_060,
        176,
        80,
        8.0,
        3_000_000,
    ),
    _make_native_info("seresnet-wide", gettext_noop("A wider one"), _NO_FIGURE, 2_624_628, 256, 60, 12.0, 3_600_000),
    _make_native_info(
        "face-mobilenet",
        gettext_noop("MobileNet on face recognition"),
        _NO_FIGURE,
        3_249_048,
        1024,
        12,
        10.0,
        9_000_000,
        input_size=112,
        init_format=".json",
        defaults=_make_defaults(
            epochs=12,
            batch_size=64,
            optimizer="adamw",
            learning_rate=5e-4,
            lr_schedule="cosine",
            augmentation=Augmentation(),
            horizontal_flip=True,
        ),
    ),
)
_BY_NAME: Final = MappingProxyType({info.name: info for info in _ARCHITECTURES})


def list_architectures() -> list[ArchitectureInfo]:
    """Return all networks, the simplest first."""
    return list(_ARCHITECTURES)


def get_architecture(name: str) -> ArchitectureInfo:
    """Return the properties of a network; `EmotionError` where there is none of that name."""
    if name not in _BY_NAME:
        raise EmotionError(
            _("There is no network {name!r}; choose one of {names}.").format(name=name, names=", ".join(_BY_NAME))
        )
    return _BY_NAME[name]
