"""Photos that come another way than through the uploader: from the clipboard, the camera, or before a reload."""

from __future__ import annotations

from typing import Final

import streamlit as st

from emotion.translation.messages import gettext as _
from emotion.ui.components import load_component
from emotion.ui.photos.selection import get_tab_content, restore_tab

_PHOTO_INPUT: Final = load_component("photo_input")
_CAMERA_SHOT: Final = load_component("camera_shot")
_KEY: Final = "photo_input"

state = st.session_state


def show_photo_input(uploader_key: str) -> None:
    """Give the uploader with this key what a person pastes or takes, and get back the photos of a reloaded page.

    The files go through the uploader, with its limits, as if they were dropped on it.
    """
    data = {"uploader": f".st-key-{uploader_key} input[type=file]", "token": get_tab_content().token}
    _PHOTO_INPUT(key=_KEY, data=data, on_token_change=_on_token)


def _on_token() -> None:
    """Restore the photos of the token that the tab has kept; the browser may send any value."""
    token = state[_KEY].get("token")
    if isinstance(token, str):
        restore_tab(token)


def show_camera() -> None:
    """Show the camera and a button that takes a photo."""
    texts = {
        "take": _("Take photo"),
        "switch": _("Other camera"),
        "wait": _("Starting the camera"),
        "denied": _("The browser does not allow the camera; allow it for this site, then open this again."),
        "missing": _("No camera was found, or another program uses it; connect or free one, then open this again."),
        "insecure": _("Browsers open the camera only on HTTPS or localhost; open the page under such an address."),
    }
    _CAMERA_SHOT(key="photo_camera_shot", data={"texts": texts})
