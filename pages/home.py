"""Home: what the program does, what is ready, and what a label means."""

from functools import partial

import streamlit as st

from emotion.ui import home, page

with page.page_layout() as settings:
    st.title("Emotion Studio", anchor=False)
    st.write("Recognize facial expressions. Everything stays on this machine.")
    home.show_page_card(
        "Live",
        "Start your camera: every face gets a box, its expression and a ribbon of the last 30 seconds. "
        "No camera? Watch the demo.",
        "webcam",
        ":material/videocam:",
        home.show_live_illustration,
    )
    home.show_page_card(
        "Photos",
        "Drop one photo or many: every face gets its expression. Download pictures, faces and tables.",
        "photo",
        ":material/photo_library:",
        partial(home.show_sample, settings),
    )
    home.show_page_card(
        "Videos",
        "Drop a video: every face gets its expressions over time. Download the labeled video, tables, "
        "subtitles and a report.",
        "video",
        ":material/movie:",
        home.show_video_illustration,
    )
    status_column, label_column = st.columns(2, gap="large")
    with status_column:
        st.subheader("Status", anchor=False)
        home.show_status(settings)
        st.page_link("pages/model_card.py", label="Model card", icon=":material/fact_check:")
    with label_column:
        st.subheader("What a label means", anchor=False)
        st.markdown(
            "- An expression is what a face shows at one moment, not what a person feels.\n"
            "- Labels are often wrong; do not use them for decisions about a person.\n"
            "- A face with a weak prediction is called unsure, with the reason.\n"
            "- Photos are deleted when the page is closed, videos when you delete them; both stay on this machine."
        )
