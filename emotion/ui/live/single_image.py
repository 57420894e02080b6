"""Single images of the Live page: one shot of the camera, and the example before the start."""

import streamlit as st

from emotion.translation.messages import gettext as _
from emotion.ui import components, messages
from emotion.ui.photos import annotated_photo, photo_cache


def show_single_image() -> None:
    """Take one image with the camera, and analyze it like a photo."""
    upload = st.camera_input(_("Take an image"), key="live_single", label_visibility="collapsed")
    if upload is None:
        st.caption(_("Use this if live video is blocked. Nothing is kept unless you save it."))
        return
    with messages.error_box(_("the image")):
        faces = annotated_photo.show_annotated_photo(
            upload.getvalue(), _("the image"), key="live_photo", alt_text=_("The image")
        )
        st.markdown(f"## {components.format_counts(faces).capitalize()}", anchors=False)


def show_example() -> None:
    """Show the sample photo, until the camera is enabled."""
    content = photo_cache.read_sample_photo()[1]
    annotated_photo.show_annotated_photo(content, _("the sample"), key="live_example", alt_text=_("An example"))
    st.caption(
        _(
            "An example. Your camera gets such boxes as it moves; each face keeps its number. No camera? "
            "Choose the demo above."
        )
    )
