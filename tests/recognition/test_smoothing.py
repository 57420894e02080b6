from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emotion.faces import FERPLUS_LABELS, Box, Face, Scores
from emotion.recognition.analyzer import Reading
from emotion.recognition.classification import Verdict, softmax
from emotion.recognition.smoothing import Average, Hold, Memory, shift_of_rest

CROP = np.random.default_rng(3).integers(0, 256, (48, 48), dtype=np.uint8)
FACE = Face(Box(0, 0, 80, 80), 0.9, track=1)
NEUTRAL = FERPLUS_LABELS.index("neutral")
MakeScores = Callable[[str, float], Scores]


def reading(scores: Scores, face: float = 0.9) -> Reading:
    return Reading(FACE, CROP, Verdict(scores, face))


def hear(memory: Memory, scores: Scores, seconds: float, half_life: float = 0.5) -> str:
    said = reading(scores)
    memory.hear(said, seconds, half_life)
    memory.settle(said, seconds, 0.45, 0.2, 0.6)
    return memory.tell(FACE).shown


# ------------------------------------------------------------------ the average


@given(
    st.lists(st.tuples(st.floats(0.001, 3), st.floats(-9, 9)), min_size=1, max_size=12),
    st.sampled_from([0.1, 0.5, 4.0, math.inf]),
)
def test_the_average_is_weighted_by_age(steps: list[tuple[float, float]], half_life: float) -> None:
    average, times = Average(), np.cumsum([step for step, _ in steps])
    values = np.array([value for _, value in steps])
    for seconds, value in zip(times, values, strict=True):
        average.add(np.array([value]), float(seconds), half_life)
    weights = 0.5 ** ((times[-1] - times) / half_life)
    assert average.mean[0] == pytest.approx((weights * values).sum() / weights.sum())


def test_without_half_life_only_the_last_counts() -> None:
    average = Average()
    for seconds, value in ((0.0, 5.0), (0.0, 7.0), (0.01, 3.0)):
        average.add(np.array([value]), seconds, 0)
        assert average.mean[0] == value


@given(hnp.arrays(float, (5, 8), elements=st.floats(-6, 6)), st.floats(0.4, 2))
def test_logarithms_average_like_logits(logits: np.ndarray, temperature: float) -> None:
    memory, average = Memory(), Average()
    for i, row in enumerate(logits):
        memory.hear(reading(Scores(FERPLUS_LABELS, softmax(row[None], temperature)[0])), i / 12, 0.5)
        average.add(row, i / 12, 0.5)
    np.testing.assert_allclose(
        list(memory.scores.values()), softmax(average.mean[None], temperature)[0], atol=1e-6
    )  # fmt: skip


def test_the_certainty_that_it_is_a_face_is_calm_too(make_scores: MakeScores) -> None:
    memory = Memory()
    assert memory.face == 1
    for i in range(20):
        memory.hear(reading(make_scores("happy", 0.9), 0.95), i / 12, 0.5)
    memory.hear(reading(make_scores("happy", 0.9), 0.05), 20 / 12, 0.5)
    assert 0.6 < memory.face < 0.95
    for seconds, face in ((9.0, 0.0), (10.0, 1.0)):  # also where it is sure beyond all doubt
        memory.hear(reading(make_scores("happy", 0.9), face), seconds, 0)
        assert memory.face == pytest.approx(face, abs=1e-6)


def test_what_is_no_number_is_not_counted(make_scores: MakeScores) -> None:
    memory = Memory()
    hear(memory, make_scores("happy", 0.9), 0.0)
    for bad in (reading(Scores(FERPLUS_LABELS, [math.nan] * 8)), reading(make_scores("sad", 0.9), math.nan)):
        with pytest.raises(ValueError, match="answered"):
            memory.hear(bad, 0.1, 0.5)
    assert memory.read == 0.0
    assert memory.scores["happy"] == pytest.approx(0.9)


def test_other_labels_begin_anew(make_scores: MakeScores) -> None:
    memory = Memory()
    hear(memory, make_scores("happy", 0.99), 0.0)
    assert hear(memory, Scores(("sad", "neutral"), (0.8, 0.2)), 0.1) == "sad"
    assert list(memory.scores) == ["sad", "neutral"]


# ------------------------------------------------------------------ the word that is held


def test_the_word_changes_at_once_by_the_margin_or_after_a_while() -> None:
    hold = Hold()
    said = []
    for seconds, word, lead in (
        (0.0, "sad", 0.0), (0.1, "happy", 0.1), (0.2, "sad", 0.0), (0.3, "happy", 0.1), (0.8, "happy", 0.1),
        (0.95, "happy", 0.1), (1.0, "sad", 0.25), (1.1, "happy", 0.1), (1.6, "fear", 0.1), (1.8, "happy", 0.1),
    ):  # fmt: skip
        hold.hear(word, lead, seconds, 0.2, 0.6)
        said.append(hold.word)
    assert said == ["sad"] * 5 + ["happy"] + ["sad"] * 4


def test_a_held_label_shows_its_own_confidence(make_scores: MakeScores) -> None:
    memory = Memory()
    hear(memory, make_scores("sad", 0.55), 0.0, 0)
    scores = Scores(FERPLUS_LABELS, [0, 0.5, 0, 0.45, 0.05, 0, 0, 0])  # happy before sad
    assert hear(memory, scores, 0.1, 0) == "sad"
    told = memory.tell(FACE).scores
    assert told
    assert (told.label, told.confidence) == ("sad", pytest.approx(0.45))
    assert max(told, key=told.__getitem__) == "happy"


def test_unsure_is_held_like_a_label(make_scores: MakeScores) -> None:
    memory = Memory()
    assert hear(memory, make_scores("happy", 0.5), 0.0, 0) == "happy"
    assert hear(memory, make_scores("happy", 0.33), 0.1, 0) == "happy"
    assert memory.tell(FACE).unsure is None
    assert hear(memory, make_scores("happy", 0.33), 0.8, 0) == "unsure"
    assert memory.tell(FACE).unsure == "between happy and sad"
    assert hear(memory, make_scores("happy", 0.48), 0.9, 0) == "unsure"
    assert memory.tell(FACE).unsure == "between happy and sad"
    assert hear(memory, make_scores("happy", 0.7), 1.0, 0) == "happy"


def test_a_face_with_a_label_keeps_it_until_ten_points_below_the_threshold(make_scores: MakeScores) -> None:
    memory = Memory()
    assert hear(memory, make_scores("happy", 0.4), 0.0, 0) == "unsure"
    assert hear(memory, make_scores("happy", 0.7), 0.1, 0) == "happy"
    assert [hear(memory, make_scores("happy", 0.4), seconds, 0) for seconds in (1.0, 2.0, 3.0)] == ["happy"] * 3
    assert [hear(memory, make_scores("happy", 0.34), seconds, 0) for seconds in (4.0, 5.0)] == ["happy", "unsure"]


def test_a_label_that_is_overtaken_is_not_held_by_an_unsure_one(make_scores: MakeScores) -> None:
    memory = Memory()
    hear(memory, make_scores("surprise", 0.9), 0.0, 0)
    scores = Scores(FERPLUS_LABELS, [0.32, 0.0, 0.02, 0.34, 0.1, 0.1, 0.1, 0.02])  # sad, but not sure
    assert hear(memory, scores, 0.1, 0) == "unsure"
    assert memory.tell(FACE).unsure == "between sad and neutral"


def test_before_the_first_reading_nothing_is_said() -> None:
    told = Memory().tell(FACE)
    assert (told.scores, told.unsure, told.shown) == (None, "not read yet", "unsure")
    assert Memory().note is None


@pytest.mark.parametrize(("back", "shown"), [(0.2, "happy"), (0.5, "sad")])
def test_after_a_long_absence_the_face_is_read_anew(make_scores: MakeScores, back: float, shown: str) -> None:
    memory = Memory()
    for i in range(10):
        hear(memory, make_scores("happy", 0.95), i / 10)
    memory.go(0.9)
    memory.go(1.0)  # still away: it was seen last at 0.9
    memory.come(0.9 + back, 0.3)
    assert hear(memory, make_scores("sad", 0.95), 0.9 + back) == shown


# ------------------------------------------------------------------ the resting face


def read_after_rest(rest: np.ndarray, now: np.ndarray) -> Scores:
    shift = shift_of_rest(np.log(rest), NEUTRAL)
    return Scores(FERPLUS_LABELS, softmax((np.log(now) + shift)[None])[0])


RESTS = hnp.arrays(float, 8, elements=st.floats(0.001, 1)).map(lambda p: p / p.sum())


@given(RESTS)
def test_the_resting_face_reads_as_neutral(rest: np.ndarray) -> None:
    shift = shift_of_rest(np.log(rest), NEUTRAL)
    assert shift[NEUTRAL] >= 0
    assert (np.delete(shift, NEUTRAL) <= 0).all()
    assert np.ptp(shift) <= 4 + 1e-9
    after = read_after_rest(rest, rest)
    assert after["neutral"] >= rest[NEUTRAL] - 1e-9
    if rest[NEUTRAL] > 0.06:  # less is more than the strength may move
        assert after.label == "neutral"
    if np.ptp(shift) < 4 - 1e-6:
        assert after["neutral"] >= 0.8 - 1e-9


@given(RESTS)
def test_a_clear_smile_stays_one(rest: np.ndarray) -> None:
    smile = np.array([0.005, 0.99, *[0.005 / 6] * 6])
    assert read_after_rest(rest, smile).label == "happy"


def test_a_sad_looking_person(make_scores: MakeScores) -> None:
    memory = Memory()
    sad, smile = Scores(FERPLUS_LABELS, [0.2, 0.01, 0.04, 0.7, 0.02, 0.01, 0.01, 0.01]), make_scores("happy", 0.97)
    memory.begin_rest()
    for i in range(36):
        assert hear(memory, sad, i / 12) == "sad"
    memory.end_rest()
    note = memory.note
    assert note
    assert note.calibrated
    assert note.raw.label == "sad"
    assert memory.scores.label == "neutral"
    for i in range(36):
        word = hear(memory, smile, 3 + i / 12)
    assert word == "happy"
    memory.forget_rest()
    assert memory.note
    assert not memory.note.calibrated
    assert memory.scores == memory.note.raw


def test_next_to_nothing_is_no_resting_face(make_scores: MakeScores) -> None:
    memory = Memory()
    memory.begin_rest()
    for i in range(4):
        hear(memory, make_scores("sad", 0.7), i / 12)
    memory.end_rest()
    assert memory.note
    assert not memory.note.calibrated
