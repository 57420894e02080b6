"""Home: what the program does, what is ready, and what a label means."""

from functools import partial

import streamlit as st

from emotion.ui import home, page
from emotion.ui.visitors.link import format_retention

with page.page_layout() as settings:
    st.title("Emotion Studio", anchor=False)
    st.write("Reads expressions in faces. Everything stays on this machine.")
    home.show_page_card(
        "Live",
        "Enable your camera. Every face gets a frame with its expression and a ribbon of its last half minute. "
        "No camera? Watch the demo.",
        "webcam",
        ":material/videocam:",
        home.show_live_illustration,
    )
    home.show_page_card(
        "Photos",
        "Drop a photo, or many. Every face gets its expression, or the reason why it is unsure; images and "
        "tables are yours to save.",
        "photo",
        ":material/photo_library:",
        partial(home.show_sample, settings),
    )
    home.show_page_card(
        "Videos",
        "Drop a video. Every face gets a ribbon of its expressions over time; a click on a moment shows it. "
        "The video with its labels, tables and subtitles are yours to save.",
        "video",
        ":material/movie:",
        home.show_video_illustration,
    )
    status_column, label_column = st.columns(2, gap="large")
    with status_column:
        st.subheader("What is ready", anchor=False)
        home.show_status(settings)
        st.page_link("pages/model_card.py", label="How good is it?", icon=":material/fact_check:")
    with label_column:
        st.subheader("What a label means", anchor=False)
        st.markdown(
            "- An expression is what a face shows at one moment; it is not what a person feels.\n"
            "- A label is a guess that is often wrong; it must not decide anything about a person.\n"
            "- Where the guess is weak, the face is called unsure, with the reason.\n"
            "- Photos stay on this machine and are forgotten when the page is closed.\n"
            f"- {format_retention()}"
        )
