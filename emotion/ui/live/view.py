"""The stream of the Live page with its settings, cards, buttons and messages."""

from dataclasses import replace
from typing import Final

import streamlit as st

from emotion.live.state import LiveOptions
from emotion.tracking.settings import StreamSettings
from emotion.ui import messages, session
from emotion.ui.live import cards as live_cards
from emotion.ui.live import controls, ribbon, single_image
from emotion.ui.live import stream as live_stream
from emotion.ui.live.controller import CAMERA_SIZES, LiveController, get_controller

# Seconds between two updates of the cards: a person hardly sees their delay behind the image. Each update also costs
# the browser some 25 ms, and a saliency map of each face takes several times as long as its card.
_CARDS_INTERVAL: Final = 0.2
_SALIENCY_INTERVAL: Final = 0.4
_RIBBON_INTERVAL: Final = 0.5

state = st.session_state


def show_stream(source: str) -> None:
    """Show the stream of a source, its controls and its results.

    Args:
        source: "Camera" or "Demo".
    """
    settings = session.get_settings()
    with st.container():  # for the messages while models are loaded
        live = get_controller(source, _get_options())
    left, right = st.columns([3, 2], gap="medium")
    # The fragments are always drawn, each alone in a container that always exists: Streamlit identifies them by their
    # positions, and a run that ends removes the fragments that it did not draw, even those that a newer, overlapping
    # run has just created. None writes into a container outside of it: such an element can stay away after overlapping
    # runs. Messages come and go below the buttons, so that they do not move them.
    video, buttons, saved, notes = (left.container() for _ in range(4))
    history, settings_slot = left.container(), left.container()
    saliency, cards = right.container(), right.container()
    stats, example = right.container(), right.container()
    with settings_slot:
        size = _show_settings() if source == "Camera" else CAMERA_SIZES["Normal"]
    with video:
        if source == "Camera":
            live_stream.show_camera(live, size)
        else:
            live_stream.show_demo(live)
        if live.is_used:
            st.toggle("Pause", key="live_pause", help="The video keeps playing; analysis is paused.")
    shown_items = live.saved_items
    with saved:
        _show_downloads(live)
    with buttons:
        st.fragment(_show_buttons, run_every=1.0)(live, shown_items)
    with notes:
        st.fragment(_show_messages, run_every=1.0)(live)
    with saliency:
        if (
            live.is_used
            and not settings.anonymize
            and session.get_analyzer().classifier.has_cam(settings.analyzer_settings.head)
        ):
            st.toggle("Explain", key="live_saliency", help="A heatmap of the parts of each face that drive its label.")
    with cards:
        interval = _SALIENCY_INTERVAL if state.get("live_saliency") else _CARDS_INTERVAL
        st.fragment(_show_cards, run_every=interval)(live)
    with history:
        st.fragment(_show_ribbon, run_every=_RIBBON_INTERVAL)(live)
    with stats:
        st.fragment(_show_stats, run_every=1.0)(live)
    if not live.is_used:
        with example:
            single_image.show_example()


def _get_options() -> LiveOptions:
    """Return the options of this page and of the sidebar."""
    # A frame of a camera is small, and its faces are large: half the size of a photo suffices, and is fast.
    settings = session.get_settings()
    max_side = min(settings.analyzer_settings.max_side, 2560) // (4 if settings.detector == "haar" else 2)
    stream = StreamSettings(
        recognition=replace(settings.analyzer_settings, max_side=max_side),
        half_life=state.get("live_smoothing", 0.5),
    )
    return LiveOptions(stream, state.get("live_mirror", True), settings.anonymize, state.get("live_pause", False))


def _show_settings() -> tuple[int, int]:
    """Choose the size of the image and the smoothing; return the size."""
    with st.expander("Resolution and smoothing", icon=":material/tune:"):
        size = st.segmented_control(
            "Resolution",
            list(CAMERA_SIZES),
            default="Normal",
            required=True,
            key="live_size",
            help="Larger images show smaller faces, and take more time. A new size restarts the camera.",
        )
        st.slider(
            "Smoothing",
            0.0,
            2.0,
            0.5,
            0.1,
            format="%.1f s",
            key="live_smoothing",
            help="Half-life of the moving average in seconds; 0 for none.",
        )
        st.toggle("Mirrored", True, key="live_mirror", help="Like a mirror: your left is on the left.")
    return CAMERA_SIZES[size or "Normal"]


def _show_cards(controller: LiveController) -> None:
    """Show the cards; nothing before a stream was requested."""
    if not controller.is_used:
        return
    with messages.error_box("the faces"):
        live_cards.show_cards(
            controller.session.state(max_saliency_faces=live_cards.MAX_CARDS if state.get("live_saliency") else 0)
        )


def _show_ribbon(controller: LiveController) -> None:
    """Show the last half minute; nothing before a stream was requested."""
    if controller.is_used:
        with messages.error_box("the last half minute"):
            st.html(ribbon.format_ribbon(controller.session.state().recent_results))


def _show_buttons(controller: LiveController, shown_items: object) -> None:
    """Show the buttons under the stream; rerun the page when the saved items are not `shown_items`."""
    if controller.is_used:
        with messages.error_box("the buttons"):
            live_state = controller.session.state()
            controls.show_buttons(controller, live_state)
            controls.show_calibration(controller, live_state)
    if controller.saved_items != shown_items:
        st.rerun()


def _show_downloads(controller: LiveController) -> None:
    """Show the saved items; outside of the fragments, see `components.download_button`."""
    with messages.error_box("the recording"):
        controls.show_recording_downloads(controller)
    with messages.error_box("the snapshot"):
        controls.show_snapshot_downloads(controller)


def _show_stats(controller: LiveController) -> None:
    """Show the statistics of the stream; nothing before one was requested."""
    if controller.is_used:
        with messages.error_box("the statistics"):
            live_cards.show_stats(controller.session.state())


def _show_messages(controller: LiveController) -> None:
    """Show what is wrong with the camera, and the messages of the last action."""
    with messages.error_box("the messages"):
        live_state = controller.session.state()
        if controller.source == "Camera":
            live_cards.show_diagnostics(live_cards.run_diagnostics(controller, live_state))
        if controller.is_finishing:
            st.caption("Finishing the recording")
        for message in filter(None, (controller.message, live_state.recording and live_state.recording.warning)):
            st.caption(messages.escape_markdown(message))
