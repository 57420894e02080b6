"""The stream of the Live page with its settings, cards, buttons and messages."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import streamlit as st

from emotion.live.game import MirrorGame
from emotion.live.state import LiveOptions
from emotion.tracking.settings import StreamSettings
from emotion.translation.messages import gettext as _
from emotion.translation.messages import translate_text
from emotion.ui import features_switch, messages, session, streamlit_workarounds
from emotion.ui.live import cards as live_cards
from emotion.ui.live import controls, game, layout, single_image
from emotion.ui.live import stream as live_stream
from emotion.ui.live.controller import CAMERA_SIZES, LiveController, get_controller
from emotion.ui.live.overlays import curves, overlay

# Seconds between two updates of the cards: a person hardly sees their delay behind the image. Each update also costs
# the browser some 25 ms, and a saliency map of each face takes several times as long as its card.
_CARDS_INTERVAL: Final = 0.2
_SALIENCY_INTERVAL: Final = 0.4
_SLOW_INTERVAL: Final = 1.0  # of what changes little, and of all while a stream is requested, which needs the server
_FEATURES_KEY: Final = "live_features"
_STATS_KEY: Final = "live_stats"
_SIZE_KEY: Final = "live_size"
_SMOOTHING_KEY: Final = "live_smoothing"
_MIRROR_KEY: Final = "live_mirror"
_KEPT_VALUES: Final[Mapping[str, object]] = {
    _SIZE_KEY: "Normal",
    _SMOOTHING_KEY: 0.5,
    _MIRROR_KEY: True,
    _FEATURES_KEY: False,
    overlay.BARS_KEY: True,
    overlay.TIMELINE_KEY: True,
}

state = st.session_state


def show_stream(source: str, *, is_game: bool) -> None:
    """Show the stream of a source, its controls and its results, or the mirror game beside it.

    Args:
        source: "Camera" or "Demo".
        is_game: Whether the mirror game takes the place of the results.
    """
    settings = session.get_settings()
    streamlit_workarounds.keep_values(_KEPT_VALUES)
    if not is_game:
        game.leave()
    with st.container():  # for the messages while models are loaded
        live = get_controller(source, _get_options(is_game=is_game))
    size = CAMERA_SIZES[state[_SIZE_KEY]] if source == "Camera" else CAMERA_SIZES["Normal"]
    stage, side, tools = layout.make_layout()
    # The fragments are always drawn, each alone in a container that always exists: Streamlit identifies them by their
    # positions, and a run that ends removes the fragments that it did not draw, even those that a newer, overlapping
    # run has just created. None writes into a container outside of it: such an element can stay away after overlapping
    # runs. Messages come and go below the buttons, so that they do not move them.
    with tools:
        buttons, saved, switches, notes, settings_slot = (st.container() for _ in range(5))
    with stage:
        if source == "Camera":
            live_stream.show_camera(live, size)
        else:
            live_stream.show_demo(live)
        if not live.is_used:
            single_image.show_example()
    shown_items = live.saved_items
    with saved:
        _show_downloads(live)
    with buttons:
        st.fragment(_show_buttons, run_every=_SLOW_INTERVAL)(live, shown_items, is_game)
    with switches:
        if live.is_used and not is_game:
            _show_switches(settings)
    with notes:
        st.fragment(_show_messages, run_every=_SLOW_INTERVAL)(live)
    with settings_slot:
        if source == "Camera":
            _show_settings()
    with side:
        _show_side(live, is_game=is_game)


def _show_side(live: LiveController, *, is_game: bool) -> None:
    """Show the cards or the game, and what lies over the image."""
    if is_game:
        with st.container(key="live_over"):
            overlay.show_overlay(live, None)
        shown_result = game.show_result(live)
        with st.container():
            st.fragment(_show_game, run_every=game.INTERVAL)(live, shown_result)
    else:
        interval = _SALIENCY_INTERVAL if state.get("live_saliency") else _CARDS_INTERVAL
        st.fragment(_show_cards, run_every=interval if live.is_connected else _SLOW_INTERVAL)(live)


def _show_game(live: LiveController, shown_result: MirrorGame | None) -> None:
    game.show_panel(live, shown_result)
    streamlit_workarounds.send_elements()


def _show_switches(settings: session.SessionSettings) -> None:
    """Show the switches of the analysis, and of what the image and the cards show."""
    with st.container(horizontal=True):
        st.toggle(_("Pause"), key="live_pause", help=_("The video keeps playing; analysis is paused."))
        overlay.show_switches()
        _show_feature_switches(settings)
        st.toggle(_("Statistics"), key=_STATS_KEY, help=_("Frame rate, size, and the time that each step takes."))


def _show_feature_switches(settings: session.SessionSettings) -> None:
    features_switch.show_features_switch(
        _FEATURES_KEY, _("Points and outlines, head pose, smile and brows of the last 30 seconds.")
    )
    has_cam = session.get_analyzer().classifier.has_cam(settings.analyzer_settings.head)
    if has_cam and not settings.anonymize:
        st.toggle(
            _("Explain"), key="live_saliency", help=_("A heatmap of the parts of each face that drive its label.")
        )


def _get_options(*, is_game: bool) -> LiveOptions:
    """Return the options of this page and of the sidebar; a game needs the movements and draws nothing of them."""
    # A frame of a camera is small, and its faces are large: half the size of a photo suffices, and is fast.
    settings = session.get_settings()
    max_side = min(settings.analyzer_settings.max_side, 2560) // (4 if settings.detector == "haar" else 2)
    is_shown = features_switch.is_on(_FEATURES_KEY) and not is_game
    has_features = is_shown or (is_game and session.find_features_error() is None)
    stream = StreamSettings(
        recognition=replace(settings.analyzer_settings, max_side=max_side, features=has_features),
        half_life=state[_SMOOTHING_KEY],
    )
    return LiveOptions(
        stream,
        state[_MIRROR_KEY],
        settings.anonymize,
        state.get("live_pause", False) and not is_game,
        draw_points=is_shown,
    )


def _show_settings() -> None:
    """Choose the size of the image and the smoothing."""
    with st.expander(_("Resolution and smoothing"), icon=":material/tune:"):
        st.segmented_control(
            _("Resolution"),
            list(CAMERA_SIZES),
            format_func=_,
            required=True,
            key=_SIZE_KEY,
            help=_("Larger images show smaller faces, and take more time. A new size restarts the camera."),
        )
        st.slider(
            _("Smoothing"),
            0.0,
            2.0,
            step=0.1,
            format=_("%.1f s"),
            key=_SMOOTHING_KEY,
            help=_("Half-life of the moving average in seconds; 0 for none."),
        )
        st.toggle(_("Mirrored"), key=_MIRROR_KEY, help=_("Like a mirror: your left is on the left."))


def _show_cards(controller: LiveController) -> None:
    """Show what lies over the image, and the cards; no cards before a stream was requested."""
    with messages.error_box(_("the faces")):
        max_maps = live_cards.MAX_CARDS if state.get("live_saliency") else 0
        live_state, options = controller.session.state(max_saliency_faces=max_maps), controller.session.options
        with st.container(key="live_over"):
            overlay.show_overlay(controller, live_state)
        if controller.is_used:
            with st.container(key="live_faces"):
                live_cards.show_cards(live_state, options.mirror)
                if options.draw_points and not options.anonymize:
                    curves.show_curves(live_state.recent_results)
    streamlit_workarounds.send_elements()


def _show_buttons(controller: LiveController, shown_items: object, is_game: bool) -> None:
    """Show the buttons under the stream, none in a game; rerun the page when the saved items are not `shown_items`."""
    if controller.is_used and not is_game:
        with messages.error_box(_("the buttons")):
            controls.show_buttons(controller, controller.session.state())
    if controller.saved_items != shown_items:
        st.rerun()
    streamlit_workarounds.send_elements()


def _show_downloads(controller: LiveController) -> None:
    """Show the saved items; outside of the fragments, see `components.download_button`."""
    with messages.error_box(_("the recording")):
        controls.show_recording_downloads(controller)
    with messages.error_box(_("the snapshot")):
        controls.show_snapshot_downloads(controller)


def _show_messages(controller: LiveController) -> None:
    """Show what is wrong with the camera, the messages of the last action, and the statistics of the stream."""
    with messages.error_box(_("the messages")):
        live_state = controller.session.state()
        if controller.source == "Camera":
            checks = live_cards.run_diagnostics(controller, live_state)
            live_cards.show_diagnostics(checks, is_connected=controller.is_connected)
        if controller.is_finishing:
            st.caption(_("Finishing the recording"))
        warnings = live_state.recording.warnings if live_state.recording else ()
        for message in filter(None, (controller.message, *warnings)):
            st.caption(messages.escape_markdown(translate_text(message)))
        if controller.is_used:
            live_cards.show_stats(live_state, with_numbers=bool(state.get(_STATS_KEY)))
    streamlit_workarounds.send_elements()
