"""Names of movements and the order of the points."""

from __future__ import annotations

from collections import Counter

import pytest

from emotion.movements import (
    LEFT_EYE,
    MIRRORED_POINTS,
    MOVEMENT_GROUPS,
    MOVEMENT_NAMES,
    MOVEMENTS,
    NUM_POINTS,
    OUTLINES,
    RIGHT_EYE,
    average_sides,
    measure_curves,
    swap_sides,
)


def test_each_movement_has_a_name_and_a_plain_name_of_its_own() -> None:
    assert max(Counter(MOVEMENT_NAMES).values()) == 1
    assert max(Counter(movement.plain_name for movement in MOVEMENTS).values()) == 1


def test_both_sides_of_a_movement_are_each_other_in_a_mirrored_image() -> None:
    names = {movement.name: movement.mirrored_name for movement in MOVEMENTS}
    assert {names[other] for other in names.values()} == set(names)
    assert all(names[other] == name for name, other in names.items())
    assert names["mouthSmileLeft"] == "mouthSmileRight"
    assert names["jawOpen"] == "jawOpen"


def test_mirroring_the_points_twice_changes_nothing() -> None:
    assert [MIRRORED_POINTS[index] for index in MIRRORED_POINTS] == list(range(NUM_POINTS))
    assert sorted(MIRRORED_POINTS[RIGHT_EYE]) == list(range(NUM_POINTS))[LEFT_EYE]
    assert MIRRORED_POINTS[8] == 8  # the chin


def test_the_outlines_have_all_points() -> None:
    assert {index for outline in OUTLINES for index in outline} == set(range(NUM_POINTS))


def test_both_sides_have_one_name_and_one_strength() -> None:
    assert len(MOVEMENT_GROUPS) == 22
    assert MOVEMENT_GROUPS["mouthSmile"].members == ("mouthSmileLeft", "mouthSmileRight")
    assert MOVEMENT_GROUPS["mouthSmile"].plain_name == "mouth corners up"
    assert max(Counter(group.plain_name for group in MOVEMENT_GROUPS.values()).values()) == 1
    assert not any("left" in group.plain_name for group in MOVEMENT_GROUPS.values())
    assert average_sides({"browDownLeft": 0.2, "browDownRight": 0.6, "jawOpen": 0.1}) == {
        "browDown": pytest.approx(0.4),
        "jawOpen": 0.1,
    }


def test_a_movement_with_one_known_side_has_no_strength() -> None:
    assert average_sides({"browDownLeft": 0.2}) == {}


def test_curves_are_means_of_movements() -> None:
    raised = {"browInnerUp": 0.9, "browOuterUpLeft": 0.2, "browOuterUpRight": 0.4}
    assert measure_curves(raised) == {"brows up": pytest.approx(0.5)}
    assert measure_curves({"mouthSmileLeft": 0.5, "mouthSmileRight": 0.7}) == {"smile": pytest.approx(0.6)}
    assert measure_curves({}) == {}


def test_the_sides_of_a_mirrored_face_are_swapped() -> None:
    mirrored = {"browDownLeft": 0.2, "browDownRight": 0.6, "jawOpen": 0.1}
    assert swap_sides(mirrored) == {"browDownRight": 0.2, "browDownLeft": 0.6, "jawOpen": 0.1}
