"""Home: an example that moves, the way to the camera and to photos, and a card for each of the other pages."""

import streamlit as st

from emotion.translation.messages import gettext as _
from emotion.ui import page
from emotion.ui.home import cards, demo
from emotion.ui.photos.selection import accept_dropped_photos
from emotion.ui.visitors.link import format_retention

with page.page_layout() as settings:
    left, right = st.columns([2, 3], gap="large", vertical_alignment="center")
    with left:
        st.title("Emotion Studio", anchor=False)
        st.write(_("Recognize facial expressions. Everything stays on this machine."))
        if st.button(_("Start camera"), icon=":material/videocam:", type="primary", key="home_camera"):
            st.session_state["live_autostart"] = True
            st.switch_page("pages/webcam.py")
        if accept_dropped_photos():
            st.switch_page("pages/photo.py")
    with right:
        demo.show_example(settings)
    cards.show_status(settings)
    cards.show_cards()
    with st.expander(_("What a label means"), icon=":material/info:"):
        st.markdown(
            _(
                "- An expression is what a face shows at one moment, not what a person feels.\n"
                "- Labels are often wrong; do not use them for decisions about a person.\n"
                "- A face with a weak prediction is called unsure, with the reason.\n"
                "- Photos stay on this machine and are deleted when the page is closed.\n"
                "- {retention}"
            ).format(retention=format_retention())
        )
