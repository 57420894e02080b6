"""Smooth the predictions of a tracked face: averaged scores, label hysteresis and neutral calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.faces import Face, Scores
from emotion.recognition.classification import Prediction, softmax
from emotion.recognition.labeling import ClassifiedFace, explain_uncertainty
from emotion.recognition.uncertainty import NOT_CLASSIFIED
from emotion.tracking.feature_smoothing import FeaturesAverage
from emotion.tracking.time_decayed_mean import MIN_CALIBRATION_SAMPLES, TimeDecayedMean

NEUTRAL: Final = "neutral"
# How far the probability of a displayed label may fall below the minimum confidence: during a change between two labels
# the average gives neither a high probability.
HYSTERESIS: Final = 0.1
_MIN_PROB: Final = 1e-30  # lower limit of a probability, which keeps its logarithm finite
_MIN_FACE_PROB: Final = 1e-9  # limit of a face probability to both sides, which keeps its logit finite
_NEUTRAL_TARGET_PROB: Final = 0.8  # probability of neutral for a neutral face after the calibration
_MAX_SHIFT: Final = 4.0  # maximum shift of one log probability relative to another by the calibration


@dataclass(frozen=True)
class TrackInfo:
    """Averages of a tracked face.

    Attributes:
        raw_scores: The averaged scores without the neutral calibration.
        face_prob: The averaged face probability, 0 to 1.
        is_calibrated: Whether the face has a neutral calibration.
    """

    raw_scores: Scores
    face_prob: float
    is_calibrated: bool


class TrackState:
    """Smoothed prediction, displayed label and neutral calibration of one track.

    Attributes:
        features: The smoothed features of the face.

    Log probabilities are averaged: they differ from the logits of the network, divided by the temperature of the head,
    only by a constant that is the same for all labels, which the softmax cancels.
    """

    def __init__(self) -> None:
        self.features = FeaturesAverage()
        self.last_updated = -math.inf  # timestamp of the last prediction in seconds
        self._lost_since: float | None = None  # timestamp of the last detection in seconds, while the face is lost
        self._labels: tuple[str, ...] = ()
        self._average = TimeDecayedMean()
        self._calibration_mean: TimeDecayedMean | None = None
        self._neutral_shift: NDArray[np.float64] | None = None
        self._hysteresis = LabelHysteresis()
        self._classified_face: ClassifiedFace | None = None  # that of the last prediction

    def update(self, classified_face: ClassifiedFace, timestamp: float, half_life: float) -> None:
        """Add a prediction to the averages.

        Args:
            classified_face: The face with its prediction.
            timestamp: The time of the frame in seconds.
            half_life: See `TimeDecayedMean.update`.

        Raises:
            ValueError: A probability is not finite.
        """
        scores = classified_face.prediction.scores
        face_prob = min(max(classified_face.prediction.face_prob, _MIN_FACE_PROB), 1 - _MIN_FACE_PROB)
        log_probs = np.log(np.maximum([*scores.values()], _MIN_PROB))
        if not np.isfinite([*log_probs, face_prob]).all():
            raise ValueError(f"the classifier answered {dict(scores)}")
        if self._labels != tuple(scores):
            if self._labels:  # the user selected another head, whose labels are not comparable
                self._reset()
                self.clear_calibration()
            self._labels = tuple(scores)
        self._average.update(np.array([*log_probs, math.log(face_prob / (1 - face_prob))]), timestamp, half_life)
        if self._calibration_mean is not None:
            self._calibration_mean.update(log_probs, timestamp, math.inf)
        self._classified_face, self.last_updated = classified_face, timestamp

    def apply_to(
        self, face: Face, timestamp: float, min_confidence: float, switch_margin: float, switch_delay: float
    ) -> Face:
        """Return a tracked face with its smoothed scores and the label to display.

        Args:
            face: The tracked face, without scores.
            timestamp: The time of the frame in seconds.
            min_confidence: See `LabelHysteresis.update`.
            switch_margin: See `LabelHysteresis.update`.
            switch_delay: See `LabelHysteresis.update`.

        Returns:
            The face with the smoothed scores. A displayed label has a probability of at least
            `min_confidence - HYSTERESIS`; all labels of an uncertain face have one below `min_confidence`.
        """
        if self._classified_face is None:
            return replace(face, uncertainty_reason=NOT_CLASSIFIED)
        scores = self.scores
        label = self._hysteresis.update(scores, timestamp, min_confidence, switch_margin, switch_delay)
        if label is not None:
            return face.with_scores(scores, None, label)
        smoothed = Prediction(scores, self.face_prob)
        classified_face = self._classified_face
        return face.with_scores(
            scores, explain_uncertainty(classified_face.face, classified_face.crop, smoothed, min_confidence)
        )

    @property
    def info(self) -> TrackInfo | None:
        """The averages besides the displayed scores; None before the first prediction."""
        if self._classified_face is None:
            return None
        return TrackInfo(self._to_scores(self._average.mean[:-1]), self.face_prob, self._neutral_shift is not None)

    @property
    def scores(self) -> Scores:
        """The averaged scores, with the neutral calibration if there is one."""
        mean = self._average.mean[:-1]
        return self._to_scores(mean if self._neutral_shift is None else mean + self._neutral_shift)

    @property
    def face_prob(self) -> float:
        """The averaged face probability, 0 to 1; 1 before the first prediction."""
        return float(0.5 + 0.5 * np.tanh(self._average.mean[-1] / 2)) if self._average.weight else 1.0

    def mark_lost(self, timestamp: float) -> None:
        """Record that the face is lost; `timestamp` is that of its last detection in seconds."""
        self._lost_since = timestamp if self._lost_since is None else self._lost_since

    def mark_seen(self, timestamp: float, max_gap: float) -> None:
        """Record that the face is detected.

        After a gap of more than `max_gap` seconds the averages and the label are reset; the calibration is kept.
        """
        if self._lost_since is not None and timestamp - self._lost_since > max_gap:
            self._reset()
        self._lost_since = None

    def start_calibration(self) -> None:
        """Collect the following predictions as those of a neutral face."""
        self._calibration_mean = TimeDecayedMean()
        self.features.start_calibration()

    def finish_calibration(self) -> bool:
        """Shift the scores by the predictions since `start_calibration`; return whether there were enough of them."""
        has_enough = self._calibration_mean is not None and self._calibration_mean.weight >= MIN_CALIBRATION_SAMPLES
        if self._calibration_mean is not None and has_enough:
            self._neutral_shift = neutral_calibration_shift(self._calibration_mean.mean, self._labels.index(NEUTRAL))
        self._calibration_mean = None
        self.features.finish_calibration()
        return has_enough

    def clear_calibration(self) -> None:
        """Remove the neutral calibration, and stop one in progress."""
        self._calibration_mean = self._neutral_shift = None
        self.features.clear_calibration()

    def _reset(self) -> None:
        self._average, self._hysteresis, self._classified_face = TimeDecayedMean(), LabelHysteresis(), None
        self.features.reset()

    def _to_scores(self, log_probs: NDArray[np.float64]) -> Scores:
        return Scores(self._labels, softmax(log_probs[None])[0])


class LabelHysteresis:
    """Select the displayed label.

    A label appears from a probability of `min_confidence` on, and stays or replaces another one from `HYSTERESIS` less
    on. It is replaced by a label that leads by `switch_margin`, or that leads for `switch_delay` seconds.
    """

    def __init__(self) -> None:
        self._label: str | None = None
        self._candidate: str | None = None  # the label with the highest probability
        self._candidate_since = 0.0  # timestamp in seconds since which it has been

    def update(
        self, scores: Scores, timestamp: float, min_confidence: float, switch_margin: float, switch_delay: float
    ) -> str | None:
        """Return the label to display, or None if no label is probable enough.

        Args:
            scores: The smoothed scores.
            timestamp: The time of the frame in seconds, not before that of the last call.
            min_confidence: The minimum probability, 0 to 1, of a label while none is displayed.
            switch_margin: The lead in probability from which on another label is displayed immediately.
            switch_delay: The seconds for which another label must lead by less before it is displayed.
        """
        top_label, min_prob = scores.label, min_confidence if self._label is None else min_confidence - HYSTERESIS
        if top_label != self._candidate:
            self._candidate, self._candidate_since = top_label, timestamp
        displayed_prob = scores.get(self._label or "", 0.0)
        if scores.confidence < min_prob:
            self._label = None
        elif (
            displayed_prob < min_prob
            or scores.confidence - displayed_prob >= switch_margin
            or timestamp - self._candidate_since >= switch_delay
        ):
            self._label = top_label
        return self._label


def neutral_calibration_shift(log_probs: NDArray[np.float64], neutral_index: int) -> NDArray[np.float64]:
    """Return the shift of a face's log probabilities that makes the prediction for its neutral face neutral.

    The shift is `reference - log_probs`, where the reference is a probability of 0.8 for neutral and equal ones for
    the other labels. Neutral is never decreased and other labels are never increased; otherwise each label with a low
    probability on the neutral face would be increased without evidence. The shift is scaled down where it would move
    one label relative to another by more than 4 (odds of 55 to 1): a clear smile has odds of several hundred to one
    against neutral, and is still classified as one.

    Args:
        log_probs: Mean log probabilities of the neutral face, float (labels,).
        neutral_index: Index of the neutral label.

    Returns:
        The shift to add to log probabilities, float (labels,).
    """
    reference = np.full(len(log_probs), math.log((1 - _NEUTRAL_TARGET_PROB) / (len(log_probs) - 1)))
    reference[neutral_index] = math.log(_NEUTRAL_TARGET_PROB)
    shift = np.minimum(reference - log_probs, 0)
    shift[neutral_index] = max(reference[neutral_index] - log_probs[neutral_index], 0)
    span = float(np.ptp(shift))
    return shift * min(1.0, _MAX_SHIFT / span) if span else shift
