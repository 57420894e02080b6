"""The mirror game on the Live page: its panel and its result."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final

import streamlit as st

from emotion.formatting import format_list
from emotion.live.game import MAX_POINTS, MirrorGame, Phase, choose_challenges
from emotion.live.game_card import render_game_card
from emotion.media.image_reader import encode_png
from emotion.translation.messages import gettext as _
from emotion.ui import components, messages, session
from emotion.ui.live import game_panel
from emotion.ui.live.controller import LiveController

INTERVAL: Final = 0.25  # seconds between two updates of the panel
_GAME_KEY: Final = "live_game"  # of the game in the session state

state = st.session_state
_now = time.monotonic


def show_panel(live: LiveController, shown_result: MirrorGame | None) -> None:
    """Carry the game on and show it; a fragment, which reruns the page when the result of the game is another one.

    Args:
        live: The session of the camera.
        shown_result: What `show_result` returned in the run of the page.
    """
    if session.get_settings().anonymize:
        st.info(_("The mirror game shows faces, and Blur faces is on; it is available again when that is off."))
        return
    with messages.error_box(_("the game")):
        game = _get_game(live)
        if game is None:
            st.markdown(
                _(
                    "**Show what the program asks for.** Five rounds, each with an expression or a movement that you "
                    "hold for half a second. First relax your face: it counts as zero."
                )
            )
        elif game.phase is not Phase.DONE:
            now = _now()
            if game.advance(now, live.session.state()):
                live.calibrate()
            st.html(game_panel.format_panel(game, now))
        _show_buttons(live, game)
    if _find_result(live) is not shown_result:
        st.rerun()


def _show_buttons(live: LiveController, game: MirrorGame | None) -> None:
    """Show the buttons; one that changes its text stays where it is."""
    is_running = game is not None and game.phase is not Phase.DONE
    with st.container(horizontal=True):
        st.button(
            _("Play") if game is None else _("Start again"),
            icon=":material/play_arrow:" if game is None else ":material/replay:",
            type="secondary" if is_running else "primary",
            key="live_game_start",
            on_click=_start,
            args=[live],
            disabled=not live.is_used,
            help=None if live.is_used else _("Enable the camera first, or choose the demo."),
        )
        if game is not None:
            st.button(_("End the game"), icon=":material/close:", key="live_game_end", on_click=leave)


def show_result(live: LiveController) -> MirrorGame | None:
    """Show the card of a game that is over, and its download; outside of the fragment, see `download_button`.

    Returns:
        The game; None where none is over.
    """
    game = _find_result(live)
    if game is not None:
        points = _("{points} of {total} points").format(points=game.total, total=MAX_POINTS * len(game.rounds))
        st.markdown(f"## {points}", anchors=False)
        card = encode_png(render_game_card(game.rounds, datetime.now().astimezone().date()))
        results = format_list(f"{_(round_.challenge.name)} {round_.points}" for round_ in game.rounds)
        st.image(card, width="stretch", alt=_("The result: {results}").format(results=results))
        components.download_button(_("Result card"), card, "mirror-game.png", "live_game_save")
    return game


def _find_result(live: LiveController) -> MirrorGame | None:
    game = _get_game(live)
    is_shown = game is not None and game.phase is Phase.DONE and not session.get_settings().anonymize
    return game if is_shown else None


def _get_game(live: LiveController) -> MirrorGame | None:
    """Return the game of this session of the camera; another source ends it."""
    owner, game = state.get(_GAME_KEY, (None, None))
    return game if owner is live.session else None


def _start(live: LiveController) -> None:
    head = session.get_settings().analyzer_settings.head
    bundle = session.get_bundle()
    labels = bundle.heads[head or bundle.default_head].labels
    challenges = choose_challenges(labels, session.list_shown_movements(), seed=time.time_ns())
    if challenges:
        state[_GAME_KEY] = live.session, MirrorGame.from_challenges(challenges)
        live.message = ""
    else:
        live.message = _("The classifier in use has none of the expressions of the game; choose another one.")


def leave() -> None:
    """End the game, with the neutral face that it took."""
    owner, _game = state.pop(_GAME_KEY, (None, None))
    if owner is not None:
        owner.clear_calibration()
