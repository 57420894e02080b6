"""The mirror game: it asks for expressions and movements and scores how well a person shows them.

The neutral face of the person is zero: the game starts with the neutral calibration of the stream.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from emotion.faces import Face
from emotion.live.state import LiveFace, LiveState
from emotion.media.image_array import ImageArray
from emotion.movements import MOVEMENT_GROUPS, average_sides
from emotion.recognition.features.label_movements import load_label_movements
from emotion.translation.messages import gettext_noop

NUM_ROUNDS: Final = 5
MAX_POINTS: Final = 100  # of a round
READY_SECONDS: Final = 3.0  # in which a person reads what to show
SHOW_SECONDS: Final = 4.0
SCORE_SECONDS: Final = 2.0  # in which the points of a round are shown
HOLD_SECONDS: Final = 0.5  # for which a person must hold what is scored
CALIBRATION_SECONDS: Final = 3.0  # as `LiveSession.calibrate` takes
_LOST_SECONDS: Final = 1.5  # without the player, after which the game waits for a face
_FULL_PROB: Final = 0.9  # the probability of an expression that scores `MAX_POINTS`

# Expressions that the classifier tells apart well; it confuses fear, disgust and contempt with others.
_EXPRESSIONS: Final = {
    "happy": gettext_noop("Look happy"),
    "surprise": gettext_noop("Look surprised"),
    "sad": gettext_noop("Look sad"),
    "angry": gettext_noop("Look angry"),
}
_MOVEMENTS: Final = {
    gettext_noop("brows up"): (gettext_noop("Raise your brows"), ("browInnerUp", "browOuterUp")),
    gettext_noop("brows down"): (gettext_noop("Pull your brows down"), ("browDown",)),
    gettext_noop("eyes wide open"): (gettext_noop("Open your eyes wide"), ("eyeWide",)),
    gettext_noop("jaw open"): (gettext_noop("Open your mouth wide"), ("jawOpen",)),
    gettext_noop("lips puckered"): (gettext_noop("Pucker your lips"), ("mouthPucker",)),
}


@dataclass(frozen=True)
class Challenge:
    """What a person is to show in a round.

    Attributes:
        name: A short name in English, such as "happy" or "brows up".
        prompt: The request in English, such as "Raise your brows".
        full: The value that scores `MAX_POINTS`.
        label: The expression; None for a movement.
        groups: The names of the movement groups whose mean counts; () for an expression.
    """

    name: str
    prompt: str
    full: float
    label: str | None = None
    groups: tuple[str, ...] = ()

    def measure(self, face: Face) -> float | None:
        """Return how well a face shows it, 0 to 1 for nothing to `full`; None where that is not known."""
        if self.label is not None:
            return None if face.scores is None else min(1.0, face.scores.get(self.label, 0.0) / self.full)
        strengths = average_sides(face.features.movements) if face.features else {}
        if not strengths.keys() >= set(self.groups):
            return None
        return min(1.0, sum(strengths[name] for name in self.groups) / len(self.groups) / self.full)


def choose_challenges(labels: Collection[str], movements: Collection[str], seed: int) -> tuple[Challenge, ...]:
    """Choose the rounds of a game, all different.

    Args:
        labels: The labels of the classifier.
        movements: The names of the movements that the features network shows.
        seed: Of the choice and the order.

    Returns:
        At most `NUM_ROUNDS`; fewer where the models see less.
    """
    table = load_label_movements().movements
    challenges = [
        Challenge(label, prompt, _FULL_PROB, label=label) for label, prompt in _EXPRESSIONS.items() if label in labels
    ]
    for name, (prompt, groups) in _MOVEMENTS.items():
        members = {member for group in groups for member in MOVEMENT_GROUPS[group].members}
        if members <= set(movements):
            # From a neutral face to one that is stronger than 19 of 20.
            full = sum(table[group].strong - table[group].neutral for group in groups) / len(groups)
            challenges.append(Challenge(name, prompt, full, groups=groups))
    random.Random(seed).shuffle(challenges)
    return tuple(challenges[:NUM_ROUNDS])


def find_held_value(samples: Sequence[tuple[float, float]], hold: float = HOLD_SECONDS) -> float:
    """Return the highest value that was held.

    Args:
        samples: Time in seconds and value, in the order of time.
        hold: Seconds.

    Returns:
        The largest value that all samples of some span of at least `hold` seconds reach; 0 where all samples are within
        less.
    """
    best = 0.0
    for start, (begin, _) in enumerate(samples):
        end = next((i for i in range(start, len(samples)) if samples[i][0] - begin >= hold), None)
        if end is None:
            break
        best = max(best, min(value for _, value in samples[start : end + 1]))
    return best


class Phase(Enum):
    """What the game is doing."""

    WAITING = auto()  # for a face
    NEUTRAL = auto()  # the person relaxes
    READY = auto()  # the person reads the request
    SHOW = auto()
    SCORE = auto()  # the points of the round are shown
    DONE = auto()


_DURATIONS: Final = {
    Phase.NEUTRAL: CALIBRATION_SECONDS,
    Phase.READY: READY_SECONDS,
    Phase.SHOW: SHOW_SECONDS,
    Phase.SCORE: SCORE_SECONDS,
}


@dataclass
class Round:
    """A round: the challenge, its points (None before they are known), and the player at the best moment."""

    challenge: Challenge
    points: int | None = None
    image: ImageArray | None = None


@dataclass
class MirrorGame:
    """A game of one person; `advance` carries it on.

    Attributes:
        rounds: All rounds.
        phase: What the game is doing.
        value: How well the newest result shows what is asked, 0 to 1.
    """

    rounds: list[Round]
    phase: Phase = Phase.WAITING
    value: float = 0.0
    _since: float = 0.0  # time at which the phase began
    _index: int = 0  # of the round
    _player: int | None = None  # track id
    _is_calibration_seen: bool = False
    _samples: list[tuple[float, float]] = field(default_factory=list)
    _last_index: int = -1  # of the results that were measured
    _best_value: float = -1.0  # of the image of the round

    @classmethod
    def from_challenges(cls, challenges: Sequence[Challenge]) -> MirrorGame:
        """Return a new game; there must be at least one challenge."""
        if not challenges:
            raise ValueError("received no challenges, expected at least one")
        return cls([Round(challenge) for challenge in challenges])

    @property
    def round_number(self) -> int:
        """The number of the current round, counted from 1."""
        return self._index + 1

    @property
    def current(self) -> Round:
        """The current round, the last one at the end."""
        return self.rounds[self._index]

    @property
    def total(self) -> int:
        """The points of all rounds so far."""
        return sum(round_.points or 0 for round_ in self.rounds)

    def seconds_left(self, now: float) -> float:
        """Return the seconds until the phase ends; 0 for one without an end."""
        return max(0.0, self._since + _DURATIONS.get(self.phase, 0.0) - now)

    def advance(self, now: float, state: LiveState) -> bool:
        """Carry the game on; to be called several times a second.

        Args:
            now: Seconds of a clock that does not jump.
            state: The state of the camera session.

        Returns:
            Whether the neutral calibration of the session is to be started now.
        """
        if self.phase is Phase.WAITING:
            return self._find_player(now, state)
        if self.phase is Phase.NEUTRAL:
            if _is_stream_still(state):  # its calibration does not end
                self._enter(Phase.WAITING, now)
            else:
                self._end_calibration(now, state)
        elif self.phase in (Phase.READY, Phase.SHOW) and self._is_player_lost(state):
            self._enter(Phase.WAITING, now)
        elif self.phase is Phase.READY and not self.seconds_left(now):
            self._samples, self._best_value = [], -1.0
            self._enter(Phase.SHOW, now)
        elif self.phase is Phase.SHOW:
            self._measure(now, state)
        elif self.phase is Phase.SCORE and not self.seconds_left(now):
            self._end_round(now)
        return False

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase, self._since, self.value = phase, now, 0.0

    def _find_player(self, now: float, state: LiveState) -> bool:
        """Take the largest face as the player, where the image is a present one."""
        if _is_stream_still(state):
            return False
        scored = [live_face.face for live_face in state.faces if live_face.face.scores is not None]
        if not scored:
            return False
        self._player = max(scored, key=lambda face: face.box.area).track_id
        self._is_calibration_seen = False
        self._enter(Phase.NEUTRAL, now)
        return True

    def _end_calibration(self, now: float, state: LiveState) -> None:
        """Go on after the calibration; wait for a face again where it failed."""
        if state.calibration.seconds_left is not None:
            self._is_calibration_seen = True
        elif self._is_calibration_seen:  # before, the state is of a frame before its start
            self._enter(Phase.READY if state.calibration.succeeded else Phase.WAITING, now)
        elif not self.seconds_left(now):
            self._enter(Phase.WAITING, now)

    def _is_player_lost(self, state: LiveState) -> bool:
        """Whether the stream stands still, or all results of the last moments are without the player."""
        if _is_stream_still(state):
            return True
        recent = [result for seconds, result in state.recent_results if seconds >= -_LOST_SECONDS]
        return bool(recent) and not any(face.track_id == self._player for result in recent for face in result.faces)

    def _measure(self, now: float, state: LiveState) -> None:
        """Add the new samples of the round, and score it at its end."""
        for seconds, result in state.recent_results:
            if result.index > self._last_index and now + seconds >= self._since:
                self._last_index = result.index
                player = next((face for face in result.faces if face.track_id == self._player), None)
                value = player and self.current.challenge.measure(player)
                if value is not None:
                    self._samples.append((now + seconds, value))
        if self._samples:
            self.value = self._samples[-1][1]
            self._keep_image(state.faces)
        if not self.seconds_left(now):
            self.current.points = round(MAX_POINTS * find_held_value(self._samples))
            self._enter(Phase.SCORE, now)

    def _keep_image(self, faces: Sequence[LiveFace]) -> None:
        """Keep the image of the player at the best moment so far."""
        image = next((live_face.thumbnail for live_face in faces if live_face.face.track_id == self._player), None)
        if image is not None and self.value > self._best_value:
            self._best_value, self.current.image = self.value, image

    def _end_round(self, now: float) -> None:
        if self.round_number == len(self.rounds):
            self._enter(Phase.DONE, now)
        else:
            self._index += 1
            self._enter(Phase.READY, now)


def _is_stream_still(state: LiveState) -> bool:
    return state.result_age_seconds is None or state.result_age_seconds > _LOST_SECONDS
