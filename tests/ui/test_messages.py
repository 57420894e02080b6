"""Error boxes can be closed, and an error that happens again is shown again."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

pytestmark = pytest.mark.slow


def draw_lasting_errors() -> None:
    """Draw two errors that come in each run, one of them twice, and a button."""
    import streamlit as st

    from emotion.errors import EmotionError
    from emotion.ui import messages

    messages.count_page_run()
    st.button("Other", key="other")
    for name in ("first", "second", "second"):
        with messages.error_box("this file"):
            if name == "second" and st.session_state.get("is_mended"):
                continue
            raise EmotionError(f"The {name} file is damaged.")


def draw_error_of_click() -> None:
    """Draw a button of a fragment; each click on it fails."""
    import streamlit as st

    from emotion.errors import EmotionError
    from emotion.ui import messages

    messages.count_page_run()

    @st.fragment
    def draw() -> None:
        if st.button("Try", key="try"):
            with messages.error_box("this click"):
                raise EmotionError("It failed.")

    draw()


def click_close(app: AppTest, number: int = 0) -> None:
    [button for button in app.button if (button.key or "").startswith("error_")][number].click().run()


def shown(app: AppTest) -> list[str]:
    assert not app.exception
    return [box.value.split()[1] for box in app.error]


def test_a_closed_box_stays_closed_while_the_error_lasts_and_the_others_stay_open() -> None:
    app = AppTest.from_function(draw_lasting_errors).run()
    assert shown(app) == ["first", "second", "second"]
    click_close(app)
    assert shown(app) == ["second", "second"]
    app.button(key="other").click().run()
    assert shown(app) == ["second", "second"]


def test_equal_errors_are_closed_together_and_come_back_after_a_run_without_them() -> None:
    app = AppTest.from_function(draw_lasting_errors).run()
    click_close(app, 2)
    assert shown(app) == ["first"]
    app.session_state["is_mended"] = True
    app.run()
    app.session_state["is_mended"] = False
    app.run()
    assert shown(app) == ["first", "second", "second"]


def test_the_error_of_a_click_is_shown_again_at_the_next_click() -> None:
    app = AppTest.from_function(draw_error_of_click).run()
    app.button(key="try").click().run()
    assert [box.value for box in app.error] == ["It failed\\."]
    click_close(app)
    assert not app.error
    app.button(key="try").click().run()
    assert [box.value for box in app.error] == ["It failed\\."]
