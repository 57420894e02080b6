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
    TrackState,
    neutral_calibration_shift,
)
from emotion.tracking.time_decayed_mean import TimeDecayedMean

CROP = np.random.default_rng(3).integers(0, 256, (48, 48), dtype=np.uint8)
FACE = Face(Box(0, 0, 80, 80), 0.9, track_id=1)
NEUTRAL = FERPLUS_LABELS.index("neutral")
MakeScores = Callable[[str, float], Scores]


def make_prediction(scores: Scores, face: float = 0.9) -> ClassifiedFace:
    return ClassifiedFace(FACE, CROP, Prediction(scores, face))


def add_scores(state: TrackState, scores: Scores, seconds: float, half_life: float = 0.5) -> str:
    state.update(make_prediction(scores), seconds, half_life)
    return display(state, seconds).display_label


def display(state: TrackState, seconds: float, threshold: float = 0.45) -> Face:
    return state.apply_to(FACE, seconds, threshold, 0.2, 0.6)


# ------------------------------------------------------------------ averages


@given(
    st.lists(st.tuples(st.floats(0.001, 3), st.floats(-9, 9)), min_size=1, max_size=12),
    st.sampled_from([0.1, 0.5, 4.0, math.inf]),
)
def test_average_is_weighted_by_age(steps: list[tuple[float, float]], half_life: float) -> None:
    average, times = TimeDecayedMean(), np.cumsum([step for step, _ in steps])
    values = np.array([value for _, value in steps])
    for seconds, value in zip(times, values, strict=True):
        average.update(np.array([value]), float(seconds), half_life)
    weights = 0.5 ** ((times[-1] - times) / half_life)
    assert average.mean[0] == pytest.approx((weights * values).sum() / weights.sum())


def test_without_a_half_life_only_the_last_value_counts() -> None:
    average = TimeDecayedMean()
    for seconds, value in ((0.0, 5.0), (0.0, 7.0), (0.01, 3.0)):
        average.update(np.array([value]), seconds, 0)
        assert average.mean[0] == value


@given(hnp.arrays(float, (5, 8), elements=st.floats(-6, 6)), st.floats(0.4, 2))
def test_average_of_log_probabilities_equals_that_of_logits(logits: np.ndarray, temperature: float) -> None:
    state, average = TrackState(), TimeDecayedMean()
    for i, row in enumerate(logits):
        state.update(make_prediction(Scores(FERPLUS_LABELS, softmax(row[None], temperature)[0])), i / 12, 0.5)
        average.update(row, i / 12, 0.5)
    np.testing.assert_allclose(list(state.scores.values()), softmax(average.mean[None], temperature)[0], atol=1e-6)


def test_face_probability_is_smoothed(make_scores: MakeScores) -> None:
    state = TrackState()
    assert state.face_prob == 1
    for i in range(20):
        state.update(make_prediction(make_scores("happy", 0.9), 0.95), i / 12, 0.5)
    state.update(make_prediction(make_scores("happy", 0.9), 0.05), 20 / 12, 0.5)
    assert 0.6 < state.face_prob < 0.95
    for seconds, face in ((9.0, 0.0), (10.0, 1.0)):  # also for probabilities of 0 and 1
        state.update(make_prediction(make_scores("happy", 0.9), face), seconds, 0)
        assert state.face_prob == pytest.approx(face, abs=1e-6)


def test_non_finite_predictions_are_refused_and_ignored(make_scores: MakeScores) -> None:
    state = TrackState()
    add_scores(state, make_scores("happy", 0.9), 0.0)
    for invalid in (
        make_prediction(Scores(FERPLUS_LABELS, [math.nan] * 8)),
        make_prediction(make_scores("sad", 0.9), math.nan),
    ):
        with pytest.raises(ValueError, match="answered"):
            state.update(invalid, 0.1, 0.5)
    assert state.last_updated == 0.0
    assert state.scores["happy"] == pytest.approx(0.9)


def test_other_labels_start_a_new_average(make_scores: MakeScores) -> None:
    state = TrackState()
    add_scores(state, make_scores("happy", 0.99), 0.0)
    assert add_scores(state, Scores(("sad", "neutral"), (0.8, 0.2)), 0.1) == "sad"
    assert list(state.scores) == ["sad", "neutral"]


# ------------------------------------------------------------------ displayed label


LABELS = ("happy", "sad", "neutral")


@pytest.mark.parametrize(
    ("threshold", "steps", "labels"),
    [
        # steps: (seconds, probabilities of happy and sad); margin 0.2, hold time 0.6 seconds
        (0.5, [], []),
        # A lead of the margin changes the label immediately, a smaller one after the hold time.
        (0.3, [(0, 0.6, 0.2), (0.1, 0.45, 0.54), (0.2, 0.39, 0.6), (0.3, 0.5, 0.4)], ["happy"] * 2 + ["sad"] * 2),
        (0.5, [(0, 0.55, 0.4), (0.1, 0.42, 0.5), (0.6, 0.42, 0.5), (0.71, 0.42, 0.5)], ["happy"] * 3 + ["sad"]),
        (0.5, [(0, 0.55, 0.4), (0.1, 0.42, 0.5), (0.6, 0.5, 0.42), (0.8, 0.42, 0.5)], ["happy"] * 4),
        # A label appears at the threshold and disappears more than the hysteresis below it.
        (0.5, [(0, 0.49, 0.3), (1, 0.5, 0.3), (2, 0.4, 0.3), (2.01, 0.39, 0.3)], [None, "happy", "happy", None]),
        (0.5, [(0, 0.39, 0.3), (1, 0.45, 0.3), (1.01, 0.68, 0.09)], [None, None, "happy"]),
        # A label too low to stay is replaced immediately, also by one with a small lead.
        (0.5, [(0, 0.6, 0.2), (0.1, 0.39, 0.41), (0.2, 0.39, 0.39)], ["happy", "sad", None]),
    ],
)
def test_displayed_label_changes_with_hysteresis(
    threshold: float, steps: list[tuple[float, float, float]], labels: list[str | None]
) -> None:
    hysteresis = LabelHysteresis()
    rows = [(seconds, Scores(LABELS, [happy, sad, 1 - happy - sad])) for seconds, happy, sad in steps]
    assert [hysteresis.update(scores, seconds, threshold, 0.2, 0.6) for seconds, scores in rows] == labels


@given(
    st.lists(
        st.tuples(
            st.floats(0, 0.8),  # seconds since the previous step
            st.none() | hnp.arrays(float, 4, elements=st.floats(0.001, 1)),  # a prediction, if any
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
    """They agree in each frame, also after the threshold or the calibration changed."""
    state, seconds = TrackState(), 0.0
    for step, values, threshold, action in steps:
        seconds += step
        if action:
            getattr(state, action)()
        if values is not None:
            state.update(make_prediction(Scores(FERPLUS_LABELS[:4], values / values.sum())), seconds, half_life)
        face = display(state, seconds, threshold)
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


def test_displayed_label_has_its_own_confidence(make_scores: MakeScores) -> None:
    state = TrackState()
    add_scores(state, make_scores("sad", 0.55), 0.0, 0)
    scores = Scores(FERPLUS_LABELS, [0, 0.5, 0, 0.45, 0.05, 0, 0, 0])  # happy is ahead of sad
    assert add_scores(state, scores, 0.1, 0) == "sad"
    face = display(state, 0.1)
    assert (face.label, face.confidence) == ("sad", pytest.approx(0.45))
    assert face.scores
    assert face.scores.label == "happy"


def test_face_without_a_prediction_has_no_scores() -> None:
    face = display(TrackState(), 0.0)
    assert (face.scores, face.uncertainty_reason, face.display_label) == (None, "not classified yet", "unsure")
    assert TrackState().info is None


@pytest.mark.parametrize(("absence_seconds", "label"), [(0.2, "happy"), (0.5, "sad")])
def test_long_absence_starts_a_new_average(make_scores: MakeScores, absence_seconds: float, label: str) -> None:
    state = TrackState()
    for i in range(10):
        add_scores(state, make_scores("happy", 0.95), i / 10)
    state.mark_lost(0.9)
    state.mark_lost(1.0)  # still absent: last seen at 0.9
    state.mark_seen(0.9 + absence_seconds, 0.3)
    assert add_scores(state, make_scores("sad", 0.95), 0.9 + absence_seconds) == label


# ------------------------------------------------------------------ calibration


def calibrate_scores(neutral_probs: np.ndarray, probs: np.ndarray) -> Scores:
    shift = neutral_calibration_shift(np.log(neutral_probs), NEUTRAL)
    return Scores(FERPLUS_LABELS, softmax((np.log(probs) + shift)[None])[0])


NEUTRAL_PROBS = hnp.arrays(float, 8, elements=st.floats(0.001, 1)).map(lambda p: p / p.sum())


@given(NEUTRAL_PROBS)
def test_calibrated_neutral_face_is_neutral(neutral_probs: np.ndarray) -> None:
    shift = neutral_calibration_shift(np.log(neutral_probs), NEUTRAL)
    assert shift[NEUTRAL] >= 0
    assert (np.delete(shift, NEUTRAL) <= 0).all()
    assert np.ptp(shift) <= 4 + 1e-9
    calibrated = calibrate_scores(neutral_probs, neutral_probs)
    assert calibrated["neutral"] >= neutral_probs[NEUTRAL] - 1e-9
    if neutral_probs[NEUTRAL] > 0.06:  # a lower one exceeds the maximum shift
        assert calibrated.label == "neutral"
    if np.ptp(shift) < 4 - 1e-6:
        assert calibrated["neutral"] >= 0.8 - 1e-9


@given(NEUTRAL_PROBS)
def test_clear_smile_is_happy_after_any_calibration(neutral_probs: np.ndarray) -> None:
    smile = np.array([0.005, 0.99, *[0.005 / 6] * 6])
    assert calibrate_scores(neutral_probs, smile).label == "happy"


def test_calibration_makes_a_sad_looking_person_neutral(make_scores: MakeScores) -> None:
    state = TrackState()
    sad, smile = Scores(FERPLUS_LABELS, [0.2, 0.01, 0.04, 0.7, 0.02, 0.01, 0.01, 0.01]), make_scores("happy", 0.97)
    state.start_calibration()
    for i in range(36):
        assert add_scores(state, sad, i / 12) == "sad"
    state.finish_calibration()
    info = state.info
    assert info
    assert info.is_calibrated
    assert info.raw_scores.label == "sad"
    assert state.scores.label == "neutral"
    for i in range(36):
        label = add_scores(state, smile, 3 + i / 12)
    assert label == "happy"
    state.clear_calibration()
    assert state.info
    assert not state.info.is_calibrated
    assert state.scores == state.info.raw_scores


def test_too_short_calibration_has_no_effect(make_scores: MakeScores) -> None:
    state = TrackState()
    state.start_calibration()
    for i in range(4):
        add_scores(state, make_scores("sad", 0.7), i / 12)
    state.finish_calibration()
    assert state.info
    assert not state.info.is_calibrated
