"""What a tab gets back after its page is loaded again, and who does not get it."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from emotion.ui.visitors import identity

pytestmark = pytest.mark.slow


def run_session(**state: Any) -> AppTest:
    """Run a page that restores `token`, then shows `files`, where they are given."""

    def script() -> None:
        import streamlit as st

        from emotion.ui.photos import selection

        if "token" in st.session_state:
            selection.restore_tab(st.session_state["token"])
        if "files" in st.session_state:
            selection.set_photos(st.session_state["files"], 1)
        st.session_state["own_token"] = selection.get_tab_content().token

    app = AppTest.from_function(script, default_timeout=30)
    for key, value in state.items():
        app.session_state[key] = value
    return app.run()


def shown(app: AppTest) -> list[tuple[str, bytes]]:
    return app.session_state.get("photo_files", [])


FILES = [("a.jpg", b"one"), ("b.jpg", b"two")]


def test_photos_come_back_with_the_token_of_the_tab() -> None:
    first = run_session(files=FILES)
    again = run_session(token=first.session_state["own_token"])
    assert shown(again) == FILES
    assert again.session_state["own_token"] != first.session_state["own_token"]
    assert list(again.session_state["photo_kept"]) == FILES, "they stay when others are dropped"


def test_another_tab_gets_nothing() -> None:
    first = run_session(files=FILES)
    assert shown(run_session(token="x")) == []
    assert shown(run_session()) == []
    assert shown(first) == FILES


def test_photos_of_the_new_page_are_not_replaced() -> None:
    first = run_session(files=FILES)
    other = run_session(files=[("c.jpg", b"three")])
    other.session_state["token"] = first.session_state["own_token"]
    del other.session_state["files"]
    assert shown(other.run()) == [("c.jpg", b"three")]


def test_another_visitor_gets_nothing_even_with_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_PUBLIC", "1")
    monkeypatch.setattr(identity, "get_key", lambda: "ann")
    first = run_session(files=FILES)
    monkeypatch.setattr(identity, "get_key", lambda: "bob")
    assert shown(run_session(token=first.session_state["own_token"])) == []
    monkeypatch.setattr(identity, "get_key", lambda: "ann")
    assert shown(run_session(token=first.session_state["own_token"])) == FILES


def test_photos_are_forgotten_with_their_session() -> None:
    first = run_session(files=FILES)
    token = first.session_state["own_token"]
    del first
    run_session()  # Streamlit keeps the globals of the page that ran last
    gc.collect()
    assert shown(run_session(token=token)) == []
