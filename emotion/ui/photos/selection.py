"""The photos of a session: those that the Photos page shows, chosen there or dropped on Home."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from emotion.translation.messages import gettext as _
from emotion.ui import streamlit_workarounds
from emotion.ui.photos import photo_cache

state = st.session_state


def set_photos(files: list[tuple[str, bytes]], uploader_id: int, upload_ids: Collection[str] = ()) -> None:
    """Replace the photos of the page.

    Args:
        files: Name and content of each photo.
        uploader_id: Number in the key of the uploader; another number empties it.
        upload_ids: Ids of the files in the uploader.
    """
    for upload_id in set(state.get("photo_uploads", ())) - set(upload_ids):
        streamlit_workarounds.release_upload(upload_id)
    if not {content for _, content in files} & {content for _, content in state.get("photo_files", ())}:
        photo_cache.clear_photos()
    state.update(
        photo_files=files, photo_index=1, photo_face=1, photo_uploader_id=uploader_id, photo_uploads=tuple(upload_ids)
    )


def accept_dropped_photos() -> bool:
    """Show a drop zone on another page; return whether photos were just dropped, which the Photos page then shows."""
    key = f"home_uploader_{state.get('home_drops', 0)}"

    def on_drop() -> None:
        uploads = state[key]
        set_photos([(file.name, file.getvalue()) for file in uploads], state.get("photo_uploader_id", 0) + 1)
        for upload in uploads:
            streamlit_workarounds.release_upload(upload.file_id)
        state.update(home_drops=state.get("home_drops", 0) + 1, home_has_drop=bool(uploads))

    st.file_uploader(_("Or drop photos here"), accept_multiple_files=True, key=key, on_change=on_drop)
    return state.pop("home_has_drop", False)
