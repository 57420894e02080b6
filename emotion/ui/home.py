"""The parts of the Home page: a card for each of the main pages, and the models in use."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from emotion.formatting import format_percent
from emotion.recognition.detectors import detector_factory
from emotion.ui import annotated_photo, messages, models, photo_cache
from emotion.ui.session import SessionSettings

_VIDEO_DRAWING, _LIVE_DRAWING = (str(photo_cache.SAMPLE_PHOTO.with_name(name)) for name in ("video.svg", "live.svg"))


def show_sample(settings: SessionSettings) -> None:
    """Show the sample photo as the Photos page analyzes it."""
    name, content = photo_cache.read_sample_photo()
    if settings.bundle is None:
        st.image(content, alt="An astronaut in front of a space shuttle")
        return
    with messages.error_box("the sample"):
        annotated_photo.show_annotated_photo(
            content, name, key="home_picture", alt_text="An astronaut in front of a space shuttle"
        )


def show_video_illustration() -> None:
    """Show a drawing of an analyzed video."""
    st.image(_VIDEO_DRAWING, width="stretch", alt="Three faces as ribbons of expressions over time, and a playhead")


def show_live_illustration() -> None:
    """Show a drawing of the live page."""
    st.image(
        _LIVE_DRAWING,
        width="stretch",
        alt="The image of a camera with a frame around a face, and a card beside it",
    )


def show_page_card(title: str, text: str, page: str, icon: str, show_preview: Callable[[], None]) -> None:
    """Show a card of one page: what it does, a button that opens it, and a preview."""
    with st.container(border=True):
        left, right = st.columns([3, 2], gap="large", vertical_alignment="center")
        with left:
            st.subheader(title, anchor=False)
            st.write(text)
            if st.button(f"Open {title.lower()}", icon=icon, key=f"home_{title.lower()}"):
                st.switch_page(f"pages/{page}.py")
        with right:
            show_preview()


def show_status(settings: SessionSettings) -> None:
    """Show the classifier and the detector in use, and the models that cannot be used."""
    for error in settings.model_errors:
        st.warning(messages.escape_markdown(error), icon=":material/info:")
    if settings.bundle is None and not settings.model_errors:
        st.warning("There is no classifier in models/ yet; train one first.", icon=":material/info:")
    if settings.bundle is not None:
        head = settings.analyzer_settings.head or settings.bundle.default_head
        accuracy = models.get_test_accuracy(settings.bundle, head)
        measured = f", {format_percent(accuracy)} accuracy on test faces" if accuracy is not None else ""
        st.markdown(f":material/check_circle: Classifier: {models.describe_head(settings.bundle, head)}{measured}.")
    st.markdown(f":material/check_circle: Face detector: {detector_factory.detector_description(settings.detector)}")
