from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emotion.expressions import FERPLUS_LABELS
from emotion.faces import Box, Face, Scores
from emotion.recognition.classification import Prediction, softmax
from emotion.recognition.labeling import ClassifiedFace
from emotion.tracking.label_smoothing import (
    HYSTERESIS,
    LabelHysteresis,
    TimeDecayedMean,
    TrackState,
    neutral_calibration_shift,
)

CROP = np.random.default_rng(3).integers(0, 256, (48, 48), dtype=np.uint8)
FACE = Face(Box(0, 0, 80, 80), 0.9, track_id=1)
NEUTRAL = FERPLUS_LABELS.index("neutral")
MakeScores = Callable[[str, float], Scores]


def reading(scores: Scores, face: float = 0.9) -> ClassifiedFace:
    return ClassifiedFace(FACE, CROP, Prediction(scores, face))


def hear(memory: TrackState, scores: Scores, seconds: float, half_life: float = 0.5) -> str:
    memory.update(reading(scores), seconds, half_life)
    return tell(memory, seconds).display_label


def tell(memory: TrackState, seconds: float, threshold: float = 0.45) -> Face:
    return memory.apply_to(FACE, seconds, threshold, 0.2, 0.6)


# ------------------------------------------------------------------ the average


@given(
    st.lists(st.tuples(st.floats(0.001, 3), st.floats(-9, 9)), min_size=1, max_size=12),
    st.sampled_from([0.1, 0.5, 4.0, math.inf]),
)
def test_the_average_is_weighted_by_age(steps: list[tuple[float, float]], half_life: float) -> None:
    average, times = TimeDecayedMean(), np.cumsum([step for step, _ in steps])
    values = np.array([value for _, value in steps])
    for seconds, value in zip(times, values, strict=True):
        average.update(np.array([value]), float(seconds), half_life)
    weights = 0.5 ** ((times[-1] - times) / half_life)
    assert average.mean[0] == pytest.approx((weights * values).sum() / weights.sum())


def test_without_half_life_only_the_last_counts() -> None:
    average = TimeDecayedMean()
    for seconds, value in ((0.0, 5.0), (0.0, 7.0), (0.01, 3.0)):
        average.update(np.array([value]), seconds, 0)
        assert average.mean[0] == value


@given(hnp.arrays(float, (5, 8), elements=st.floats(-6, 6)), st.floats(0.4, 2))
def test_logarithms_average_like_logits(logits: np.ndarray, temperature: float) -> None:
    memory, average = TrackState(), TimeDecayedMean()
    for i, row in enumerate(logits):
        memory.update(reading(Scores(FERPLUS_LABELS, softmax(row[None], temperature)[0])), i / 12, 0.5)
        average.update(row, i / 12, 0.5)
    np.testing.assert_allclose(list(memory.scores.values()), softmax(average.mean[None], temperature)[0], atol=1e-6)


def test_the_certainty_that_it_is_a_face_is_calm_too(make_scores: MakeScores) -> None:
    memory = TrackState()
    assert memory.face_prob == 1
    for i in range(20):
        memory.update(reading(make_scores("happy", 0.9), 0.95), i / 12, 0.5)
    memory.update(reading(make_scores("happy", 0.9), 0.05), 20 / 12, 0.5)
    assert 0.6 < memory.face_prob < 0.95
    for seconds, face in ((9.0, 0.0), (10.0, 1.0)):  # also where it is sure beyond all doubt
        memory.update(reading(make_scores("happy", 0.9), face), seconds, 0)
        assert memory.face_prob == pytest.approx(face, abs=1e-6)


def test_what_is_no_number_is_not_counted(make_scores: MakeScores) -> None:
    memory = TrackState()
    hear(memory, make_scores("happy", 0.9), 0.0)
    for bad in (reading(Scores(FERPLUS_LABELS, [math.nan] * 8)), reading(make_scores("sad", 0.9), math.nan)):
        with pytest.raises(ValueError, match="answered"):
            memory.update(bad, 0.1, 0.5)
    assert memory.last_updated == 0.0
    assert memory.scores["happy"] == pytest.approx(0.9)


def test_other_labels_begin_anew(make_scores: MakeScores) -> None:
    memory = TrackState()
    hear(memory, make_scores("happy", 0.99), 0.0)
    assert hear(memory, Scores(("sad", "neutral"), (0.8, 0.2)), 0.1) == "sad"
    assert list(memory.scores) == ["sad", "neutral"]


# ------------------------------------------------------------------ the label that is displayed


THREE = ("happy", "sad", "neutral")


@pytest.mark.parametrize(
    ("threshold", "steps", "labels"),
    [
        # steps: (seconds, probabilities of happy and sad); a margin of 0.2, 0.6 seconds of hold
        (0.5, [], []),
        # A lead of the margin counts at once, a smaller one after the hold.
        (0.3, [(0, 0.6, 0.2), (0.1, 0.45, 0.54), (0.2, 0.39, 0.6), (0.3, 0.5, 0.4)], ["happy"] * 2 + ["sad"] * 2),
        (0.5, [(0, 0.55, 0.4), (0.1, 0.42, 0.5), (0.6, 0.42, 0.5), (0.71, 0.42, 0.5)], ["happy"] * 3 + ["sad"]),
        (0.5, [(0, 0.55, 0.4), (0.1, 0.42, 0.5), (0.6, 0.5, 0.42), (0.8, 0.42, 0.5)], ["happy"] * 4),
        # A label appears from the threshold on, and goes at once where it is more than the hysteresis below.
        (0.5, [(0, 0.49, 0.3), (1, 0.5, 0.3), (2, 0.4, 0.3), (2.01, 0.39, 0.3)], [None, "happy", "happy", None]),
        (0.5, [(0, 0.39, 0.3), (1, 0.45, 0.3), (1.01, 0.68, 0.09)], [None, None, "happy"]),
        # One that is too low to stay gives way at once, also to one that leads by little.
        (0.5, [(0, 0.6, 0.2), (0.1, 0.39, 0.41), (0.2, 0.39, 0.39)], ["happy", "sad", None]),
    ],
)
def test_which_label_is_displayed(
    threshold: float, steps: list[tuple[float, float, float]], labels: list[str | None]
) -> None:
    hold = LabelHysteresis()
    rows = [(seconds, Scores(THREE, [happy, sad, 1 - happy - sad])) for seconds, happy, sad in steps]
    assert [hold.update(scores, seconds, threshold, 0.2, 0.6) for seconds, scores in rows] == labels


@given(
    st.lists(
        st.tuples(
            st.floats(0, 0.8),  # seconds since the step before
            st.none() | hnp.arrays(float, 4, elements=st.floats(0.001, 1)),  # a reading, where there is one
            st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.95]),  # the threshold
            st.sampled_from(["", "", "", "start_calibration", "finish_calibration", "clear_calibration"]),
        ),
        max_size=40,
    ),
    st.sampled_from([0.0, 0.5, 2.0]),
)
def test_label_reason_and_scores_agree(
    steps: list[tuple[float, np.ndarray | None, float, str]], half_life: float
) -> None:
    """In each image, also where the threshold or the resting face has changed since the last reading."""
    memory, seconds = TrackState(), 0.0
    for passed, values, threshold, change in steps:
        seconds += passed
        if change:
            getattr(memory, change)()
        if values is not None:
            memory.update(reading(Scores(FERPLUS_LABELS[:4], values / values.sum())), seconds, half_life)
        face = tell(memory, seconds, threshold)
        if face.scores is None:
            assert face.uncertainty_reason == "not classified yet"
            continue
        assert face.confidence == face.scores[face.label or ""]
        (first, p), (second, q) = sorted(face.scores.items(), key=lambda item: -item[1])[:2]
        if face.uncertainty_reason is None:
            assert (face.confidence or 0) >= threshold - HYSTERESIS
            assert face.display_label == face.label
        else:
            assert p < threshold
            assert face.label == face.scores.label
            assert face.uncertainty_reason == (f"between {first} and {second}" if q >= p / 2 else "low confidence")


def test_a_displayed_label_has_its_own_confidence(make_scores: MakeScores) -> None:
    memory = TrackState()
    hear(memory, make_scores("sad", 0.55), 0.0, 0)
    scores = Scores(FERPLUS_LABELS, [0, 0.5, 0, 0.45, 0.05, 0, 0, 0])  # happy before sad
    assert hear(memory, scores, 0.1, 0) == "sad"
    told = tell(memory, 0.1)
    assert (told.label, told.confidence) == ("sad", pytest.approx(0.45))
    assert told.scores
    assert told.scores.label == "happy"


def test_before_the_first_reading_nothing_is_said() -> None:
    told = tell(TrackState(), 0.0)
    assert (told.scores, told.uncertainty_reason, told.display_label) == (None, "not classified yet", "unsure")
    assert TrackState().info is None


@pytest.mark.parametrize(("back", "shown"), [(0.2, "happy"), (0.5, "sad")])
def test_after_a_long_absence_the_face_is_read_anew(make_scores: MakeScores, back: float, shown: str) -> None:
    memory = TrackState()
    for i in range(10):
        hear(memory, make_scores("happy", 0.95), i / 10)
    memory.mark_lost(0.9)
    memory.mark_lost(1.0)  # still away: it was seen last at 0.9
    memory.mark_seen(0.9 + back, 0.3)
    assert hear(memory, make_scores("sad", 0.95), 0.9 + back) == shown


# ------------------------------------------------------------------ the resting face


def read_after_rest(rest: np.ndarray, now: np.ndarray) -> Scores:
    shift = neutral_calibration_shift(np.log(rest), NEUTRAL)
    return Scores(FERPLUS_LABELS, softmax((np.log(now) + shift)[None])[0])


RESTS = hnp.arrays(float, 8, elements=st.floats(0.001, 1)).map(lambda p: p / p.sum())


@given(RESTS)
def test_the_resting_face_reads_as_neutral(rest: np.ndarray) -> None:
    shift = neutral_calibration_shift(np.log(rest), NEUTRAL)
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
    memory = TrackState()
    sad, smile = Scores(FERPLUS_LABELS, [0.2, 0.01, 0.04, 0.7, 0.02, 0.01, 0.01, 0.01]), make_scores("happy", 0.97)
    memory.start_calibration()
    for i in range(36):
        assert hear(memory, sad, i / 12) == "sad"
    memory.finish_calibration()
    note = memory.info
    assert note
    assert note.is_calibrated
    assert note.raw_scores.label == "sad"
    assert memory.scores.label == "neutral"
    for i in range(36):
        word = hear(memory, smile, 3 + i / 12)
    assert word == "happy"
    memory.clear_calibration()
    assert memory.info
    assert not memory.info.is_calibrated
    assert memory.scores == memory.info.raw_scores


def test_next_to_nothing_is_no_resting_face(make_scores: MakeScores) -> None:
    memory = TrackState()
    memory.start_calibration()
    for i in range(4):
        hear(memory, make_scores("sad", 0.7), i / 12)
    memory.finish_calibration()
    assert memory.info
    assert not memory.info.is_calibrated
