"""The movements of a face: their names in the field, plain names, and units of the facial action coding system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from emotion.translation.messages import gettext_noop

NUM_POINTS: Final = 68
_LEFT, _RIGHT = "Left", "Right"  # sides of the person, not of the image


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement.

    Attributes:
        name: The ARKit name of the blendshape, such as "mouthSmileLeft".
        plain_name: What a person calls it, such as "mouth corner up, left".
        action_unit: The unit of the facial action coding system (Ekman & Friesen 1978) with its name, such as "AU12 lip
            corner puller"; None where no mapping is accepted.
    """

    name: str
    plain_name: str
    action_unit: str | None = None

    @property
    def mirrored_name(self) -> str:
        """The name of the same movement in a mirrored image."""
        for side, other in ((_LEFT, _RIGHT), (_RIGHT, _LEFT)):
            if self.name.endswith(side):
                return self.name.removesuffix(side) + other
        return self.name


def _both_sides(name: str, plain_name: str, action_unit: str | None = None) -> tuple[Movement, Movement]:
    return (
        Movement(name + _LEFT, f"{plain_name}, left", action_unit),
        Movement(name + _RIGHT, f"{plain_name}, right", action_unit),
    )


# Those that spread by at least 0.05 over FER-2013. The teacher answers about 0 for the other blendshapes: nose sneer,
# cheek squint, cheek puff, dimple, funnel, and the jaw and mouth to one side.
MOVEMENTS: Final = (
    Movement("browInnerUp", gettext_noop("inner brows up"), gettext_noop("AU1 inner brow raiser")),
    *_both_sides("browOuterUp", "outer brow up", gettext_noop("AU2 outer brow raiser")),
    *_both_sides("browDown", "brow down", gettext_noop("AU4 brow lowerer")),
    *_both_sides("eyeWide", "eye wide open", gettext_noop("AU5 upper lid raiser")),
    *_both_sides("eyeSquint", gettext_noop("lids tight"), gettext_noop("AU7 lid tightener")),
    *_both_sides("eyeBlink", "eye closed", gettext_noop("AU43 eyes closed")),
    *_both_sides("eyeLookUp", "eye looks up"),
    *_both_sides("eyeLookDown", "eye looks down"),
    *_both_sides("eyeLookIn", "eye looks to the nose"),
    *_both_sides("eyeLookOut", "eye looks outward"),
    *_both_sides("mouthSmile", "mouth corner up", gettext_noop("AU12 lip corner puller")),
    *_both_sides("mouthFrown", "mouth corner down", gettext_noop("AU15 lip corner depressor")),
    *_both_sides("mouthUpperUp", gettext_noop("upper lip up"), gettext_noop("AU10 upper lip raiser")),
    *_both_sides("mouthLowerDown", gettext_noop("lower lip down"), gettext_noop("AU16 lower lip depressor")),
    *_both_sides("mouthStretch", gettext_noop("mouth stretched"), gettext_noop("AU20 lip stretcher")),
    *_both_sides("mouthPress", gettext_noop("lips pressed"), gettext_noop("AU24 lip pressor")),
    Movement("mouthPucker", gettext_noop("lips puckered"), gettext_noop("AU18 lip pucker")),
    Movement("mouthRollLower", gettext_noop("lower lip rolled in"), gettext_noop("AU28 lip suck")),
    Movement("mouthRollUpper", gettext_noop("upper lip rolled in"), gettext_noop("AU28 lip suck")),
    Movement("mouthShrugLower", gettext_noop("chin raised"), gettext_noop("AU17 chin raiser")),
    Movement("mouthShrugUpper", gettext_noop("upper lip pushed up")),
    Movement("jawOpen", gettext_noop("jaw open"), gettext_noop("AU26 jaw drop")),
)
MOVEMENT_NAMES: Final = tuple(movement.name for movement in MOVEMENTS)


@dataclass(frozen=True, slots=True)
class MovementGroup:
    """A movement of both sides of a face, or one that has no sides.

    Attributes:
        name: The ARKit name without the side, such as "mouthSmile".
        plain_name: What a person calls it, such as "mouth corners up".
        action_unit: The unit of the facial action coding system, as in `Movement`.
        members: The names of its movements.
    """

    name: str
    plain_name: str
    action_unit: str | None
    members: tuple[str, ...]


# What both sides together are called, where it differs from the plain name of one side.
_NAMES_OF_BOTH_SIDES: Final = {
    "browOuterUp": gettext_noop("outer brows up"),
    "browDown": gettext_noop("brows down"),
    "eyeWide": gettext_noop("eyes wide open"),
    "eyeBlink": gettext_noop("eyes closed"),
    "eyeLookUp": gettext_noop("eyes look up"),
    "eyeLookDown": gettext_noop("eyes look down"),
    "eyeLookIn": gettext_noop("eyes look to the nose"),
    "eyeLookOut": gettext_noop("eyes look outward"),
    "mouthSmile": gettext_noop("mouth corners up"),
    "mouthFrown": gettext_noop("mouth corners down"),
}


def _group_sides() -> tuple[MovementGroup, ...]:
    members: dict[str, list[Movement]] = {}
    for movement in MOVEMENTS:
        members.setdefault(movement.name.removesuffix(_LEFT).removesuffix(_RIGHT), []).append(movement)
    return tuple(
        MovementGroup(
            name,
            _NAMES_OF_BOTH_SIDES.get(name, sides[0].plain_name.split(",")[0]),
            sides[0].action_unit,
            tuple(movement.name for movement in sides),
        )
        for name, sides in members.items()
    )


MOVEMENT_GROUPS: Final[Mapping[str, MovementGroup]] = {group.name: group for group in _group_sides()}


def average_sides(movements: Mapping[str, float]) -> dict[str, float]:
    """Return the mean of both sides by the name of the group, for the groups whose movements are all there."""
    return {
        group.name: sum(movements[name] for name in group.members) / len(group.members)
        for group in MOVEMENT_GROUPS.values()
        if movements.keys() >= set(group.members)
    }


# What is drawn over time: the name of a curve, and the movements whose mean it is.
CURVES: Final[Mapping[str, tuple[str, ...]]] = {
    gettext_noop("smile"): ("mouthSmileLeft", "mouthSmileRight"),
    gettext_noop("brows down"): ("browDownLeft", "browDownRight"),
    gettext_noop("brows up"): ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    gettext_noop("jaw open"): ("jawOpen",),
}


def measure_curves(movements: Mapping[str, float]) -> dict[str, float]:
    """Return the value from 0 to 1 of each of `CURVES` whose movements are all there."""
    return {
        name: sum(movements[member] for member in members) / len(members)
        for name, members in CURVES.items()
        if movements.keys() >= set(members)
    }


def swap_sides(movements: Mapping[str, float]) -> dict[str, float]:
    """Return the movements of a mirrored image by the names that they have in the image itself."""
    mirrored = {movement.name: movement.mirrored_name for movement in MOVEMENTS}
    return {mirrored[name]: strength for name, strength in movements.items()}


# The index of each of the 68 points in a mirrored image; the order is that of Sagonas et al. 2013, "300 faces
# in-the-wild challenge": jaw, brows, nose, eyes, outer and inner lips, each from the left of the image.
MIRRORED_POINTS: Final = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46),
    *(39, 38, 37, 36, 41, 40),
    *range(54, 47, -1),
    *range(59, 54, -1),
    *range(64, 59, -1),
    *(67, 66, 65),
)
RIGHT_EYE: Final = slice(36, 42)  # of the person
LEFT_EYE: Final = slice(42, 48)
# Lines that connect the points of one part, to draw the outline of a face.
OUTLINES: Final = (
    tuple(range(0, 17)),
    tuple(range(17, 22)),
    tuple(range(22, 27)),
    tuple(range(27, 31)),
    tuple(range(31, 36)),
    (*range(36, 42), 36),
    (*range(42, 48), 42),
    (*range(48, 60), 48),
    (*range(60, 68), 60),
)
