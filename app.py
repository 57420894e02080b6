"""The entrance: page settings, navigation, and the sidebar that all pages share."""

import streamlit as st

from emotion.environment import is_public
from emotion.translation.messages import gettext as _
from emotion.ui import page as ui_page
from emotion.ui import sidebar, streamlit_texts, streamlit_workarounds

streamlit_workarounds.disable_ip_lookup()
PAGES_WITHOUT_SETTINGS = {"", "synthetic_faces", "train", "runs"}
# An image file: for an emoji, Streamlit first compiles a pattern of thousands, which takes a tenth of a second.
st.set_page_config(page_title="Emotion Studio", page_icon=ui_page.ICON, layout="wide")
settings_area = sidebar.start_sidebar()  # with the language of all that follows
pages = {
    "": [
        st.Page("pages/home.py", title=_("Home"), icon=":material/home:", default=True),
        st.Page("pages/webcam.py", title=_("Live"), icon=":material/videocam:"),
        st.Page("pages/photo.py", title=_("Photos"), icon=":material/photo_library:"),
        st.Page("pages/video.py", title=_("Videos"), icon=":material/movie:"),
        st.Page("pages/synthetic_faces.py", title=_("Synthetic faces"), icon=":material/face_retouching_natural:"),
        st.Page("pages/model_card.py", title=_("Model card"), icon=":material/fact_check:"),
    ]
}
if not is_public():  # these pages read, write and delete folders of this machine
    pages[""].insert(4, st.Page("pages/collection.py", title=_("Collections"), icon=":material/collections_bookmark:"))
    pages[_("Train")] = [
        st.Page("pages/data.py", title=_("Data"), icon=":material/dataset:"),
        st.Page("pages/train.py", title=_("Training"), icon=":material/school:"),
        st.Page("pages/runs.py", title=_("Runs"), icon=":material/monitoring:"),
    ]
page = st.navigation(pages)
streamlit_workarounds.make_captions_readable()
streamlit_workarounds.make_primary_color_readable()
streamlit_workarounds.reduce_top_space()
streamlit_workarounds.hide_labels_of_icon_buttons()
streamlit_texts.translate_streamlit()
sidebar.show_settings(settings_area)
if page.url_path in PAGES_WITHOUT_SETTINGS:
    streamlit_workarounds.hide_sidebar_settings()
try:
    page.run()
finally:  # also after a page that stops early
    streamlit_workarounds.freeze_objects()
streamlit_workarounds.preload_charts()
