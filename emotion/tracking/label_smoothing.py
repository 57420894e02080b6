"""Smooth the expression of a tracked face: averaged scores, label hysteresis, calibration to a neutral face."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.faces import Face, Scores
from emotion.recognition.analyzer import ClassifiedFace, explain_uncertainty
from emotion.recognition.classification import Prediction, softmax

NEUTRAL: Final = "neutral"
# By how much a label that is displayed may fall below the least confidence: between two labels no average is sure.
HYSTERESIS: Final = 0.1
_MIN_PROB: Final = 1e-30  # probabilities below count as this much, so that their logarithm exists
_MIN_FACE_PROB: Final = 1e-9  # the same for the certainty that it is a face, and for that it is none
_NEUTRAL_TARGET_PROB: Final = 0.8  # how neutral a resting face should read
_MAX_SHIFT: Final = 4.0  # by how much, in logarithms, a resting face may move one label against another
_MIN_CALIBRATION_SAMPLES: Final = 5  # fewer tell nothing of a resting face


@dataclass(frozen=True)
class TrackInfo:
    """Of one face: its scores before they are read against its resting face (as shown where it has none), how
    sure the classifier is that it is a face (0 to 1), and whether it has a resting face."""

    raw_scores: Scores
    face_prob: float
    is_calibrated: bool


class TimeDecayedMean:
    """Exponential average in real time: a reading counts half as much after `half_life` seconds as a new one.

    The sum of the weights is kept beside the weighted sum, so that the first reading weighs no more than others.
    """

    def __init__(self) -> None:
        self.weight = 0.0
        self._total: NDArray[np.float64] = np.zeros(0)
        self._timestamp = 0.0

    def update(self, value: NDArray[np.float64], timestamp: float, half_life: float) -> None:
        """Count `value` of that time; a half-life of 0 keeps nothing older, an infinite one gives the plain mean."""
        decay = 0.5 ** ((timestamp - self._timestamp) / half_life) if half_life > 0 else 0.0
        self._total = value + self._total * decay if self.weight else value
        self.weight = 1 + self.weight * decay
        self._timestamp = timestamp

    @property
    def mean(self) -> NDArray[np.float64]:
        """The average; there must be a reading."""
        return self._total / self.weight


class TrackState:
    """Of one track. What it averages are logarithms of probabilities: they differ from the network's logits over
    the head's temperature only by a number that is the same for all labels, which the softmax takes out again."""

    def __init__(self) -> None:
        self.last_updated = -math.inf  # seconds of the last reading
        self._lost_since: float | None = None  # seconds when it was seen last, while it is not
        self._labels: tuple[str, ...] = ()
        self._average = TimeDecayedMean()
        self._calibration_mean: TimeDecayedMean | None = None
        self._neutral_shift: NDArray[np.float64] | None = None
        self._hysteresis = LabelHysteresis()
        self._classified_face: ClassifiedFace | None = None  # the last one

    def update(self, classified_face: ClassifiedFace, timestamp: float, half_life: float) -> None:
        """Count what the classifier says of this face at that time; `ValueError` where it says no number."""
        scores, face = (
            classified_face.prediction.scores,
            min(max(classified_face.prediction.face_prob, _MIN_FACE_PROB), 1 - _MIN_FACE_PROB),
        )
        values = np.log(np.maximum([*scores.values()], _MIN_PROB))
        if not np.isfinite([*values, face]).all():
            raise ValueError(f"the classifier answered {dict(scores)}")
        if self._labels != tuple(scores):
            if self._labels:  # another head was chosen: nothing of before can be compared
                self._reset()
                self.clear_calibration()
            self._labels = tuple(scores)
        self._average.update(np.array([*values, math.log(face / (1 - face))]), timestamp, half_life)
        if self._calibration_mean is not None:
            self._calibration_mean.update(values, timestamp, math.inf)
        self._classified_face, self.last_updated = classified_face, timestamp

    def apply_to(
        self, face: Face, timestamp: float, min_confidence: float, switch_margin: float, switch_delay: float
    ) -> Face:
        """The face of a frame of that time with what is to be displayed of it.

        Args:
            face: A tracked face, without scores.
            timestamp: The time of the frame.
            min_confidence: See `LabelHysteresis.update`.
            switch_margin: See `LabelHysteresis.update`.
            switch_delay: See `LabelHysteresis.update`.

        Returns:
            The face with the smoothed scores. A displayed label has at least the probability
            `min_confidence - HYSTERESIS`; no label of an uncertain face has the probability `min_confidence`.
        """
        if self._classified_face is None:
            return replace(face, uncertainty_reason="not read yet")
        scores = self.scores
        label = self._hysteresis.update(scores, timestamp, min_confidence, switch_margin, switch_delay)
        if label is not None:
            return face.with_scores(scores, None, label)
        verdict = Prediction(scores, self.face_prob)
        return face.with_scores(
            scores, explain_uncertainty(self._classified_face.face, self._classified_face.crop, verdict, min_confidence)
        )

    @property
    def info(self) -> TrackInfo | None:
        """What is known besides the shown scores; None before the first reading."""
        if self._classified_face is None:
            return None
        return TrackInfo(self._to_scores(self._average.mean[:-1]), self.face_prob, self._neutral_shift is not None)

    @property
    def scores(self) -> Scores:
        """The average read against the resting face, if there is one."""
        mean = self._average.mean[:-1]
        return self._to_scores(mean if self._neutral_shift is None else mean + self._neutral_shift)

    @property
    def face_prob(self) -> float:
        """How sure the classifier is, on average, that this is a face: 0 to 1, 1 before the first reading."""
        return float(0.5 + 0.5 * np.tanh(self._average.mean[-1] / 2)) if self._average.weight else 1.0

    def mark_lost(self, timestamp: float) -> None:
        """The face is not seen any more; it was seen last at that time."""
        self._lost_since = timestamp if self._lost_since is None else self._lost_since

    def mark_seen(self, timestamp: float, max_gap: float) -> None:
        """The face is seen. After more than `max_gap` seconds without it, average and label start anew; the resting
        face stays."""
        if self._lost_since is not None and timestamp - self._lost_since > max_gap:
            self._reset()
        self._lost_since = None

    def start_calibration(self) -> None:
        """From now on every reading is one of the resting face."""
        self._calibration_mean = TimeDecayedMean()

    def finish_calibration(self) -> bool:
        """Shift the scores by the predictions since `start_calibration`; return whether there were enough of them."""
        enough = self._calibration_mean is not None and self._calibration_mean.weight >= _MIN_CALIBRATION_SAMPLES
        if self._calibration_mean is not None and enough:
            self._neutral_shift = neutral_calibration_shift(self._calibration_mean.mean, self._labels.index(NEUTRAL))
        self._calibration_mean = None
        return enough

    def clear_calibration(self) -> None:
        """Show the scores as the classifier gives them."""
        self._calibration_mean = self._neutral_shift = None

    def _reset(self) -> None:
        self._average, self._hysteresis, self._classified_face = TimeDecayedMean(), LabelHysteresis(), None

    def _to_scores(self, log_probs: NDArray[np.float64]) -> Scores:
        return Scores(self._labels, softmax(log_probs[None])[0])


class LabelHysteresis:
    """Choose the displayed label.

    A label appears at `min_confidence`, and stays or replaces another one from `HYSTERESIS` less. It is replaced by one
    that leads by `switch_margin`, or for `switch_delay` seconds.
    """

    def __init__(self) -> None:
        self._label: str | None = None
        self._candidate: str | None = None  # the most probable label
        self._candidate_since = 0.0  # seconds from which on it is

    def update(
        self, scores: Scores, timestamp: float, min_confidence: float, switch_margin: float, switch_delay: float
    ) -> str | None:
        """The label to display at that time; None where no label is probable enough.

        Args:
            scores: What is known at that time.
            timestamp: The time, not before that of the last call.
            min_confidence: The least probability, 0 to 1, of a label that appears where none is displayed.
            switch_margin: The lead in probability with which another label is displayed immediately.
            switch_delay: The seconds for which another label leads by less before it is displayed.
        """
        best, least = scores.label, min_confidence if self._label is None else min_confidence - HYSTERESIS
        if best != self._candidate:
            self._candidate, self._candidate_since = best, timestamp
        own = scores.get(self._label or "", 0.0)
        if scores.confidence < least:
            self._label = None
        elif (
            own < least or scores.confidence - own >= switch_margin or timestamp - self._candidate_since >= switch_delay
        ):
            self._label = best
        return self._label


def neutral_calibration_shift(log_probs: NDArray[np.float64], neutral_index: int) -> NDArray[np.float64]:
    """What to add to the logarithms z of a face's probabilities so that its resting ones read as neutral.

    The difference is `reference - rest`: the reference is an answer of 0.8 for neutral and equal shares for the
    others, so z = rest becomes it. Only what makes a resting face look less neutral is taken out: neutral never
    falls, other labels never rise, or each label that a face never shows would grow out of nothing. The whole is
    made smaller where it would move one label against another by more than 4 (odds of 55 to 1): a clear smile
    has odds of some hundred to one against neutral, and still reads as one.

    `log_probs`: float (labels,), means of logarithms; `neutral_index`: which of them. Returns float (labels,).
    """
    reference = np.full(len(log_probs), math.log((1 - _NEUTRAL_TARGET_PROB) / (len(log_probs) - 1)))
    reference[neutral_index] = math.log(_NEUTRAL_TARGET_PROB)
    shift = np.minimum(reference - log_probs, 0)
    shift[neutral_index] = max(reference[neutral_index] - log_probs[neutral_index], 0)
    span = float(np.ptp(shift))
    return shift * min(1.0, _MAX_SHIFT / span) if span else shift
