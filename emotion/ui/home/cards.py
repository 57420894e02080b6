"""The cards of the Home page: what each of the other pages does, and the models in use."""

from __future__ import annotations

from typing import Final, NamedTuple

import streamlit as st

from emotion.demo.sample_image import SAMPLE_IMAGE
from emotion.environment import is_public
from emotion.formatting import format_percent
from emotion.recognition.detectors import detector_factory
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import messages, models
from emotion.ui.session import SessionSettings


class PageCard(NamedTuple):
    """A page: its title, its file without ".py", what it does, and its picture with an alternative text."""

    title: str
    page: str
    icon: str
    text: str
    alt_text: str


_CARDS: Final = (
    PageCard(
        gettext_noop("Live"),
        "webcam",
        ":material/videocam:",
        gettext_noop("Your camera or a demo."),
        gettext_noop("A stream with boxes and score bars"),
    ),
    PageCard(
        gettext_noop("Photos"),
        "photo",
        ":material/photo_library:",
        gettext_noop("One face or a crowd."),
        gettext_noop("A group with a label on each face"),
    ),
    PageCard(
        gettext_noop("Videos"),
        "video",
        ":material/movie:",
        gettext_noop("Expressions over time."),
        gettext_noop("A video and a timeline for each face"),
    ),
    PageCard(
        gettext_noop("Synthetic"),
        "synthetic_faces",
        ":material/face_retouching_natural:",
        gettext_noop("People who do not exist."),
        gettext_noop("Generated faces with seven expressions"),
    ),
    PageCard(
        gettext_noop("Training"),
        "train",
        ":material/school:",
        gettext_noop("Your own classifier."),
        gettext_noop("Accuracy curves of three trainings"),
    ),
)
_TRAINING_PAGES: Final = frozenset({"train"})  # not in public mode


def show_cards() -> None:
    """Show a card for each page, side by side."""
    cards = [card for card in _CARDS if card.page not in _TRAINING_PAGES or not is_public()]
    for column, card in zip(st.columns(len(cards)), cards, strict=True):
        with column, st.container(border=True, height="stretch"):
            picture = SAMPLE_IMAGE.with_name(f"card_{card.page}.webp")
            st.image(str(picture), width="stretch", alt=_(card.alt_text))
            st.page_link(f"pages/{card.page}.py", label=f"**{_(card.title)}**", icon=card.icon)
            st.caption(_(card.text))


def show_status(settings: SessionSettings) -> None:
    """Show the classifier and the detector in use, and the models that cannot be used."""
    for error in settings.model_errors:
        st.warning(messages.escape_markdown(error), icon=":material/info:")
    if settings.bundle is None and not settings.model_errors:
        st.warning(_("There is no classifier in models/ yet; train one first."), icon=":material/info:")
    if settings.bundle is not None:
        head = settings.analyzer_settings.head or settings.bundle.default_head
        accuracy = models.get_test_accuracy(settings.bundle, head)
        parts = [models.describe_head(settings.bundle, head)]
        if accuracy is not None:
            parts.append(_("{accuracy} accuracy on test faces").format(accuracy=format_percent(accuracy)))
        parts.append(_("detector {name}").format(name=detector_factory.get_display_name(settings.detector)))
        st.caption(f":material/check_circle: {' · '.join(parts)}")
