"""The frame of a page: its sidebar, its settings and its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import streamlit as st

from emotion.storage import PROJECT_ROOT
from emotion.translation.messages import gettext as _
from emotion.ui.messages import count_page_run, error_box
from emotion.ui.session import SessionSettings, get_settings
from emotion.ui.sidebar import show_settings, start_sidebar
from emotion.ui.streamlit_workarounds import run_entrance_for_bare_page

ICON: Final = str(PROJECT_ROOT / "emotion" / "demo" / "assets" / "icon.png")


@contextmanager
def page_layout() -> Iterator[SessionSettings]:
    """Draw the sidebar if needed and show the errors of the block; all content of a page belongs in it."""
    count_page_run()
    if not st.session_state.pop("sidebar_drawn", False):
        run_entrance_for_bare_page()
        show_settings(start_sidebar())  # the file of the page was run alone
        del st.session_state["sidebar_drawn"]
    with error_box(_("this page")):
        yield get_settings()
