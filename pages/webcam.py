"""Live: the camera, or a demo, with the expression of every face; calibrate, record and save."""

import streamlit as st

from emotion.errors import EmotionError
from emotion.ui import messages, page
from emotion.ui.live import single_image, view

SINGLE_IMAGE = "Single image"
SOURCES = {"Camera": ":material/videocam:", "Demo": ":material/movie:", SINGLE_IMAGE: ":material/photo_camera:"}

with page.page_layout():
    st.title("Live", anchor=False)
    st.write(
        f"Your camera, with the expression of every face. The images stay on this machine. {single_image.NOTHING_KEPT}"
    )
    try:
        source = st.segmented_control(
            "Where the image comes from",
            list(SOURCES),
            default="Camera",
            required=True,
            key="live_source",
            format_func=lambda name: f"{SOURCES[name]} {name}",
            label_visibility="collapsed",
        )
        if source == SINGLE_IMAGE:
            single_image.show_single_image()
        else:
            view.show_stream(source or "Camera")
    except EmotionError as error:
        st.error(messages.escape_markdown(str(error)), icon=":material/error:")
