"""Describe facial features in words and as values for charts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from emotion.faces import HeadPose
from emotion.formatting import format_list
from emotion.movements import MOVEMENT_GROUPS, MovementGroup, average_sides
from emotion.translation.messages import gettext as _

_MIN_ANGLE: Final = 8.0  # degrees, of an angle that is named; the errors of most faces are below 4
_MIN_MOVEMENT: Final = 0.1  # of a movement that is shown
MAX_SHOWN_MOVEMENTS: Final = 6


class MovementStrength(NamedTuple):
    """A movement, the mean of both sides, and its strength from 0 to 1."""

    group: MovementGroup
    strength: float


def describe_pose(pose: HeadPose) -> str:
    """Describe the direction of a head: "turned 20° to their left, raised 12°"; left and right are the person's."""
    parts = (
        (pose.yaw, _("turned {angle}° to their left"), _("turned {angle}° to their right")),
        (pose.pitch, _("lowered {angle}°"), _("raised {angle}°")),
        (pose.roll, _("tilted {angle}° to their left"), _("tilted {angle}° to their right")),
    )
    named = [
        (positive if angle > 0 else negative).format(angle=f"{abs(angle):.0f}")
        for angle, positive, negative in parts
        if abs(angle) >= _MIN_ANGLE
    ]
    return format_list(named) or _("facing the camera")


def list_strongest(movements: Mapping[str, float]) -> list[MovementStrength]:
    """Return the strongest movements of a face, at most `MAX_SHOWN_MOVEMENTS`, the strongest first."""
    strengths = [
        MovementStrength(MOVEMENT_GROUPS[name], strength)
        for name, strength in average_sides(movements).items()
        if strength >= _MIN_MOVEMENT
    ]
    return sorted(strengths, key=lambda item: item.strength, reverse=True)[:MAX_SHOWN_MOVEMENTS]
