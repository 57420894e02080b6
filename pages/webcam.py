"""Live: the camera, or a demo, with the expression of every face or the mirror game; calibrate, record and save."""

import streamlit as st

from emotion.errors import EmotionError
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop, translate_error
from emotion.ui import messages, page
from emotion.ui.live import single_image, view

CAMERA, SINGLE_IMAGE = gettext_noop("Camera"), gettext_noop("Single image")
EXPRESSIONS, GAME = gettext_noop("Expressions"), gettext_noop("Mirror game")
SOURCES = {
    CAMERA: ":material/videocam:",
    gettext_noop("Demo"): ":material/movie:",
    SINGLE_IMAGE: ":material/photo_camera:",
}
VIEWS = {EXPRESSIONS: ":material/mood:", GAME: ":material/sports_esports:"}

with page.page_layout():
    st.title(_("Live"), anchor=False)
    st.write(
        _(
            "Your camera, with the expression of every face. The images stay on this machine. Nothing is kept unless "
            "you save it."
        )
    )
    try:
        with st.container(horizontal=True):
            source = st.segmented_control(
                _("Where the image comes from"),
                list(SOURCES),
                default=CAMERA,
                required=True,
                key="live_source",
                format_func=lambda name: f"{SOURCES[name]} {_(name)}",
                label_visibility="collapsed",
            )
            shown = EXPRESSIONS
            if source != SINGLE_IMAGE:
                shown = st.segmented_control(
                    _("What is shown of it"),
                    list(VIEWS),
                    default=EXPRESSIONS,
                    required=True,
                    key="live_view",
                    format_func=lambda name: f"{VIEWS[name]} {_(name)}",
                    label_visibility="collapsed",
                )
        if source == SINGLE_IMAGE:
            single_image.show_single_image()
        else:
            view.show_stream(source or CAMERA, is_game=shown == GAME)
    except EmotionError as error:
        st.error(messages.escape_markdown(translate_error(error)), icon=":material/error:")
