"""The frame of a page: its entrance, its choice and its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from emotion.environment import APP_FILE
from emotion.storage import PROJECT_ROOT
from emotion.ui.messages import error_box
from emotion.ui.session import SessionSettings, get_settings
from emotion.ui.sidebar import show_sidebar

ICON: Final = str(PROJECT_ROOT / "emotion" / "demo" / "assets" / "icon.png")


@contextmanager
def page_layout() -> Iterator[SessionSettings]:
    """Everything that a page shows belongs in this block: it has the sidebar, and its errors get said."""
    if not st.session_state.pop("sidebar_drawn", False):
        if PagesManager.uses_pages_directory:
            # The first visitor after a start who opens the address of a page gets the bare file from Streamlit, as
            # it was before st.navigation. The entrance leads back here, and from then on everybody goes through it.
            entrance = APP_FILE
            exec(compile(entrance.read_bytes(), entrance, "exec"), {"__name__": "__main__"})
            st.stop()
        show_sidebar()  # the page is run alone
        del st.session_state["sidebar_drawn"]
    with error_box("this page"):
        yield get_settings()
