"""What speaks for a label: the shipped table, and what is said of a face."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emotion.expressions import FERPLUS_LABELS
from emotion.faces import Box, Face, FaceFeatures, HeadPose, Scores
from emotion.movements import MOVEMENT_GROUPS
from emotion.recognition.features.label_movements import explain_label, load_label_movements


def make_face(label: str, **strengths: float) -> Face:
    """Return a face with the strengths of groups, the same on both sides."""
    movements = {member: value for group, value in strengths.items() for member in MOVEMENT_GROUPS[group].members}
    features = FaceFeatures((), (), HeadPose(0, 0, 0), movements, 0.9)
    return Face(Box(0, 0, 9, 9), 0.9, scores=Scores([label, "other"], [0.9, 0.1]), features=features)


def test_the_table_has_all_movements_and_labels() -> None:
    table = load_label_movements()
    assert table.num_faces > 20_000
    assert table.movements.keys() == MOVEMENT_GROUPS.keys()
    for statistics in table.movements.values():
        assert tuple(statistics.effects) == FERPLUS_LABELS
        assert 0 <= statistics.neutral < statistics.strong <= 1
        assert statistics.deviation > 0


@pytest.mark.parametrize(
    ("label", "group"),
    [("happy", "mouthSmile"), ("surprise", "jawOpen"), ("surprise", "browInnerUp"), ("angry", "browDown")],
)
def test_known_signs_of_an_expression_are_more_common_in_it(label: str, group: str) -> None:
    assert load_label_movements().movements[group].effects[label] > 0.4


def test_the_most_telling_movements_are_named_first() -> None:
    face = make_face("happy", mouthSmile=0.9, mouthUpperUp=0.6, eyeSquint=0.5, mouthLowerDown=0.5, jawOpen=0.9)
    reasons = explain_label(face)
    assert reasons[:2] == ("mouth corners up", "upper lip up")
    assert len(reasons) == 3
    assert "jaw open" not in reasons, "it does not speak for happy"


def test_weak_movements_are_not_named() -> None:
    assert explain_label(make_face("happy", mouthSmile=0.1, mouthUpperUp=0.0)) == ()


def test_no_movement_speaks_for_neutral_and_unknown_labels() -> None:
    strong = dict.fromkeys(MOVEMENT_GROUPS, 1.0)
    assert explain_label(make_face("neutral", **strong)) == ()
    assert explain_label(make_face("bored", **strong)) == ()


def test_nothing_is_said_of_a_face_whose_features_are_withheld() -> None:
    face = make_face("happy", mouthSmile=0.9)
    assert face.features is not None
    assert explain_label(replace(face, features=replace(face.features, pose=None, movements={}))) == ()
    assert explain_label(replace(face, features=None)) == ()
    assert explain_label(replace(face, scores=None)) == ()
