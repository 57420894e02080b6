"""What a stream remembers of one face's expression: a calm average, the label that it holds, the resting face."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.faces import Face, Scores
from emotion.recognition.analyzer import Reading, unsure_reason
from emotion.recognition.classification import Verdict, softmax

NEUTRAL: Final = "neutral"
# By how much a label that is displayed may fall below the least confidence: between two labels no average is sure.
HYSTERESIS: Final = 0.1
_LEAST: Final = 1e-30  # probabilities below count as this much, so that their logarithm exists
_LEAST_FACE: Final = 1e-9  # the same for the certainty that it is a face, and for that it is none
_CALM: Final = 0.8  # how neutral a resting face should read
_MOST_SHIFT: Final = 4.0  # by how much, in logarithms, a resting face may move one label against another
_LEAST_READINGS: Final = 5  # fewer tell nothing of a resting face


@dataclass(frozen=True)
class Note:
    """Of one face: its scores before they are read against its resting face (as shown where it has none), how
    sure the recogniser is that it is a face (0 to 1), and whether it has a resting face."""

    raw: Scores
    face: float
    calibrated: bool


class Average:
    """Exponential average in real time: a reading counts half as much after `half_life` seconds as a new one.

    The sum of the weights is kept beside the weighted sum, so that the first reading weighs no more than others.
    """

    def __init__(self) -> None:
        self.weight = 0.0
        self._total: NDArray[np.float64] = np.zeros(0)
        self._seconds = 0.0

    def add(self, value: NDArray[np.float64], seconds: float, half_life: float) -> None:
        """Count `value` of that time; a half-life of 0 keeps nothing older, an infinite one gives the plain mean."""
        decay = 0.5 ** ((seconds - self._seconds) / half_life) if half_life > 0 else 0.0
        self._total = value + self._total * decay if self.weight else value
        self.weight = 1 + self.weight * decay
        self._seconds = seconds

    @property
    def mean(self) -> NDArray[np.float64]:
        """The average; there must be a reading."""
        return self._total / self.weight


class Memory:
    """Of one track. What it averages are logarithms of probabilities: they differ from the network's logits over
    the head's temperature only by a number that is the same for all labels, which the softmax takes out again."""

    def __init__(self) -> None:
        self.read = -math.inf  # seconds of the last reading
        self._gone: float | None = None  # seconds when it was seen last, while it is not
        self._labels: tuple[str, ...] = ()
        self._average = Average()
        self._resting: Average | None = None
        self._shift: NDArray[np.float64] | None = None
        self._hold = Hold()
        self._reading: Reading | None = None  # the last one

    def hear(self, reading: Reading, seconds: float, half_life: float) -> None:
        """Count what the recogniser says of this face at that time; `ValueError` where it says no number."""
        scores, face = reading.verdict.scores, min(max(reading.verdict.face, _LEAST_FACE), 1 - _LEAST_FACE)
        values = np.log(np.maximum([*scores.values()], _LEAST))
        if not np.isfinite([*values, face]).all():
            raise ValueError(f"the recogniser answered {dict(scores)}")
        if self._labels != tuple(scores):
            if self._labels:  # another head was chosen: nothing of before can be compared
                self._begin_anew()
                self.forget_rest()
            self._labels = tuple(scores)
        self._average.add(np.array([*values, math.log(face / (1 - face))]), seconds, half_life)
        if self._resting is not None:
            self._resting.add(values, seconds, math.inf)
        self._reading, self.read = reading, seconds

    def tell(self, face: Face, seconds: float, threshold: float, margin: float, hold: float) -> Face:
        """The face of a frame of that time with what is to be displayed of it.

        Args:
            face: A tracked face, without scores.
            seconds: The time of the frame.
            threshold: The least confidence of a label, 0 to 1; see `Hold.choose`.
            margin: See `Hold.choose`.
            hold: See `Hold.choose`.

        Returns:
            The face with the scores of now. Label, reason and scores agree: a label that is displayed has at least
            the probability `threshold - HYSTERESIS`, and an unsure face has no label of the probability `threshold`.
        """
        if self._reading is None:
            return replace(face, unsure="not read yet")
        scores = self.scores
        label = self._hold.choose(scores, seconds, threshold, margin, hold)
        if label is not None:
            return face.scored(scores, None, label)
        verdict = Verdict(scores, self.face)
        return face.scored(scores, unsure_reason(self._reading.face, self._reading.crop, verdict, threshold))

    @property
    def note(self) -> Note | None:
        """What is known besides the shown scores; None before the first reading."""
        if self._reading is None:
            return None
        return Note(self._scores(self._average.mean[:-1]), self.face, self._shift is not None)

    @property
    def scores(self) -> Scores:
        """The average read against the resting face, if there is one."""
        mean = self._average.mean[:-1]
        return self._scores(mean if self._shift is None else mean + self._shift)

    @property
    def face(self) -> float:
        """How sure the recogniser is, on average, that this is a face: 0 to 1, 1 before the first reading."""
        return float(0.5 + 0.5 * np.tanh(self._average.mean[-1] / 2)) if self._average.weight else 1.0

    def go(self, seconds: float) -> None:
        """The face is not seen any more; it was seen last at that time."""
        self._gone = seconds if self._gone is None else self._gone

    def come(self, seconds: float, away: float) -> None:
        """The face is seen. After more than `away` seconds without it, average and label start anew; the resting
        face stays."""
        if self._gone is not None and seconds - self._gone > away:
            self._begin_anew()
        self._gone = None

    def begin_rest(self) -> None:
        """From now on every reading is one of the resting face."""
        self._resting = Average()

    def end_rest(self) -> bool:
        """Read the scores against what was heard since `begin_rest`, unless that was next to nothing; whether so."""
        enough = self._resting is not None and self._resting.weight >= _LEAST_READINGS
        if self._resting is not None and enough:
            self._shift = shift_of_rest(self._resting.mean, self._labels.index(NEUTRAL))
        self._resting = None
        return enough

    def forget_rest(self) -> None:
        """Show the scores as the recogniser gives them."""
        self._resting = self._shift = None

    def _begin_anew(self) -> None:
        self._average, self._hold, self._reading = Average(), Hold(), None

    def _scores(self, logarithms: NDArray[np.float64]) -> Scores:
        return Scores(self._labels, softmax(logarithms[None])[0])


class Hold:
    """The label that is displayed. It needs the threshold to appear, and `HYSTERESIS` less to stay or to follow another
    one; of several labels, the one that is displayed gives way to one that leads by `margin`, or for `hold` seconds."""

    def __init__(self) -> None:
        self._label: str | None = None
        self._rival: str | None = None  # the most probable label
        self._since = 0.0  # seconds from which on it is

    def choose(self, scores: Scores, seconds: float, threshold: float, margin: float, hold: float) -> str | None:
        """The label to display at that time; None where no label is probable enough.

        Args:
            scores: What is known at that time.
            seconds: The time, not before that of the last call.
            threshold: The least probability of a label that appears where none is displayed, 0 to 1.
            margin: The lead (a probability) by which another label is displayed at once.
            hold: The seconds for which another label leads by less before it is displayed.
        """
        best, least = scores.label, threshold if self._label is None else threshold - HYSTERESIS
        if best != self._rival:
            self._rival, self._since = best, seconds
        own = scores.get(self._label or "", 0.0)
        if scores.confidence < least:
            self._label = None
        elif own < least or scores.confidence - own >= margin or seconds - self._since >= hold:
            self._label = best
        return self._label


def shift_of_rest(rest: NDArray[np.float64], neutral: int) -> NDArray[np.float64]:
    """What to add to the logarithms z of a face's probabilities so that its resting ones read as neutral.

    The difference is `reference - rest`: the reference is an answer of 0.8 for neutral and equal shares for the
    others, so z = rest becomes it. Only what makes a resting face look less neutral is taken out: neutral never
    falls, other labels never rise, or each label that a face never shows would grow out of nothing. The whole is
    made smaller where it would move one label against another by more than 4 (odds of 55 to 1): a clear smile
    has odds of some hundred to one against neutral, and still reads as one.

    `rest`: float (labels,), means of logarithms; `neutral`: which of them. Returns float (labels,).
    """
    reference = np.full(len(rest), math.log((1 - _CALM) / (len(rest) - 1)))
    reference[neutral] = math.log(_CALM)
    shift = np.minimum(reference - rest, 0)
    shift[neutral] = max(reference[neutral] - rest[neutral], 0)
    span = float(np.ptp(shift))
    return shift * min(1.0, _MOST_SHIFT / span) if span else shift
