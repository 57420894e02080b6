"""The panel of the mirror game as HTML: the request, the countdown, a meter and the points so far."""

from __future__ import annotations

from html import escape

from emotion.expressions import get_style
from emotion.live.game import MAX_POINTS, MirrorGame, Phase
from emotion.translation.messages import gettext as _
from emotion.translation.messages import ngettext


def format_panel(game: MirrorGame, now: float) -> str:
    """Format the request, the countdown or the points, and the points so far.

    Args:
        game: The game.
        now: Seconds of the clock of `MirrorGame.advance`.
    """
    seconds = max(1, round(game.seconds_left(now)))
    challenge = game.current.challenge
    prompt = _(challenge.prompt)
    title, large = {
        Phase.WAITING: (_("Look at the camera"), ""),
        Phase.NEUTRAL: (_("Relax your face"), f"{seconds}"),
        Phase.READY: (prompt, f"{seconds}"),
        Phase.SHOW: (prompt, _("Now")),
        Phase.SCORE: (prompt, f"{game.current.points or 0}"),
        Phase.DONE: (_("Done"), f"{game.total}"),
    }[game.phase]
    share = {Phase.SHOW: game.value, Phase.SCORE: (game.current.points or 0) / MAX_POINTS}.get(game.phase, 0.0)
    color = get_style(challenge.name).color
    progress = _("Round {number} of {total}").format(number=game.round_number, total=len(game.rounds))
    points = "".join(_format_chip(number, round_.points) for number, round_ in enumerate(game.rounds, 1))
    return (
        '<div style="padding:18px;border-radius:10px;border:1px solid #80808080">'
        f'<div style="font-size:14px">{escape(progress)}</div>'
        f'<div role="status" style="font-size:28px;font-weight:700;line-height:1.25">{escape(title)}</div>'
        f'<div style="font-size:52px;font-weight:700;line-height:1.3;height:70px">{escape(large)}</div>'
        '<div style="height:16px;border-radius:8px;background:#80808040;overflow:hidden">'
        f'<div style="height:16px;width:{100 * share:.0f}%;background:{color}"></div></div>'
        f'<div style="display:flex;flex-wrap:wrap;gap:6px;margin-top:14px">{points}</div></div>'
    )


def _format_chip(number: int, points: int | None) -> str:
    text = "–" if points is None else str(points)
    if points is None:
        label = _("Round {number}: not played").format(number=number)
    else:
        label = ngettext("Round {number}: {points} point", "Round {number}: {points} points", points).format(
            number=number, points=points
        )
    return (
        '<span style="min-width:44px;padding:2px 8px;border-radius:8px;text-align:center;border:1px solid #80808080" '
        f'aria-label="{escape(label)}">{text}</span>'
    )
