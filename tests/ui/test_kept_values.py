"""Values of widgets that are kept while other widgets are shown."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from emotion.ui.streamlit_workarounds import keep_values

    if st.session_state.pop("browser_sends_none", False):
        st.session_state["resolution"] = None
    keep_values({"resolution": "640", "mode": "Camera"})
    if st.session_state["mode"] == "Camera":
        st.selectbox("Resolution", ("640", "1280"), key="resolution")


def test_a_value_without_its_widget_stays() -> None:
    app = AppTest.from_function(page).run()
    app.selectbox[0].select("1280").run()
    app.session_state["mode"] = "Demo"
    app.run()
    assert not app.selectbox
    app.session_state["mode"] = "Camera"
    app.run()
    assert app.selectbox[0].value == "1280"


def test_a_select_box_that_comes_back_without_a_value_gets_the_one_before() -> None:
    """A browser sends none for a select box that it has just drawn again."""
    app = AppTest.from_function(page).run()
    app.selectbox[0].select("1280").run()
    app.session_state["browser_sends_none"] = True
    app.run()
    assert not app.exception
    assert app.selectbox[0].value == "1280"
