"""Texts that Streamlit writes itself, such as those of uploaders and select boxes, in the language of the page."""

from __future__ import annotations

from typing import Final

import streamlit as st

from emotion.translation.languages import ENGLISH, get_language
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui.components import load_component

_PAGE_TEXTS: Final = load_component("page_texts")
# As Streamlit 1.67 writes them; a field in braces stands for any text.
STREAMLIT_TEXTS: Final = (
    gettext_noop("Upload"),
    gettext_noop("Add files"),
    gettext_noop("file upload"),
    gettext_noop("{size} per file"),
    gettext_noop("File is larger than {size}"),
    gettext_noop("Drag and drop files here"),
    gettext_noop("Drag and drop a file here"),
    gettext_noop("Click to retry upload"),
    gettext_noop("Cancel upload of {name}"),
    gettext_noop("Remove {name}"),
    gettext_noop("Help for {label}"),
    gettext_noop("Choose an option"),
    gettext_noop("Choose options"),
    gettext_noop("No results"),
    gettext_noop("Select all"),
    gettext_noop("Clear value"),
    gettext_noop("Clear selection"),
    gettext_noop("Clear all"),
    gettext_noop("Take Photo"),
    gettext_noop("Clear photo"),
    gettext_noop("Switch camera"),
    gettext_noop("This app would like to use your camera."),
    gettext_noop("Learn how to allow access."),
    gettext_noop("Open"),
    gettext_noop("Close"),
    gettext_noop("Press Enter to apply"),
    gettext_noop("Press Ctrl+Enter to apply"),
    gettext_noop("Increment"),
    gettext_noop("Decrement"),
    gettext_noop("Pagination"),
    gettext_noop("Previous page"),
    gettext_noop("Next page"),
    gettext_noop("Page {page}"),
    gettext_noop("Fullscreen"),
    gettext_noop("Close fullscreen"),
    gettext_noop("Show data"),
    gettext_noop("Show chart"),
    gettext_noop("Search"),
    gettext_noop("Show/hide columns"),
    gettext_noop("Download as CSV"),
    gettext_noop("Download as PNG"),
    gettext_noop("Copy to clipboard"),
    gettext_noop("Copied"),
    gettext_noop("Skip to main content"),
    gettext_noop("App pages"),
    gettext_noop("Sidebar"),
    gettext_noop("Collapse sidebar"),
    gettext_noop("Expand sidebar"),
    gettext_noop("Main menu"),
    gettext_noop("Theme"),
    gettext_noop("System"),
    gettext_noop("Light"),
    gettext_noop("Dark"),
    gettext_noop("Print"),
    gettext_noop("Rerun"),
    gettext_noop("Settings"),
    gettext_noop("Stop"),
    gettext_noop("Stopping..."),
    gettext_noop("Connecting"),
)


def translate_streamlit() -> None:
    """Show Streamlit's own texts in the language of the page; it has no catalogs of its own.

    Upstream: https://github.com/streamlit/streamlit/issues/1353, open in 1.67. Remove when Streamlit translates them.
    """
    if get_language() != ENGLISH:
        st.html("<style>.st-key-page_texts {display: none}</style>")
        _PAGE_TEXTS(key="page_texts", data={"texts": {text: _(text) for text in STREAMLIT_TEXTS}})
