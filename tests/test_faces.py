from __future__ import annotations

import copy
import itertools
import math
import re
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.expressions import (
    EXPRESSIONS,
    FER2013_LABELS,
    FERPLUS_LABELS,
    UNCERTAIN,
    canonical_expression,
    get_style,
    legend_order,
    normalize_label,
)
from emotion.faces import Box, Face, FaceFeatures, FrameResult, Landmarks, Scores

numbers = st.floats(-1e4, 1e4, allow_nan=False, width=32)
boxes = st.builds(lambda x, y, w, h: Box(x, y, x + w, y + h), numbers, numbers, *[st.floats(0.5, 1e3, width=32)] * 2)

# ------------------------------------------------------------------ Box


@pytest.mark.parametrize(
    ("box", "width", "height", "area"),
    [
        (Box(0, 0, 0, 0), 0, 0, 0),
        (Box(5, 5, 2, 9), 0, 4, 0),  # turned inside out: empty, never negative
        (Box(5, 5, 2, 2), 0, 0, 0),
        (Box(-3, -4, 1, 2), 4, 6, 24),
        (Box(0.5, 0, 2, 2), 1.5, 2, 3),
    ],
)
def test_sides_and_area(box: Box, width: float, height: float, area: float) -> None:
    assert (box.width, box.height, box.area) == (width, height, area)


@pytest.mark.parametrize(
    ("a", "b", "iou"),
    [
        (Box(0, 0, 0, 0), Box(0, 0, 0, 0), 0),
        (Box(0, 0, 0, 0), Box(0, 0, 4, 4), 0),
        (Box(0, 0, 4, 4), Box(4, 0, 8, 4), 0),  # half-open: sides that touch share nothing
        (Box(0, 0, 4, 4), Box(6, 6, 8, 8), 0),
        (Box(0, 0, 4, 4), Box(0, 0, 4, 4), 1),
        (Box(0, 0, 4, 4), Box(2, 0, 6, 4), 1 / 3),
        (Box(0, 0, 4, 4), Box(1, 1, 3, 3), 1 / 4),
    ],
)
def test_iou(a: Box, b: Box, iou: float) -> None:
    assert a.iou(b) == b.iou(a) == pytest.approx(iou)


@given(boxes, boxes)
def test_iou_is_a_share(a: Box, b: Box) -> None:
    assert 0 <= a.iou(b) <= 1 + 1e-9
    assert a.iou(b) == b.iou(a)
    assert a.iou(a) == pytest.approx(1)


@given(boxes, st.integers(1, 5000), st.integers(1, 5000))
def test_clip_stays_in_the_picture(box: Box, width: int, height: int) -> None:
    clipped = box.clip(width, height)
    assert 0 <= clipped.x1 <= clipped.x2 <= width
    assert 0 <= clipped.y1 <= clipped.y2 <= height
    assert clipped.area == pytest.approx(box.iou(clipped) * box.area, abs=1e-3)  # nothing but what was inside
    assert clipped.clip(width, height) == clipped
    if min(box.x1, box.y1) >= 0 and box.x2 <= width and box.y2 <= height:
        assert clipped == box


@given(boxes, st.floats(0.1, 5))
def test_expand_keeps_the_centre(box: Box, factor: float) -> None:
    grown = box.expand(factor)
    assert grown.center == pytest.approx(box.center, abs=1e-6)
    assert (grown.width, grown.height) == pytest.approx((box.width * factor, box.height * factor), abs=1e-6)


def test_rounded_gives_whole_numbers() -> None:
    rounded = Box(0.4, 1.6, 2.51, -0.2).to_int_xyxy()
    assert rounded == (0, 2, 3, 0)
    assert all(type(number) is int for number in rounded)


# ------------------------------------------------------------------ Landmarks


def upright(**points: tuple[float, float]) -> Landmarks:
    """A face from the front, its eyes 40 pixels apart: the person's right eye is on the left of the image."""
    landmarks = Landmarks((30, 40), (70, 40), (50, 60), (35, 80), (65, 80))
    return replace(landmarks, **points)


def rolled(degrees: float) -> Landmarks:
    """The same, rotated clockwise in the image (y points down)."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    points = [getattr(upright(), name) for name in Landmarks.__slots__]
    return Landmarks(*((cos * x - sin * y, sin * x + cos * y) for x, y in points))


@pytest.mark.parametrize("degrees", [0, 10, 30, 90, 179, -10, -90, -179])
def test_roll_is_clockwise(degrees: float) -> None:
    assert rolled(degrees).roll_degrees == pytest.approx(degrees)


@pytest.mark.parametrize(
    ("landmarks", "turn"),
    [
        (upright(right_eye=(50, 40), left_eye=(50, 40)), 0),  # eyes in one point: the roll is unknown
        (upright(), 0),
        (upright(nose=(70, 60)), 0.5),
        (upright(nose=(30, 60)), -0.5),  # towards the person's right eye
        (upright(nose=(50, 90)), 0),  # looking down is no turn
    ],
)
def test_turn(landmarks: Landmarks, turn: float) -> None:
    assert landmarks.yaw_ratio == pytest.approx(turn)


@given(st.floats(-180, 180))
def test_turn_does_not_depend_on_roll(degrees: float) -> None:
    assert rolled(degrees).yaw_ratio == pytest.approx(0, abs=1e-6)


# ------------------------------------------------------------------ Scores


@pytest.mark.parametrize(
    ("labels", "values"),
    [([], []), (["happy"], []), ([], [1.0]), (["happy", "sad"], [1.0]), (["happy", "happy"], [0.5, 0.5])],
)
def test_scores_that_make_no_sense(labels: list[str], values: list[float]) -> None:
    with pytest.raises(ValueError, match="received"):
        Scores(labels, values)


def test_scores_are_a_mapping_in_the_models_order() -> None:
    scores = Scores(["sad", "happy", "angry"], [0.2, 0.7, 0.1])
    assert list(scores.items()) == [("sad", 0.2), ("happy", 0.7), ("angry", 0.1)]
    assert (scores.label, scores.confidence, scores["sad"], len(scores)) == ("happy", 0.7, 0.2, 3)
    assert "fear" not in scores
    assert all(type(value) is float for value in scores.values())


def test_the_first_of_equal_labels_wins() -> None:
    assert Scores(["sad", "happy"], [0.5, 0.5]).label == "sad"


def test_equal_scores_have_equal_hashes() -> None:
    a, b = Scores(["sad", "happy"], [0.2, 0.8]), Scores(["happy", "sad"], [0.8, 0.2])
    assert a == b
    assert len({a, b}) == 1
    assert a != Scores(["sad", "happy"], [0.3, 0.7])


def test_scores_do_not_follow_the_array_they_came_from() -> None:
    values = [0.2, 0.8]
    scores = Scores(["sad", "happy"], values)
    values[0] = 1.0
    assert scores["sad"] == 0.2
    with pytest.raises(TypeError):
        scores["sad"] = 1.0  # type: ignore[index]


# ------------------------------------------------------------------ Face


@pytest.mark.parametrize(
    ("scores", "unsure", "shown"),
    [
        (None, None, "unsure"),
        (None, "dark", "unsure"),
        (Scores(["sad", "happy"], [0.2, 0.8]), None, "happy"),
        (Scores(["sad", "happy"], [0.2, 0.8]), "dark", "unsure"),
    ],
)
def test_what_is_shown(scores: Scores | None, unsure: str | None, shown: str) -> None:
    assert Face(Box(0, 0, 9, 9), 0.9, scores=scores, uncertainty_reason=unsure).display_label == shown


def test_a_face_never_changes() -> None:
    face = Face(Box(0, 0, 9, 9), 0.9)
    scored = face.with_scores(Scores(["sad", "happy"], [0.2, 0.8]), "small")
    assert (face.scores, face.uncertainty_reason) == (None, None)
    assert (scored.box, scored.detection_score, scored.display_label) == (face.box, 0.9, "unsure")
    for value, name in ((face, "detection_score"), (face.box, "x1"), (FrameResult(0, 0.0), "faces")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, 0)
    assert FrameResult(0, 0.0).faces == ()


# ------------------------------------------------------------------ words


def test_labels_are_those_of_the_files_in_their_order() -> None:
    assert FER2013_LABELS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert FERPLUS_LABELS == ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
    assert set(FERPLUS_LABELS) == set(EXPRESSIONS)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("", None),
        ("joyous", None),
        ("unsure", None),
        (" Happiness ", "happy"),
        ("ANGER", "angry"),
        ("afraid", "fear"),
        ("Neutral", "neutral"),
        *((name, name) for name in EXPRESSIONS),
    ],
)
def test_words_of_data_sets(word: str, name: str | None) -> None:
    assert canonical_expression(word) == name


def test_every_expression_has_its_own_look() -> None:
    looks = [*EXPRESSIONS.values(), UNCERTAIN]
    for kind in ("name", "color", "symbol"):
        assert len({getattr(look, kind) for look in looks}) == len(looks)
    assert all(name == look.name for name, look in EXPRESSIONS.items())
    assert all(len(look.symbol) == 1 for look in looks)
    colours = [[int(look.color[i : i + 2], 16) for i in (1, 3, 5)] for look in EXPRESSIONS.values()]
    assert min(math.dist(a, b) for a, b in itertools.combinations(colours, 2)) > 50


@pytest.mark.parametrize("name", ["", "unsure"])
def test_what_is_no_label_looks_unsure(name: str) -> None:
    assert get_style(name) is UNCERTAIN


@given(name=st.text(min_size=1))
def test_a_label_that_is_none_of_ours_has_a_look_of_its_own(name: str) -> None:
    if name not in (*EXPRESSIONS, UNCERTAIN.name):
        look = get_style(name)
        assert look == get_style(name)
        assert (look.name, len(look.symbol)) == (name, 1)
        assert re.fullmatch("#[0-9A-F]{6}", look.color)
        assert look.symbol not in {known.symbol for known in (*EXPRESSIONS.values(), UNCERTAIN)}


def test_labels_of_others_rarely_look_alike() -> None:
    looks = [get_style(name) for name in ("smirk", "yawn", "joyous", "tired", "focused", "bored", "calm", "lustig")]
    assert len({(look.color, look.symbol) for look in looks}) == len(looks)


def test_labels_of_others_stand_behind_ours_and_before_unsure() -> None:
    words = ["unsure", "yawn", "sad", "bored", "angry", "sad"]
    assert legend_order(words) == ["angry", "sad", "bored", "yawn", "unsure"]
    assert legend_order([]) == []


@pytest.mark.parametrize(
    ("word", "name"),
    [(" Happiness ", "happy"), ("Smirk", "smirk"), ("a\n\x00 b\u200b", "a b"), ("  ", ""), ("ÄRGER", "ärger")],
)
def test_folders_become_labels(word: str, name: str) -> None:
    assert normalize_label(word) == name


def test_a_display_label_belongs_to_the_face() -> None:
    scores = Scores(("happy", "sad"), (0.6, 0.4))
    face = Face(Box(0, 0, 9, 9), 0.9)
    assert (face.label, face.confidence, face.display_label) == (None, None, "unsure")
    plain, held = face.with_scores(scores, None), face.with_scores(scores, None, "sad")
    assert [(one.label, one.confidence, one.display_label) for one in (plain, held)] == [
        ("happy", 0.6, "happy"),
        ("sad", 0.4, "sad"),
    ]
    assert plain != held
    assert held.scores == plain.scores
    assert held == copy.deepcopy(held)
    assert held.scale_and_translate(1, 2).display_label == "sad"
    assert (face.with_scores(scores, "dark").label, face.with_scores(scores, "dark").display_label) == (
        "happy",
        "unsure",
    )
    assert held.with_scores(scores, None).display_label == "happy"
    for wrong in (lambda: face.with_scores(scores, None, "bored"), lambda: replace(face, smoothed_label="sad")):
        with pytest.raises(ValueError, match="received the smoothed label"):
            wrong()


def test_a_face_moves_with_its_points() -> None:
    points = Landmarks((1, 2), (3, 2), (2, 3), (1, 4), (3, 4))
    moved = Face(Box(0, 1, 4, 5), 0.9, points, track_id=7).scale_and_translate(10, 20, 2)
    assert (moved.box, moved.track_id, moved.detection_score) == (Box(10, 22, 18, 30), 7, 0.9)
    assert moved.landmarks == Landmarks((12, 24), (16, 24), (14, 26), (12, 28), (16, 28))
    assert Face(Box(0, 1, 4, 5), 0.9).scale_and_translate(1, 1).landmarks is None


def test_landmarks_are_rotated_clockwise() -> None:
    landmarks = rolled(10)
    turned = landmarks.rotate(25, (5, 7))
    assert turned.roll_degrees == pytest.approx(35)
    assert turned.yaw_ratio == pytest.approx(landmarks.yaw_ratio)
    assert Landmarks((2, 0), (4, 0), (3, 1), (2, 2), (4, 2)).rotate(90, (0, 0)).right_eye == pytest.approx((0, 2))


def test_features_move_with_their_box() -> None:
    features = FaceFeatures(((10, 10), (20, 30)), (0.1, 0.1), None, {}, 0.9)
    moved = features.move(Box(0, 0, 40, 40), Box(100, 50, 120, 70))
    assert moved.points == ((105, 55), (110, 65))
