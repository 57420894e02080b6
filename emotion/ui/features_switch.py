"""The switch of facial features, for pages that show them."""

from __future__ import annotations

from typing import Final

import streamlit as st

from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import session

_LABEL: Final = gettext_noop("Facial features")
ESTIMATES_NOTE: Final = gettext_noop(
    "Estimates of a network that was taught by another network; no person measured them."
)


def show_features_switch(key: str, description: str) -> None:
    """Show the switch; it is disabled without a features network and while faces are blurred.

    Args:
        key: Key of the widget.
        description: What it shows, as one sentence, translated.
    """
    reason = _find_reason()
    st.toggle(_(_LABEL), key=key, disabled=reason is not None, help=reason or f"{description} {_(ESTIMATES_NOTE)}")


def is_on(key: str) -> bool:
    """Whether features are to be shown: the switch is on, and nothing forbids it."""
    return bool(st.session_state.get(key, False)) and _find_reason() is None


def _find_reason() -> str | None:
    """Return why no features are shown; None where they can be."""
    return _("Blur faces hides them.") if session.get_settings().anonymize else session.find_features_error()
