"""The photos of a session: those that the Photos page shows, chosen there or dropped on Home."""

from __future__ import annotations

import secrets
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakValueDictionary

import streamlit as st

from emotion.environment import is_public
from emotion.translation.messages import gettext as _
from emotion.ui import streamlit_workarounds
from emotion.ui.photos import photo_cache
from emotion.ui.visitors import identity

NamedFile = tuple[str, bytes]  # name and content of a photo
_TAB_KEY: Final = "photo_tab"

state = st.session_state


@dataclass
class TabContent:
    """What a tab of a browser gets back when its page is loaded again.

    Attributes:
        token: Known to the tab only.
        visitor: The visitor of a public server, "" on a private one.
        files: The photos.
        corrections: The corrected labels of a visitor of a public server, see `MemoryCorrections`.
    """

    token: str
    visitor: str
    files: list[NamedFile] = field(default_factory=list)
    corrections: dict[str, tuple[str, bytes]] = field(default_factory=dict)


# An entry lives as long as the session that holds it: `server.disconnectedSessionTTL` after the page is closed.
_contents: Final = WeakValueDictionary[str, TabContent]()


def get_tab_content() -> TabContent:
    """Return what the tab of this session gets back when its page is loaded again."""
    content: TabContent | None = state.get(_TAB_KEY)
    if content is None:
        content = state[_TAB_KEY] = TabContent(secrets.token_urlsafe(), _get_visitor())
        _contents[content.token] = content
    return content


def restore_tab(token: str) -> None:
    """Take over the photos of the earlier page of the tab with this token, where this session has none."""
    earlier = _contents.get(token)
    if earlier is None or earlier.visitor != _get_visitor() or state.get("photo_files"):
        return
    get_tab_content().corrections = earlier.corrections
    set_photos(list(earlier.files), state.get("photo_uploader_id", 0) + 1, kept=list(earlier.files))


def _get_visitor() -> str:
    return identity.get_key() if is_public() else ""


def set_photos(
    files: list[NamedFile], uploader_id: int, upload_ids: Collection[str] = (), kept: Sequence[NamedFile] = ()
) -> None:
    """Replace the photos of the page, and select the first one that it did not show before.

    Args:
        files: Name and content of each photo.
        uploader_id: Number in the key of the uploader; another number empties it.
        upload_ids: Ids of the files in the uploader.
        kept: Photos among `files` that the uploader does not hold, and that stay when it gets others.
    """
    for upload_id in set(state.get("photo_uploads", ())) - set(upload_ids):
        streamlit_workarounds.release_upload(upload_id)
    known = {content for _name, content in state.get("photo_files", ())}
    contents = [content for _name, content in files]
    if not known.intersection(contents):
        photo_cache.clear_photos()
    first_new = next((number for number, content in enumerate(contents, 1) if content not in known), 1)
    state.update(
        photo_files=files,
        photo_kept=tuple(kept),
        photo_first_new=first_new,
        photo_index=1,
        photo_face=1,
        photo_uploader_id=uploader_id,
        photo_uploads=tuple(upload_ids),
    )
    get_tab_content().files = files


def select_first_new(analyzed_numbers: Sequence[int]) -> None:
    """Select the first new photo, after `set_photos`; the next one where it cannot be read.

    Args:
        analyzed_numbers: The numbers, from 1, of the files that can be read, in ascending order.
    """
    if (first_new := state.pop("photo_first_new", None)) is not None:
        state["photo_index"] = bisect_left(analyzed_numbers, first_new) + 1


def select_face(photo_number: int, face_number: int) -> None:
    """Select a photo and a face in it, both counted from 1."""
    state.update(photo_index=photo_number, photo_face=face_number)


def accept_dropped_photos() -> bool:
    """Show a drop zone on another page; return whether photos were just dropped, which the Photos page then shows."""
    key = f"home_uploader_{state.get('home_drops', 0)}"

    def on_drop() -> None:
        uploads = state[key]
        files = [(file.name, file.getvalue()) for file in uploads]
        set_photos(files, state.get("photo_uploader_id", 0) + 1, kept=files)
        for upload in uploads:
            streamlit_workarounds.release_upload(upload.file_id)
        state.update(home_drops=state.get("home_drops", 0) + 1, home_has_drop=bool(uploads))

    st.file_uploader(_("Or drop photos here"), accept_multiple_files=True, key=key, on_change=on_drop)
    return state.pop("home_has_drop", False)
