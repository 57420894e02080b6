"""The choice of the language on a page."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

pytestmark = pytest.mark.slow


def show_page() -> None:
    import streamlit as st

    from emotion.translation.messages import gettext
    from emotion.ui.language import choose_language

    choose_language()
    st.selectbox("View", ["Photos", "Runs"], format_func=gettext, key="view")
    st.multiselect("Views", ["Photos", "Runs"], format_func=gettext, key="views")
    st.file_uploader("Files", accept_multiple_files=True, key="files")


def test_another_language_changes_the_texts_of_options_and_keeps_the_choices() -> None:
    page = AppTest.from_function(show_page).run(timeout=30)
    page.selectbox(key="view").select("Runs")
    page.multiselect(key="views").select("Photos").run(timeout=30)
    page.selectbox(key="language").select("vi").run(timeout=30)
    assert not page.exception  # of the empty list of files, which may not be set
    assert page.selectbox(key="view").options == ["Ảnh", "Lần chạy"]
    assert page.selectbox(key="view").value == "Runs"
    assert page.multiselect(key="views").value == ["Photos"]
