"""Texts that Streamlit writes itself: the installed version still writes those that are translated."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import streamlit
from streamlit.testing.v1 import AppTest

from emotion.translation import languages
from emotion.ui.streamlit_texts import STREAMLIT_TEXTS

pytestmark = pytest.mark.slow


@cache
def read_scripts() -> str:
    """Return all scripts of Streamlit's pages."""
    folder = Path(streamlit.__file__).parent / "static" / "static" / "js"
    return "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.js"))


@pytest.mark.parametrize("text", STREAMLIT_TEXTS)
def test_streamlit_writes_the_text(text: str) -> None:
    # Streamlit inserts the key and what the key does; the size of a file stands before a text.
    parts = [part for part in re.split(r"\{\w+\}|Ctrl\+|apply", text) if part.strip()]
    assert parts
    assert all(part in read_scripts() for part in parts)


@pytest.mark.parametrize(("language", "is_translated"), [("en", False), ("vi", True)])
def test_only_pages_in_other_languages_have_texts_to_replace(
    monkeypatch: pytest.MonkeyPatch, language: str, is_translated: bool
) -> None:
    def show_page() -> None:
        from emotion.ui.streamlit_texts import translate_streamlit

        translate_streamlit()

    monkeypatch.setattr(languages, "_source", lambda: language)
    page = AppTest.from_function(show_page).run(timeout=30)
    assert not page.exception
    assert bool(page.main.children) == is_translated
