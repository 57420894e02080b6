"""Head pose and movements in words."""

from __future__ import annotations

import pytest

from emotion.faces import HeadPose
from emotion.movements import MOVEMENT_NAMES
from emotion.recognition.features.wording import MAX_SHOWN_MOVEMENTS, describe_pose, list_strongest


@pytest.mark.parametrize(
    ("pose", "text"),
    [
        (HeadPose(0, 0, 0), "facing the camera"),
        (HeadPose(7, -7, 7), "facing the camera"),
        (HeadPose(20.4, 0, 0), "turned 20° to their left"),
        (HeadPose(-20.4, 12, 0), "turned 20° to their right, lowered 12°"),
        (HeadPose(0, -12, 15), "raised 12°, tilted 15° to their left"),
        (HeadPose(0, 0, -15), "tilted 15° to their right"),
    ],
)
def test_angles_that_can_be_seen_are_named(pose: HeadPose, text: str) -> None:
    assert describe_pose(pose) == text


def test_the_strongest_movements_come_first() -> None:
    strongest = list_strongest({"jawOpen": 0.3, "mouthSmileLeft": 0.8, "mouthSmileRight": 0.6, "mouthPucker": 0.05})
    assert [(group.name, round(strength, 2)) for group, strength in strongest] == [
        ("mouthSmile", 0.7),
        ("jawOpen", 0.3),
    ]


def test_the_number_of_movements_is_limited() -> None:
    assert len(list_strongest(dict.fromkeys(MOVEMENT_NAMES, 0.5))) == MAX_SHOWN_MOVEMENTS
    assert list_strongest({}) == []
