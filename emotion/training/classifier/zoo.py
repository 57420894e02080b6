"""What is known of each network before it is built: a table of facts, which a test compares with the networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Final

from emotion.datasets.augmentation import NONE, Augmentation
from emotion.errors import EmotionError

_COURSE: Final = "a course project on facial expressions, as its notebook has it"
_IMAGENET: Final = "ImageNet weights: fetched once by Keras, or from a file; without either it starts at random"
_SINGLE: Final = ("fer2013", "ferplus", "four", "four-normal", "own")


@dataclass(frozen=True)
class NetworkCard:
    """A network by name. `parameters` for its own `label_set`; `features` is the width before the answers."""

    name: str
    title: str
    origin: str
    reported: str  # what its authors said of it, or what was measured here
    parameters: int
    size: int  # side in pixels of what it reads
    colour: str
    label_set: str  # the labels that it was made for
    defaults: Mapping[str, Any]  # fields of `LessonPlan`
    features: int
    milliseconds: float  # of one core to learn from one face, as `plans.estimate` reads it
    activations: int  # bytes that one face takes while the network learns from it
    needs: str | None = None
    label_sets: tuple[str, ...] = _SINGLE
    fixed: tuple[str, ...] = field(default=())  # fields of `LessonPlan` that cannot be changed
    own: bool = False  # whether it gives all answers of this program, by the recipe of this program

    def parameters_for(self, classes: int) -> int:
        """How many numbers it learns with that many labels."""
        from emotion.datasets.label_sets import LABEL_SETS

        return self.parameters + (self.features + 1) * (classes - len(LABEL_SETS[self.label_set].labels))


def _defaults(**changes: Any) -> Mapping[str, Any]:
    plain = {
        "epochs": 40, "batch": 64, "optimiser": "adam", "learning_rate": 1e-3, "schedule": "constant", "patience": 0,
        "augmentation": NONE, "flip": False, "weights": "random",
    }  # fmt: skip
    return MappingProxyType(plain | changes)


def _changed(**changes: float) -> Augmentation:
    return Augmentation(**asdict(NONE) | changes)


def _transfer(name: str, title: str, parameters: int, milliseconds: float, activations: int) -> NetworkCard:
    return NetworkCard(
        name, title, _COURSE + ", on ImageNet weights that stay as they are", "81.25 % of 240 own photos, 4 labels",
        parameters, 80, "grey, repeated as RGB", "four-normal",
        _defaults(epochs=50, schedule="plateau", patience=10, weights="imagenet"),
        64, milliseconds, activations, needs=_IMAGENET,
    )  # fmt: skip


def _own(
    name: str, title: str, reported: str, parameters: int, features: int, epochs: int, milliseconds: float,
    activations: int,
) -> NetworkCard:  # fmt: skip
    return NetworkCard(
        name, title, "this project", reported, parameters, 48, "grey", "fer2013",
        _defaults(epochs=epochs, batch=128, optimiser="sgd", learning_rate=0.1, schedule="cosine",
                  augmentation=Augmentation(), flip=True),
        features, milliseconds, activations, label_sets=("fer2013", "own"),
        fixed=("optimiser", "schedule", "patience", "flip", "weights"), own=True,
    )  # fmt: skip


_CARDS: Final = (
    NetworkCard(
        "mlp", "Dense network", _COURSE, "24 % after 5 epochs, 7 labels", 1_313_287, 48, "grey", "fer2013",
        _defaults(epochs=20), 256, 0.16, 60_000,
    ),
    NetworkCard(
        "cnn-3conv-250", "Three convolutions on 250 pixels", _COURSE, "no figure", 6_926_375, 250, "grey", "fer2013",
        _defaults(epochs=10, batch=32), 64, 20.0, 28_000_000,
    ),
    NetworkCard(
        "cnn-4conv", "Four convolutions", _COURSE, "over 70 %, 4 labels", 388_356, 48, "grey", "four",
        _defaults(), 128, 2.1, 1_650_000,
    ),
    NetworkCard(
        "cnn-augmented", "Growing filters on changed faces", _COURSE, "no figure", 685_223, 48, "grey", "fer2013",
        _defaults(epochs=50, schedule="plateau", patience=10, flip=True,
                  augmentation=_changed(rotation=10.0, shift=0.1)),
        128, 3.1, 3_900_000,
    ),
    _transfer("inception-resnet-v2", "Inception-ResNet-v2", 54_435_364, 11.0, 25_000_000),
    _transfer("vgg16", "VGG16", 14_747_780, 33.0, 16_000_000),
    _transfer("resnet50", "ResNet-50", 23_719_108, 11.0, 39_000_000),
    _transfer("resnet101", "ResNet-101", 42_789_572, 20.0, 58_000_000),
    _own("seresnet", "The recogniser of this program", "70.6 % of PrivateTest, 7 labels; 86.7 % of FER+, 8 labels",
         1_378_644, 176, 80, 8.0, 3_000_000),
    _own("seresnet-wide", "A wider one", "no figure", 2_622_572, 256, 60, 12.0, 3_600_000),
)  # fmt: skip
_BY_NAME: Final = MappingProxyType({card.name: card for card in _CARDS})


def networks() -> list[NetworkCard]:
    """All networks, the simplest first, without loading Keras."""
    return list(_CARDS)


def card_of(name: str) -> NetworkCard:
    """The card of a network; `EmotionError` where there is none of that name."""
    if name not in _BY_NAME:
        raise EmotionError(f"There is no network {name!r}; choose one of {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]
