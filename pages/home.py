"""Home: what the program does, what is ready, and what a label means."""

from collections.abc import Callable

import streamlit as st

from emotion.formatting import format_percent
from emotion.recognition import detector_factory
from emotion.ui import annotated_photo, messages, models, photo_cache
from emotion.ui import page as ui_page

VIDEO_ILLUSTRATION, LIVE_ILLUSTRATION = (
    str(photo_cache.SAMPLE_PHOTO.with_name(name)) for name in ("video.svg", "live.svg")
)


def show_sample() -> None:
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
    st.image(VIDEO_ILLUSTRATION, width="stretch", alt="Three faces as ribbons of expressions over time, and a playhead")


def show_live_illustration() -> None:
    """Show a drawing of the live page."""
    st.image(
        LIVE_ILLUSTRATION, width="stretch", alt="The image of a camera with a frame around a face, and a card beside it"
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


def show_status() -> None:
    """Show the classifier and the detector in use, and the models that cannot be used."""
    for error in settings.model_errors:
        st.warning(messages.escape_markdown(error), icon=":material/info:")
    if settings.bundle is None and not settings.model_errors:
        st.warning("There is no classifier in models/ yet; train one first.", icon=":material/info:")
    if settings.bundle is not None:
        head = settings.analyzer_settings.head or settings.bundle.default_head
        accuracy = models.get_test_accuracy(settings.bundle, head)
        measured = f", right for {format_percent(accuracy)} of the test faces" if accuracy is not None else ""
        st.markdown(f":material/check_circle: Classifier: {models.describe_head(settings.bundle, head)}{measured}.")
    st.markdown(f":material/check_circle: Face detector: {detector_factory.detector_description(settings.detector)}")


with ui_page.page_layout() as settings:
    st.title("Emotion Studio", anchor=False)
    st.write("Reads expressions in faces. Everything stays on this machine.")
    show_page_card(
        "Live",
        "Enable your camera. Every face gets a frame with its expression and a ribbon of its last half minute. "
        "No camera? Watch the demo.",
        "webcam",
        ":material/videocam:",
        show_live_illustration,
    )
    show_page_card(
        "Photos",
        "Drop a photo, or many. Every face gets its expression, or the reason why it is unsure; images and "
        "tables are yours to save.",
        "photo",
        ":material/photo_library:",
        show_sample,
    )
    show_page_card(
        "Videos",
        "Drop a video. Every face gets a ribbon of its expressions over time; a click on a moment shows it. "
        "The video with its labels, tables and subtitles are yours to save.",
        "video",
        ":material/movie:",
        show_video_illustration,
    )
    status_column, label_column = st.columns(2, gap="large")
    with status_column:
        st.subheader("What is ready", anchor=False)
        show_status()
        st.page_link("pages/model_card.py", label="How good is it?", icon=":material/fact_check:")
    with label_column:
        st.subheader("What a label means", anchor=False)
        st.markdown(
            "- An expression is what a face shows at one moment; it is not what a person feels.\n"
            "- A label is a guess that is often wrong; it must not decide anything about a person.\n"
            "- Where the guess is weak, the face is called unsure, with the reason.\n"
            "- Photos stay on this machine and are forgotten when the page is closed; "
            "videos stay until you delete them."
        )
