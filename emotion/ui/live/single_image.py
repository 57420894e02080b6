"""Single images of the Live page: one shot of the camera, and the example before the start."""

import streamlit as st

from emotion.results import serialization
from emotion.ui import messages
from emotion.ui.photos import annotated_photo, photo_cache

NOTHING_KEPT = "Nothing is kept unless you save it."


def show_single_image() -> None:
    """Take one image with the camera, and analyze it like a photo."""
    upload = st.camera_input("Take an image", key="live_single", label_visibility="collapsed")
    if upload is None:
        st.caption("Use this if live video is blocked. " + NOTHING_KEPT)
        return
    with messages.error_box("the image"):
        faces = annotated_photo.show_annotated_photo(
            upload.getvalue(), "the image", key="live_photo", alt_text="The image"
        )
        st.markdown(f"##### {serialization.format_counts(faces).capitalize()}", anchors=False)


def show_example() -> None:
    """Show the sample photo, until the camera is enabled."""
    content = photo_cache.read_sample_photo()[1]
    annotated_photo.show_annotated_photo(content, "the sample", key="live_example", alt_text="An example")
    st.caption(
        "An example. Your camera gets such boxes as it moves; each face keeps its number. No camera? "
        "Choose the demo above."
    )
