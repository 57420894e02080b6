"""The mirror game, played by faces whose scores and movements the tests choose."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from emotion.faces import Box, Face, FaceFeatures, FrameResult, HeadPose, Scores
from emotion.live.game import (
    NUM_ROUNDS,
    READY_SECONDS,
    SCORE_SECONDS,
    SHOW_SECONDS,
    Challenge,
    MirrorGame,
    Phase,
    Round,
    choose_challenges,
    find_held_value,
)
from emotion.live.game_card import CARD_SIZE, render_game_card
from emotion.live.state import CalibrationState, LiveFace, LiveState
from emotion.movements import MOVEMENT_NAMES
from emotion.results.score_bars import PANEL_COLOR

LABELS = ("neutral", "happy", "sad", "angry", "surprise")
HAPPY = Challenge("happy", "Look happy", 0.9, label="happy")
MOUTH = Challenge("jaw open", "Open your mouth wide", 0.5, groups=("jawOpen",))
THUMBNAIL = np.full((8, 8, 3), 200, np.uint8)
CALIBRATED = CalibrationState(None, True)
CALIBRATING = CalibrationState(2.0, None)


def make_face(happy: float = 0.0, jaw: float = 0.0, *, track_id: int = 1, side: float = 100) -> Face:
    scores = Scores(["neutral", "happy"], [1 - happy, happy])
    features = FaceFeatures((), (), HeadPose(0, 0, 0), {"jawOpen": jaw}, 0.9)
    return Face(Box(0, 0, side, side), 0.9, scores=scores, track_id=track_id, features=features)


class Player:
    """Carries a game on, 0.2 seconds at a time, with the face that is set."""

    def __init__(self, *challenges: Challenge) -> None:
        self.game = MirrorGame.from_challenges(challenges)
        self.face: Face | None = make_face()
        self.calibration = CALIBRATED
        self.num_calibrations = 0
        self.age = 0.0  # of the result, in seconds
        self.now = 1000.0
        self._results: list[tuple[float, FrameResult]] = []

    def step(self) -> None:
        self.now += 0.2
        faces = (self.face,) if self.face else ()
        self._results.append((self.now, FrameResult(len(self._results), self.now, faces)))
        state = LiveState(
            faces=tuple(LiveFace(face, THUMBNAIL, None) for face in faces),
            recent_results=tuple((time - self.now, result) for time, result in self._results),
            result_age_seconds=self.age,
            calibration=self.calibration,
        )
        if self.game.advance(self.now, state):
            self.num_calibrations += 1
            self.calibration = CALIBRATING

    def play_until(self, phase: Phase) -> None:
        for _ in range(100):
            if self.game.phase is phase:
                return
            self.step()
            if self.game.phase is Phase.NEUTRAL and self.calibration is CALIBRATING:
                self.step()
                self.calibration = CALIBRATED
        raise AssertionError(f"the game is in {self.game.phase}, not {phase}")


def test_a_held_value_is_the_least_of_its_span() -> None:
    samples = [(0.0, 0.1), (0.2, 0.9), (0.4, 0.7), (0.6, 0.8), (0.8, 0.75), (1.0, 0.2)]
    assert find_held_value(samples, 0.5) == 0.7
    assert find_held_value(samples, 0.1) == 0.75
    assert find_held_value(samples, 2.0) == 0.0
    assert find_held_value([]) == 0.0


def test_a_short_peak_counts_for_nothing() -> None:
    assert find_held_value([(0.0, 0.0), (0.2, 1.0), (0.4, 0.0), (0.6, 0.0)], 0.5) == 0.0


def test_challenges_are_what_the_models_see() -> None:
    assert choose_challenges((), (), seed=1) == ()
    assert {challenge.name for challenge in choose_challenges(("happy", "fear"), (), seed=1)} == {"happy"}
    assert {challenge.name for challenge in choose_challenges((), ("jawOpen", "browDownLeft"), seed=1)} == {"jaw open"}
    names = {challenge.name for challenge in choose_challenges(LABELS, MOVEMENT_NAMES, seed=1)}
    assert len(names) == NUM_ROUNDS


def test_the_same_seed_gives_the_same_game() -> None:
    games = [choose_challenges(LABELS, MOVEMENT_NAMES, seed=seed) for seed in (1, 1, 2)]
    assert games[0] == games[1] != games[2]


def test_each_challenge_can_be_reached() -> None:
    for seed in range(20):
        assert all(0.1 < challenge.full <= 1 for challenge in choose_challenges(LABELS, MOVEMENT_NAMES, seed))


def test_a_face_is_measured_by_its_score_or_its_movements() -> None:
    assert HAPPY.measure(make_face(happy=0.45)) == pytest.approx(0.5)
    assert HAPPY.measure(make_face(happy=1.0)) == 1
    assert MOUTH.measure(make_face(jaw=0.25)) == pytest.approx(0.5)
    assert MOUTH.measure(replace(make_face(jaw=0.25), features=None)) is None
    assert HAPPY.measure(Face(Box(0, 0, 9, 9), 0.9)) is None


def test_the_game_starts_with_the_neutral_face() -> None:
    player = Player(HAPPY)
    player.face = None
    player.step()
    assert player.game.phase is Phase.WAITING
    assert player.num_calibrations == 0
    player.face = make_face()
    player.step()
    assert (player.game.phase, player.num_calibrations) == (Phase.NEUTRAL, 1)
    player.step()
    player.step()
    assert player.game.phase is Phase.NEUTRAL, "the calibration is in progress"
    player.calibration = CALIBRATED
    player.step()
    assert player.game.phase is Phase.READY
    assert player.game.seconds_left(player.now) == READY_SECONDS


def test_the_game_waits_while_the_stream_stands_still() -> None:
    player = Player(HAPPY)
    player.age = 5.0
    player.step()
    assert player.game.phase is Phase.WAITING
    player.age = 0.1
    player.step()
    assert player.game.phase is Phase.NEUTRAL


def test_a_failed_calibration_is_repeated() -> None:
    player = Player(HAPPY)
    player.step()
    player.step()
    player.calibration = CalibrationState(None, False)
    player.step()
    assert player.game.phase is Phase.WAITING
    player.step()
    assert player.num_calibrations == 2


def test_points_are_what_is_held() -> None:
    player = Player(HAPPY)
    player.play_until(Phase.SHOW)
    assert player.game.seconds_left(player.now) == SHOW_SECONDS
    for happy in (0.0, 0.72, 0.72, 0.72, 0.72, 0.0):
        player.face = make_face(happy)
        player.step()
    player.face = make_face(0.0)
    player.play_until(Phase.SCORE)
    assert player.game.current.points == 80
    assert player.game.seconds_left(player.now) == SCORE_SECONDS
    np.testing.assert_array_equal(player.game.current.image, THUMBNAIL)


def test_what_is_shown_before_the_round_does_not_count() -> None:
    player = Player(HAPPY)
    player.face = make_face(0.9)
    player.play_until(Phase.SHOW)
    player.face = make_face(0.0)
    player.play_until(Phase.SCORE)
    assert player.game.current.points == 0


def test_all_rounds_are_played_and_added() -> None:
    player = Player(HAPPY, MOUTH)
    player.play_until(Phase.SHOW)
    player.face = make_face(happy=0.9)
    player.play_until(Phase.SCORE)
    assert player.game.round_number == 1
    player.face = make_face(jaw=0.25)
    player.play_until(Phase.SHOW)
    assert player.game.round_number == 2
    player.play_until(Phase.DONE)
    assert [round_.points for round_ in player.game.rounds] == [100, 50]
    assert player.game.total == 150
    player.step()
    assert player.game.phase is Phase.DONE


def test_another_face_does_not_play() -> None:
    player = Player(HAPPY)
    player.play_until(Phase.SHOW)
    player.face = make_face(0.9, track_id=2)
    player.step()
    assert player.game.value == 0


def test_the_largest_face_plays() -> None:
    game = MirrorGame.from_challenges([HAPPY])
    small, large = make_face(track_id=1, side=50), make_face(0.9, track_id=2)
    faces = tuple(LiveFace(face, THUMBNAIL, None) for face in (small, large))
    assert game.advance(0.0, LiveState(faces=faces, result_age_seconds=0.0))
    game.advance(1.0, LiveState(faces=faces, result_age_seconds=0.0, calibration=CALIBRATING))
    game.advance(3.0, LiveState(faces=faces, result_age_seconds=0.0, calibration=CALIBRATED))
    game.advance(7.0, LiveState(faces=faces, result_age_seconds=0.0))
    recent_results = ((0.0, FrameResult(0, 0.0, (small, large))),)
    game.advance(7.2, LiveState(faces=faces, recent_results=recent_results, result_age_seconds=0.0))
    assert game.value == 1


def test_a_game_waits_while_the_stream_stands_still() -> None:
    player = Player(HAPPY)
    player.play_until(Phase.SHOW)
    player.age = 2.0
    player.step()
    assert player.game.phase is Phase.WAITING
    player.play_until(Phase.WAITING)
    player.age = 0.0
    player.play_until(Phase.SHOW)
    assert player.num_calibrations == 2


def test_a_stream_that_stops_during_the_calibration_is_awaited() -> None:
    player = Player(HAPPY)
    player.play_until(Phase.NEUTRAL)
    player.age = 60.0
    for _ in range(3):
        player.step()
    assert player.game.phase is Phase.WAITING
    player.age = 0.0
    player.play_until(Phase.SHOW)
    assert player.num_calibrations == 2


def test_an_earlier_calibration_does_not_count() -> None:
    game = MirrorGame.from_challenges([HAPPY])
    faces = (LiveFace(make_face(), THUMBNAIL, None),)
    assert game.advance(0.0, LiveState(faces=faces, result_age_seconds=0.0))
    game.advance(5.0, LiveState(faces=faces, result_age_seconds=5.0, calibration=CALIBRATED))
    assert game.phase is Phase.WAITING


def test_a_lost_player_is_calibrated_again_and_keeps_the_points() -> None:
    player = Player(HAPPY, MOUTH)
    player.play_until(Phase.SHOW)
    player.face = make_face(0.9)
    player.play_until(Phase.SCORE)
    player.play_until(Phase.READY)
    player.face = None
    player.play_until(Phase.WAITING)
    assert (player.game.round_number, player.game.total) == (2, 100)
    player.face = make_face(track_id=7)
    player.play_until(Phase.READY)
    assert player.num_calibrations == 2


def test_a_game_without_challenges_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one"):
        MirrorGame.from_challenges([])


def test_the_card_shows_each_round() -> None:
    rounds = [Round(HAPPY, 80, THUMBNAIL), Round(MOUTH, 0), Round(HAPPY)]
    card = render_game_card(rounds, date(2026, 11, 30))
    assert card.shape == (CARD_SIZE[1], CARD_SIZE[0], 3)
    assert (card == 200).all(axis=2).sum() > 20_000, "the image of the player"
    empty = render_game_card(rounds[:1], date(2026, 11, 30))
    assert (empty[:, 600:-200] == PANEL_COLOR).all(), "nothing is drawn for rounds that do not exist"
