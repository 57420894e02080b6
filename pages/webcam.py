"""Live: a camera, or the demo, with every face's expression; rest, record and save."""

from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from emotion.errors import EmotionError
from emotion.live.state import LiveOptions
from emotion.results import serialization
from emotion.tracking.settings import StreamSettings
from emotion.ui import components, messages, page, photo_cache, session
from emotion.ui.live import cards as live_cards
from emotion.ui.live import controls
from emotion.ui.live import stream as live_stream
from emotion.ui.live.stream import LiveController

SOURCES = {"Camera": ":material/videocam:", "Demo": ":material/movie:", "Single picture": ":material/photo_camera:"}
NOTHING_KEPT = "Nothing is kept unless you save it."

state = st.session_state


def get_options() -> LiveOptions:
    """What was chosen on this page and in the sidebar."""
    # A camera's picture is small, and a face before it large: half of what a photo needs finds them, and is fast.
    side = min(settings.analyzer_settings.max_side, 2560) // (4 if settings.detector == "haar" else 2)
    stream = StreamSettings(
        recognition=replace(settings.analyzer_settings, max_side=side),
        half_life=state.get("live_smoothing", 0.5),
    )
    return LiveOptions(stream, state.get("live_mirror", True), settings.anonymize, state.get("live_pause", False))


def show_settings() -> tuple[int, int]:
    """What can be chosen for the picture; its size."""
    with st.expander("Picture and smoothing", icon=":material/tune:"):
        size = st.segmented_control(
            "Size of the picture",
            list(live_stream.CAMERA_SIZES),
            default="Normal",
            required=True,
            key="live_size",
            help="Larger pictures show smaller faces, and cost more time. A new size starts the camera anew.",
        )
        st.slider(
            "Smoothing",
            0.0,
            2.0,
            0.5,
            0.1,
            format="%.1f s",
            key="live_smoothing",
            help="After that time an older look at a face counts half. 0 shows every look as it is.",
        )
        st.toggle("Mirrored", True, key="live_mirror", help="As in a mirror: your left is on the left.")
    return live_stream.CAMERA_SIZES[size or "Normal"]


@st.fragment(run_every=0.5)
def show_live_state(controller: LiveController, history_slot: DeltaGenerator) -> None:
    """Show the cards, the stream statistics and, in `history_slot`, the last half minute, all of the same moment.

    Shows nothing before a stream was requested.
    """
    if not controller.is_used:
        return
    with messages.error_box("the faces"):
        view = controller.session.state(max_saliency_faces=live_cards.MAX_CARDS if state.get("live_saliency") else 0)
        live_cards.show_cards(view)
        st.caption(live_cards.format_stats(view))
        if view.counters.last_error and view.counters.errors:
            st.caption(f"Last failure: {messages.escape_markdown(view.counters.last_error)}")
        with history_slot:
            live_cards.show_history(view)


@st.fragment(run_every=1.0)
def show_buttons(controller: LiveController, shown_items: object) -> None:
    """The buttons under the picture; the whole page is drawn when there is other than `shown_items` to save."""
    if controller.is_used:
        with messages.error_box("the buttons"):
            view = controller.session.state()
            controls.show_buttons(controller, view)
            controls.show_calibration(controller, view)
    if controller.saved_items != shown_items:
        st.rerun()


def show_downloads(controller: LiveController) -> None:
    """What the buttons made. A part that refreshes itself has no download: each time it would make the file anew, and
    take that away which a click has just asked for."""
    with messages.error_box("the recording"):
        controls.show_recording_downloads(controller)
    with messages.error_box("the snapshot"):
        controls.show_snapshot_downloads(controller)


@st.fragment(run_every=1.0)
def show_messages(controller: LiveController) -> None:
    """What is wrong, and what is to be said of the last click."""
    with messages.error_box("what stands below the picture"):
        view = controller.session.state()
        if controller.source == "Camera":
            live_cards.show_diagnostics(live_cards.run_diagnostics(controller, view))
        if controller.is_finishing:
            st.caption("Finishing the recording")
        for said in filter(None, (controller.message, view.recording and view.recording.warning)):
            st.caption(messages.escape_markdown(said))


def show_single_image() -> None:
    """One picture of the camera, read like a photo."""
    taken = st.camera_input("Take a picture", key="live_single", label_visibility="collapsed")
    if taken is None:
        st.caption("For browsers or networks that let no stream through. " + NOTHING_KEPT)
        return
    with messages.error_box("the picture"):
        reading = photo_cache.analyze_photo(taken.getvalue(), "the picture")
        faces = reading.apply_min_confidence(settings.analyzer_settings.min_confidence)
        components.show_annotated_image(
            reading,
            faces,
            key="live_photo",
            anonymize=settings.anonymize,
            selected=0,
            on_select=lambda _: None,
            alt_text=f"The picture: {serialization.format_counts(faces)}",
        )
        st.markdown(f"##### {serialization.format_counts(faces).capitalize()}", anchors=False)


def show_example() -> None:
    """What is to be seen soon, before the camera is on."""
    reading = photo_cache.analyze_photo(photo_cache.read_sample_photo()[1], "the sample")
    faces = reading.apply_min_confidence(settings.analyzer_settings.min_confidence)
    components.show_annotated_image(
        reading,
        faces,
        key="live_example",
        anonymize=settings.anonymize,
        selected=0,
        on_select=lambda _: None,
        alt_text=f"An example: {serialization.format_counts(faces)}",
    )
    st.caption(
        "An example. Your picture gets such boxes as it moves; each face keeps its number. No camera? "
        "Choose the demo above."
    )


def show_stream(source: str) -> None:
    """The moving picture and all that is said of it."""
    with st.container():  # a place of its own for what is said while things start
        live = live_stream.get_controller(source, get_options())
    left, right = st.columns([3, 2], gap="medium")
    # The parts that refresh themselves are drawn in any case, and each alone in a place that is always there:
    # Streamlit knows them by their places, and a run that ends forgets those it had not, also where a newer run that
    # overtook it has just made them. What comes and goes by itself stands below the buttons, which it would move.
    picture, buttons, saved, words = (left.container() for _ in range(4))
    history_slot, settings_slot = left.empty(), left.container()
    switch, cards, example = (right.container() for _ in range(3))
    with settings_slot:
        size = show_settings() if source == "Camera" else live_stream.CAMERA_SIZES["Normal"]
    with picture:
        if source == "Camera":
            live_stream.show_camera(live, size)
        else:
            live_stream.show_demo(live)
        if live.is_used:
            st.toggle("Pause", key="live_pause", help="The pictures pass without being looked at.")
    drawn = live.saved_items
    with saved:
        show_downloads(live)
    with buttons:
        show_buttons(live, drawn)
    with words:
        show_messages(live)
    with switch:
        if (
            live.is_used
            and not settings.anonymize
            and session.get_analyzer().classifier.has_cam(settings.analyzer_settings.head)
        ):
            st.toggle("Show why", key="live_saliency", help="Paints on each face what speaks for its label.")
    with cards:
        show_live_state(live, history_slot)
    if not live.is_used:
        with example:
            show_example()


with page.page_layout() as settings:
    st.title("Live", anchor=False)
    st.write(f"Your camera, with the expression of every face. The pictures stay on this machine. {NOTHING_KEPT}")
    try:
        selected_source = st.segmented_control(
            "Where the picture comes from",
            list(SOURCES),
            default="Camera",
            required=True,
            key="live_source",
            format_func=lambda name: f"{SOURCES[name]} {name}",
            label_visibility="collapsed",
        )
        if selected_source == "Single picture":
            show_single_image()
        else:
            show_stream(selected_source or "Camera")
    except EmotionError as error:
        st.error(messages.escape_markdown(str(error)), icon=":material/error:")
