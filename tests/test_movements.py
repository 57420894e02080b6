"""Names of movements and the order of the points."""

from __future__ import annotations

from collections import Counter

from emotion.movements import LEFT_EYE, MIRRORED_POINTS, MOVEMENT_NAMES, MOVEMENTS, NUM_POINTS, OUTLINES, RIGHT_EYE


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
