"""The entrance: page settings, navigation, and the sidebar that all pages share."""

import importlib
import os
import sys
import threading

import streamlit as st

from emotion.ui import gc_tuning, server, sidebar
from emotion.ui import page as ui_page

server.disable_ip_lookup()
# A picture: of an emoji Streamlit compiles a pattern of thousands first, a tenth of a second.
st.set_page_config(page_title="Emotion Studio", page_icon=ui_page.ICON, layout="wide")
pages = {
    "": [
        st.Page("pages/home.py", title="Home", icon=":material/home:", default=True),
        st.Page("pages/webcam.py", title="Live", icon=":material/videocam:"),
        st.Page("pages/photo.py", title="Photos", icon=":material/photo_library:"),
        st.Page("pages/video.py", title="Films", icon=":material/movie:"),
        st.Page("pages/synthetic_faces.py", title="Synthetic faces", icon=":material/face_retouching_natural:"),
        st.Page("pages/model_card.py", title="How good is it?", icon=":material/fact_check:"),
    ]
}
if not os.environ.get("EMOTION_PUBLIC"):  # these read, write and delete folders of this machine
    pages["Train"] = [
        st.Page("pages/data.py", title="Data", icon=":material/dataset:"),
        st.Page("pages/train.py", title="Training", icon=":material/school:"),
        st.Page("pages/runs.py", title="Runs", icon=":material/monitoring:"),
    ]
page = st.navigation(pages)
# Streamlit's captions are too pale to be read by everybody (4.0 to 1; WCAG 2.1 asks for 4.5).
st.html(
    "<style>[data-testid=stImageCaption], [data-testid=stCaptionContainer] {color: inherit}"
    "[data-testid=stCaptionContainer] {opacity: 0.75}</style>"
)
sidebar.show_sidebar()
try:
    page.run()
finally:  # also of a page that ends early
    gc_tuning.freeze_objects()
if "emotion.charts" not in sys.modules:  # nearly a second of work, which is to come after the first page
    preload_timer = threading.Timer(2, importlib.import_module, ("emotion.charts",))
    preload_timer.daemon = True
    preload_timer.start()
