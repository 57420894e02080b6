"""The panel of the mirror game as HTML."""

from __future__ import annotations

from emotion.live.game import Challenge, MirrorGame, Phase, Round
from emotion.ui.live.game_panel import format_panel


def make_game(phase: Phase, prompt: str = "Smile", points: int | None = None) -> MirrorGame:
    challenge = Challenge("smile", prompt, 0.5, groups=("mouthSmile",))
    return MirrorGame([Round(challenge, points), Round(challenge)], phase)


def test_the_panel_shows_the_request_and_what_is_left() -> None:
    html = format_panel(make_game(Phase.READY), 0.6)
    assert ">Smile<" in html
    assert ">2<" in html
    assert "Round 1 of 2" in html


def test_the_panel_shows_the_points_of_the_round() -> None:
    html = format_panel(make_game(Phase.SCORE, points=73), 0.0)
    assert ">73<" in html
    assert "width:73%" in html
    assert 'aria-label="Round 1: 73 points"' in html
    assert 'aria-label="Round 2: not played"' in html


def test_the_person_is_asked_to_relax_before_the_first_round() -> None:
    assert "Relax your face" in format_panel(make_game(Phase.NEUTRAL), 0.0)
    assert "Look at the camera" in format_panel(make_game(Phase.WAITING), 0.0)


def test_a_request_is_only_text() -> None:
    assert "<img" not in format_panel(make_game(Phase.SHOW, prompt="<img src=x onerror=alert(1)>"), 0.0)
