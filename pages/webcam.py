"""Live: the camera, or a demo, with the expression of every face or the mirror game; calibrate, record and save."""

import streamlit as st

from emotion.errors import EmotionError
from emotion.ui import messages, page
from emotion.ui.live import single_image, view

SINGLE_IMAGE = "Single image"
EXPRESSIONS, GAME = "Expressions", "Mirror game"
SOURCES = {"Camera": ":material/videocam:", "Demo": ":material/movie:", SINGLE_IMAGE: ":material/photo_camera:"}
VIEWS = {EXPRESSIONS: ":material/mood:", GAME: ":material/sports_esports:"}

with page.page_layout():
    st.title("Live", anchor=False)
    st.write(
        f"Your camera, with the expression of every face. The images stay on this machine. {single_image.NOTHING_KEPT}"
    )
    try:
        with st.container(horizontal=True):
            source = st.segmented_control(
                "Where the image comes from",
                list(SOURCES),
                default="Camera",
                required=True,
                key="live_source",
                format_func=lambda name: f"{SOURCES[name]} {name}",
                label_visibility="collapsed",
            )
            shown = EXPRESSIONS
            if source != SINGLE_IMAGE:
                shown = st.segmented_control(
                    "What is shown of it",
                    list(VIEWS),
                    default=EXPRESSIONS,
                    required=True,
                    key="live_view",
                    format_func=lambda name: f"{VIEWS[name]} {name}",
                    label_visibility="collapsed",
                )
        if source == SINGLE_IMAGE:
            single_image.show_single_image()
        else:
            view.show_stream(source or "Camera", is_game=shown == GAME)
    except EmotionError as error:
        st.error(messages.escape_markdown(str(error)), icon=":material/error:")
